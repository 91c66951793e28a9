/// 256-bit values held as four words: `InlineArray` is neither `Equatable` nor `Hashable`, and an
/// array of bytes costs an allocation and a slow dictionary look-up.

/// 32 bytes, ordered as a big-endian number: word 0 holds bytes 0 to 7.
public struct Bits256: Hashable, Comparable, Sendable {
    public var w0, w1, w2, w3: UInt64

    @inlinable public init(_ w0: UInt64, _ w1: UInt64, _ w2: UInt64, _ w3: UInt64) {
        (self.w0, self.w1, self.w2, self.w3) = (w0, w1, w2, w3)
    }

    public static let zero = Bits256(0, 0, 0, 0)
    public static let byteCount = 32

    /// Reads exactly 32 bytes; nil for any other count.
    @inlinable public init?(_ bytes: some Collection<UInt8>) {
        guard bytes.count == 32 else { return nil }
        var words: (UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0)
        var i = 0
        for byte in bytes {
            switch i >> 3 {
            case 0: words.0 = words.0 << 8 | UInt64(byte)
            case 1: words.1 = words.1 << 8 | UInt64(byte)
            case 2: words.2 = words.2 << 8 | UInt64(byte)
            default: words.3 = words.3 << 8 | UInt64(byte)
            }
            i += 1
        }
        self.init(words.0, words.1, words.2, words.3)
    }

    /// Reads 32 bytes at `base`, which must be readable for 32 bytes; alignment does not matter.
    @inlinable public init(loadingFrom base: UnsafeRawPointer) {
        self.init(
            UInt64(bigEndian: base.loadUnaligned(fromByteOffset: 0, as: UInt64.self)),
            UInt64(bigEndian: base.loadUnaligned(fromByteOffset: 8, as: UInt64.self)),
            UInt64(bigEndian: base.loadUnaligned(fromByteOffset: 16, as: UInt64.self)),
            UInt64(bigEndian: base.loadUnaligned(fromByteOffset: 24, as: UInt64.self)))
    }

    /// Writes the 32 bytes at `base`, which must be writable for 32 bytes.
    @inlinable public func store(to base: UnsafeMutableRawPointer) {
        base.storeBytes(of: w0.bigEndian, toByteOffset: 0, as: UInt64.self)
        base.storeBytes(of: w1.bigEndian, toByteOffset: 8, as: UInt64.self)
        base.storeBytes(of: w2.bigEndian, toByteOffset: 16, as: UInt64.self)
        base.storeBytes(of: w3.bigEndian, toByteOffset: 24, as: UInt64.self)
    }

    /// The 32 bytes, most significant first.
    public var bytes: [UInt8] {
        [UInt8](unsafeUninitializedCapacity: 32) { buffer, count in
            store(to: UnsafeMutableRawPointer(buffer.baseAddress!))
            count = 32
        }
    }

    /// Byte `i`, 0 to 31, most significant first.
    @inlinable public subscript(byte i: Int) -> UInt8 {
        let word = i < 16 ? (i < 8 ? w0 : w1) : (i < 24 ? w2 : w3)
        return UInt8(truncatingIfNeeded: word >> UInt64(56 - 8 * (i & 7)))
    }

    /// Bit `i`, 0 to 255, most significant first.
    @inlinable public subscript(bit i: Int) -> Bool {
        let word = i < 128 ? (i < 64 ? w0 : w1) : (i < 192 ? w2 : w3)
        return word >> UInt64(63 - (i & 63)) & 1 == 1
    }

    @inlinable public var leadingZeroBitCount: Int {
        if w0 != 0 { return w0.leadingZeroBitCount }
        if w1 != 0 { return 64 + w1.leadingZeroBitCount }
        if w2 != 0 { return 128 + w2.leadingZeroBitCount }
        return 192 + w3.leadingZeroBitCount
    }

    @inlinable public static func ^ (a: Bits256, b: Bits256) -> Bits256 {
        .init(a.w0 ^ b.w0, a.w1 ^ b.w1, a.w2 ^ b.w2, a.w3 ^ b.w3)
    }

    @inlinable public static func < (a: Bits256, b: Bits256) -> Bool {
        if a.w0 != b.w0 { return a.w0 < b.w0 }
        if a.w1 != b.w1 { return a.w1 < b.w1 }
        if a.w2 != b.w2 { return a.w2 < b.w2 }
        return a.w3 < b.w3
    }
}

extension Bits256: CustomStringConvertible {
    /// 64 lowercase hexadecimal digits.
    public var description: String { Hex.encode(bytes) }
}

/// Who a peer is: its Ed25519 public key. Printed as the libp2p-key CIDv1 in base32 (`bafzaa…`).
public struct PeerID: Hashable, Comparable, Sendable {
    public var key: Bits256

    @inlinable public init(key: Bits256) { self.key = key }

    @inlinable public static func < (a: PeerID, b: PeerID) -> Bool { a.key < b.key }

    /// CIDv1, codec libp2p-key (0x72), identity multihash of the 36-byte protobuf public key
    /// (type 1 = Ed25519, 32 bytes): libp2p's specs/peer-ids.
    static let cidPrefix: [UInt8] = [0x01, 0x72, 0x00, 0x24, 0x08, 0x01, 0x12, 0x20]

    /// Reads the form that ``description`` prints; nil for anything else.
    public init?(_ text: some StringProtocol) {
        guard text.utf8.first == UInt8(ascii: "b"),
            let bytes = Base32.decode(text.dropFirst()),
            bytes.count == Self.cidPrefix.count + 32, bytes.starts(with: Self.cidPrefix),
            let key = Bits256(bytes.dropFirst(Self.cidPrefix.count))
        else { return nil }
        self.init(key: key)
    }
}

extension PeerID: CustomStringConvertible {
    public var description: String { "b" + Base32.encode(Self.cidPrefix + key.bytes) }
}

/// A point of the DHT's 256-bit XOR space: SHA-256 of a peer's public key, of a content's
/// multihash, or of a tagged name.
public struct DHTKey: Hashable, Comparable, Sendable {
    public var bits: Bits256

    @inlinable public init(bits: Bits256) { self.bits = bits }

    @inlinable public static func < (a: DHTKey, b: DHTKey) -> Bool { a.bits < b.bits }

    /// The XOR metric of Kademlia (Maymounkov and Mazières 2002, §2.1).
    @inlinable public func distance(to other: DHTKey) -> Bits256 { bits ^ other.bits }

    /// The number of leading bits that both keys share, 0 to 256.
    @inlinable public func commonPrefixLength(with other: DHTKey) -> Int {
        (bits ^ other.bits).leadingZeroBitCount
    }
}

extension DHTKey: CustomStringConvertible {
    public var description: String { bits.description }
}
