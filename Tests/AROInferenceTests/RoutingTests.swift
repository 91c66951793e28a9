/// How calls find their providers among many of mixed speed and distance: against chance, and against an
/// oracle that knows every queue, the length of every answer and each round trip.

import AROCrypto
import AROPrimitives
import AROWire
import Testing

@testable import AROInference

enum Policy: String, CaseIterable { case own, random, oracle }

/// A tenth of the nodes serve one model; the others call it at random times.
final class RoutingRun {
    struct Result: CustomStringConvertible {
        var firsts: [Duration] = []
        var failures: [CallFailure] = []
        var calls = 0
        var unfinished = 0
        var interruptions = 0
        var attempts: UInt64 = 0
        var hedges: UInt64 = 0

        func percentile(_ p: Int) -> Duration {
            firsts.isEmpty ? .zero : firsts.sorted()[min(firsts.count - 1, firsts.count * p / 100)]
        }

        var description: String {
            let times = [50, 90, 95, 99].map { "p\($0) \(Int(percentile($0).milliseconds)) ms" }
            return "\(calls) calls, \(failures.count) failed, \(unfinished) unfinished, "
                + "\(interruptions) interrupted, \(times.joined(separator: ", ")), "
                + "\(attempts) attempts, \(hedges) hedges"
        }
    }

    let world: CallWorld
    private let policy: Policy
    private let providers: Range<Int>
    private var chance: Generator
    private var freeAt: [[Instant]] = []
    private var made: [(node: Int, at: Instant)] = []
    private static let slots = [1, 2, 4]
    private static let tokenTimes: [Duration] = [
        .milliseconds(10), .milliseconds(20), .milliseconds(40),
    ]
    private static let tokensMean = 100.0
    private static let tokensPerEvent = 10

    init(
        _ policy: Policy, nodes: Int, seed: UInt64,
        _ change: @escaping (inout InferenceConfiguration) -> Void
    ) {
        self.policy = policy
        providers = 0..<nodes / 10
        chance = Generator(seed: seed)
        world = CallWorld(nodes, change)
        // One way, a constant of each pair: 10 to 100 ms.
        world.latency = { a, b in
            var pair = Generator(seed: seed ^ UInt64(min(a, b) * 100_003 + max(a, b)))
            return pair.between(.milliseconds(10), .milliseconds(100))
        }
        for n in providers {
            let time = Self.tokenTimes[n % 3]
            world.nodes[n].server.firstEvent = time * 10
            world.nodes[n].server.eventInterval = time * Int64(Self.tokensPerEvent)
            world.nodes[n].server.length = { Self.events(of: $0) }
            let slots = Self.slots[n / 3 % 3]
            freeAt.append(Array(repeating: .origin, count: slots))
            world.serve(n, ServedModel(name: "m", slots: slots, queueMax: 64))
        }
        // What was announced once, and got around, is not announced again at each call.
        var announced = world.nodes.map(\.offers)
        for n in providers {
            announced[n][0].firstTokenMilliseconds = UInt16(
                world.nodes[n].server.firstEvent.milliseconds)
        }
        world.announces = { announced[$0] }
    }

    /// Events of an answer: exponentially distributed around ten, a constant of the request.
    private static func events(of body: [UInt8]) -> Int {
        var generator = Generator(seed: SHA256Digest.of(body).w0)
        var sum = 1
        // A geometric distribution of the same mean.
        while generator.chance(9, in: 10), sum < 200 { sum += 1 }
        return sum
    }

    private func service(_ n: Int, _ body: [UInt8]) -> Duration {
        let server = world.nodes[n].server
        return server.firstEvent + server.eventInterval * Int64(Self.events(of: body))
    }

