/// Frames: what a protected packet carries, after RFC 9000 §19 and RFC 9221, in a subset.
///
/// Every number is a variable-length integer of RFC 9000 §16 in its shortest form, unless noted:
///
///     PADDING        00
///     PING           01
///     ACK            02 | largest | delay, µs | range count | first length - 1
///                       | range count × (gap - 1 | length - 1), descending, as RFC 9000 §19.3.1
///     RESET_STREAM   04 | stream | code | final size
///     STOP_SENDING   05 | stream | code
///     STREAM         08 | stream | offset | length | bytes
///     STREAM, last   09 | as above; the stream ends with these bytes
///     MAX_DATA       10 | bytes
///     MAX_STREAM_DATA 11 | stream | bytes
///     MAX_STREAMS    12 | streams ever opened
///     PATH_CHALLENGE 1a | 8 bytes
///     PATH_RESPONSE  1b | the same 8 bytes
///     CLOSE          1c | code | length | reason, UTF-8, at most 128 bytes
///     DATAGRAM       31 | length | bytes
///
/// Deviations: one packet number space and one kind of stream, so there are no CRYPTO,
/// HANDSHAKE_DONE or unidirectional frames; offset and length of a STREAM are always there, so
/// that it has one encoding; the ACK delay is in microseconds, without an exponent; the …_BLOCKED
/// frames are left out because receivers widen their windows by what they see, not by what they
/// are told.

import AROPrimitives

package enum FrameType {
    package static let padding: UInt8 = 0x00
    package static let ping: UInt8 = 0x01
    package static let ack: UInt8 = 0x02
    package static let resetStream: UInt8 = 0x04
    package static let stopSending: UInt8 = 0x05
    package static let stream: UInt8 = 0x08
    package static let streamLast: UInt8 = 0x09
    package static let maxData: UInt8 = 0x10
    package static let maxStreamData: UInt8 = 0x11
    package static let maxStreams: UInt8 = 0x12
    package static let pathChallenge: UInt8 = 0x1a
    package static let pathResponse: UInt8 = 0x1b
    package static let close: UInt8 = 0x1c
    package static let datagram: UInt8 = 0x31
}

extension WireLimits {
    /// The longest reason text of a CLOSE, bytes: a guess, a short sentence.
    public static let closeTextMax = 128
    /// Offsets and counts are variable-length integers: below 2^62 (RFC 9000 §16).
    package static let varintMax: UInt64 = (1 << 62) - 1
}

/// One frame; spans lie in the packet that it was read from.
package enum Frame: ~Escapable {
    /// So many bytes of PADDING in a row.
    case padding(Int)
    case ping
    case ack(AckFrame)
    case resetStream(UInt64, code: UInt64, finalSize: UInt64)
    case stopSending(UInt64, code: UInt64)
    case stream(UInt64, offset: UInt64, RawSpan, isLast: Bool)
    case maxData(UInt64)
    case maxStreamData(UInt64, UInt64)
    case maxStreams(UInt64)
    case pathChallenge(UInt64)
    case pathResponse(UInt64)
    case close(code: UInt64, text: RawSpan)
    case datagram(RawSpan)
}

/// An ACK whose ranges were checked: walk them with ``ranges()``.
package struct AckFrame: ~Escapable {
    package let largest: UInt64
    /// How long the largest was held back by its receiver, in microseconds; not checked.
    package let delayMicroseconds: UInt64
    let firstLength: UInt64
    let rangeCount: Int
    let body: RawSpan

    @_lifetime(copy body)
    init(
        largest: UInt64, delayMicroseconds: UInt64, firstLength: UInt64, rangeCount: Int,
        body: RawSpan
    ) {
        (self.largest, self.delayMicroseconds) = (largest, delayMicroseconds)
        (self.firstLength, self.rangeCount, self.body) = (firstLength, rangeCount, body)
    }

    @_lifetime(copy self)
    package func ranges() -> AckRanges { AckRanges(self) }
}

