/// The datagrams of the transport, byte by byte. Integers are big-endian.
///
/// ```
/// Initiation        IK 0x01, XX 0x02     at least 480 bytes, at most 1,232
///   0   1  type
///   1   4  version
///   5   8  source id           the id that the initiator wants to be answered under
///  13  16  cookie              zeros where none was demanded yet
///  29   n  Noise message 1     its payload is padded with zeros to the least size
///
/// Response          IK 0x03, XX 0x04
///   0   1  type
///   1   8  destination id
///   9   n  Noise message 2
///
/// Completion        0x05                 the third message of XX
///   0   1  type
///   1   8  destination id
///   9   n  Noise message 3
///
/// Cookie            0x06                 25 bytes; answers an initiation
///   0   1  type
///   1   8  destination id      the initiation's source id
///   9  16  cookie
///
/// Versions          0x07                 answers an initiation of an unknown version
///   0   1  type
///   1   8  destination id      the initiation's source id
///   9   1  count               1 to 16
///  10  4n  versions
///
/// Reset             0x08                 25 bytes; answers data for an unknown id
///   0   1  type
///   1   8  id                  the destination id of the packet that is answered
///   9  16  token               told to the peer in the handshake (as in RFC 9000 §10.3)
///
/// Data              0x40, 0x41           bit 0 is the key phase (RFC 9001 §6)
///   0   1  type
///   1   8  destination id
///   9   4  packet number       the low 32 bits
///  13   n  frames, encrypted
///  13+n 16 tag                 over the 13 bytes of header and the frames
/// ```
///
/// The first 29 bytes of an initiation are the end of the handshake's prologue, so a cookie cannot be
/// put into somebody else's initiation and no byte of the header can be changed unnoticed.
///
/// There is no header protection (RFC 9001 §5.4). It would cost one more block cipher call for each
/// packet, and hide the packet number and key phase from observers to whom the connection id, in the
/// clear in QUIC as well, tells already which packets belong together; we do not promise that they
/// cannot tell. WireGuard decides alike.

import AROPrimitives

/// The name under which the receiver of a packet knows its session.
public struct ConnectionID: Hashable, Sendable {
    public var value: UInt64
    @inlinable public init(_ value: UInt64) { self.value = value }
}

/// A proof of address that only its issuer can make or check.
public struct Cookie: Hashable, Sendable {
    public var high, low: UInt64
    @inlinable public init(high: UInt64, low: UInt64) { (self.high, self.low) = (high, low) }
    public static let none = Cookie(high: 0, low: 0)
}

/// What proves that a reset comes from the peer of a session.
public struct ResetToken: Hashable, Sendable {
    public var high, low: UInt64
    @inlinable public init(high: UInt64, low: UInt64) { (self.high, self.low) = (high, low) }
}

public enum PacketType: UInt8, Sendable {
    case initiationIK = 0x01
    case initiationXX = 0x02
    case responseIK = 0x03
    case responseXX = 0x04
    case completion = 0x05
    case cookie = 0x06
    case versions = 0x07
    case reset = 0x08
    case data = 0x40
    case dataOddPhase = 0x41
}

public enum Packet {
    /// "ARO" and 1.
    public static let version: UInt32 = 0x4152_4f01
    public static let versionsMax = 16

    public static let initiationHeader = 1 + 4 + 8 + 16
    /// So large that three times as much holds a response (9 bytes, keys and tags 48, who and how
    /// about 150) and one data packet of ``WireLimits/datagramFloor``: 1,440 bytes.
    public static let initiationMin = 480
    public static let responseHeader = 1 + 8
    public static let cookieByteCount = 1 + 8 + 16
    public static let resetByteCount = 1 + 8 + 16
    public static let dataHeader = 1 + 8 + 4
    public static let tag = 16
    /// What a data packet takes besides its frames.
    public static let dataOverhead = dataHeader + tag
    /// How much an unproven address may be sent for each byte that came from it (RFC 9000 §8.1).
    public static let amplificationMax = 3
}

