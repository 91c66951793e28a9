/// Hand-made blocks: the tests write dag-pb and UnixFS field by field, so that they can also write
/// what no tool would.

import AROPrimitives
import AROWire

@testable import AROContent

typealias Block = (cid: CID, bytes: [UInt8])

func field(_ number: UInt8, _ value: UInt64) -> [UInt8] {
    var out: [UInt8] = []
    out.appendField(number, value)
    return out
}

func field(_ number: UInt8, _ bytes: [UInt8]) -> [UInt8] {
    var out: [UInt8] = []
    out.appendField(number, bytes)
    return out
}

/// A dag-pb link as a field of its node.
func link(_ cid: CID, _ name: String = "", tsize: UInt64 = 0) -> [UInt8] {
    field(2, field(1, cid.bytes) + field(2, Array(name.utf8)) + field(3, tsize))
}

func rawBlock(_ bytes: [UInt8]) -> Block { (CID(.raw, hashing: bytes.span.bytes), bytes) }

func pbBlock(_ bytes: [UInt8]) -> Block { (CID(.dagPB, hashing: bytes.span.bytes), bytes) }

/// A file node over children of given sizes; `filesize` and `sizes` may lie.
func fileBlock(
    _ children: [CID], sizes: [UInt64], filesize: UInt64? = nil, inline: [UInt8] = []
) -> Block {
    var data = field(1, 2)
    if !inline.isEmpty { data += field(2, inline) }
    data += field(3, filesize ?? sizes.reduce(UInt64(inline.count), &+))
    for size in sizes { data += field(4, size) }
    return pbBlock(children.flatMap { link($0) } + field(1, data))
}

func directoryBlock(_ entries: [(String, CID)]) -> Block {
    pbBlock(entries.flatMap { link($0.1, $0.0) } + field(1, field(1, 1)))
}

func symlinkBlock(_ target: String) -> Block {
    pbBlock(field(1, field(1, 4) + field(2, Array(target.utf8))))
}

/// A shard with given link names; the bitfield follows from the slots unless given.
func shardBlock(
    _ links: [(String, CID)], bitfield: [UInt8]? = nil, hashType: UInt64 = 0x22,
    fanout: UInt64 = 256
) -> Block {
    var bits = [UInt8](repeating: 0, count: 32)
    for (name, _) in links {
        if let slot = Int(name.prefix(2), radix: 16) { bits[31 - slot / 8] |= 1 << (slot & 7) }
    }
    let data = field(1, 5) + field(2, bitfield ?? bits) + field(5, hashType) + field(6, fanout)
    return pbBlock(links.flatMap { link($0.1, $0.0) } + field(1, data))
}

func decode(_ block: Block, as role: DagRole = .root) throws(DagFailure) -> DagNode {
    try DagNode(block.cid, block.bytes.span.bytes, as: role)
}

/// What decoding fails with; nil where it succeeds.
func failure(_ block: Block, as role: DagRole = .root) -> DagFailure? {
    do throws(DagFailure) {
        _ = try decode(block, as: role)
        return nil
    } catch { return error }
}

/// The slot of a name in a shard of 256 slots, as the two digits of a link's name.
func slotDigits(_ name: String, level: Int = 0) -> String {
    let digits = Array("0123456789ABCDEF")
    let slot = Int(Murmur3.hash64(name.utf8) >> UInt64(56 - 8 * level) & 255)
    return String([digits[slot >> 4], digits[slot & 15]])
}