/// The ranges of an ``AckFrame`` in descending order.
package struct AckRanges: ~Escapable {
    private var reader: ByteReader
    private var left: Int
    private var next: Range<UInt64>?

    @_lifetime(copy ack)
    init(_ ack: AckFrame) {
        reader = ByteReader(ack.body)
        left = ack.rangeCount
        next = ack.largest - ack.firstLength..<ack.largest + 1
    }

    /// The next range below; nil after the last.
    @_lifetime(self: copy self)
    package mutating func nextRange() -> Range<UInt64>? {
        guard let current = next else { return nil }
        next = left > 0 ? try? following(current.lowerBound) : nil
        left -= 1
        return current
    }

    @_lifetime(self: copy self)
    private mutating func following(_ low: UInt64) throws(DecodingFailure) -> Range<UInt64> {
        let gap = try reader.varint()
        let length = try reader.varint()
        guard low >= gap + 2, low - gap - 2 >= length else { throw .outOfBounds }
        let high = low - gap - 2
        return high - length..<high + 1
    }

    /// Reads all ranges; throws where one is cut short or falls below zero.
    @_lifetime(self: copy self)
    fileprivate mutating func check() throws(DecodingFailure) -> Int {
        guard var low = next?.lowerBound else { return 0 }
        for _ in 0..<left { low = try following(low).lowerBound }
        return reader.offset
    }
}

extension ByteReader {
    /// Reads the next frame; there must be one.
    @_lifetime(copy self)
    @_lifetime(self: copy self)
    package mutating func frame() throws(DecodingFailure) -> Frame {
        switch try u8() {
        case FrameType.padding: return .padding(padding())
        case FrameType.ping: return .ping
        case FrameType.ack: return .ack(try ack())
        case FrameType.resetStream:
            return .resetStream(try varint(), code: try varint(), finalSize: try varint())
        case FrameType.stopSending: return .stopSending(try varint(), code: try varint())
        case FrameType.stream: return try stream(isLast: false)
        case FrameType.streamLast: return try stream(isLast: true)
        case FrameType.maxData: return .maxData(try varint())
        case FrameType.maxStreamData: return .maxStreamData(try varint(), try varint())
        case FrameType.maxStreams: return .maxStreams(try varint())
        case FrameType.pathChallenge: return .pathChallenge(try u64())
        case FrameType.pathResponse: return .pathResponse(try u64())
        case FrameType.close:
            let code = try varint()
            let count = try varint(atMost: WireLimits.closeTextMax)
            return .close(code: code, text: try span(count))
        case FrameType.datagram: return .datagram(try span(try varint(atMost: remaining)))
        default: throw .unknown
        }
    }

    @_lifetime(self: copy self)
    private mutating func padding() -> Int {
        var count = 1
        while peek == FrameType.padding {
            guard (try? skip(1)) != nil else { break }
            count += 1
        }
        return count
    }

    @_lifetime(copy self)
    @_lifetime(self: copy self)
    private mutating func stream(isLast: Bool) throws(DecodingFailure) -> Frame {
        let id = try varint()
        let offset = try varint()
        let bytes = try span(try varint(atMost: remaining))
        guard offset + UInt64(bytes.byteCount) <= WireLimits.varintMax else { throw .outOfBounds }
        return .stream(id, offset: offset, bytes, isLast: isLast)
    }

    @_lifetime(copy self)
    @_lifetime(self: copy self)
    private mutating func ack() throws(DecodingFailure) -> AckFrame {
        let largest = try varint()
        let delay = try varint()
        let count = try varint(atMost: remaining / 2)
        let firstLength = try varint()
        guard firstLength <= largest else { throw .outOfBounds }
        // The ranges' byte count is not written, so they are walked once to find their end.
        var lookahead = self
        let unchecked = AckFrame(
            largest: largest, delayMicroseconds: delay, firstLength: firstLength,
            rangeCount: count, body: lookahead.rest())
        var ranges = unchecked.ranges()
        let byteCount = try ranges.check()
        return AckFrame(
            largest: largest, delayMicroseconds: delay, firstLength: firstLength,
            rangeCount: count, body: try span(byteCount))
    }
}
