/// The closed form that look-ups among liars are held against (Baumgart and Mies 2007, "S/Kademlia",
/// §5): a path of h peers stays honest with (1 - f)^h, and a look-up needs one of its d paths. The
/// paper sums over the lengths that its paths had; here h is the mean length that Kademlia's own
/// estimate gives, so that the form knows nothing of what the run measured.

import Foundation

enum DisjointPaths {
    /// Peers asked in a row, the last of which knows the target: a bucket of k contacts brings
    /// 1 + log2 k bits a hop, and the k nearest know each other.
    static func hops(nodes: Int, k: Int) -> Double {
        guard nodes > k else { return 1 }
        return 1 + log2(Double(nodes) / Double(k)) / (1 + log2(Double(k)))
    }

    static func success(liars: Double, hops: Double, paths: Int) -> Double {
        1 - pow(1 - pow(1 - liars, hops), Double(paths))
    }
}

extension ScenarioRun where Resident: ~Copyable {
    /// What the closed form says of the searches for nodes, where every hostile node always lies and
    /// nothing else is wrong with it; and how the run compares.
    var disjointPathMetrics: [Metric] {
        let hostile = scenario.groups.compactMap(\.hostility)
        guard !hostile.isEmpty, hostile.allSatisfy({ $0.onlyLies }), tally.find.count > 0
        else { return [] }
        let kademlia = scenario.configuration.kademlia
        let running = (0..<world.nodeCount).filter { world.isRunning($0) }
        let liars = Double(running.count { world.isHostile($0) })
        let form = DisjointPaths.success(
            liars: liars / Double(max(1, running.count - 1)),
            hops: DisjointPaths.hops(nodes: running.count, k: kademlia.k),
            paths: kademlia.readPaths)
        return [
            Metric("disjoint_paths_form", .share, form),
            Metric("find_to_form", .number, tally.find.successRate / form),
        ]
    }
}

extension Scenario.Hostility {
    /// Always, and from an identity and an address like anybody's.
    fileprivate var onlyLies: Bool { conduct.lie == .always && eclipse == nil && !isSybil }
}
