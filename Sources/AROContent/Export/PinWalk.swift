/// Every CID of a tree, parents before children: what a pin keeps, what a removal frees.
///
/// Repeated blocks come as often as they are linked unless the caller, who keeps the set of what it
/// has seen, says ``PinWalk/skip()``; with that, a walk is linear in the number of distinct blocks.

import AROPrimitives
import AROWire

public enum PinStep: Hashable, Sendable {
    /// A CID of the tree. Answer with ``PinWalk/skip()`` where it was seen before.
    case found(CID)
    /// Hand the block of the CID that was just found to ``PinWalk/blockArrived(_:)``. Leaves are
    /// not asked for.
    case needBlock(CID)
    case finished
    case failed(FetchFailure)
}

public struct PinWalk: Sendable {
    private enum State {
        case walking
        /// The CID was told, its children are not known yet.
        case entering(DagChild)
        case failed(FetchFailure)
    }

    private var state = State.walking
    private var tasks: [DagChild]

    public init(root: CID) { tasks = [.root(root)] }

    public mutating func next() -> PinStep {
        switch state {
        case .failed(let failure): return .failed(failure)
        case .entering(let child): return .needBlock(child.cid)
        case .walking: break
        }
        guard let child = tasks.popLast() else { return .finished }
        if child.cid.codec == .dagPB { state = .entering(child) }
        return .found(child.cid)
    }

    /// Leaves out what is below the CID that was just found.
    public mutating func skip() {
        if case .entering = state { state = .walking }
    }

    /// Brings the block that ``next()`` asked for; its hash was checked.
    public mutating func blockArrived(_ block: [UInt8]) {
        guard case .entering(let child) = state else { return }
        do throws(FetchFailure) {
            let children = try child.decode(block.span.bytes).children
            guard tasks.count + children.count <= Exporter.pendingMax else {
                throw .malformed(child.cid, "\(DagFailure.tooManyLinks)")
            }
            tasks += children.reversed()
            state = .walking
        } catch {
            state = .failed(error)
            tasks = []
        }
    }
}