/// The header of an initiation.
public struct InitiationHeader: Equatable, Sendable {
    public var type: PacketType
    public var version: UInt32
    public var source: ConnectionID
    public var cookie: Cookie

    public init(
        type: PacketType, version: UInt32 = Packet.version, source: ConnectionID,
        cookie: Cookie = .none
    ) {
        (self.type, self.version, self.source, self.cookie) = (type, version, source, cookie)
    }

    public var bytes: [UInt8] {
        var out: [UInt8] = [type.rawValue]
        out.reserveCapacity(Packet.initiationHeader)
        out.appendU32(version)
        out.appendU64(source.value)
        out.appendU64(cookie.high)
        out.appendU64(cookie.low)
        return out
    }

    /// Reads the header of a datagram whose first byte said that it is an initiation. The layout up
    /// to the source id is the same in every version.
    public init(reading reader: inout ByteReader) throws(DecodingFailure) {
        guard let type = PacketType(rawValue: try reader.u8()),
            type == .initiationIK || type == .initiationXX
        else { throw .unknown }
        self.type = type
        version = try reader.u32()
        source = ConnectionID(try reader.u64())
        cookie = Cookie(high: try reader.u64(), low: try reader.u64())
    }
}

/// A packet of a cookie, or of a reset: a type, an id and sixteen bytes.
public struct ShortNotice: Equatable, Sendable {
    public var type: PacketType
    public var id: ConnectionID
    public var high, low: UInt64

    public init(cookie: Cookie, to id: ConnectionID) {
        (type, self.id, high, low) = (.cookie, id, cookie.high, cookie.low)
    }

    public init(reset token: ResetToken, of id: ConnectionID) {
        (type, self.id, high, low) = (.reset, id, token.high, token.low)
    }

    public var bytes: [UInt8] {
        var out: [UInt8] = [type.rawValue]
        out.appendU64(id.value)
        out.appendU64(high)
        out.appendU64(low)
        return out
    }

    public init(_ datagram: RawSpan) throws(DecodingFailure) {
        var reader = ByteReader(datagram)
        guard let type = PacketType(rawValue: try reader.u8()), type == .cookie || type == .reset
        else { throw .unknown }
        self.type = type
        id = ConnectionID(try reader.u64())
        (high, low) = (try reader.u64(), try reader.u64())
        try reader.finish()
    }
}

/// The versions that the sender speaks.
public struct VersionsPacket: Equatable, Sendable {
    public var id: ConnectionID
    public var versions: [UInt32]

    public init(id: ConnectionID, versions: [UInt32]) { (self.id, self.versions) = (id, versions) }

    public var bytes: [UInt8] {
        var out: [UInt8] = [PacketType.versions.rawValue]
        out.appendU64(id.value)
        out.append(UInt8(versions.count))
        for version in versions { out.appendU32(version) }
        return out
    }

    public init(_ datagram: RawSpan) throws(DecodingFailure) {
        var reader = ByteReader(datagram)
        guard try reader.u8() == PacketType.versions.rawValue else { throw .unknown }
        id = ConnectionID(try reader.u64())
        let count = Int(try reader.u8())
        guard (1...Packet.versionsMax).contains(count) else { throw .outOfBounds }
        versions = []
        for _ in 0..<count { versions.append(try reader.u32()) }
        try reader.finish()
    }
}

/// Packet numbers travel as their low 32 bits.
public enum PacketNumber {
    /// The number nearest to `expected`, at most 2^62, whose low 32 bits are `truncated` (RFC 9000
    /// §A.3).
    @inlinable public static func expand(_ truncated: UInt32, expected: UInt64) -> UInt64 {
        let half: UInt64 = 1 << 31
        let candidate = expected & ~0xffff_ffff | UInt64(truncated)
        if candidate + half <= expected, candidate < .max - (1 << 32) { return candidate + 1 << 32 }
        if candidate > expected + half, candidate >= 1 << 32 { return candidate - 1 << 32 }
        return candidate
    }
}
