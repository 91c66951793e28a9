/// The parts of a CARv1 (ipld.io/specs/transport/car/carv1): a header, then for each block its length, its
/// CID and its bytes.

import AROWire

enum CarFile {
    /// `bafkqaaa` in binary: version 1, raw, identity, no bytes.
    static let probe: [UInt8] = [0x01, 0x55, 0x00, 0x00]

    /// The header, a map of DAG-CBOR with its length before it.
    static func header(root: [UInt8]) -> [UInt8] {
        var map: [UInt8] = [0xa2]
        map.append(0x65)
        map += Array("roots".utf8)
        // One link: tag 42 on a byte string that begins with a zero.
        map += [0x81, 0xd8, 0x2a, 0x58, UInt8(root.count + 1), 0x00]
        map += root
        map.append(0x67)
        map += Array("version".utf8)
        map.append(0x01)
        var out: [UInt8] = []
        out.appendLEB128(UInt64(map.count))
        return out + map
    }

    /// What stands before a block's bytes.
    static func prefix(_ cid: CID, byteCount: Int) -> [UInt8] {
        let name = cid.bytes
        var out: [UInt8] = []
        out.appendLEB128(UInt64(name.count + byteCount))
        return out + name
    }
}
