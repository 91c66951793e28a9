/// Entries in, a directory's blocks out: one UnixFS block, or a tree of shards where that block
/// would have more than 262,144 bytes (profile unixfs-v1-2025; the block's exact size counts).
///
/// Shards are those of specs.ipfs.tech/unixfs, bit for bit what boxo's `hamt` package makes: 256
/// slots by murmur3-x64-64, uppercase hexadecimal slots before names, bitfields without leading
/// zero bytes. Which shard an entry falls into is known only when all names are, so all entries
/// wait in memory (about 120 bytes each, and the bytes of names longer than 15); one shard is made
/// at a time.

import AROPrimitives
import AROWire

public struct DirectoryBuilder: Sendable {
    /// The largest block of a directory that is not sharded.
    public static let flatByteCountMax = 262_144
    private static let fanoutBits = 8

    private struct Entry: Sendable {
        var hash: UInt64
        var name: String
        var root: ImportedRoot
    }

    private var entries: [Entry] = []
    private var flatByteCount = UnixFSData.directory.count + 2
    private var queue = BlockQueue()

    public init() {}

    /// Adds an entry, in any order. Throws ``DagFailure/name`` for a name that no file may have.
    public mutating func add(_ name: String, _ root: ImportedRoot) throws(DagFailure) {
        guard EntryName.isAllowed(name) else { throw .name }
        entries.append(Entry(hash: Murmur3.hash64(name.utf8), name: name, root: root))
        flatByteCount += DagPBWriter.linkByteCount(
            root.cid, nameByteCount: name.utf8.count, treeByteCount: root.treeByteCount)
    }

    /// Ends the directory; its blocks are drained by ``nextBlock()`` afterwards.
    ///
    /// Throws ``DagFailure/duplicateName``, and ``DagFailure/tooDeep`` where the hashes of two
    /// names are equal in all 64 bits (which whoever chooses names can bring about).
    public mutating func finish() throws(DagFailure) -> ImportedRoot {
        defer { entries = [] }
        entries.sort { EntryName.precedes($0.name, $1.name) }
        for (a, b) in zip(entries, entries.dropFirst()) where EntryName.equal(a.name, b.name) {
            throw .duplicateName
        }
        guard flatByteCount > Self.flatByteCountMax else { return flat() }
        entries.sort { $0.hash < $1.hash }
        for (a, b) in zip(entries, entries.dropFirst()) where a.hash == b.hash { throw .tooDeep }
        return shard(entries[...], level: 0)
    }

    /// The next finished block, children before their parents.
    public mutating func nextBlock() -> ImportedBlock? { queue.pop() }

    private mutating func flat() -> ImportedRoot {
        var node = NodeWriter()
        node.reserve(flatByteCount)
        for entry in entries { node.add(entry.root, name: Array(entry.name.utf8)) }
        return store(node, UnixFSData.directory)
    }

    /// Makes the shard of entries that share the hash bits above `level`, and all shards below.
    private mutating func shard(_ entries: ArraySlice<Entry>, level: Int) -> ImportedRoot {
        let fanout = 1 << Self.fanoutBits
        let shift = UInt64(64 - Self.fanoutBits * (level + 1))
        var node = NodeWriter()
        var bitfield = [UInt8](repeating: 0, count: fanout / 8)
        var start = entries.startIndex
        while start < entries.endIndex {
            let slot = Int(entries[start].hash >> shift) & (fanout - 1)
            var end = start + 1
            while end < entries.endIndex, Int(entries[end].hash >> shift) & (fanout - 1) == slot {
                end += 1
            }
            bitfield[fanout / 8 - 1 - slot / 8] |= 1 << UInt8(slot & 7)
            let digits = Self.digits(slot)
            if end == start + 1 {
                node.add(entries[start].root, name: digits + entries[start].name.utf8)
            } else {
                node.add(shard(entries[start..<end], level: level + 1), name: digits)
            }
            start = end
        }
        return store(
            node, UnixFSData.shard(bitfield: Array(bitfield.drop { $0 == 0 }), fanout: fanout))
    }

    private static func digits(_ slot: Int) -> [UInt8] {
        let digits = Array("0123456789ABCDEF".utf8)
        return [digits[slot >> 4], digits[slot & 15]]
    }

    private mutating func store(_ node: NodeWriter, _ data: [UInt8]) -> ImportedRoot {
        let (block, root) = node.finish(data)
        queue.push(block)
        return root
    }
}

/// A dag-pb node in the making, with the sums that its parent needs.
struct NodeWriter {
    private var bytes: [UInt8] = []
    private var byteCount: UInt64 = 0
    private var treeByteCount: UInt64 = 0

    mutating func reserve(_ count: Int) { bytes.reserveCapacity(count) }

    mutating func add(_ root: ImportedRoot, name: [UInt8] = []) {
        DagPBWriter.appendLink(
            to: &bytes, root.cid, name: name, treeByteCount: root.treeByteCount)
        byteCount += root.byteCount
        treeByteCount += root.treeByteCount
    }

    func finish(_ data: [UInt8]) -> (ImportedBlock, ImportedRoot) {
        var out = bytes
        DagPBWriter.appendData(to: &out, data)
        let block = ImportedBlock(.dagPB, out)
        let root = ImportedRoot(
            cid: block.cid, byteCount: byteCount, treeByteCount: treeByteCount + UInt64(out.count))
        return (block, root)
    }
}

/// Symbolic links.
extension ImportedBlock {
    /// The block of a symbolic link, stored by its target. Throws ``DagFailure/symlink`` for a
    /// target that is empty, longer than 4,096 bytes or holds NUL.
    public static func symlink(
        to target: String
    ) throws(DagFailure) -> (block: ImportedBlock, root: ImportedRoot) {
        let bytes = Array(target.utf8)
        guard !bytes.isEmpty, bytes.count <= DagLimits.symlinkByteCountMax, !bytes.contains(0)
        else { throw .symlink }
        return NodeWriter().finish(UnixFSData.symlink(target: bytes))
    }
}
