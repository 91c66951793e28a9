/// What a block says, once its hash was checked: the one view of dag-pb and UnixFS that fetches,
/// exports and pins work with.
///
/// A block is decoded in a role (``DagRole``): what its parent's link promised about it. Sizes,
/// kinds, depth and the slots of shards are checked against that promise, so whoever walks a tree
/// and decodes every child in the role that ``DagNode/children`` names needs no other check: the
/// walk ends, and bytes have the places that the root says. Sizes of whole subtrees (`Tsize`) are
/// never relied on.

import AROPrimitives
import AROWire

/// What the way to a block promises about it.
public enum DagRole: Hashable, Sendable {
    /// The start of a walk: anything may be there.
    case root
    /// A part of a file with just so many bytes, `depth` links below the file's own node.
    case filePart(byteCount: UInt64, depth: Int)
    /// A shard below another one of the same directory, which is `depth` directories deep.
    case shard(ShardPosition, depth: Int)
    /// What a name in a directory leads to, itself `depth` directories deep.
    case entry(depth: Int)
}

/// A block to be fetched or read, and the role to decode it in.
public struct DagChild: Hashable, Sendable {
    public var cid: CID
    public var role: DagRole

    public init(cid: CID, role: DagRole) { (self.cid, self.role) = (cid, role) }

    /// The start of a walk.
    public static func root(_ cid: CID) -> DagChild { DagChild(cid: cid, role: .root) }
}

/// A decoded block.
public enum DagNode: Hashable, Sendable {
    case file(FileNode)
    case directory(DirectoryNode)
    case shard(ShardNode)
    case symlink(target: String)
}

/// A file or a part of one: first the bytes in this block, then those below the links, in order.
public struct FileNode: Hashable, Sendable {
    public var byteCount: UInt64
    /// Where this node's own bytes stand in its block: all of it for a raw leaf, empty for the
    /// inner nodes of most files.
    public var data: Range<Int>
    public var links: [FileLink]
    var depth: Int
}

public struct FileLink: Hashable, Sendable {
    public var cid: CID
    /// The file bytes below; checked when the child is decoded.
    public var byteCount: UInt64
}

/// A directory in one block.
public struct DirectoryNode: Hashable, Sendable {
    /// In order of the bytes of their names as a rule, but some tools write others.
    public var entries: [DirectoryEntry]
    var depth: Int
}

public struct DirectoryEntry: Hashable, Sendable {
    public var name: String
    public var cid: CID
    /// The bytes of all blocks below, repeated ones counted as often as they occur, as the author
    /// of the directory counted them (`Tsize`): a hint to show, never to rely on.
    public var treeByteCount: UInt64

    public init(name: String, cid: CID, treeByteCount: UInt64) {
        (self.name, self.cid, self.treeByteCount) = (name, cid, treeByteCount)
    }
}

extension DagNode {
    /// Decodes a block whose bytes match `cid` (the caller has checked that).
    public init(_ cid: CID, _ block: RawSpan, as role: DagRole = .root) throws(DagFailure) {
        self = try Self.decode(cid, block, role)
    }

    /// Decodes a block whose bytes match `cid` (the caller has checked that).
    public init(_ cid: CID, _ block: [UInt8], as role: DagRole = .root) throws(DagFailure) {
        self = try Self.decode(cid, block.span.bytes, role)
    }

    private static func decode(
        _ cid: CID, _ block: RawSpan, _ role: DagRole
    ) throws(DagFailure) -> DagNode {
        guard block.byteCount <= WireLimits.blockMax else { throw .blockTooLarge }
        switch cid.codec {
        case .raw: return .file(try FileNode(raw: block, role))
        case .dagPB: return try dagPB(block, role)
        }
    }

    private static func dagPB(_ block: RawSpan, _ role: DagRole) throws(DagFailure) -> DagNode {
        let node = try DagPBNode(block)
        guard let data = node.data else { throw .notUnixFS }
        let unixFS = try UnixFSData(block, data)
        switch unixFS.type {
        case .file, .raw: return .file(try FileNode(node, unixFS, role))
        case .directory: return .directory(try DirectoryNode(node, block, role))
        case .hamtShard: return .shard(try ShardNode(node, unixFS, block, role))
        case .symlink: return .symlink(target: try target(node, unixFS, block, role))
        }
    }

    private static func target(
        _ node: DagPBNode, _ unixFS: UnixFSData, _ block: RawSpan, _ role: DagRole
    ) throws(DagFailure) -> String {
        _ = try role.entryDepth()
        guard node.links.isEmpty, !unixFS.data.isEmpty,
            unixFS.data.count <= DagLimits.symlinkByteCountMax,
            let target = block.text(unixFS.data), !target.utf8.contains(0)
        else { throw .symlink }
        return target
    }

    /// Every block that this one leads to, in order, each in its role.
    public var children: [DagChild] {
        switch self {
        case .file(let file): file.children
        case .directory(let directory): directory.entries.map { directory.child($0) }
        case .shard(let shard): shard.links.map { shard.child($0) }
        case .symlink: []
        }
    }

    /// The bytes of the file; nil for what is no file.
    public var fileByteCount: UInt64? {
        if case .file(let file) = self { file.byteCount } else { nil }
    }
}

