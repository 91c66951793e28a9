/// One number for all that happened: every event of a run is folded into it, in order. Two runs
/// with equal hashes went the same way; the first difference changes everything behind it.
///
/// The mixing step is that of wyhash (Wang Yi): a 64 by 64 bit product, its halves XORed. It is no
/// cryptographic hash and need not be one: nobody gains by making two runs look alike. Bytes are
/// read as little-endian words whatever the machine, so the hash is the same everywhere.

public struct TraceHash: Hashable, Sendable {
    public private(set) var value: UInt64 = 0x243f_6a88_85a3_08d3  // π

    public init() {}

    /// Reads what ``description`` wrote.
    public init?(_ text: some StringProtocol) {
        guard text.count == 16, let value = UInt64(text, radix: 16) else { return nil }
        self.value = value
    }

    mutating func fold(_ word: UInt64) { value = mix64(value ^ word) }

    mutating func fold(_ bytes: UnsafeRawBufferPointer) {
        fold(UInt64(bytes.count))
        var offset = 0
        while offset + 8 <= bytes.count {
            fold(UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self)))
            offset += 8
        }
        guard offset < bytes.count else { return }
        var tail: UInt64 = 0
        for byte in bytes[offset...].reversed() { tail = tail << 8 | UInt64(byte) }
        fold(tail)
    }
}

extension TraceHash: CustomStringConvertible {
    /// 16 hexadecimal digits.
    public var description: String {
        let digits = String(value, radix: 16)
        return String(repeating: "0", count: 16 - digits.count) + digits
    }
}

/// Spreads a word over all its bits. The constants are fractional digits of π and of the golden
/// ratio: nothing up the sleeve.
func mix64(_ word: UInt64) -> UInt64 {
    let product = (word ^ 0x1319_8a2e_0370_7344).multipliedFullWidth(by: 0x9e37_79b9_7f4a_7c15)
    return product.high ^ product.low &+ 0xa409_3822_299f_31d0
}