    func run(for span: Duration, load: Double = 0.8, deaths: Int = 0) -> Result {
        let perSecond = providers.reduce(0.0) { sum, n in
            let server = world.nodes[n].server
            let mean = server.firstEvent + server.eventInterval * 10
            return sum + Double(freeAt[n].count) / mean.seconds
        }
        let gap = Duration.nanoseconds(Int64(1e9 / (perSecond * load)))
        var at = Instant.origin
        var count = 0
        world.arrived = { [unowned self] number in call(number) }
        while at < .origin + span {
            world.schedule(count, at: at)
            count += 1
            // Exponential by halves: a Poisson process nearly, in integers.
            at += .nanoseconds(gap.nanoseconds * Int64(1 + chance.below(2_000)) / 1_000)
        }
        for i in 0..<deaths {
            let number = -1 - i * 3 % providers.count
            world.schedule(number, at: .origin + span * Int64(i + 1) / Int64(deaths + 1))
        }
        world.run(for: span + .seconds(61))
        return result(warmUp: .origin + span / 6)
    }

    private func call(_ number: Int) {
        guard number >= 0 else { return world.kill(-1 - number, noticedAfter: .seconds(5)) }
        var request = CallRequest.sample(UInt64(number), body: "call \(number)")
        request.deadline = .seconds(60)
        let node = providers.count + chance.below(world.nodes.count - providers.count)
        let drawn = chance.below(providers.count)
        switch policy {
        case .own: break
        case .random: request.provider = world.nodes[drawn].id
        case .oracle: request.provider = world.nodes[best(for: node, request.body)].id
        }
        made.append((node, world.now))
        world.call(node, request, UInt64(number))
    }

    private func start(_ n: Int, _ node: Int) -> Instant {
        max(world.now + world.latency(node, n) * 2, freeAt[n].min()!)
    }

    private func best(for node: Int, _ body: [UInt8]) -> Int {
        func first(_ n: Int) -> Instant {
            start(n, node) + world.nodes[n].server.firstEvent + world.latency(node, n)
        }
        let best = providers.min { first($0) < first($1) }!
        let slot = freeAt[best].indices.min { freeAt[best][$0] < freeAt[best][$1] }!
        freeAt[best][slot] = start(best, node) + service(best, body)
        return best
    }

    private func result(warmUp: Instant) -> Result {
        var result = Result()
        for (number, call) in made.enumerated() where call.at >= warmUp {
            let id = CallID(number: UInt64(number))
            let node = world.nodes[call.node]
            result.calls += 1
            if let first = node.firstOutput[id] { result.firsts.append(first - call.at) }
            if let failure = node.failure(of: id) { result.failures.append(failure) }
            if !(node.events[id]?.last?.isFinal ?? false) { result.unfinished += 1 }
        }
        for node in world.nodes {
            result.interruptions += Int(node.inference.counters.interruptions)
            result.attempts += node.inference.counters.attempts
            result.hedges += node.inference.counters.hedges
        }
        return result
    }
}

@Suite("Routing")
struct RoutingTests {
    /// This oracle knows the lengths of all answers, so that it fills the fast providers to the
    /// last slot and never uses a slow one. Beside one that knows the queues alone: `aro-sim
    /// calls` (Docs/Benchmarks.md).
    @Test("Finds free and fast providers far better than chance, not much worse than an oracle")
    func shares() {
        var results: [Policy: RoutingRun.Result] = [:]
        for policy in Policy.allCases {
            results[policy] = RoutingRun(policy, nodes: 200, seed: 7) { _ in }.run(
                for: .seconds(30))
            print("\(policy.rawValue): \(results[policy]!)")
        }
        let (own, random, oracle) = (results[.own]!, results[.random]!, results[.oracle]!)
        #expect(own.unfinished == 0 && own.failures.isEmpty)
        #expect(own.percentile(95).nanoseconds * 2 <= random.percentile(95).nanoseconds)
        #expect(
            own.percentile(95).nanoseconds * 10 <= oracle.percentile(95).nanoseconds * 25,
            "own \(own), oracle \(oracle)")
    }

    @Test("Of calls in a network whose providers die, all complete or fail with a reason in time")
    func deaths() {
        let run = RoutingRun(.own, nodes: 200, seed: 8) { _ in }
        for node in run.world.nodes { node.resumes = Array("and on".utf8) }
        let result = run.run(for: .seconds(30), load: 0.6, deaths: 4)
        print("deaths: \(result)")
        #expect(result.unfinished == 0)
        #expect(result.failures.count * 1_000 <= result.calls * 50, "\(result.failures.prefix(5))")
    }
}
