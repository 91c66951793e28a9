/// The entries of a directory, one by one, for `ls`: names, CIDs, sizes and kinds.

import AROPrimitives
import AROWire

public struct ListingEntry: Hashable, Sendable {
    public enum Kind: Hashable, Sendable {
        case file(byteCount: UInt64)
        case directory
        case symlink(target: String)
        /// The block that would tell is not there, or is malformed.
        case unknown
    }

    /// Nil where the path leads to something that is no directory: it is listed itself.
    public var name: String?
    public var cid: CID
    /// What the directory says about the bytes of all blocks below: a hint. Nil without a name.
    public var treeByteCount: UInt64?
    public var kind: Kind
}

public enum ListingStep: Hashable, Sendable {
    /// Hand the block to ``Listing/blockArrived(_:)``; where ``isRequired`` is false, nil will do.
    case needBlock(CID, isRequired: Bool)
    case entry(ListingEntry)
    case finished
    case failed(FetchFailure)
}

/// Asks for the blocks of the directory and for the first block of each entry that may be a
/// directory. The kind of a raw entry is known by its CID, its size by what the directory says.
public struct Listing: Sendable {
    private enum Task {
        case shard(DagChild)
        case entry(DirectoryEntry, DagChild)
    }

    private enum State {
        case resolving(PathWalk)
        case walking
        case failed(FetchFailure)
    }

    private var state: State
    private var tasks: [Task] = []
    private var ready: ListingEntry?

    public init(root: CID, path: [String] = []) {
        state = .resolving(PathWalk(root: root, path: path))
    }

    public mutating func next() -> ListingStep {
        switch state {
        case .failed(let failure): return .failed(failure)
        case .resolving(let walk): return .needBlock(walk.current.cid, isRequired: true)
        case .walking: break
        }
        if let entry = ready {
            ready = nil
            return .entry(entry)
        }
        switch tasks.last {
        case nil: return .finished
        case .shard(let child): return .needBlock(child.cid, isRequired: true)
        case .entry(let entry, let child):
            guard entry.cid.codec == .raw else { return .needBlock(child.cid, isRequired: false) }
            tasks.removeLast()
            return .entry(entry.listed(.file(byteCount: entry.treeByteCount)))
        }
    }

    /// Brings the block that ``next()`` asked for, its hash checked; nil where it cannot be had.
    public mutating func blockArrived(_ block: [UInt8]?) {
        do throws(FetchFailure) {
            switch state {
            case .failed: return
            case .resolving(let walk): try resolve(walk, block)
            case .walking: try visit(block)
            }
        } catch {
            state = .failed(error)
            tasks = []
        }
    }

    private mutating func resolve(_ old: PathWalk, _ block: [UInt8]?) throws(FetchFailure) {
        var walk = old
        guard let block else { throw .noProviders(walk.current.cid) }
        switch try walk.decoded(walk.current.decode(block.span.bytes)) {
        case .need: state = .resolving(walk)
        case .found(let child, let node):
            state = .walking
            try push(node, child)
        }
    }

    private mutating func visit(_ block: [UInt8]?) throws(FetchFailure) {
        switch tasks.popLast() {
        case nil: preconditionFailure("no block was asked for")
        case .shard(let child):
            guard let block else { throw .noProviders(child.cid) }
            try push(child.decode(block.span.bytes), child)
        case .entry(let entry, let child):
            var kind = ListingEntry.Kind.unknown
            if let block, let node = try? child.decode(block.span.bytes) { kind = node.kind }
            ready = entry.listed(kind)
        }
    }

    private mutating func push(_ node: DagNode, _ child: DagChild) throws(FetchFailure) {
        switch node {
        case .file, .symlink:
            ready = ListingEntry(
                name: nil, cid: child.cid, treeByteCount: nil, kind: node.kind)
        case .directory(let directory):
            tasks = directory.entries.reversed().map { .entry($0, directory.child($0)) }
        case .shard(let shard):
            for link in shard.links.reversed() {
                let below = shard.child(link)
                tasks.append(link.entry.map { .entry($0, below) } ?? .shard(below))
            }
        }
    }
}

extension DirectoryEntry {
    fileprivate func listed(_ kind: ListingEntry.Kind) -> ListingEntry {
        ListingEntry(name: name, cid: cid, treeByteCount: treeByteCount, kind: kind)
    }
}

extension DagNode {
    var kind: ListingEntry.Kind {
        switch self {
        case .file(let file): .file(byteCount: file.byteCount)
        case .directory, .shard: .directory
        case .symlink(let target): .symlink(target: target)
        }
    }
}
