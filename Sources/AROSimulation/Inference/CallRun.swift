/// Calls of models in a world of real participants: who chooses, how long until the first token, and what
/// becomes of calls when providers die.
///
/// Providers differ in speed, slots and distance; calls come as a Poisson process from all other
/// nodes at a share of what all providers together can serve. The same calls, with the same lengths
/// of answers, are routed by the node itself, by chance, or by an oracle (`CallRun+Oracles.swift`): all
/// but the first through the node's own machinery, by demanding a provider. So all pay the same:
/// a handshake where no session is open, half a round trip to the provider, the time to its first
/// token, and half a round trip back.

import AROInference
import ARONode
import AROPrimitives
import AROWire

public struct CallRun: ~Copyable {
    struct Provider {
        let node: Int
        let id: PeerID
        let server: ModelServer
        let slots: Int
        /// When each slot is free, as the clairvoyant knows.
        var freeAt: [Instant]
        /// Calls that an oracle has sent there.
        var assigned: UInt64 = 0
    }

    private struct Made {
        let node: Int
        let at: Instant
        let isMeasured: Bool
        /// Providers with whom the caller had a session.
        let connected: [Int]
        /// Who took it last, and behind how many it was at first.
        var provider: PeerID?
        var position: Int?
        var hasOutput = false
    }

    private let scenario: CallScenario
    var world: World<MessageNode>
    private var chance: Generator
    var providers: [Provider] = []
    private var made: [RequestID: Made] = [:]
    private var firsts: [FirstToken] = []
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
        firsts.sort { $0.total < $1.total }
        report.measure(firsts)
        for node in 0..<scenario.nodes {
            let counters = world.withResident(node) { $0.callCounters }
            report.attempts += counters?.attempts ?? 0
            report.hedges += counters?.hedges ?? 0
        }
        report.trace = world.trace.value
        return report
    }

    private mutating func join() {
        addNode()
        for i in 1..<scenario.nodes {
            let at = Instant.origin + Self.joinSpan * Int64(i) / Int64(scenario.nodes)
            while world.advance(to: at) != nil {}
            let node = addNode()
            _ = world.request(.join([world.address(of: chance.below(i))]), of: node)
        }
        let settled = world.now + Self.joinSpan
        while world.advance(to: settled) != nil {}
    }

    @discardableResult private mutating func addNode() -> Int {
        guard case .regions(let matrix) = scenario.roundTrip else { return world.addNode() }
        return world.addNode(region: chance.below(matrix.names.count))
    }

    private mutating func serve() {
        var plan = ServingPlan()
        plan.model = Self.model
        plan.tokenTimes = scenario.tokenTimes
        plan.slots = scenario.slots
        plan.queueMax = scenario.queueMax
        for n in 0..<scenario.providers {
            // Providers are spread over the order of joining.
            let node = n * scenario.nodes / scenario.providers
            let (server, model) = (plan.server(n), plan.served(n))
            world.setModelServer(server, of: node)
            providers.append(
                Provider(
                    node: node, id: world.withResident(node) { $0.id }!, server: server,
                    slots: model.slots,
                    freeAt: Array(repeating: .origin, count: model.slots)))
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
        var request = CallRequest.simulated(
            Self.model, number: callNumber, deadline: scenario.deadline)
        var node = chance.below(scenario.nodes)
        while !world.isRunning(node) || providers.contains(where: { $0.node == node }) {
            node = chance.below(scenario.nodes)
        }
        let drawn = chance.below(providers.count)
        switch scenario.policy {
        case .node: break
        case .random: request.provider = providers[drawn].id
        case .oracle: request.provider = providers[shortest(for: node)].id
        case .clairvoyant: request.provider = providers[soonest(for: node, request.body)].id
        }
        let connected = providers.indices.filter { isConnected(node, to: $0) }
        let id = world.request(.call(request), of: node)
        made[id] = Made(node: node, at: world.now, isMeasured: isMeasured, connected: connected)
        if isMeasured { report.calls += 1 }
    }

    private mutating func told(_ event: CallEvent, _ id: RequestID, _ node: Int) {
        guard let call = made[id] else { return }
        switch event {
        case .accepted(let provider, let position):
            made[id]!.provider = provider
            made[id]!.position = call.position ?? position
        case .output(let bytes):
            if !call.hasOutput {
                made[id]!.hasOutput = true
                if call.isMeasured { firstTold(call) }
            }
            _ = world.request(.consumed(id, bytes.count), of: node)
        case .interrupted:
            report.interruptions += 1
            let body = CallRequest.simulatedBody(id.number, UInt64(report.interruptions))
            _ = world.request(.resume(id, body: body), of: node)
        case .finished: ended(id, call, nil)
        case .failed(let failure): ended(id, call, failure)
        }
    }

    private mutating func firstTold(_ call: Made) {
        guard let p = providers.firstIndex(where: { $0.id == call.provider }) else { return }
        var first = FirstToken(total: world.now - call.at)
        first.roundTrip = world.roundTrip(call.node, providers[p].node)
        first.handshake = call.connected.contains(p) ? .zero : first.roundTrip
        first.prompt = providers[p].server.promptTime
        first.isQueued = call.position ?? 0 > 0
        firsts.append(first)
    }

    private mutating func ended(_ id: RequestID, _ call: Made, _ failure: CallFailure?) {
        made[id] = nil
        guard call.isMeasured else { return }
        guard let failure else {
            report.completed += 1
            return
        }
        report.failed += 1
        // Waiting times make reasons differ that are one.
        let reason = "\(failure)"
        func words(_ text: String) -> String { text.filter { !$0.isNumber } }
        if report.reasons.count < 20,
            !report.reasons.contains(where: { words($0) == words(reason) })
        {
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
