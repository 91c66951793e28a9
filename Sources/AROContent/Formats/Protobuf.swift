/// The part of protobuf's wire format that dag-pb and UnixFS need: varints, fixed numbers and
/// byte strings. As in go's protowire, varints need not be in their shortest form (tools differ);
/// nothing is copied: byte strings come as ranges of the block.

import AROPrimitives
import AROWire

/// One field of a message.
struct ProtobufField {
    enum Value {
        case number(UInt64)
        case bytes(Range<Int>)
        case fixed
    }

    var number: UInt64
    var value: Value

    func bytes() throws(DagFailure) -> Range<Int> {
        guard case .bytes(let range) = value else { throw .encoding }
        return range
    }

    func varint() throws(DagFailure) -> UInt64 {
        guard case .number(let number) = value else { throw .encoding }
        return number
    }
}

/// Reads the fields of the message that lies at `range` of a block.
struct ProtobufReader: ~Escapable {
    let span: RawSpan
    private(set) var offset: Int
    let end: Int

    @_lifetime(copy span)
    init(_ span: RawSpan, _ range: Range<Int>) {
        self.span = span
        offset = range.lowerBound
        end = range.upperBound
    }

    /// The next field; nil at the end of the message.
    @_lifetime(self: copy self)
    mutating func next() throws(DagFailure) -> ProtobufField? {
        guard offset < end else { return nil }
        let tag = try varint()
        guard tag >> 3 != 0, tag >> 3 < 1 << 29 else { throw .encoding }
        switch tag & 7 {
        case 0: return ProtobufField(number: tag >> 3, value: .number(try varint()))
        case 1:
            try skip(8)
            return ProtobufField(number: tag >> 3, value: .fixed)
        case 2:
            let count = try varint()
            let start = offset
            guard count <= UInt64(end - start) else { throw .encoding }
            try skip(Int(count))
            return ProtobufField(number: tag >> 3, value: .bytes(start..<offset))
        case 5:
            try skip(4)
            return ProtobufField(number: tag >> 3, value: .fixed)
        default: throw .encoding
        }
    }

    /// A number of at most 64 bits in at most ten bytes.
    @_lifetime(self: copy self)
    mutating func varint() throws(DagFailure) -> UInt64 {
        var value: UInt64 = 0
        for i in 0..<10 {
            guard offset < end else { throw .encoding }
            let byte = span.unsafeLoad(fromByteOffset: offset, as: UInt8.self)
            offset += 1
            guard i < 9 || byte <= 1 else { throw .encoding }
            value |= UInt64(byte & 0x7f) << UInt64(7 * i)
            if byte & 0x80 == 0 { return value }
        }
        throw .encoding
    }

    @_lifetime(self: copy self)
    private mutating func skip(_ count: Int) throws(DagFailure) {
        guard count <= end - offset else { throw .encoding }
        offset += count
    }
}

extension RawSpan {
    /// The text at `range`; nil where that is not UTF-8.
    func text(_ range: Range<Int>) -> String? {
        withUnsafeBytes { String(validating: $0[range], as: UTF8.self) }
    }

    func byte(_ offset: Int) -> UInt8 { unsafeLoad(fromByteOffset: offset, as: UInt8.self) }
}

extension [UInt8] {
    /// Field `number` as a varint. Both formats have field numbers below 16 only.
    mutating func appendField(_ number: UInt8, _ value: UInt64) {
        append(number << 3)
        appendLEB128(value)
    }

    /// Field `number` as a byte string.
    mutating func appendField(_ number: UInt8, _ bytes: some Collection<UInt8>) {
        append(number << 3 | 2)
        appendLEB128(UInt64(bytes.count))
        append(contentsOf: bytes)
    }
}

/// The bytes that `value` takes as a varint.
func leb128ByteCount(_ value: UInt64) -> Int {
    (70 - (value | 1).leadingZeroBitCount) / 7
}
