/// How a partition divides the nodes, in the modes of TigerBeetle's packet simulator.

import AROPrimitives

public enum PartitionMode: String, Hashable, Sendable, CaseIterable {
    /// Nothing is cut: the control of an experiment.
    case none
    /// One side has a number of nodes drawn evenly from one to all but one; who, is drawn.
    case uniformSize = "uniform-size"
    /// A coin for each node.
    case uniformPartition = "uniform-partition"
    /// One node against all others.
    case isolateOne = "isolate-one"

    /// The nodes of one side, in the order of their numbers.
    func side(of nodes: Int, _ chance: inout Generator) -> [Int] {
        guard nodes > 1 else { return [] }
        switch self {
        case .none: return []
        case .uniformSize:
            var all = Array(0..<nodes)
            chance.shuffle(&all)
            return all.prefix(1 + chance.below(nodes - 1)).sorted()
        case .uniformPartition:
            return (0..<nodes).filter { _ in chance.chance(1, in: 2) }
        case .isolateOne: return [chance.below(nodes)]
        }
    }
}
