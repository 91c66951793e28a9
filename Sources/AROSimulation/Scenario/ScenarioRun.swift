/// Plays a scenario in a world of real nodes, and measures.
///
/// The whole agenda (joins, requests, faults, the end of each window) is laid out at the start from
/// the workload's own seed; who asks for what is drawn when the moment comes, among those who run.

import AROContent
import AROCrypto
import ARONode
import AROPrimitives
import AROWire

/// How far a run is, told once a window.
public struct RunProgress: Sendable {
    public var now: Duration
    public var total: Duration
    public var events: UInt64
}

/// What a scenario can be played with: the node itself, or a participant on a modelled transport.
public protocol ScenarioNode: Inhabitant, ~Copyable {
    var id: PeerID { get }
    static func world(of scenario: Scenario) -> World<Self>
    /// How many copies of each post all nodes have sent; empty where nobody counts.
    var postCopies: [UInt64] { get }
    /// How many hops the post that came last had made.
    var lastPostHops: Int { get }
    /// What only who sees into all nodes can tell at the end of a run.
    static func gossipMetrics(
        of world: borrowing World<Self>, _ chance: inout Generator
    ) -> [Metric]
}

extension Node: ScenarioNode {
    public static func world(of scenario: Scenario) -> World<Node> {
        .ofNodes(
            seed: scenario.seed, network: scenario.network, disk: scenario.disk,
            configuration: scenario.configuration)
    }
    public var postCopies: [UInt64] { [] }
    public var lastPostHops: Int { 0 }
    public static func gossipMetrics(
        of world: borrowing World<Node>, _ chance: inout Generator
    ) -> [Metric] { [] }
}

extension MessageNode: ScenarioNode {
    public static func world(of scenario: Scenario) -> World<MessageNode> {
        .ofMessages(
            seed: scenario.seed, network: scenario.network, disk: scenario.disk,
            configuration: scenario.configuration)
    }
    public var postCopies: [UInt64] { commons.posts.counts }
    public static func gossipMetrics(
        of world: borrowing World<MessageNode>, _ chance: inout Generator
    ) -> [Metric] { world.gossipMetrics(&chance) }
}

public struct ScenarioRun<Resident: ScenarioNode & ~Copyable>: ~Copyable {
    public let scenario: Scenario
    public internal(set) var world: World<Resident>
    var chance: Generator
    private var agenda: [Moment] = []
    private var requests: [RequestID: Asked] = [:]
    private var published: [Publication] = []
    private(set) var bootstraps: [Int] = []
    var endOfLoss = 0
    var partitions = 0
    /// How many faults keep each node paused.
    var pauses: [UInt16] = []
    /// Starts that wait for those before them, in the order in which they come.
    private var queued: [(group: Int, number: Int)] = []
    /// The node for whose join they wait.
    private var turn: Int?
    var tally = Tally()
    var gossip = GossipTally()
    var listeners: [RequestID: RunListener] = [:]
    /// Posts whose sender was not told yet that they went.
    var posts: Set<RequestID> = []
    var nodeOf: [PeerID: Int] = [:]
    /// How each lookup and fetch went, in the order of their ends.
    private(set) var outcomes: [Outcome] = []
    private(set) var series: [WindowRow] = []

    private typealias Publication = RunPublication
    private typealias Asked = RunRequest

    enum Moment {
        case start(group: Int, joins: Bool)
        case startNext
        case joinAgain(node: Int, since: Instant)
        case step(Scenario.Step)
        case fault(Scenario.Fault.Kind)
        case heal(number: Int)
        case restoreLoss(number: Int)
        case comeBack(node: Int)
        case pause(node: Int)
        case resume(node: Int)
        case reconnect([Int])
        case windowEnd
        case subscribe(node: Int)
        case measureFrom
    }

    public init(_ scenario: Scenario) {
        self.scenario = scenario
        world = Resident.world(of: scenario)
        chance = world.seeds.generator("workload")
        layOut()
    }

