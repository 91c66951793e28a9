/// Calls of models in a world of real participants: who chooses, how long until the first token, and what
/// becomes of calls when providers die.
///
/// Providers differ in speed, slots and distance; calls come as a Poisson process from all other
/// nodes at a share of what all providers together can serve. The same calls, with the same lengths
/// of answers, are routed by the node itself, by chance, or by an oracle that knows every queue and
/// every length and each round trip: both of the latter through the node's own machinery, by
/// demanding a provider.

import AROInference
import ARONode
import AROPrimitives
import AROWire

/// Who chooses the provider of each call.
public enum CallPolicy: String, Hashable, Sendable, CaseIterable { case node, random, oracle }

public struct CallScenario: Hashable, Sendable {
    public var seed: UInt64 = 1
    public var nodes = 1_000
    public var providers = 100
    public var policy = CallPolicy.node
    /// Arrivals, as a share of what all providers can serve, in hundredths.
    public var loadPercent: Int64 = 80
    /// Providers that die at even times while calls are made, in hundredths.
    public var deathsPercent = 0
    /// How long calls are made, and how much of it is not measured.
    public var span = Duration.seconds(120)
    public var warmUp = Duration.seconds(20)
    public var deadline = Duration.seconds(60)
    public var queueMax = 64
    /// Of each kind there are as many: fast and slow ones, with few and many slots.
    public var tokenTimes: [Duration] = [.milliseconds(10), .milliseconds(20), .milliseconds(40)]
    public var slots = [1, 2, 4]
    public var roundTrip = RoundTrip.uniform(.milliseconds(20), .milliseconds(200))

    public init() {}
}

public struct CallReport: Hashable, Sendable, CustomStringConvertible {
    public var policy: CallPolicy
    public var calls = 0
    public var completed = 0
    /// Ended with a stated reason within the deadline.
    public var failed = 0
    /// Neither: there must be none.
    public var lost = 0
    public var interruptions = 0
    public var p50 = Duration.zero
    public var p95 = Duration.zero
    public var p99 = Duration.zero
    public var attempts: UInt64 = 0
    public var hedges: UInt64 = 0
    /// Reasons of failures, in the order of their first appearance.
    public var reasons: [String] = []
    public var trace: UInt64 = 0

    public var description: String {
        "\(policy.rawValue): \(calls) calls, \(completed) completed, \(failed) failed, "
            + "\(lost) lost, \(interruptions) interrupted; first token p50 "
            + "\(p50.nanoseconds / 1_000_000) ms, p95 \(p95.nanoseconds / 1_000_000) ms, p99 "
            + "\(p99.nanoseconds / 1_000_000) ms; \(attempts) attempts, \(hedges) hedges"
            + (reasons.isEmpty ? "" : "\n  " + reasons.joined(separator: "\n  "))
    }
}

public struct CallRun: ~Copyable {
    private struct Provider {
        let node: Int
        let server: ModelServer
        let slots: Int
        /// When each slot is free, as the oracle knows.
        var freeAt: [Instant]
    }

    private struct Made {
        let node: Int
        let at: Instant
        let isMeasured: Bool
        var firstAfter: Duration?
    }

    private let scenario: CallScenario
    private var world: World<MessageNode>
    private var chance: Generator
    private var providers: [Provider] = []
    private var made: [RequestID: Made] = [:]
    private var firsts: [Duration] = []
    private var report: CallReport
    private var callNumber: UInt64 = 0
    private static let model = "model"
    private static let joinSpan = Duration.seconds(30)
    private static let settleSpan = Duration.seconds(60)

    public init(_ scenario: CallScenario) {
        precondition(scenario.providers < scenario.nodes && scenario.providers > 0)
        self.scenario = scenario
        var network = NetworkModel()
        network.roundTrip = scenario.roundTrip
        world = World.ofMessages(seed: scenario.seed, network: network)
        chance = world.seeds.generator("calls")
        report = CallReport(policy: scenario.policy)
    }

    /// Plays it to its end.
    public mutating func run() -> CallReport {
        join()
        serve()
        makeCalls()
        report.lost = made.values.count { $0.isMeasured }
        firsts.sort()
        if !firsts.isEmpty {
            report.p50 = firsts[firsts.count / 2]
            report.p95 = firsts[firsts.count * 95 / 100]
            report.p99 = firsts[firsts.count * 99 / 100]
        }
        for node in 0..<scenario.nodes {
            let counters = world.withResident(node) { $0.callCounters }
            report.attempts += counters?.attempts ?? 0
            report.hedges += counters?.hedges ?? 0
        }
        report.trace = world.trace.value
        return report
    }

    private mutating func join() {
        world.addNode()
        for i in 1..<scenario.nodes {
            let at = Instant.origin + Self.joinSpan * Int64(i) / Int64(scenario.nodes)
            while world.advance(to: at) != nil {}
            let node = world.addNode()
            _ = world.request(.join([world.address(of: chance.below(i))]), of: node)
        }
        let settled = world.now + Self.joinSpan
        while world.advance(to: settled) != nil {}
    }

    private mutating func serve() {
        for n in 0..<scenario.providers {
            // Providers are spread over the order of joining.
            let node = n * scenario.nodes / scenario.providers
            var server = ModelServer()
            server.tokenTime = scenario.tokenTimes[n % scenario.tokenTimes.count]
            server.promptTime = server.tokenTime * 10
            let kind = n / scenario.tokenTimes.count
            let slots = scenario.slots[kind % scenario.slots.count]
            world.setModelServer(server, of: node)
            providers.append(
                Provider(
                    node: node, server: server, slots: slots,
                    freeAt: Array(repeating: .origin, count: slots)))
            let model = ServedModel(name: Self.model, slots: slots, queueMax: scenario.queueMax)
            _ = world.request(.serve([model]), of: node)
        }
        let known = world.now + Self.settleSpan
        while world.advance(to: known) != nil {}
    }

