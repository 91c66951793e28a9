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

public struct ScenarioRun<Resident: ScenarioNode & ~Copyable>: ~Copyable {
    public let scenario: Scenario
    public internal(set) var world: World<Resident>
    let cohorts: Cohorts
    var chance: Generator
    private var agenda: [Moment] = []
    var requests: [RequestID: RunRequest] = [:]
    var published: [RunPublication] = []
    var bootstraps: [Int] = []
    /// Which group each node belongs to, in the order of birth.
    var groupOf: [Int] = []
    var hasJoined: [Bool] = []
    var underway = LastingFaults()
    var churn = ChurnState()
    var hostileNodes: [Int] = []
    /// What hostile nodes got hold of, at the end.
    var attack: [Metric] = []
    /// Starts that wait for those before them, in the order in which they come.
    var queued: [(group: Int, number: Int)] = []
    /// The node for whose join they wait.
    var turn: Int?
    var tally = Tally()
    var gossip = GossipTally()
    var calls: RunCalls
    var listeners: [RequestID: RunListener] = [:]
    /// Posts whose sender was not told yet that they went.
    var posts: Set<RequestID> = []
    var nodeOf: [PeerID: Int] = [:]
    /// How each lookup and fetch went, in the order of their ends.
    var outcomes: [Outcome] = []
    var series: [WindowRow] = []
    /// Metrics at the moments that the scenario names.
    var samples: [Sample] = []
    var graphs: [GraphSnapshot] = []
    var faultRows: [FaultRow] = []
    /// When the last fault began or ended.
    var lastFaultAt: Duration?
    /// How far the run came.
    var reached = Duration.zero
    var isInterrupted = false
    var checkpointsAtEnd: [Checkpoint] = []

    enum Moment {
        case start(group: Int, joins: Bool)
        case startNext
        case joinAgain(node: Int, since: Instant)
        case step(Scenario.Step)
        case fault(Scenario.Fault.Kind)
        case aftermath(Aftermath)
        case churn(ChurnMoment)
        /// What a node that has joined asks once.
        case uponJoin(Scenario.Step, node: Int)
        case windowEnd
        case subscribe(node: Int)
        case measureFrom
        case sample
        case graph
    }

    public init(_ scenario: Scenario) {
        self.scenario = scenario
        cohorts = Cohorts(scenario)
        world = Resident.world(of: scenario, cohorts)
        calls = RunCalls(groups: scenario.groups.count)
        chance = world.seeds.generator("workload")
        layOut()
    }

    /// Plays the scenario to its end, or to `limit`, or until `progress` wants no more of it.
    public mutating func run(
        until limit: Duration? = nil, progress: (RunProgress) -> Bool = { _ in true }
    ) {
        let end = Instant.origin + min(scenario.duration, limit ?? scenario.duration)
        while !isInterrupted, let happening = world.advance(to: end) {
            switch happening {
            case .alarm(let number): moment(agenda[Int(number)], progress)
            case .reply(let node, let id, let reply): answered(node, id, reply)
            }
        }
        reached = world.now - .origin
        tally.unfinished = UInt64(requests.count)
        sampleTables()
    }

    // MARK: The agenda

    private mutating func layOut() {
        var starts: [(at: Duration, group: Int, joins: Bool)] = []
        var left = scenario.join.bootstrap
        for (g, group) in scenario.groups.enumerated() {
            if let trace = scenario.trace(of: group.name) {
                layOut(trace, of: g)
                continue
            }
            var arrivals = Arrivals(
                group.join ?? scenario.join, count: group.count,
                chance: world.seeds.generator("arrivals", UInt64(g)))
            for _ in 0..<group.count {
                let isBootstrap = left > 0
                left -= isBootstrap ? 1 : 0
                let plan = group.join ?? scenario.join
                if !isBootstrap, plan.schedule == .oneByOne {
                    queued.append((g, queued.count))
                } else {
                    let time = isBootstrap ? .zero : arrivals.next() ?? joinTime(plan)
                    starts.append((time, g, !isBootstrap))
                }
            }
        }
        // The sort is stable: nodes that start at one moment keep the order of the file.
        for start in starts.sorted(by: { $0.at < $1.at }) {
            add(.start(group: start.group, joins: start.joins), at: start.at)
        }
        queued.reverse()
        if !queued.isEmpty { add(.startNext, at: .zero) }
        for (i, step) in scenario.workload.enumerated() where !step.isUponJoin {
            for time in times(of: step, number: i) { add(.step(step), at: time) }
        }
        for (i, fault) in scenario.faults.enumerated() {
            var draws = world.seeds.generator("faults", UInt64(i))
            for one in fault.occurrences(&draws) where one.at <= scenario.duration {
                add(.fault(one.kind), at: one.at)
            }
        }
        if let from = scenario.measureFrom { add(.measureFrom, at: from) }
        for time in scenario.metricTimes { add(.sample, at: time) }
        for time in scenario.graphTimes { add(.graph, at: time) }
        let windows = scenario.duration.nanoseconds / scenario.window.nanoseconds
        if windows > 0 { add(.windowEnd, at: scenario.window) }
    }

    private func times(of step: Scenario.Step, number: Int) -> [Duration] {
        guard step.isPoisson else {
            return (0..<step.times).map { step.at + step.over * Int64($0) / Int64(step.times) }
        }
        var draws = world.seeds.generator("arrivals of requests", UInt64(number))
        return (0..<step.times).map { _ in step.at + draws.between(.zero, step.over) }.sorted()
    }

    private mutating func joinTime(_ plan: Scenario.JoinPlan) -> Duration {
        switch plan.schedule {
        case .allAtOnce: plan.at
        case .uniform: plan.at + chance.between(.zero, plan.over)
        default: preconditionFailure("such starts are drawn elsewhere")
        }
    }

    mutating func add(_ moment: Moment, at time: Duration) {
        agenda.append(moment)
        world.schedule(UInt64(agenda.count - 1), at: .origin + time)
    }

    private mutating func moment(_ moment: Moment, _ progress: (RunProgress) -> Bool) {
        switch moment {
        case .start(let group, let joins):
            if canStart(group) {
                start(group, joins: joins)
            } else {
                add(moment, at: world.now - .origin + Self.joinPause)
            }
        case .churn(let moment): happen(moment)
        case .uponJoin(let step, let node): ask(step, of: node)
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
        case .fault(let fault):
            noteFault(scenario.faultText(fault))
            happen(fault)
        case .aftermath(let what):
            noteFault(what.text)
            happen(what)
        case .subscribe(let node): subscribe(node)
        case .sample: samples.append(Sample(at: world.now - .origin, metrics: metricsNow()))
        case .graph: takeGraph()
        case .measureFrom:
            gossip.measuredFrom = (world.now - .origin, world.counters, wireBytes)
        case .windowEnd:
            closeWindow()
            let progressed = RunProgress(
                now: world.now - .origin, total: scenario.duration, events: world.counters.events)
            if !progress(progressed) { isInterrupted = true }
            let next = world.now - .origin + scenario.window
            if next <= scenario.duration { add(.windowEnd, at: next) }
        }
    }
}
