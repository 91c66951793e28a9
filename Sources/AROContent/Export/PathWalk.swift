/// From a root along names to what they lead to, through directories and shards. Names are compared
/// byte by byte; symbolic links are not followed (their targets mean something on a disk only).

import AROPrimitives
import AROWire

/// The start of every walk: blocks are asked for one by one and handed back decoded.
struct PathWalk: Sendable {
    enum Step {
        /// This block is to be decoded in its role and handed to ``decoded(_:)``.
        case need(DagChild)
        /// The path's end, already decoded.
        case found(DagChild, DagNode)
    }

    private(set) var current: DagChild
    private var names: ArraySlice<String>

    init(root: CID, path: [String]) {
        current = .root(root)
        names = path[...]
    }

    /// What comes after the block of ``current`` was decoded.
    mutating func decoded(_ node: DagNode) throws(FetchFailure) -> Step {
        if case .shard(let shard) = node { return try shardDecoded(shard, node) }
        guard let name = names.first else { return .found(current, node) }
        guard case .directory(let directory) = node else { throw .notADirectory(name) }
        guard let entry = directory.entry(named: name) else { throw .pathNotFound(name) }
        names.removeFirst()
        current = directory.child(entry)
        return .need(current)
    }

    private mutating func shardDecoded(
        _ shard: ShardNode, _ node: DagNode
    ) throws(FetchFailure) -> Step {
        guard let name = names.first else { return .found(current, node) }
        guard let link = shard.link(toward: name) else { throw .pathNotFound(name) }
        if case .entry = link.target { names.removeFirst() }
        current = shard.child(link)
        return .need(current)
    }
}

extension DagChild {
    /// Decodes the block in this role; a failure comes with the CID.
    func decode(_ block: RawSpan) throws(FetchFailure) -> DagNode {
        do throws(DagFailure) {
            return try DagNode(cid, block, as: role)
        } catch { throw .malformed(cid, "\(error)") }
    }
}
