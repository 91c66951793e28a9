/// Shards of large directories: UnixFS' hash array mapped trie (specs.ipfs.tech/unixfs, HAMTShard).
///
/// The 64-bit hash of a name, taken from its highest bits down, chooses a slot at each level. A
/// slot holds an entry or, where several names meet, a shard of the next level. A link's name
/// starts with the slot in uppercase hexadecimal digits; what follows is the entry's name, or
/// nothing for a shard.

import AROPrimitives
import AROWire

/// Where a shard stands in its directory: the bits of hashes that lead to it.
public struct ShardPosition: Hashable, Sendable {
    /// The bits taken so far, right-aligned.
    var prefix: UInt64
    var bitCount: Int
    /// Slots of each shard of this directory, as a power of two.
    var fanoutBits: Int

    /// The root shard's position.
    static func top(fanoutBits: Int) -> ShardPosition {
        ShardPosition(prefix: 0, bitCount: 0, fanoutBits: fanoutBits)
    }

    func below(slot: Int) -> ShardPosition {
        ShardPosition(
            prefix: prefix << UInt64(fanoutBits) | UInt64(slot), bitCount: bitCount + fanoutBits,
            fanoutBits: fanoutBits)
    }

    /// Whether all 64 bits of the hash would be used up before a slot of this level.
    var isTooDeep: Bool { bitCount + fanoutBits > 64 }

    /// The slot of a hash at this level; nil where it does not belong to this shard at all.
    func slot(of hash: UInt64) -> Int? {
        guard !isTooDeep, bitCount == 0 || hash >> UInt64(64 - bitCount) == prefix else {
            return nil
        }
        return Int(hash >> UInt64(64 - bitCount - fanoutBits) & (1 << UInt64(fanoutBits) - 1))
    }
}

/// One shard of a directory.
public struct ShardNode: Hashable, Sendable {
    /// In order of their slots.
    public var links: [ShardLink]
    var position: ShardPosition
    var depth: Int
}

public struct ShardLink: Hashable, Sendable {
    public enum Target: Hashable, Sendable {
        case entry(DirectoryEntry)
        /// The shard of the next level.
        case shard(CID)
    }

    public var slot: Int
    public var target: Target

    /// The entry; nil where a shard lies below.
    public var entry: DirectoryEntry? {
        if case .entry(let entry) = target { entry } else { nil }
    }
}

extension ShardNode {
    init(
        _ node: DagPBNode, _ unixFS: UnixFSData, _ block: RawSpan, _ role: DagRole
    ) throws(DagFailure) {
        let fanout = unixFS.fanout ?? 0
        guard fanout >= 8, fanout <= UInt64(DagLimits.fanoutMax), fanout & (fanout - 1) == 0,
            unixFS.hashType == UnixFSData.murmur3
        else { throw .shard }
        let fanoutBits = fanout.trailingZeroBitCount
        if case .shard(let promised, let depth) = role {
            guard promised.fanoutBits == fanoutBits else { throw .shard }
            (position, self.depth) = (promised, depth)
        } else {
            position = .top(fanoutBits: fanoutBits)
            depth = try role.entryDepth()
        }
        guard !position.isTooDeep, depth <= DagLimits.directoryDepthMax else { throw .tooDeep }
        links = []
        for link in node.links { links.append(try Self.link(link, block, position)) }
        links.sort { $0.slot < $1.slot }
        try checkSlots(block, unixFS.data)
    }

    private static func link(
        _ link: DagPBLink, _ block: RawSpan, _ position: ShardPosition
    ) throws(DagFailure) -> ShardLink {
        let digitCount = (position.fanoutBits + 3) / 4
        guard link.name.count >= digitCount else { throw .shard }
        let nameStart = link.name.lowerBound + digitCount
        let slot = try slot(block, link.name.lowerBound..<nameStart)
        if nameStart == link.name.upperBound {
            return ShardLink(slot: slot, target: .shard(link.cid))
        }
        let name = try EntryName.check(block.text(nameStart..<link.name.upperBound))
        guard position.slot(of: Murmur3.hash64(name.utf8)) == slot else { throw .shard }
        let entry = DirectoryEntry(name: name, cid: link.cid, treeByteCount: link.treeByteCount)
        return ShardLink(slot: slot, target: .entry(entry))
    }

    private static func slot(_ block: RawSpan, _ digits: Range<Int>) throws(DagFailure) -> Int {
        var slot = 0
        for offset in digits {
            switch block.byte(offset) {
            case let byte where (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte):
                slot = slot << 4 | Int(byte - UInt8(ascii: "0"))
            case let byte where (UInt8(ascii: "A")...UInt8(ascii: "F")).contains(byte):
                slot = slot << 4 | Int(byte - UInt8(ascii: "A") + 10)
            default: throw .shard
            }
        }
        return slot
    }

    /// Each slot once, within the fanout, and just those that the bitfield names. Its bytes are a
    /// big-endian number with bit `slot` set; leading zero bytes may be missing.
    private func checkSlots(_ block: RawSpan, _ bitfield: Range<Int>) throws(DagFailure) {
        var bits = 0
        for offset in bitfield { bits += block.byte(offset).nonzeroBitCount }
        guard bitfield.count <= 1 << position.fanoutBits / 8, bits == links.count else {
            throw .shard
        }
        var last = -1
        for link in links {
            let offset = bitfield.upperBound - 1 - link.slot / 8
            guard link.slot > last, offset >= bitfield.lowerBound,
                block.byte(offset) >> UInt8(link.slot & 7) & 1 == 1
            else { throw .shard }
            last = link.slot
        }
    }

    /// Whether this is the directory's first shard, the one that stands for all of it.
    public var isTop: Bool { position.bitCount == 0 }

    public func child(_ link: ShardLink) -> DagChild {
        switch link.target {
        case .entry(let entry): DagChild(cid: entry.cid, role: .entry(depth: depth + 1))
        case .shard(let cid):
            DagChild(cid: cid, role: .shard(position.below(slot: link.slot), depth: depth))
        }
    }

    /// The one link that can lead to `name`: its entry, or the shard to look in next; nil where the
    /// directory has no such entry.
    public func link(toward name: String) -> ShardLink? {
        guard let slot = position.slot(of: Murmur3.hash64(name.utf8)),
            let link = links.first(where: { $0.slot == slot })
        else { return nil }
        if case .entry(let entry) = link.target, !EntryName.equal(entry.name, name) { return nil }
        return link
    }
}
