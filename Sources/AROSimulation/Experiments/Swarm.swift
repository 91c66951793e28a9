/// Random faults for a scenario, as swarm testing does it (Groce and others, *Swarm Testing*, 2012):
/// every run leaves out some kinds of fault altogether, so that those which hide each other's
/// effects are seen alone. A quarter of the time is quiet, then comes trouble, and the last two
/// fifths are quiet again: what is expected at the end is expected of a network that could heal.

import AROPrimitives

extension Scenario {
    /// Faults of one random run; a guess.
    private static let swarmFaultsMax = 8

    /// The same scenario with this seed, and with faults drawn from it beside its own.
    public func swarmed(seed: UInt64) -> Scenario {
        var scenario = self
        scenario.seed = seed
        scenario.sweep = Sweep()
        var swarm = Swarm(scenario, Seeds(seed).generator("swarm"))
        scenario.faults += swarm.faults(upTo: Self.swarmFaultsMax)
        return scenario
    }
}

private struct Swarm {
    private var chance: Generator
    private let begin, end: Duration

    private enum Kind: CaseIterable {
        case kill, restart, pause, slow, isolate, partition, move, loss, clog, clogLinks, skew
        case partitionOneWay, stop, swizzle, stall, disk
    }

    init(_ scenario: Scenario, _ chance: Generator) {
        self.chance = chance
        begin = scenario.duration / 4
        end = scenario.duration / 5 * 3
    }

    mutating func faults(upTo most: Int) -> [Scenario.Fault] {
        var kinds: [Kind] = []
        while kinds.isEmpty { kinds = Kind.allCases.filter { _ in chance.below(2) == 0 } }
        let count = 1 + chance.below(most)
        var faults = (0..<count).map { _ in fault(kinds[chance.below(kinds.count)]) }
        faults.sort { $0.at < $1.at }
        return faults
    }

    private mutating func fault(_ kind: Kind) -> Scenario.Fault {
        let at = whole(chance.between(begin, end))
        let span = whole(chance.between(.milliseconds(100), max(.milliseconds(200), end - at)))
        return Scenario.Fault(at: at, kind: faultKind(kind, span))
    }

    /// To the millisecond, which reads better.
    private func whole(_ span: Duration) -> Duration {
        .milliseconds(span.nanoseconds / 1_000_000)
    }

    private mutating func faultKind(_ kind: Kind, _ span: Duration) -> Scenario.Fault.Kind {
        switch kind {
        case .kill: return .kill(few(max: 10))
        case .restart: return .restart(few(max: 30), after: span)
        case .pause: return .pause(few(max: 30), lasting: span)
        case .slow:
            let delay = whole(chance.between(.milliseconds(50), .seconds(2)))
            return .slow(
                few(max: 20), delay: min(delay, span), every: delay * Int64(2 + chance.below(4)),
                lasting: span)
        case .isolate: return .isolate(few(max: 20), lasting: span)
        case .partition:
            let share = Chance(partsPerMillion: 10_000 * (1 + chance.below(50)))
            return .partition([share], lasting: span)
        case .move: return .move(few(max: 20))
        case .stop: return .stop(few(max: 10))
        case .swizzle:
            return .swizzleClog(few(max: 30), over: span / 4, lasting: span / 2)
        case .stall: return stall(span)
        case .disk: return .disk(few(max: 30), diskFault(), lasting: span)
        case .clog: return .clog(few(max: 20), lasting: span)
        case .clogLinks:
            return .clogLinks(
                Chance(partsPerMillion: 1_000 * (1 + chance.below(100))), lasting: span)
        case .skew:
            let rate = Int64(chance.below(2_001)) - 1_000
            let offset = whole(chance.between(.zero, Self.offsetMax * 2)) - Self.offsetMax
            return .skew(few(max: 30), partsPerMillion: rate, offset: offset, lasting: span)
        case .partitionOneWay:
            let modes: [PartitionMode] = [.uniformSize, .uniformPartition, .isolateOne]
            return .partitionBy(
                modes[chance.below(modes.count)], isSymmetric: chance.below(2) == 0, lasting: span)
        case .loss:
            return .loss(
                .independent(Chance(partsPerMillion: 10_000 * (1 + chance.below(50)))),
                lasting: span)
        }
    }

    private mutating func stall(_ span: Duration) -> Scenario.Fault.Kind {
        let longest = whole(chance.between(.milliseconds(128), .seconds(8)))
        return .stall(
            few(max: 20),
            Scenario.Doublings(first: .milliseconds(64), last: longest).cut(to: span),
            apart: Scenario.Doublings(first: .milliseconds(1), last: .seconds(4)), lasting: span)
    }

    /// Those that pass. What a disk has lost is lost, and no network can heal that.
    private mutating func diskFault() -> DiskFault {
        switch chance.below(3) {
        case 0: .full
        case 1: .failing
        default: .slow(whole(chance.between(.milliseconds(5), .milliseconds(500))))
        }
    }

    /// A guess: a clock that somebody set by hand. Ten minutes are forgiven (decision 4).
    private static let offsetMax = Duration.minutes(1)

    /// Up to so many per cent of all.
    private mutating func few(max: Int) -> Scenario.Members {
        Scenario.Members(.share(Chance(partsPerMillion: 10_000 * (1 + chance.below(max)))))
    }
}
