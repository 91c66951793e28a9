/// UnixFS (specs.ipfs.tech/unixfs): the protobuf message in a dag-pb node's data that makes it a
/// file, a directory, a shard of a large directory or a symbolic link.
///
/// Read as protobuf 2 is read: fields in any order, unknown ones (mode, mtime) skipped, block sizes
/// packed or not. A singular field twice, which protobuf would let pass, is refused: no tool writes
/// it.

import AROPrimitives
import AROWire

enum UnixFSType: UInt64 {
    case raw = 0
    case directory = 1
    case file = 2
    case symlink = 4
    case hamtShard = 5
}

struct UnixFSData {
    var type: UnixFSType
    /// Where the inline bytes stand in the block: file bytes, a link's target, a shard's bitfield.
    var data: Range<Int>
    var fileByteCount: UInt64?
    var blockByteCounts: [UInt64]
    var hashType: UInt64?
    var fanout: UInt64?

    /// murmur3-x64-64 in the multicodec table: the only hash of shards in use.
    static let murmur3: UInt64 = 0x22

    init(_ block: RawSpan, _ range: Range<Int>) throws(DagFailure) {
        var reader = ProtobufReader(block, range)
        var type: UInt64?
        var data: Range<Int>?
        blockByteCounts = []
        while let field = try reader.next() {
            switch field.number {
            case 1: try Self.set(&type, field.varint())
            case 2: try Self.set(&data, field.bytes())
            case 3: try Self.set(&fileByteCount, field.varint())
            case 4: try Self.append(to: &blockByteCounts, field, of: block)
            case 5: try Self.set(&hashType, field.varint())
            case 6: try Self.set(&fanout, field.varint())
            default: continue
            }
        }
        guard let type else { throw .notUnixFS }
        guard let known = UnixFSType(rawValue: type) else { throw .type(type) }
        self.type = known
        self.data = data ?? range.upperBound..<range.upperBound
    }

    private static func set<T>(_ place: inout T?, _ value: T) throws(DagFailure) {
        guard place == nil else { throw .duplicateField }
        place = value
    }

    private static func append(
        to counts: inout [UInt64], _ field: ProtobufField, of block: RawSpan
    ) throws(DagFailure) {
        switch field.value {
        case .number(let count): counts.append(count)
        case .fixed: throw .encoding
        case .bytes(let packed):
            var reader = ProtobufReader(block, packed)
            while reader.offset < packed.upperBound, counts.count <= DagLimits.fileLinksMax {
                counts.append(try reader.varint())
            }
        }
        guard counts.count <= DagLimits.fileLinksMax else { throw .tooManyLinks }
    }
}

/// The canonical bytes: fields in order, as boxo writes them.
extension UnixFSData {
    static let directory: [UInt8] = [1 << 3, UInt8(UnixFSType.directory.rawValue)]

    static func file(blockByteCounts: [UInt64]) -> [UInt8] {
        var out: [UInt8] = [1 << 3, UInt8(UnixFSType.file.rawValue)]
        out.appendField(3, blockByteCounts.reduce(0, +))
        for count in blockByteCounts { out.appendField(4, count) }
        return out
    }

    static func symlink(target: [UInt8]) -> [UInt8] {
        var out: [UInt8] = [1 << 3, UInt8(UnixFSType.symlink.rawValue)]
        out.appendField(2, target)
        return out
    }

    static func shard(bitfield: [UInt8], fanout: Int) -> [UInt8] {
        var out: [UInt8] = [1 << 3, UInt8(UnixFSType.hamtShard.rawValue)]
        out.appendField(2, bitfield)
        out.appendField(5, murmur3)
        out.appendField(6, UInt64(fanout))
        return out
    }
}
