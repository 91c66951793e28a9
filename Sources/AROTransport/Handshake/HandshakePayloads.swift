/// What the Noise messages carry, byte by byte; integers big-endian, `varint` after RFC 9000 §16.
///
/// ```
/// Introduction
///   32  peer id              its X25519 form must be the sender's static key
///    8  epoch                drawn when the sender started: another one means that it restarted
///   16  reset token          of the connection id that the sender chose (RFC 9000 §10.3)
///    8  timestamp            nanoseconds since 1970 by the sender's clock, always increasing
///    v  parameters           varint byte count (at most 256), then TransportParameters
///
/// Initiation of IK:  introduction, varint byte count and bytes of a first message, zeros
/// Initiation of XX:  zeros
/// Response:          introduction, connection id 8, observed address 18, frames
/// Completion of XX:  introduction, frames
/// ```
///
/// The observed address is where the initiation came from: 16 bytes of IPv6 (IPv4 mapped) and a port.
/// Frames are those of a data packet with number 0.

import AROPrimitives
import AROWire

package struct Introduction: Equatable, Sendable {
    var peer: PeerID
    var epoch: UInt64
    var resetToken: ResetToken
    var timestamp: UInt64
    var parameters: TransportParameters

    static let parametersMax = 256

    package func encode(into out: inout [UInt8]) {
        out.appendBits256(peer.key)
        out.appendU64(epoch)
        out.appendU64(resetToken.high)
        out.appendU64(resetToken.low)
        out.appendU64(timestamp)
        var encoded: [UInt8] = []
        parameters.encode(into: &encoded)
        out.appendLengthPrefixed(encoded)
    }
}

extension Introduction {
    package init(reading reader: inout ByteReader) throws(DecodingFailure) {
        peer = PeerID(key: try reader.bits256())
        epoch = try reader.u64()
        resetToken = ResetToken(high: try reader.u64(), low: try reader.u64())
        timestamp = try reader.u64()
        let count = try reader.varint(atMost: Self.parametersMax)
        var inner = ByteReader(try reader.span(count))
        parameters = try TransportParameters(reading: &inner)
    }
}

package struct InitiationPayload: Equatable, Sendable {
    var introduction: Introduction
    /// The first request; empty for none.
    var message: [UInt8]

    package func encode(into out: inout [UInt8]) {
        introduction.encode(into: &out)
        out.appendLengthPrefixed(message)
    }

    init(introduction: Introduction, message: [UInt8]) {
        (self.introduction, self.message) = (introduction, message)
    }

    package init(_ bytes: RawSpan) throws(DecodingFailure) {
        var reader = ByteReader(bytes)
        introduction = try Introduction(reading: &reader)
        message = try reader.lengthPrefixed(atMost: WireLimits.firstMessageMax)
        while !reader.isAtEnd {
            guard try reader.u8() == 0 else { throw .notCanonical }
        }
    }
}

/// A response without its frames, which are the rest of the bytes.
package struct ResponsePayload: Equatable, Sendable {
    var introduction: Introduction
    var connection: ConnectionID
    var observed: SocketAddress

    package func encode(into out: inout [UInt8]) {
        introduction.encode(into: &out)
        out.appendU64(connection.value)
        out.appendU64(observed.high)
        out.appendU64(observed.low)
        out.appendU16(observed.port)
    }

    init(introduction: Introduction, connection: ConnectionID, observed: SocketAddress) {
        self.introduction = introduction
        self.connection = connection
        self.observed = observed
    }

    package init(reading reader: inout ByteReader) throws(DecodingFailure) {
        introduction = try Introduction(reading: &reader)
        connection = ConnectionID(try reader.u64())
        observed = SocketAddress(
            high: try reader.u64(), low: try reader.u64(), port: try reader.u16())
    }
}
