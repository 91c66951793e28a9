/// A tree's files, directories and links in order, out of its blocks: what `get` writes to a disk
/// or a pipe.
///
/// Sans-I/O: ``next()`` says which block is needed or what came out; ``blockArrived(_:)`` brings a
/// block whose hash was checked. Only blocks on the path and with bytes of the range are asked for.
/// Nothing is taken on trust: every block is decoded in the role that its parent's link gave it
/// (``DagNode``), and what waits to be visited has a bound, whatever the tree.
///
/// ```
/// root ─names─▶ target ─┬─ file       beginFile  bytes…  endFile
///                       ├─ directory  enterDirectory  (each entry, in order)  leaveDirectory
///                       └─ link       symlink
/// ```

import AROPrimitives
import AROWire

public enum ExportStep: Sendable {
    /// Hand the block to ``Exporter/blockArrived(_:)``; until then this step repeats.
    case needBlock(CID)
    /// A file begins; the name is nil at the top. `byteCount` is the whole file's.
    case beginFile(name: String?, CID, byteCount: UInt64)
    /// The next bytes of the file, in order and without gaps, the first of them at `offset`.
    case bytes(ArraySlice<UInt8>, offset: UInt64)
    case endFile
    case enterDirectory(name: String?, CID)
    case leaveDirectory
    case symlink(name: String?, CID, target: String)
    /// Everything came; repeats.
    case finished
    /// No way on; repeats.
    case failed(FetchFailure)
}

public struct Exporter: Sendable {
    /// Links that wait to be visited, over all levels (a guess: about 130 bytes each).
    public static let pendingMax = 1 << 20

    /// What is still to be done; the last comes first.
    private enum Task {
        case visit(DagChild, name: String?)
        /// A part of the current file whose first byte is at `offset`.
        case part(DagChild, offset: UInt64)
        case say(ExportStep)
    }

    private enum State {
        case resolving(PathWalk)
        case walking
        case failed(FetchFailure)
    }

    private var state: State
    private var tasks: [Task] = []
    /// The bytes wanted of the current file.
    private var window: Range<UInt64> = 0..<0
    private let range: Range<UInt64>?
    private var entriesLeft: Int
    /// ``pendingMax``, lower in tests.
    var pendingBound = Exporter.pendingMax

    /// - Parameters:
    ///   - path: names to follow from the root.
    ///   - range: bytes of a file; nil for all. It may end behind the file's end, not begin there.
    ///   - entriesMax: how many entries of directories are visited before the export fails: a small
    ///     tree can name itself endlessly often (the default is a guess).
    public init(
        root: CID, path: [String] = [], range: Range<UInt64>? = nil, entriesMax: Int = 10_000_000
    ) {
        state = .resolving(PathWalk(root: root, path: path))
        self.range = range
        entriesLeft = entriesMax
    }

    /// What to do now.
    public mutating func next() -> ExportStep {
        switch state {
        case .failed(let failure): return .failed(failure)
        case .resolving(let walk): return .needBlock(walk.current.cid)
        case .walking: break
        }
        switch tasks.last {
        case nil: return .finished
        case .visit(let child, _), .part(let child, _): return .needBlock(child.cid)
        case .say(let step):
            tasks.removeLast()
            return step
        }
    }