    // MARK: Calls

    /// Calls that all providers together can serve in a thousand seconds.
    private var capacity: Int64 {
        providers.reduce(0) { sum, provider in
            let mean =
                provider.server.promptTime
                + provider.server.tokenTime * Int64(provider.server.tokensMean)
            return sum + Int64(provider.slots) * 1_000_000_000_000 / mean.nanoseconds
        }
    }

    private mutating func makeCalls() {
        let mean = 1_000_000_000_000 * 100 / (capacity * scenario.loadPercent)
        let begin = world.now
        let end = begin + scenario.span
        var next = begin
        var deaths = deathTimes(from: begin)
        while next < end {
            while let death = deaths.last, death.at <= next {
                deaths.removeLast()
                advance(to: death.at)
                world.kill(death.node)
            }
            advance(to: next)
            call(isMeasured: next >= begin + scenario.warmUp)
            let gap = (Int128(FixedPoint.minusLog(chance.next())) * Int128(mean)) >> 32
            next += .nanoseconds(Int64(gap))
        }
        advance(to: end + scenario.deadline + .seconds(1))
    }

    /// Who dies when, the last one first.
    private mutating func deathTimes(from begin: Instant) -> [(at: Instant, node: Int)] {
        var order = Array(providers.indices)
        chance.shuffle(&order)
        let count = scenario.providers * scenario.deathsPercent / 100
        return (0..<count).reversed().map { n in
            let at = begin + scenario.span * Int64(n + 1) / Int64(count + 1)
            return (at, providers[order[n]].node)
        }
    }

    private mutating func advance(to time: Instant) {
        while let happening = world.advance(to: time) {
            guard case .reply(let node, let id, .call(let event)) = happening else { continue }
            told(event, id, node)
        }
    }

    private mutating func call(isMeasured: Bool) {
        callNumber += 1
        var body: [UInt8] = []
        body.appendU64(callNumber)
        var request = CallRequest(
            key: CallKey(high: 0, low: callNumber), model: Self.model,
            endpoint: .completions, isStreamed: true, body: body)
        request.deadline = scenario.deadline
        var node = chance.below(scenario.nodes)
        while !world.isRunning(node) || providers.contains(where: { $0.node == node }) {
            node = chance.below(scenario.nodes)
        }
        let drawn = chance.below(providers.count)
        switch scenario.policy {
        case .node: break
        case .random: request.provider = id(of: drawn)
        case .oracle: request.provider = id(of: best(for: node, body))
        }
        let id = world.request(.call(request), of: node)
        made[id] = Made(node: node, at: world.now, isMeasured: isMeasured)
        if isMeasured { report.calls += 1 }
    }

    private func id(of provider: Int) -> PeerID? {
        world.withResident(providers[provider].node) { $0.id }
    }

    /// The provider at which this call has its first token soonest, by all there is to know.
    private mutating func best(for node: Int, _ body: [UInt8]) -> Int {
        var best = 0
        var soonest = Instant.distantFuture
        for (i, provider) in providers.enumerated() where world.isRunning(provider.node) {
            let first =
                start(i, node) + provider.server.promptTime
                + world.roundTrip(node, provider.node) / 2
            if first < soonest { (best, soonest) = (i, first) }
        }
        let (slot, _) = providers[best].freeAt.enumerated().min { $0.element < $1.element }!
        let server = providers[best].server
        let tokens = world.answerLength(of: body, mean: server.tokensMean)
        providers[best].freeAt[slot] =
            start(best, node) + server.promptTime
            + server.tokenTime * Int64(tokens)
        return best
    }

    /// When a call of a node would begin to run.
    private func start(_ i: Int, _ node: Int) -> Instant {
        max(
            world.now + world.roundTrip(node, providers[i].node) / 2, providers[i].freeAt.min()!)
    }

    private mutating func told(_ event: CallEvent, _ id: RequestID, _ node: Int) {
        guard let call = made[id] else { return }
        switch event {
        case .accepted: break
        case .output(let bytes):
            if call.firstAfter == nil {
                made[id]!.firstAfter = world.now - call.at
                if call.isMeasured { firsts.append(world.now - call.at) }
            }
            _ = world.request(.consumed(id, bytes.count), of: node)
        case .interrupted:
            report.interruptions += 1
            var body: [UInt8] = []
            body.appendU64(id.number)
            body.appendU64(UInt64(report.interruptions))
            _ = world.request(.resume(id, body: body), of: node)
        case .finished: ended(id, call, nil)
        case .failed(let failure): ended(id, call, failure)
        }
    }

    private mutating func ended(_ id: RequestID, _ call: Made, _ failure: CallFailure?) {
        made[id] = nil
        guard call.isMeasured else { return }
        guard let failure else {
            report.completed += 1
            return
        }
        report.failed += 1
        let reason = "\(failure)"
        if report.reasons.count < 20, !report.reasons.contains(reason) {
            report.reasons.append(reason)
        }
    }
}

extension MessageNode {
    var callCounters: InferenceCounters { participant.callCounters }
}

extension World where Resident: ~Copyable {
    /// How many tokens the answer to this request has at any model server of that mean.
    func answerLength(of body: [UInt8], mean: Int) -> Int {
        models.length(ofBody: body, mean: mean)
    }
}
