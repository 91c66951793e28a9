/// What a world of participants shows of its gossip: the graph of the active views, who knows whom,
/// and how well network coordinates predict round trips.

import AROOverlay
import ARONode
import AROPrimitives
import AROWire

extension World where Resident == MessageNode {
    /// Sources of shortest paths, nodes that are asked for everybody, and pairs whose round trips are
    /// compared: enough for three digits.
    private static var pathSources: Int { 64 }
    private static var membersAsked: Int { 32 }
    private static var pairs: Int { 4_000 }

    func gossipMetrics(_ chance: inout Generator) -> [Metric] {
        let graph = overlayGraph { $0.activeView }
        let degrees = graph.inDegrees
        let paths = graph.paths(sources: Self.pathSources, &chance)
        return [
            Metric("symmetric_share", .share, graph.symmetricShare),
            Metric("clustering_coefficient", .number, graph.clusteringCoefficient),
            Metric("average_path_length", .number, paths.meanLength),
            Metric("largest_component", .share, graph.largestComponentShare),
            Metric("isolated_nodes", .count, Double(graph.isolatedCount)),
            Metric("in_degree_mean", .number, degrees.mean),
            Metric("in_degree_max", .count, Double(degrees.max)),
            Metric("view_accuracy", .share, graph.accuracy),
        ] + memberMetrics(&chance) + honestMemberMetrics(&chance) + stateMetrics(&chance)
            + coordinateMetrics(&chance)
    }

    private var live: [Int] { (0..<nodeCount).filter { isRunning($0) } }

    /// `members_known`: the share of live nodes that a live node holds for alive; `members_stale`: the
    /// share of those down that it holds for alive; both as means of the nodes asked.
    private func memberMetrics(_ chance: inout Generator) -> [Metric] {
        var asked = live
        let (others, down) = (asked.count - 1, nodeCount - asked.count)
        guard others > 0 else { return [] }
        chance.shuffle(&asked)
        asked = Array(asked.prefix(Self.membersAsked))
        var (known, stale, knowingAll) = (0, 0, 0)
        for node in asked {
            let (alive, dead) = membersHeldForAlive(by: node)
            known += alive
            stale += dead
            if alive == others { knowingAll += 1 }
        }
        let count = Double(asked.count)
        return [
            Metric("members_known", .share, Double(known) / count / Double(others)),
            Metric("members_stale", .share, Double(stale) / count / Double(max(1, down))),
            Metric("knowing_all", .share, Double(knowingAll) / count),
        ]
    }

    /// The same where some are hostile: `honest_members_known` is the share of the live honest that an
    /// honest node holds for alive, `hostile_members_share` that of the hostile among all it holds.
    private func honestMemberMetrics(_ chance: inout Generator) -> [Metric] {
        var asked = live.filter { !isHostile($0) }
        let others = asked.count - 1
        guard others > 0, asked.count < live.count else { return [] }
        chance.shuffle(&asked)
        asked = Array(asked.prefix(Self.membersAsked))
        var (honest, all) = (0, 0)
        for node in asked {
            honest += membersHeldForAlive(by: node) { !isHostile($0) }.live
            all += membersHeldForAlive(by: node).live
        }
        return [
            Metric(
                "honest_members_known", .share,
                Double(honest) / Double(asked.count) / Double(others)),
            Metric(
                "hostile_members_share", .share, Double(all - honest) / Double(max(1, all))),
        ]
    }

    /// What a node keeps: mean and most of some honest ones. Statements count in full for each, as if
    /// nodes did not share them.
    private func stateMetrics(_ chance: inout Generator) -> [Metric] {
        var asked = live.filter { !isHostile($0) }
        guard !asked.isEmpty else { return [] }
        chance.shuffle(&asked)
        asked = Array(asked.prefix(Self.membersAsked))
        let weights = asked.compactMap { node in
            withResident(node) { $0.withParticipant { it, _ in it.stateByteCount } }
        }
        let sum = Double(weights.reduce(0, +))
        return [
            Metric("state_bytes_mean", .bytes, sum / Double(asked.count)),
            Metric("state_bytes_max", .bytes, Double(weights.max() ?? 0)),
        ]
    }

    /// How many that run, and how many that do not.
    private func membersHeldForAlive(
        by node: Int, of isWanted: (Int) -> Bool = { _ in true }
    ) -> (live: Int, dead: Int) {
        withResident(node) { resident in
            resident.withParticipant { participant, book in
                var (live, dead) = (0, 0)
                for other in 0..<nodeCount where other != node && isWanted(other) {
                    // Peer `n` of the book is node `n`.
                    let peer = PeerHandle(index: UInt32(other))
                    guard participant.state(of: peer, book: book) == .alive else { continue }
                    if isRunning(other) { live += 1 } else { dead += 1 }
                }
                return (live, dead)
            }
        } ?? (0, 0)
    }

    /// |predicted - real| / real of pairs drawn evenly; the real one is the matrix's, without jitter.
    private func coordinateMetrics(_ chance: inout Generator) -> [Metric] {
        let places = live.compactMap { node in
            withResident(node) { $0.withParticipant { it, _ in it.coordinate } }
                .flatMap { $0 }.map { (node: node, at: $0) }
        }
        guard places.count > 1 else { return [] }
        var errors: [Double] = []
        for _ in 0..<Self.pairs {
            let (a, b) = (places[chance.below(places.count)], places[chance.below(places.count)])
            let real = roundTrip(a.node, b.node).seconds
            guard a.node != b.node, real > 0 else { continue }
            let predicted = Coordinate.predict(from: a.at, to: b.at).seconds
            errors.append(abs(predicted - real) / real)
        }
        guard !errors.isEmpty else { return [] }
        errors.sort()
        return [
            Metric("coordinate_error_p50", .share, errors[errors.count / 2]),
            Metric("coordinate_error_p90", .share, errors[errors.count * 9 / 10]),
        ]
    }
}
