/// Nodes come and go. Each node draws from a generator of its own, so that one more session of one
/// of them reshuffles nothing.

import ARONode
import AROPrimitives
import AROWire

enum ChurnMoment {
    /// A session is over, if the node has not died meanwhile.
    case leaves(node: Int, life: Int)
    case comesBack(node: Int)
    /// A line of a trace begins or ends.
    case up(group: Int, member: Int)
    case down(group: Int, member: Int)
}

struct ChurnState {
    /// By node, where it has drawn already. Asked, never iterated.
    fileprivate var chances: [Int: Generator] = [:]
    /// The node of each member of a group with a trace, once it was born.
    fileprivate var members: [Member: Int] = [:]
    /// What each node told of, to be told again when it is back.
    fileprivate var published: [Int: [CID]] = [:]
    private(set) var departures: UInt64 = 0

    fileprivate struct Member: Hashable {
        var group, number: Int
    }

    mutating func published(_ cid: CID, by node: Int) { published[node, default: []].append(cid) }

    fileprivate mutating func departed() { departures += 1 }
}

extension ScenarioRun where Resident: ~Copyable {
    private var elapsed: Duration { world.now - .origin }

    // MARK: Sessions by law

    /// A node has just started: when does it leave?
    mutating func sessionBegan(_ node: Int) {
        guard let plan = plan(of: node), case .drawn(let sessions, _) = plan.rhythm else { return }
        let end = max(elapsed, plan.from) + draw(sessions, for: node)
        guard end <= plan.until ?? scenario.duration else { return }
        add(.churn(.leaves(node: node, life: world.life(of: node))), at: end)
    }

    mutating func happen(_ moment: ChurnMoment) {
        switch moment {
        case .leaves(let node, let life):
            guard world.life(of: node) == life, !world.isDown(node),
                let plan = plan(of: node), case .drawn(_, let gaps) = plan.rhythm
            else { return }
            leave(node, plan)
            add(.churn(.comesBack(node: node)), at: elapsed + draw(gaps, for: node))
        case .comesBack(let node): comeBack(node)
        case .up(let group, let member): traceBegins(group, member)
        case .down(let group, let member):
            let key = ChurnState.Member(group: group, number: member)
            guard let node = churn.members[key], !world.isDown(node) else { return }
            if let plan = plan(of: node) { leave(node, plan) }
        }
    }

    private func plan(of node: Int) -> Scenario.ChurnPlan? {
        guard !scenario.churn.isEmpty, !isBootstrap(node) else { return nil }
        return scenario.churn.first { $0.of == group(of: node) }
    }

    private mutating func draw(_ law: SpanLaw, for node: Int) -> Duration {
        var chance = chance(of: node)
        defer { churn.chances[node] = chance }
        return law.draw(&chance)
    }

    private func chance(of node: Int) -> Generator {
        churn.chances[node] ?? world.seeds.generator("churn", UInt64(node))
    }

    private mutating func leave(_ node: Int, _ plan: Scenario.ChurnPlan) {
        var chance = chance(of: node)
        let saysGoodbye = plan.goodbye.falls(&chance)
        churn.chances[node] = chance
        churn.departed()
        abandonRequests(of: node)
        end(node) { if saysGoodbye { $0.stop($1) } else { $0.kill($1) } }
    }

    /// Nobody waits for the answers to who has left: they count neither as success nor as failure.
    private mutating func abandonRequests(of node: Int) {
        for (id, request) in requests where request.node == node {
            tally.abandoned(request.kind.name)
            requests[id] = nil
        }
        joinEnded(node)
    }

    // MARK: Traces

    /// Lays out the sessions of a group whose trace says when its nodes run.
    mutating func layOut(_ trace: SessionTrace, of group: Int) {
        for session in trace.sessions where session.up <= scenario.duration {
            add(.churn(.up(group: group, member: session.node)), at: session.up)
            if let down = session.down, down <= scenario.duration {
                add(.churn(.down(group: group, member: session.node)), at: down)
            }
        }
    }

    private mutating func traceBegins(_ group: Int, _ number: Int) {
        let member = ChurnState.Member(group: group, number: number)
        if let node = churn.members[member] { return comeBack(node) }
        churn.members[member] = world.nodeCount
        start(group, joins: true)
    }

    // MARK: What was published

    /// A node has joined again: it tells of what it holds, as one does after a restart.
    mutating func tellAgain(_ node: Int) {
        guard world.life(of: node) > 0, let cids = churn.published[node] else { return }
        _ = world.request(.resumeProviding(cids), of: node)
    }
}

extension ScenarioRun where Resident: ~Copyable {
    /// What churn and the fetches of a crowd came to.
    var crowdMetrics: [Metric] {
        var out: [Metric] = []
        if !scenario.churn.isEmpty {
            out.append(Metric("departures", .count, Double(churn.departures)))
        }
        guard tally.fetch.count > 0 else { return out }
        let seeders = Set(published.map(\.node))
        var (sent, all) = (0.0, 0.0)
        for node in 0..<world.nodeCount {
            let bytes = Double(world.traffic(of: node).bytesOut)
            all += bytes
            if seeders.contains(node) { sent += bytes }
        }
        out.append(Metric("seeder_share", .share, sent / max(1, all)))
        return out
    }
}
