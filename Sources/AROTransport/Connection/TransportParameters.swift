/// What each side tells the other in the handshake: its limits and abilities (RFC 9000 §18).
///
/// A list of (id, length, value), all variable-length integers, ids ascending, each value one
/// variable-length integer. Unknown ids are skipped, missing ones have the default; a value out of
/// its bounds refuses the whole.

import AROPrimitives
import AROWire

public struct TransportParameters: Hashable, Sendable {
    /// The largest datagram that we take, bytes of UDP payload.
    public var datagramMax = 65_000
    /// Stream bytes that the peer may send at first, in all and on one stream.
    public var connectionCredit: UInt64 = 0
    public var streamCredit: UInt64 = 0
    /// Streams that the peer may open at first.
    public var streamCount: UInt64 = 0
    /// The longest that we hold an ACK back.
    public var ackDelay: Duration = .milliseconds(25)
    /// Silence after which we forget the session.
    public var idleTimeout: Duration = .seconds(30)
    /// A bit for every packet cipher that we have: 1 << the suite's number.
    public var cipherSuites: UInt64 = 1 << 1
    /// Whether we answer Kademlia queries and may stand in routing tables.
    public var servesDHT = false

    /// Most parameters and bytes of an encoding. A guess: room for three times of today's.
    static let countMax = 24
    static let byteCountMax = 256

    public init() {}

    /// The limits of `configuration`, as we announce them.
    public init(_ configuration: TransportConfiguration) {
        connectionCredit = configuration.connectionWindow
        streamCredit = configuration.streamWindow
        streamCount = UInt64(configuration.streamsMax)
        ackDelay = configuration.ackDelayMax
    }

    private enum ID {
        static let datagramMax: UInt64 = 1
        static let connectionCredit: UInt64 = 2
        static let streamCredit: UInt64 = 3
        static let streamCount: UInt64 = 4
        static let ackDelayMicroseconds: UInt64 = 5
        static let idleTimeoutMilliseconds: UInt64 = 6
        static let cipherSuites: UInt64 = 7
        static let flags: UInt64 = 8
    }

    public func encode(into bytes: inout [UInt8]) {
        Self.append(ID.datagramMax, UInt64(datagramMax), to: &bytes)
        Self.append(ID.connectionCredit, connectionCredit, to: &bytes)
        Self.append(ID.streamCredit, streamCredit, to: &bytes)
        Self.append(ID.streamCount, streamCount, to: &bytes)
        Self.append(ID.ackDelayMicroseconds, UInt64(ackDelay.nanoseconds / 1_000), to: &bytes)
        Self.append(
            ID.idleTimeoutMilliseconds, UInt64(idleTimeout.nanoseconds / 1_000_000), to: &bytes)
        Self.append(ID.cipherSuites, cipherSuites, to: &bytes)
        Self.append(ID.flags, servesDHT ? 1 : 0, to: &bytes)
    }

    private static func append(_ id: UInt64, _ value: UInt64, to bytes: inout [UInt8]) {
        bytes.appendVarint(id)
        bytes.appendVarint(varintByteCount(value))
        bytes.appendVarint(value)
    }

    /// Reads all that is left in `reader`.
    public init(reading reader: inout ByteReader) throws(DecodingFailure) {
        guard reader.remaining <= Self.byteCountMax else { throw .outOfBounds }
        var last: UInt64 = 0
        var count = 0
        while !reader.isAtEnd {
            let id = try reader.varint()
            guard id > last else { throw .notCanonical }
            last = id
            count += 1
            guard count <= Self.countMax else { throw .outOfBounds }
            let length = try reader.varint(atMost: reader.remaining)
            guard id <= ID.flags else {
                try reader.skip(length)
                continue
            }
            let end = reader.offset + length
            try set(id, to: reader.varint())
            guard reader.offset == end else { throw .notCanonical }
        }
    }

    private mutating func set(_ id: UInt64, to value: UInt64) throws(DecodingFailure) {
        switch id {
        case ID.datagramMax:
            datagramMax = try Self.bounded(value, WireLimits.datagramFloor...65_527)
        case ID.connectionCredit: connectionCredit = value
        case ID.streamCredit: streamCredit = value
        case ID.streamCount: streamCount = value
        case ID.ackDelayMicroseconds:
            ackDelay = .microseconds(Int64(try Self.bounded(value, 0...1_000_000)))
        case ID.idleTimeoutMilliseconds:
            idleTimeout = .milliseconds(Int64(try Self.bounded(value, 1_000...86_400_000)))
        case ID.cipherSuites: cipherSuites = value
        default: servesDHT = value & 1 != 0
        }
    }

    private static func bounded(
        _ value: UInt64, _ bounds: ClosedRange<Int>
    ) throws(DecodingFailure) -> Int {
        guard let number = Int(exactly: value), bounds.contains(number) else { throw .outOfBounds }
        return number
    }
}