    /// Plays the scenario to its end.
    public mutating func run(progress: (RunProgress) -> Void = { _ in }) {
        let end = Instant.origin + scenario.duration
        while let happening = world.advance(to: end) {
            switch happening {
            case .alarm(let number): moment(agenda[Int(number)], progress)
            case .reply(let node, let id, let reply): answered(node, id, reply)
            }
        }
        tally.unfinished = UInt64(requests.count)
        sampleTables()
    }

    // MARK: The agenda

    private mutating func layOut() {
        var starts: [(at: Duration, group: Int, joins: Bool)] = []
        var left = scenario.join.bootstrap
        for (g, group) in scenario.groups.enumerated() {
            for _ in 0..<group.count {
                let isBootstrap = left > 0
                left -= isBootstrap ? 1 : 0
                if !isBootstrap, scenario.join.schedule == .oneByOne {
                    queued.append((g, queued.count))
                } else {
                    starts.append((isBootstrap ? .zero : joinTime(), g, !isBootstrap))
                }
            }
        }
        // The sort is stable: nodes that start at one moment keep the order of the file.
        for start in starts.sorted(by: { $0.at < $1.at }) {
            add(.start(group: start.group, joins: start.joins), at: start.at)
        }
        queued.reverse()
        if !queued.isEmpty { add(.startNext, at: .zero) }
        for step in scenario.workload {
            for i in 0..<step.times {
                add(.step(step), at: step.at + step.over * Int64(i) / Int64(step.times))
            }
        }
        for fault in scenario.faults { add(.fault(fault.kind), at: fault.at) }
        if let from = scenario.measureFrom { add(.measureFrom, at: from) }
        let windows = scenario.duration.nanoseconds / scenario.window.nanoseconds
        if windows > 0 { add(.windowEnd, at: scenario.window) }
    }

    private mutating func joinTime() -> Duration {
        switch scenario.join.schedule {
        case .allAtOnce: .zero
        case .uniform: chance.between(.zero, scenario.join.over)
        case .oneByOne: preconditionFailure("such a start waits for others")
        }
    }

    mutating func add(_ moment: Moment, at time: Duration) {
        agenda.append(moment)
        world.schedule(UInt64(agenda.count - 1), at: .origin + time)
    }

    private mutating func moment(_ moment: Moment, _ progress: (RunProgress) -> Void) {
        switch moment {
        case .start(let group, let joins): start(group, joins: joins)
        case .startNext:
            guard let next = queued.popLast() else { return }
            turn = world.nodeCount
            start(next.group, joins: true)
        case .joinAgain(let node, let since):
            if world.isRunning(node) {
                join(node, since: since)
            } else if !world.isDown(node) {
                // Paused: later.
                add(
                    .joinAgain(node: node, since: since),
                    at: world.now - .origin + Self.joinPause)
            }
        case .step(let step): ask(step)
        case .fault(let fault): happen(fault)
        case .heal(let number): if number == partitions { world.heal() }
        case .restoreLoss(let number):
            if number == endOfLoss { world.networkModel.loss = scenario.network.loss }
        case .comeBack(let node): comeBack(node)
        case .pause(let node): pause(node)
        case .resume(let node): resume(node)
        case .subscribe(let node): subscribe(node)
        case .measureFrom: gossip.measuredFrom = (world.now - .origin, world.counters)
        case .reconnect(let nodes): for node in nodes { world.reconnect(node) }
        case .windowEnd:
            closeWindow()
            progress(
                RunProgress(
                    now: world.now - .origin, total: scenario.duration,
                    events: world.counters.events))
            let next = world.now - .origin + scenario.window
            if next <= scenario.duration { add(.windowEnd, at: next) }
        }
    }

    // MARK: Nodes

    /// Which group each node belongs to, in the order of birth.
    private var groupOf: [Int] = []
    private var hasJoined: [Bool] = []

    private mutating func start(_ g: Int, joins: Bool) {
        let group = scenario.groups[g]
        let node = world.addNode(link: group.link, region: drawRegion(group))
        groupOf.append(g)
        watchMembers(node)
        hasJoined.append(!joins)
        guard joins else {
            bootstraps.append(node)
            return
        }
        tally.asked(.join)
        join(node, since: world.now)
    }

