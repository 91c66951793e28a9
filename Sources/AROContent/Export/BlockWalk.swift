/// The blocks of a path and of what it leads to, in the order of a depth-first walk: what a CAR of the
/// IPFS trustless gateway holds (specs.ipfs.tech/http-gateways/trustless-gateway, `order=dfs`).
///
/// Sans-I/O like ``Exporter``. Repeated blocks come as often as they are linked; who wants each once
/// keeps the set of what came and says ``BlockWalk/skip()``.

import AROPrimitives
import AROWire

public enum BlockStep: Sendable {
    /// Hand the block to ``BlockWalk/blockArrived(_:)``, or leave it and what is below out by
    /// ``BlockWalk/skip()``; until then this step repeats.
    case needBlock(CID)
    /// Everything came; repeats.
    case finished
    /// No way on; repeats.
    case failed(FetchFailure)
}

public struct BlockWalk: Sendable {
    /// How much of what the path leads to is wanted (`dag-scope`).
    public enum Scope: Hashable, Sendable {
        /// Its first block.
        case block
        /// Of a file the blocks with bytes of the range, nil for all; of a directory what lists it.
        case entity(Range<UInt64>?)
        /// Everything below.
        case all
    }

    private enum State {
        case resolving(PathWalk)
        case walking
        case failed(FetchFailure)
    }

    /// A block to visit; for a part of a file with the offset of its first byte.
    private struct Visit {
        var child: DagChild
        var offset: UInt64 = 0
    }

    private var state: State
    /// The last comes first.
    private var visits: [Visit] = []
    private let scope: Scope

    public init(root: CID, path: [String] = [], scope: Scope = .all) {
        state = .resolving(PathWalk(root: root, path: path))
        self.scope = scope
    }

    public func next() -> BlockStep {
        switch state {
        case .failed(let failure): .failed(failure)
        case .resolving(let walk): .needBlock(walk.current.cid)
        case .walking: visits.last.map { .needBlock($0.child.cid) } ?? .finished
        }
    }

    /// Whether the next block is below what the path leads to, so that it may be skipped.
    public var isBelow: Bool {
        if case .walking = state { true } else { false }
    }

    /// Leaves out the block that ``next()`` asks for, and what is below.
    public mutating func skip() {
        if case .walking = state { _ = visits.popLast() }
    }

    /// Brings the block that ``next()`` asked for; its hash was checked.
    public mutating func blockArrived(_ block: [UInt8]) {
        do throws(FetchFailure) {
            switch state {
            case .failed: return
            case .resolving(var walk):
                switch try walk.decoded(walk.current.decode(block.span.bytes)) {
                case .need: state = .resolving(walk)
                case .found(let child, let node):
                    state = .walking
                    try push(node, Visit(child: child))
                }
            case .walking:
                guard let visit = visits.popLast() else {
                    preconditionFailure("no block was asked for")
                }
                try push(visit.child.decode(block.span.bytes), visit)
            }
        } catch {
            state = .failed(error)
            visits = []
        }
    }

    private mutating func push(_ node: DagNode, _ visit: Visit) throws(FetchFailure) {
        switch (scope, node) {
        case (.block, _): return
        case (.entity(let range?), .file(let file)):
            try push(Self.parts(of: file, visit.offset, in: range), visit)
        case (.entity(nil), .file), (.all, _):
            try push(node.children.map { Visit(child: $0) }, visit)
        case (.entity, .shard(let shard)):
            let shards = shard.links.filter { $0.entry == nil }
            try push(shards.map { Visit(child: shard.child($0)) }, visit)
        case (.entity, .directory), (.entity, .symlink): return
        }
    }

    private static func parts(
        of file: FileNode, _ offset: UInt64, in range: Range<UInt64>
    ) -> [Visit] {
        let here = range.clamped(to: offset..<offset + file.byteCount)
        guard !here.isEmpty else { return [] }
        return file.links(covering: here.lowerBound - offset..<here.upperBound - offset).map {
            Visit(child: file.child($0.link), offset: offset + $0.offset)
        }
    }

    /// Pushes so that the first of `more` comes first.
    private mutating func push(_ more: [Visit], _ visit: Visit) throws(FetchFailure) {
        guard visits.count + more.count <= Exporter.pendingMax else {
            throw .malformed(visit.child.cid, "\(DagFailure.tooManyLinks)")
        }
        visits += more.reversed()
    }
}