    /// The blocks that will be needed next, the first of them the one that ``next()`` asks for: for
    /// reading ahead. At most `count`, and none beyond the nodes read so far.
    public func upcoming(_ count: Int) -> [CID] {
        if case .resolving(let walk) = state { return [walk.current.cid] }
        var found: [CID] = []
        for task in tasks.reversed() where found.count < count {
            switch task {
            case .visit(let child, _), .part(let child, _): found.append(child.cid)
            case .say: continue
            }
        }
        return found
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
                    try begin(child, node, block, name: nil)
                }
            case .walking: try visit(block)
            }
        } catch {
            state = .failed(error)
            tasks = []
        }
    }

    private mutating func visit(_ block: [UInt8]) throws(FetchFailure) {
        switch tasks.popLast() {
        case nil, .say: preconditionFailure("no block was asked for")
        case .visit(let child, let name):
            try begin(child, child.decode(block.span.bytes), block, name: name)
        case .part(let child, let offset):
            guard case .file(let file) = try child.decode(block.span.bytes) else {
                preconditionFailure("the role of a part lets only parts pass")
            }
            try push(file, child.cid, block, offset: offset)
        }
    }

    /// Starts with what a name leads to, or goes on in a shard of the same directory.
    private mutating func begin(
        _ child: DagChild, _ node: DagNode, _ block: [UInt8], name: String?
    ) throws(FetchFailure) {
        entriesLeft -= 1
        guard entriesLeft >= 0 else { throw Self.tooWide(child.cid) }
        switch node {
        case .file(let file):
            window =
                try range.map { r throws(FetchFailure) in try r.within(file) }
                ?? 0..<file.byteCount
            tasks.append(.say(.endFile))
            try push(file, child.cid, block, offset: 0)
            tasks.append(.say(.beginFile(name: name, child.cid, byteCount: file.byteCount)))
        case .directory(let directory):
            guard range == nil else { throw .rangeOfDirectory }
            tasks.append(.say(.leaveDirectory))
            try push(directory.entries, child.cid) { .visit(directory.child($0), name: $0.name) }
            tasks.append(.say(.enterDirectory(name: name, child.cid)))
        case .shard(let shard): try push(shard, child, name: name)
        case .symlink(let target):
            guard range == nil else { throw .rangeOfDirectory }
            tasks.append(.say(.symlink(name: name, child.cid, target: target)))
        }
    }

    private mutating func push(
        _ shard: ShardNode, _ child: DagChild, name: String?
    ) throws(FetchFailure) {
        guard range == nil else { throw .rangeOfDirectory }
        let isTop = shard.isTop
        if isTop { tasks.append(.say(.leaveDirectory)) }
        try push(shard.links, child.cid) { .visit(shard.child($0), name: $0.entry?.name) }
        if isTop { tasks.append(.say(.enterDirectory(name: name, child.cid))) }
    }

    /// The node's own bytes, then its links, as far as they lie in the window.
    private mutating func push(
        _ file: FileNode, _ cid: CID, _ block: [UInt8], offset: UInt64
    ) throws(FetchFailure) {
        let end = offset + file.byteCount
        let wanted = window.clamped(to: offset..<end)
        guard !wanted.isEmpty else { return }
        let local = wanted.lowerBound - offset..<wanted.upperBound - offset
        try push(file.links(covering: local), cid) {
            .part(file.child($0.link), offset: offset + $0.offset)
        }
        let own = local.clamped(to: 0..<UInt64(file.data.count))
        guard !own.isEmpty else { return }
        let start = file.data.lowerBound
        let slice = block[start + Int(own.lowerBound)..<start + Int(own.upperBound)]
        tasks.append(.say(.bytes(slice, offset: offset + own.lowerBound)))
    }

    /// Pushes so that the first of `items` comes first.
    private mutating func push<T>(
        _ items: [T], _ cid: CID, _ task: (T) -> Task
    ) throws(FetchFailure) {
        guard tasks.count + items.count <= pendingBound else { throw Self.tooWide(cid) }
        for item in items.reversed() { tasks.append(task(item)) }
    }

    private static func tooWide(_ cid: CID) -> FetchFailure {
        .malformed(cid, "\(DagFailure.tooManyLinks)")
    }
}

extension Range<UInt64> {
    /// The part of the range inside a file; a range that begins behind its last byte is outside,
    /// as in HTTP (RFC 9110 §14.1.2), unless it is empty.
    func within(_ file: FileNode) throws(FetchFailure) -> Range<UInt64> {
        let isInside = lowerBound < file.byteCount || isEmpty && lowerBound == file.byteCount
        guard isInside else { throw .rangeOutside(fileBytes: file.byteCount) }
        return clamped(to: 0..<file.byteCount)
    }
}