    /// Joins through a bootstrap drawn anew. Who fails tries again, as an operator would; the
    /// latency counts from the first attempt.
    private mutating func join(_ node: Int, since: Instant) {
        let through = bootstraps[chance.below(bootstraps.count)]
        tally.joinAttempts += 1
        let id = world.request(.join([world.address(of: through)]), of: node)
        requests[id] = Asked(kind: .join, node: node, at: since)
    }

    /// Between two attempts of one node to join.
    private static var joinPause: Duration { .seconds(1) }

    /// The join of the node whose turn it is has ended: the next one's turn, but not before its
    /// place in the span.
    private mutating func joinEnded(_ node: Int) {
        guard node == turn, let next = queued.last else { return }
        turn = nil
        let count = scenario.nodeCount - scenario.join.bootstrap
        let place = scenario.join.over * Int64(next.number) / Int64(count)
        add(.startNext, at: max(place, world.now - .origin))
    }

    /// Joins again, as a node does that was restarted.
    mutating func rejoin(_ node: Int) {
        watchMembers(node)
        hasJoined[node] = false
        tally.asked(.join)
        join(node, since: world.now)
    }

    func isBootstrap(_ node: Int) -> Bool { bootstraps.contains(node) }

    private mutating func drawRegion(_ group: Scenario.Group) -> Int {
        guard case .regions(let matrix) = scenario.network.roundTrip else { return 0 }
        if group.regions.isEmpty { return chance.below(matrix.names.count) }
        return group.regions[chance.below(group.regions.count)]
    }

    /// A running node that has joined, of a group (nil: of any) that is not `other`; nil where
    /// there is none.
    mutating func draw(from group: String?, not other: Int? = nil) -> Int? {
        guard world.nodeCount > 0 else { return nil }
        // A few draws find one where most nodes qualify; else all are looked through.
        for _ in 0..<20 {
            let node = chance.below(world.nodeCount)
            if node != other, isEligible(node, group) { return node }
        }
        let all = (0..<world.nodeCount).filter { $0 != other && isEligible($0, group) }
        return all.isEmpty ? nil : all[chance.below(all.count)]
    }

    func isEligible(_ node: Int, _ wanted: String?) -> Bool {
        world.isRunning(node) && hasJoined[node] && (wanted == nil || group(of: node) == wanted)
    }

    func group(of node: Int) -> String { scenario.groups[groupOf[node]].name }

    // MARK: Requests

    private mutating func ask(_ step: Scenario.Step) {
        switch step.kind {
        case .publish(let size): publish(size, from: step.from)
        case .lookup: seek(from: step.from, isFetch: false)
        case .fetch: seek(from: step.from, isFetch: true)
        case .subscribe(let share): subscribe(share, of: step.from, over: step.over)
        case .broadcast(let size, let hasOneSender):
            broadcast(size, hasOneSender: hasOneSender, step)
        }
    }

    private mutating func publish(_ size: Int, from group: String?) {
        guard let node = draw(from: group) else { return tally.skip() }
        var bytes: [UInt8] = []
        bytes.reserveCapacity(size + 7)
        while bytes.count < size { bytes.appendU64(chance.next()) }
        bytes.removeLast(bytes.count - size)
        let cid = world.store(file: bytes, on: node)
        let publication = Publication(cid: cid, node: node, size: size)
        ask(.provide(cid), of: node, .publish(publication))
    }

    private mutating func seek(from group: String?, isFetch: Bool) {
        guard !published.isEmpty else { return tally.skip() }
        let wanted = published[chance.below(published.count)]
        guard let node = draw(from: group, not: wanted.node) else { return tally.skip() }
        if isFetch {
            ask(.fetch(FetchOptions(root: wanted.cid)), of: node, .fetch(wanted))
        } else {
            ask(.findProviders(wanted.cid, limit: 20), of: node, .lookup(wanted))
        }
    }

    private mutating func ask(_ request: Request, of node: Int, _ kind: Asked.Kind) {
        tally.asked(kind.name)
        let at = world.now
        let id = world.request(request, of: node)
        requests[id] = Asked(kind: kind, node: node, at: at)
    }

