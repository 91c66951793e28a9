/// Plays a scenario of `protocol: epidemic`: for each fan-out its broadcasts, one after the other,
/// each from a node drawn evenly.

import AROPrimitives
import Foundation

struct EpidemicRun: ~Copyable {
    private let scenario: Scenario
    private let plan: Scenario.EpidemicPlan
    var world: World<EpidemicNode>
    private let notes = EpidemicNotes()
    private var chance: Generator
    private(set) var outcomes: [(fanout: Int, EpidemicBroadcast)] = []

    init(_ scenario: Scenario, _ plan: Scenario.EpidemicPlan) {
        (self.scenario, self.plan) = (scenario, plan)
        let (notes, nodes) = (self.notes, scenario.nodeCount)
        world = World(seed: scenario.seed, network: scenario.network) {
            EpidemicNode($0, nodes: nodes, notes: notes)
        }
        chance = world.seeds.generator("workload")
        for group in scenario.groups {
            for _ in 0..<group.count { world.addNode(link: group.link, region: region(group)) }
        }
    }

    private mutating func region(_ group: Scenario.Group) -> Int {
        guard case .regions(let matrix) = scenario.network.roundTrip else { return 0 }
        if group.regions.isEmpty { return chance.below(matrix.names.count) }
        return group.regions[chance.below(group.regions.count)]
    }

    mutating func run(until limit: Duration? = nil, progress: (RunProgress) -> Bool) {
        for fanout in plan.fanouts {
            for _ in 0..<plan.broadcasts {
                if let limit, world.now - .origin >= limit { return }
                notes.current = EpidemicBroadcast(number: notes.current.number + 1)
                let first = chance.below(world.nodeCount)
                let packet = EpidemicNode.packet(notes.current.number, fanout: fanout, hop: 0)
                world.inject(packet, from: world.address(of: first), to: first)
                let end = world.now + plan.every
                while world.advance(to: end) != nil {}
                outcomes.append((fanout, notes.current))
                let progressed = RunProgress(
                    now: world.now - .origin, total: scenario.duration,
                    events: world.counters.events)
                if !progress(progressed) { return }
            }
        }
    }

    func report(wallTime: Double) -> Report {
        let found = metrics
        return Report(
            scenario: scenario, metrics: found,
            outcomes: scenario.expect.map { $0.judge(Evidence(atEnd: found)) },
            trace: world.trace, events: world.counters.events, failures: [], wallTime: wallTime,
            reached: world.now - .origin, checkpoints: world.checkpoints.rows)
    }

    var files: [RunFile] {
        var out = "fanout,broadcast,reached,copies,last_hop\n"
        for (fanout, one) in outcomes {
            out += "\(fanout),\(one.number),\(one.reached),\(one.copies),\(one.lastHop)\n"
        }
        return [RunFile("broadcasts.csv", out)]
    }

    // MARK: Metrics

    private var metrics: [Metric] {
        var out: [Metric] = []
        var worst: Double?
        for fanout in plan.fanouts {
            let (metrics, error) = metrics(fanout)
            out += metrics
            if let error { worst = max(worst ?? 0, error) }
        }
        if let worst { out.append(Metric("epidemic_reach_error_max", .share, worst)) }
        out.append(Metric("datagrams_sent", .count, Double(world.counters.datagramsSent)))
        out.append(Metric("datagrams_lost", .count, Double(world.drops.lost)))
        out.append(Metric("events", .count, Double(world.counters.events)))
        return out
    }

    /// Of the broadcasts of one fan-out that took off, which is to say reached half of what they
    /// should at least: the others died out while few knew them, which the closed form does not
    /// speak of.
    private func metrics(_ fanout: Int) -> ([Metric], error: Double?) {
        let all = outcomes.filter { $0.fanout == fanout }.map(\.1)
        let nodes = Double(scenario.nodeCount)
        let root = Epidemic.reach(fanout: Double(fanout) * (1 - lostShare))
        let grown = all.filter { root > 0 && Double($0.reached) / nodes > root / 2 }
        var out = [
            Metric(
                "epidemic_takeoff_f\(fanout)", .share,
                Double(grown.count) / Double(max(1, all.count)))
        ]
        guard !grown.isEmpty else { return (out, nil) }
        let count = Double(grown.count)
        let reach = grown.reduce(0.0) { $0 + Double($1.reached) / nodes } / count
        let error = abs(reach - root)
        out.append(Metric("epidemic_reach_f\(fanout)", .share, reach))
        out.append(Metric("epidemic_reach_error_f\(fanout)", .share, error))
        out.append(
            Metric(
                "epidemic_last_hop_f\(fanout)", .number,
                grown.reduce(0.0) { $0 + Double($1.lastHop) } / count))
        return (out, error)
    }

    /// What the links lose on average, where the closed form can take it in.
    private var lostShare: Double {
        switch scenario.network.loss {
        case .independent(let chance): Double(chance.partsPerMillion) / 1e6
        case .bursts(let mean, _): Double(mean.partsPerMillion) / 1e6
        case .none, .gilbertElliott: 0
        }
    }
}

enum Epidemic {
    /// The positive root of r = 1 - e^(-f r); 0 where there is none.
    static func reach(fanout: Double) -> Double {
        guard fanout > 1 else { return 0 }
        var reach = 1.0
        for _ in 0..<1_000 { reach = 1 - exp(-fanout * reach) }
        return reach
    }
}
