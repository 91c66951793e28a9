/// The dag-pb codec (ipld.io/specs/codecs/dag-pb): a node is a list of links and a byte string.
///
/// Written canonically: links before data, fields in order, name and size always there, links
/// sorted by the bytes of their names, stable where these are equal (all links of a file have the
/// empty name). Read as go-codec-dagpb reads: data may come before the links and links need not be
/// sorted, as older tools wrote them; a field twice, an unknown field or a link's fields out of
/// order are refused. A CIDv0 in a link is taken as the CIDv1 of the same block.

import AROPrimitives
import AROWire

/// A link of a dag-pb node.
struct DagPBLink {
    var cid: CID
    /// Where the name stands in the block.
    var name: Range<Int>
    /// The bytes of all blocks below, as the author counted them; a hint, never to be relied on.
    var treeByteCount: UInt64
}

/// A decoded dag-pb node: byte strings are ranges of its block.
struct DagPBNode {
    var links: [DagPBLink] = []
    var data: Range<Int>?

    init(_ block: RawSpan) throws(DagFailure) {
        var reader = ProtobufReader(block, 0..<block.byteCount)
        var linksEnded = false
        while let field = try reader.next() {
            switch field.number {
            case 1:
                guard data == nil else { throw .duplicateField }
                data = try field.bytes()
                linksEnded = !links.isEmpty
            case 2:
                guard !linksEnded else { throw .duplicateField }
                links.append(try DagPBLink(block, field.bytes()))
            default: throw .misplacedField
            }
        }
    }
}

extension DagPBLink {
    init(_ block: RawSpan, _ range: Range<Int>) throws(DagFailure) {
        var reader = ProtobufReader(block, range)
        var hash: Range<Int>?
        var name: Range<Int>?
        var size: UInt64?
        while let field = try reader.next() {
            switch field.number {
            case 1:
                guard hash == nil else { throw .duplicateField }
                guard name == nil, size == nil else { throw .misplacedField }
                hash = try field.bytes()
            case 2:
                guard name == nil else { throw .duplicateField }
                guard size == nil else { throw .misplacedField }
                name = try field.bytes()
            case 3:
                guard size == nil else { throw .duplicateField }
                size = try field.varint()
            default: throw .misplacedField
            }
        }
        guard let hash else { throw .linkWithoutHash }
        cid = try Self.cid(block, hash)
        self.name = name ?? range.upperBound..<range.upperBound
        treeByteCount = size ?? 0
    }

    /// The usual CIDs without an allocation, every other by ``CID/init(bytes:)``.
    private static func cid(_ block: RawSpan, _ range: Range<Int>) throws(DagFailure) -> CID {
        let start = range.lowerBound
        func digest(at offset: Int) -> Bits256 {
            block.withUnsafeBytes { Bits256(loadingFrom: $0.baseAddress! + offset) }
        }
        if range.count == 36, block.byte(start) == 1, block.byte(start + 2) == 0x12,
            block.byte(start + 3) == 32,
            let codec = Multicodec(rawValue: UInt64(block.byte(start + 1)))
        {
            return CID(
                codec: codec, hash: Multihash(function: .sha256, digest: digest(at: start + 4)))
        }
        if range.count == 34, block.byte(start) == 0x12, block.byte(start + 1) == 32 {
            return CID(
                codec: .dagPB, hash: Multihash(function: .sha256, digest: digest(at: start + 2)))
        }
        guard range.count <= CID.byteCountMax else { throw .link(.malformed) }
        do throws(CIDFailure) {
            return try CID(bytes: block.extracting(range).array)
        } catch { throw .link(error) }
    }
}

/// Writes dag-pb nodes; the caller gives the links in order of their names.
enum DagPBWriter {
    static func appendLink(
        to out: inout [UInt8], _ cid: CID, name: [UInt8], treeByteCount: UInt64
    ) {
        out.append(2 << 3 | 2)
        out.appendLEB128(
            UInt64(bodyByteCount(cid, nameByteCount: name.count, treeByteCount: treeByteCount)))
        out.appendField(1, cid.bytes)
        out.appendField(2, name)
        out.appendField(3, treeByteCount)
    }

    static func appendData(to out: inout [UInt8], _ data: [UInt8]) { out.appendField(1, data) }

    /// What ``appendLink(to:_:name:treeByteCount:)`` writes for such a link.
    static func linkByteCount(_ cid: CID, nameByteCount: Int, treeByteCount: UInt64) -> Int {
        let body = bodyByteCount(cid, nameByteCount: nameByteCount, treeByteCount: treeByteCount)
        return 1 + leb128ByteCount(UInt64(body)) + body
    }

    private static func bodyByteCount(
        _ cid: CID, nameByteCount: Int, treeByteCount: UInt64
    ) -> Int {
        let hash = cid.byteCount
        return 1 + leb128ByteCount(UInt64(hash)) + hash
            + 1 + leb128ByteCount(UInt64(nameByteCount)) + nameByteCount
            + 1 + leb128ByteCount(treeByteCount)
    }
}

extension CID {
    /// The length of ``bytes``.
    var byteCount: Int {
        1 + leb128ByteCount(codec.rawValue) + leb128ByteCount(hash.function.rawValue) + 33
    }
}