    private mutating func answered(_ node: Int, _ id: RequestID, _ reply: Reply) {
        if heard(node, id, reply) { return }
        guard var asked = requests[id] else { return }
        if case .failed(let failure) = reply { tally.failed(asked.kind.name, "\(failure)") }
        let took = world.now - asked.at
        switch (asked.kind, reply) {
        case (.join, .joined):
            hasJoined[node] = true
            tally.join.succeeded(after: took)
            joinEnded(node)
        case (.join, .failed):
            joinEnded(node)
            add(
                .joinAgain(node: node, since: asked.at), at: world.now - .origin + Self.joinPause)
        case (.publish(let publication), .held(let held, _)):
            tally.holders += UInt64(held)
            if held > 0 {
                published.append(publication)
                tally.publish.succeeded(after: took)
            }
        case (.lookup(let wanted), .provider(let contact)):
            noteProvider(contact, wanted, &asked, took)
            requests[id] = asked
        case (.lookup, .searched(let report)):
            tally.searched(report)
            finishLookup(asked, took)
        case (.lookup, _) where reply.isFinal: finishLookup(asked, took)
        case (.fetch(let wanted), .fetch(.finished)):
            // Read from the disk and checked against the hashes, not believed.
            let isRight = world.file(wanted.cid, on: node)?.count == wanted.size
            if isRight { tally.fetch.succeeded(after: took) }
            noteOutcome(asked, took, isRight)
        case (.fetch, .fetch(.failed)): noteOutcome(asked, took, false)
        default: break
        }
        if reply.isFinal { requests[id] = nil }
    }

    private mutating func noteProvider(
        _ contact: Contact, _ wanted: Publication, _ asked: inout Asked, _ took: Duration
    ) {
        asked.found += 1
        let isRight = world.withResident(wanted.node) { $0.id == contact.id } ?? false
        if isRight, !asked.foundRight {
            asked.foundRight = true
            tally.firstProvider.record(took)
        }
    }

    private mutating func finishLookup(_ asked: Asked, _ took: Duration) {
        tally.providersFound += UInt64(asked.found)
        if asked.foundRight { tally.lookup.succeeded(after: took) }
        noteOutcome(asked, took, asked.foundRight)
    }

    private mutating func noteOutcome(_ asked: Asked, _ took: Duration, _ isRight: Bool) {
        outcomes.append(
            Outcome(
                kind: asked.kind.name, at: asked.at - .origin, node: asked.node, took: took,
                providers: asked.found, succeeded: isRight))
    }

    // MARK: Measuring

    private mutating func closeWindow() {
        series.append(
            WindowRow(
                end: world.now - .origin,
                running: (0..<world.nodeCount).reduce(0) { $0 + (world.isRunning($1) ? 1 : 0) },
                counters: world.counters, joined: tally.join.successes,
                published: tally.publish.successes, lookups: tally.lookup.count,
                found: tally.lookup.successes, fetched: tally.fetch.successes))
    }

    /// Asks every running node how full its table is. After the end: not part of the trace.
    private mutating func sampleTables() {
        tally.traceAtEnd = world.trace
        tally.countersAtEnd = world.counters
        measureGossip()
        let limit = world.now
        for node in 0..<world.nodeCount where world.isRunning(node) {
            _ = world.request(.status, of: node)
            while let happening = world.advance(to: limit) {
                guard case .reply(_, _, .status(let status)) = happening else { continue }
                tally.tablePeers += UInt64(status.tablePeers)
                tally.tables += 1
            }
        }
    }
}

/// Something that a node of a run holds and has told of.
private struct RunPublication {
    var cid: CID
    var node: Int
    var size: Int
}

/// A request that is not answered yet.
private struct RunRequest {
    var kind: Kind
    var node: Int
    var at: Instant
    var found = 0
    var foundRight = false

    enum Kind {
        case join
        case publish(RunPublication)
        case lookup(RunPublication)
        case fetch(RunPublication)

        var name: RequestKind {
            switch self {
            case .join: .join
            case .publish: .publish
            case .lookup: .lookup
            case .fetch: .fetch
            }
        }
    }
}
