/// Reading bytes that came from a stranger: every read is checked, nothing is copied until asked.
///
/// A read past the end, or a value out of its bounds, throws ``DecodingFailure``; the reader never
/// traps, whatever the bytes. Integers are big-endian; variable-length integers are those of
/// RFC 9000 §16 (two bits of length, at most 2^62 - 1), refused when longer than needed, so that
/// every message has one encoding.

/// Why bytes were refused.
public enum DecodingFailure: Error, Hashable, Sendable {
    case truncated
    /// A length, count or number outside of what the format allows.
    case outOfBounds
    /// A tag, type or version that this decoder does not know.
    case unknown
    /// Well-formed, but not in the one canonical encoding.
    case notCanonical
    /// Bytes behind the end of a complete message.
    case trailingBytes
}

public struct ByteReader: ~Escapable {
    @usableFromInline let span: RawSpan
    @usableFromInline var position = 0
    /// Bytes read so far.
    @inlinable public var offset: Int { position }

    @inlinable @_lifetime(copy span)
    public init(_ span: RawSpan) {
        self.span = span
    }

    @inlinable public var remaining: Int { span.byteCount - offset }
    @inlinable public var isAtEnd: Bool { offset == span.byteCount }

    /// Throws ``DecodingFailure/trailingBytes`` unless everything was read.
    @inlinable public func finish() throws(DecodingFailure) {
        guard isAtEnd else { throw .trailingBytes }
    }

    @_lifetime(self: copy self)
    @inlinable public mutating func skip(_ count: Int) throws(DecodingFailure) {
        guard count >= 0, count <= remaining else { throw .truncated }
        position += count
    }

    /// The byte to be read next, without reading it; nil at the end.
    @inlinable public var peek: UInt8? {
        isAtEnd ? nil : span.unsafeLoad(fromByteOffset: offset, as: UInt8.self)
    }

    @_lifetime(self: copy self)
    @inlinable public mutating func u8() throws(DecodingFailure) -> UInt8 {
        guard remaining >= 1 else { throw .truncated }
        defer { position += 1 }
        return span.unsafeLoad(fromByteOffset: offset, as: UInt8.self)
    }

    @_lifetime(self: copy self)
    @inlinable public mutating func u16() throws(DecodingFailure) -> UInt16 {
        guard remaining >= 2 else { throw .truncated }
        defer { position += 2 }
        return UInt16(bigEndian: span.unsafeLoadUnaligned(fromByteOffset: offset, as: UInt16.self))
    }

    @_lifetime(self: copy self)
    @inlinable public mutating func u32() throws(DecodingFailure) -> UInt32 {
        guard remaining >= 4 else { throw .truncated }
        defer { position += 4 }
        return UInt32(bigEndian: span.unsafeLoadUnaligned(fromByteOffset: offset, as: UInt32.self))
    }

    @_lifetime(self: copy self)
    @inlinable public mutating func u64() throws(DecodingFailure) -> UInt64 {
        guard remaining >= 8 else { throw .truncated }
        defer { position += 8 }
        return UInt64(bigEndian: span.unsafeLoadUnaligned(fromByteOffset: offset, as: UInt64.self))
    }

    @_lifetime(self: copy self)
    @inlinable public mutating func bits256() throws(DecodingFailure) -> Bits256 {
        guard remaining >= 32 else { throw .truncated }
        defer { position += 32 }
        return span.withUnsafeBytes { Bits256(loadingFrom: $0.baseAddress! + offset) }
    }

    /// A variable-length integer of RFC 9000 §16, in its shortest form.
    @_lifetime(self: copy self)
    @inlinable public mutating func varint() throws(DecodingFailure) -> UInt64 {
        guard let first = peek else { throw .truncated }
        let value: UInt64
        let least: UInt64
        switch first >> 6 {
        case 0: (value, least) = (UInt64(try u8()), 0)
        case 1: (value, least) = (UInt64(try u16() & 0x3fff), 1 << 6)
        case 2: (value, least) = (UInt64(try u32() & 0x3fff_ffff), 1 << 14)
        default: (value, least) = (try u64() & 0x3fff_ffff_ffff_ffff, 1 << 30)
        }
        guard value >= least else { throw .notCanonical }
        return value
    }

    /// A variable-length integer that must not exceed `bound`.
    @_lifetime(self: copy self)
    @inlinable public mutating func varint(atMost bound: Int) throws(DecodingFailure) -> Int {
        let value = try varint()
        guard value <= UInt64(bound) else { throw .outOfBounds }
        return Int(value)
    }

    /// The next `count` bytes, in place.
    @_lifetime(copy self)
    @_lifetime(self: copy self)
    @inlinable public mutating func span(_ count: Int) throws(DecodingFailure) -> RawSpan {
        guard count >= 0, count <= remaining else { throw .truncated }
        let start = offset
        position += count
        return span.extracting(start..<start + count)
    }

    /// All bytes not yet read, in place.
    @_lifetime(copy self)
    @_lifetime(self: copy self)
    @inlinable public mutating func rest() -> RawSpan {
        let start = offset
        position = span.byteCount
        return span.extracting(start..<span.byteCount)
    }

    /// A copy of the next `count` bytes.
    @_lifetime(self: copy self)
    @inlinable public mutating func bytes(_ count: Int) throws(DecodingFailure) -> [UInt8] {
        try span(count).array
    }

    /// A copy of a byte string with a variable-length count before it, of at most `bound` bytes.
    @_lifetime(self: copy self)
    @inlinable public mutating func lengthPrefixed(atMost bound: Int) throws(DecodingFailure)
        -> [UInt8]
    {
        try bytes(varint(atMost: bound))
    }
}

extension RawSpan {
    /// A copy of the bytes.
    @inlinable public var array: [UInt8] { withUnsafeBytes { [UInt8]($0) } }
}
