/// Writing what ``ByteReader`` reads.

extension [UInt8] {
    // Not inlined where they are called, which is everywhere. Up to four bytes one by one, as an array
    // takes longer to append a sequence of four than four times one.
    public mutating func appendU16(_ value: UInt16) {
        append(UInt8(truncatingIfNeeded: value >> 8))
        append(UInt8(truncatingIfNeeded: value))
    }

    public mutating func appendU32(_ value: UInt32) {
        append(UInt8(truncatingIfNeeded: value >> 24))
        append(UInt8(truncatingIfNeeded: value >> 16))
        append(UInt8(truncatingIfNeeded: value >> 8))
        append(UInt8(truncatingIfNeeded: value))
    }

    public mutating func appendU64(_ value: UInt64) {
        Swift.withUnsafeBytes(of: value.bigEndian) { append(contentsOf: $0) }
    }

    @inlinable public mutating func appendBits256(_ value: Bits256) {
        Swift.withUnsafeBytes(
            of: (value.w0.bigEndian, value.w1.bigEndian, value.w2.bigEndian, value.w3.bigEndian)
        ) { append(contentsOf: $0) }
    }

    /// A variable-length integer of RFC 9000 §16; `value` must be below 2^62.
    @inlinable public mutating func appendVarint(_ value: UInt64) {
        switch value {
        case ..<(1 << 6): append(UInt8(value))
        case ..<(1 << 14): appendU16(UInt16(value) | 1 << 14)
        case ..<(1 << 30): appendU32(UInt32(value) | 2 << 30)
        default:
            precondition(value < 1 << 62, "a variable-length integer holds 62 bits")
            appendU64(value | 3 << 62)
        }
    }

    @inlinable public mutating func appendVarint(_ value: Int) { appendVarint(UInt64(value)) }

    @inlinable public mutating func appendLengthPrefixed(_ bytes: [UInt8]) {
        appendVarint(bytes.count)
        append(contentsOf: bytes)
    }

    @inlinable public mutating func append(_ span: RawSpan) {
        span.withUnsafeBytes { append(contentsOf: $0) }
    }
}

/// The bytes that ``Swift/Array/appendVarint(_:)`` takes for `value`.
@inlinable public func varintByteCount(_ value: UInt64) -> Int {
    value < 1 << 6 ? 1 : value < 1 << 14 ? 2 : value < 1 << 30 ? 4 : 8
}
