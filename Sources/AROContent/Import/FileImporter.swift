/// A file's bytes in, its blocks out: the balanced tree of the profile unixfs-v1-2025 (IPIP-0499).
///
/// Leaves are raw blocks of 1 MiB; a node of the level above is made as soon as it has 1,024 links,
/// so that memory is one leaf and one unfinished node per level, whatever the size of the file. A
/// file of one leaf is that leaf; an empty file is the leaf of no bytes. All leaves lie at the same
/// depth, as boxo's balanced importer lays them: the last node of each level may have a single
/// link.

import AROPrimitives
import AROWire

/// The shape of the trees that an import makes.
public struct ImportProfile: Hashable, Sendable {
    public var leafByteCount: Int
    public var linksMax: Int

    public init(leafByteCount: Int, linksMax: Int) {
        precondition((1...WireLimits.blockMax).contains(leafByteCount))
        precondition((2...DagLimits.fileLinksMax).contains(linksMax))
        (self.leafByteCount, self.linksMax) = (leafByteCount, linksMax)
    }

    /// IPIP-0499's profile of this name: 1 MiB and 1,024 links.
    public static let unixFS2025 = ImportProfile(leafByteCount: 1 << 20, linksMax: 1_024)
}

/// A block made by an import, to be stored.
public struct ImportedBlock: Hashable, Sendable {
    public var cid: CID
    public var bytes: [UInt8]

    public init(_ codec: Multicodec, _ bytes: [UInt8]) {
        cid = CID(codec, hashing: bytes.span.bytes)
        self.bytes = bytes
    }
}

/// The root of an imported tree.
public struct ImportedRoot: Hashable, Sendable {
    public var cid: CID
    /// The bytes of the file, or of all files of the directory.
    public var byteCount: UInt64
    /// The bytes of all blocks of the tree, repeated ones counted as often as they occur (`Tsize`).
    public var treeByteCount: UInt64

    public init(cid: CID, byteCount: UInt64, treeByteCount: UInt64) {
        (self.cid, self.byteCount, self.treeByteCount) = (cid, byteCount, treeByteCount)
    }
}

/// Blocks on their way out, first in, first out.
struct BlockQueue {
    private var blocks: [ImportedBlock] = []
    private var head = 0

    mutating func push(_ block: ImportedBlock) { blocks.append(block) }

    mutating func pop() -> ImportedBlock? {
        guard head < blocks.count else {
            if head > 0 {
                blocks.removeAll(keepingCapacity: true)
                head = 0
            }
            return nil
        }
        let block = blocks[head]
        blocks[head].bytes = []
        head += 1
        return block
    }
}

public struct FileImporter: Sendable {
    public let profile: ImportProfile
    private var leaf: [UInt8] = []
    /// Unfinished nodes: level 0 collects leaves, level i nodes of height i.
    private var levels: [[ImportedRoot]] = [[]]
    private var queue = BlockQueue()
    private var leavesEnded = false
    private var isFinished = false

    public init(profile: ImportProfile = .unixFS2025) { self.profile = profile }

    /// Adds bytes of the file, in pieces of any size; pieces of at most a leaf are the fastest.
    /// Drain ``nextBlock()`` after each: what is not drained is kept. The bytes are copied once,
    /// into their block.
    public mutating func append(_ bytes: RawSpan) {
        precondition(!isFinished)
        var offset = 0
        while offset < bytes.byteCount {
            if leaf.isEmpty { leaf.reserveCapacity(profile.leafByteCount) }
            let count = min(profile.leafByteCount - leaf.count, bytes.byteCount - offset)
            leaf.append(bytes.extracting(offset..<offset + count))
            offset += count
            if leaf.count == profile.leafByteCount { cutLeaf() }
        }
    }

    /// Adds a leaf that the caller has hashed and stores itself, so that leaves can be hashed on
    /// several threads. Every leaf but the last must be of ``ImportProfile/leafByteCount`` bytes,
    /// the last may be shorter but not empty; do not mix with ``append(_:)`` inside one leaf.
    public mutating func appendLeaf(_ cid: CID, byteCount: Int) {
        precondition(!isFinished && leaf.isEmpty && !leavesEnded)
        precondition((1...profile.leafByteCount).contains(byteCount) && cid.codec == .raw)
        leavesEnded = byteCount < profile.leafByteCount
        add(
            ImportedRoot(cid: cid, byteCount: UInt64(byteCount), treeByteCount: UInt64(byteCount)),
            level: 0)
    }

    /// The next finished block, children before their parents; nil until more bytes are added.
    public mutating func nextBlock() -> ImportedBlock? { queue.pop() }

    /// Ends the file. The last blocks are drained by ``nextBlock()`` afterwards.
    public mutating func finish() -> ImportedRoot {
        precondition(!isFinished)
        if !leaf.isEmpty || levels.allSatisfy(\.isEmpty) { cutLeaf() }
        isFinished = true
        var level = 0
        while level + 1 < levels.count || levels[level].count > 1 {
            if !levels[level].isEmpty { makeNode(level) }
            level += 1
        }
        return levels[level][0]
    }

    private mutating func cutLeaf() {
        precondition(!leavesEnded)
        leavesEnded = leaf.count < profile.leafByteCount
        let block = ImportedBlock(.raw, leaf)
        leaf = []
        let count = UInt64(block.bytes.count)
        queue.push(block)
        add(ImportedRoot(cid: block.cid, byteCount: count, treeByteCount: count), level: 0)
    }

    private mutating func add(_ link: ImportedRoot, level: Int) {
        if level == levels.count { levels.append([]) }
        levels[level].append(link)
        if levels[level].count == profile.linksMax { makeNode(level) }
    }

    /// Makes one node of all links that wait at `level`.
    private mutating func makeNode(_ level: Int) {
        let links = levels[level]
        levels[level].removeAll(keepingCapacity: true)
        var node = NodeWriter()
        for link in links { node.add(link) }
        let (block, root) = node.finish(UnixFSData.file(blockByteCounts: links.map(\.byteCount)))
        queue.push(block)
        add(root, level: level + 1)
    }
}
