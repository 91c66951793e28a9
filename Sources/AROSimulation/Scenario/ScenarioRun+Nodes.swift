/// Nodes of a run: their starts and joins, and who is drawn for what.

import ARONode
import AROPrimitives

extension ScenarioRun where Resident: ~Copyable {
    mutating func start(_ g: Int, joins: Bool) {
        cohorts.groupOf.append(g)
        let node = addNode(g, joins: joins)
        groupOf.append(g)
        watchMembers(node)
        serve(node)
        hasJoined.append(!joins)
        guard joins else {
            // Bootstraps that nobody else led to each other would be as many networks.
            if let first = bootstraps.first {
                _ = world.request(.join([world.address(of: first)]), of: node)
            }
            bootstraps.append(node)
            return
        }
        tally.asked(.join)
        join(node, since: world.now)
        sessionBegan(node)
    }

    /// A node has joined, for the first time or again.
    mutating func joined(_ node: Int) {
        hasJoined[node] = true
        tellAgain(node)
        guard world.life(of: node) == 0 else { return }
        for step in scenario.workload where step.isUponJoin && isEligible(node, step.from) {
            add(.uponJoin(step, node: node), at: max(step.at, world.now - .origin))
        }
    }

    /// Joins through a bootstrap drawn anew. Who fails tries again, as an operator would; the
    /// latency counts from the first attempt.
    mutating func join(_ node: Int, since: Instant) {
        let through = bootstraps[chance.below(bootstraps.count)]
        tally.joinAttempts += 1
        let id = world.request(.join([world.address(of: through)]), of: node)
        requests[id] = RunRequest(kind: .join, node: node, at: since)
    }

    /// Between two attempts of one node to join.
    static var joinPause: Duration { .seconds(1) }

    /// The join of the node whose turn it is has ended: the next one's turn, but not before its
    /// place in the span.
    mutating func joinEnded(_ node: Int) {
        guard node == turn, let next = queued.last else { return }
        turn = nil
        let count = scenario.nodeCount - scenario.join.bootstrap
        let place = scenario.join.over * Int64(next.number) / Int64(count)
        add(.startNext, at: max(place, world.now - .origin))
    }

    /// Joins again, as a node does that was restarted.
    mutating func rejoin(_ node: Int) {
        watchMembers(node)
        serve(node)
        hasJoined[node] = false
        tally.asked(.join)
        join(node, since: world.now)
    }

    func isBootstrap(_ node: Int) -> Bool { bootstraps.contains(node) }

    mutating func drawRegion(_ group: Scenario.Group) -> Int {
        guard let places = scenario.network.roundTrip.places else { return 0 }
        if group.regions.isEmpty { return chance.below(places.count) }
        if !group.regionShares.isEmpty {
            var place = chance.below(1_000_000)
            let i = group.regionShares.firstIndex { share in
                place -= share.partsPerMillion
                return place < 0
            }
            return group.regions[i!]
        }
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
}