extension DagRole {
    /// How many directories deep a directory or a link stands in this role.
    func entryDepth() throws(DagFailure) -> Int {
        switch self {
        case .root: return 0
        case .entry(let depth): return depth
        case .filePart, .shard: throw .wrongKind
        }
    }

    /// How many links below its file's own node a part of a file stands in this role.
    fileprivate func fileDepth() throws(DagFailure) -> Int {
        switch self {
        case .root, .entry: return 0
        case .filePart(_, let depth): return depth
        case .shard: throw .wrongKind
        }
    }

    fileprivate func check(fileByteCount: UInt64) throws(DagFailure) {
        if case .filePart(let promised, _) = self, promised != fileByteCount { throw .sizes }
    }
}

extension FileNode {
    fileprivate init(raw block: RawSpan, _ role: DagRole) throws(DagFailure) {
        depth = try role.fileDepth()
        data = 0..<block.byteCount
        byteCount = UInt64(block.byteCount)
        links = []
        try role.check(fileByteCount: byteCount)
    }

    fileprivate init(
        _ node: DagPBNode, _ unixFS: UnixFSData, _ role: DagRole
    ) throws(DagFailure) {
        depth = try role.fileDepth()
        data = unixFS.data
        guard node.links.count <= DagLimits.fileLinksMax else { throw .tooManyLinks }
        guard node.links.count == unixFS.blockByteCounts.count else { throw .sizes }
        guard node.links.isEmpty || depth < DagLimits.fileDepthMax else { throw .tooDeep }
        var total = UInt64(data.count)
        links = []
        links.reserveCapacity(node.links.count)
        for (link, count) in zip(node.links, unixFS.blockByteCounts) {
            // An empty part would let a few blocks stand for endlessly many steps of a walk.
            guard count > 0, count <= DagLimits.fileByteCountMax else { throw .sizes }
            total += count
            guard total <= DagLimits.fileByteCountMax else { throw .sizes }
            links.append(FileLink(cid: link.cid, byteCount: count))
        }
        guard unixFS.fileByteCount ?? total == total else { throw .sizes }
        byteCount = total
        try role.check(fileByteCount: total)
    }

    /// The blocks below, in order of the file's bytes.
    public var children: [DagChild] { links.map { child($0) } }

    public func child(_ link: FileLink) -> DagChild {
        DagChild(cid: link.cid, role: .filePart(byteCount: link.byteCount, depth: depth + 1))
    }

    /// The links that hold bytes of `range` (offsets from this node's first byte), each with the
    /// offset of its first byte.
    public func links(covering range: Range<UInt64>) -> [(offset: UInt64, link: FileLink)] {
        var found: [(offset: UInt64, link: FileLink)] = []
        var offset = UInt64(data.count)
        for link in links where offset < range.upperBound {
            if offset + link.byteCount > range.lowerBound, !range.isEmpty {
                found.append((offset, link))
            }
            offset += link.byteCount
        }
        return found
    }
}

extension DirectoryNode {
    fileprivate init(
        _ node: DagPBNode, _ block: RawSpan, _ role: DagRole
    ) throws(DagFailure) {
        depth = try role.entryDepth()
        guard depth <= DagLimits.directoryDepthMax else { throw .tooDeep }
        entries = []
        entries.reserveCapacity(node.links.count)
        for link in node.links {
            let name = try EntryName.check(block.text(link.name))
            entries.append(
                DirectoryEntry(name: name, cid: link.cid, treeByteCount: link.treeByteCount))
        }
        try EntryName.checkDistinct(entries.map(\.name))
    }

    public func child(_ entry: DirectoryEntry) -> DagChild {
        DagChild(cid: entry.cid, role: .entry(depth: depth + 1))
    }

    /// The entry of that name, compared byte by byte.
    public func entry(named name: String) -> DirectoryEntry? {
        entries.first { EntryName.equal($0.name, name) }
    }
}

/// The names that an entry may have: those that a file on disk may have. They are compared by their
/// bytes; Swift's `==` would take different bytes for the same text (Unicode's canonical
/// equivalence).
public enum EntryName {
    public static func isAllowed(_ name: String) -> Bool {
        let bytes = name.utf8
        return !bytes.isEmpty && bytes.count <= DagLimits.nameByteCountMax && name != "."
            && name != ".." && !bytes.contains { $0 == 0 || $0 == UInt8(ascii: "/") }
    }

    static func check(_ name: String?) throws(DagFailure) -> String {
        guard let name, isAllowed(name) else { throw .name }
        return name
    }

    static func equal(_ a: String, _ b: String) -> Bool { a.utf8.elementsEqual(b.utf8) }

    /// The order of dag-pb: by bytes.
    static func precedes(_ a: String, _ b: String) -> Bool {
        a.utf8.lexicographicallyPrecedes(b.utf8)
    }

    static func checkDistinct(_ names: [String]) throws(DagFailure) {
        let inOrder = zip(names, names.dropFirst()).allSatisfy { precedes($0, $1) }
        if inOrder { return }
        let sorted = names.sorted(by: precedes)
        for (a, b) in zip(sorted, sorted.dropFirst()) where equal(a, b) { throw .duplicateName }
    }
}
