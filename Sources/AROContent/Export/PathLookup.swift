/// What a root and names lead to: the walk of ``PathWalk`` for callers outside of this target.

import AROPrimitives
import AROWire

public enum PathLookupStep: Sendable {
    /// Hand the block to ``PathLookup/blockArrived(_:)``; until then this step repeats.
    case needBlock(CID)
    case found(CID, ListingEntry.Kind)
    case failed(FetchFailure)
}

public struct PathLookup: Sendable {
    private enum State {
        case walking(PathWalk)
        case found(CID, ListingEntry.Kind)
        case failed(FetchFailure)
    }

    private var state: State

    public init(root: CID, path: [String] = []) {
        state = .walking(PathWalk(root: root, path: path))
    }

    public func next() -> PathLookupStep {
        switch state {
        case .walking(let walk): .needBlock(walk.current.cid)
        case .found(let cid, let kind): .found(cid, kind)
        case .failed(let failure): .failed(failure)
        }
    }

    /// Brings the block that ``next()`` asked for; its hash was checked.
    public mutating func blockArrived(_ block: [UInt8]) {
        guard case .walking(var walk) = state else { return }
        do throws(FetchFailure) {
            switch try walk.decoded(walk.current.decode(block.span.bytes)) {
            case .need: state = .walking(walk)
            case .found(let child, let node): state = .found(child.cid, node.kind)
            }
        } catch { state = .failed(error) }
    }
}
