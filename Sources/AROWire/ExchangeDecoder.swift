/// Reads the frames of ``ExchangeMessage`` out of a byte stream that arrives in any pieces.
///
/// A body goes straight into one array of its announced, bounded size; what a sender announces is
/// reserved but not touched before it arrives, so a lie costs address space and no memory.

import AROPrimitives

/// One frame whose body is complete.
private struct ExchangeFrame {
    var type: ExchangeType
    var body: [UInt8]
}

private struct ExchangeFrameDecoder: Sendable {
    private var type: ExchangeType?
    /// The length's bytes, as far as they have come.
    private var lengthBytes: UInt64 = 0
    private var lengthBytesHeld = 0
    private var length: Int?
    private var body: [UInt8] = []

    /// Whether the stream may end here.
    var isBetweenFrames: Bool { type == nil }

    /// The announced size of a block of which a part is still to come.
    var blockUnderWay: Int? { type == .block ? length : nil }

    /// The next whole frame; nil when every byte of `input` is used up.
    ///
    /// - Parameter types: which side's types are legal.
    @_lifetime(input: copy input)
    mutating func next(
        _ input: inout ByteReader, requests: Bool, blockMax: Int
    ) throws(DecodingFailure) -> ExchangeFrame? {
        if type == nil {
            guard !input.isAtEnd else { return nil }
            guard let known = ExchangeType(rawValue: try input.u8()), known.isRequest == requests
            else { throw .unknown }
            type = known
        }
        guard let type else { return nil }
        if length == nil {
            guard let announced = try nextLength(&input) else { return nil }
            guard type.bodyByteCount.contains(announced), type != .block || announced <= blockMax
            else { throw .outOfBounds }
            length = announced
            body.reserveCapacity(announced)
        }
        guard let length else { return nil }
        body.append(try input.span(min(length - body.count, input.remaining)))
        guard body.count == length else { return nil }
        defer { self = Self() }
        return ExchangeFrame(type: type, body: body)
    }

    /// The frame's length; nil where bytes of it are still to come.
    @_lifetime(input: copy input)
    private mutating func nextLength(_ input: inout ByteReader) throws(DecodingFailure) -> Int? {
        while !input.isAtEnd {
            lengthBytes = lengthBytes << 8 | UInt64(try input.u8())
            lengthBytesHeld += 1
            let first = UInt8(truncatingIfNeeded: lengthBytes >> UInt64(8 * (lengthBytesHeld - 1)))
            let wanted = 1 << Int(first >> 6)
            // No bound needs more than four bytes: eight are refused before they come.
            guard wanted <= 4 else { throw .outOfBounds }
            guard lengthBytesHeld == wanted else { continue }
            let value = lengthBytes & (1 << UInt64(8 * wanted - 2) - 1)
            guard varintByteCount(value) == wanted else { throw .notCanonical }
            return Int(value)
        }
        return nil
    }
}

/// The acceptor's decoder.
public struct ExchangeRequestDecoder: Sendable {
    private var frames = ExchangeFrameDecoder()

    public init() {}

    public var isBetweenFrames: Bool { frames.isBetweenFrames }

    /// The next request; nil when every byte of `input` is used up.
    @_lifetime(input: copy input)
    public mutating func next(
        _ input: inout ByteReader
    ) throws(DecodingFailure) -> ExchangeRequest? {
        guard let frame = try frames.next(&input, requests: true, blockMax: 0) else { return nil }
        return try ExchangeRequest(frame.type, body: frame.body)
    }
}

/// The opener's decoder.
public struct ExchangeAnswerDecoder: Sendable {
    private var frames = ExchangeFrameDecoder()

    public init() {}

    public var isBetweenFrames: Bool { frames.isBetweenFrames }

    /// The announced size of a block of which a part is still to come.
    public var blockUnderWay: Int? { frames.blockUnderWay }

    /// The next answer; nil when every byte of `input` is used up.
    ///
    /// - Parameter blockMax: a block that announces more is refused at once; 0 where none is due.
    @_lifetime(input: copy input)
    public mutating func next(
        _ input: inout ByteReader, blockMax: Int
    ) throws(DecodingFailure) -> ExchangeAnswer? {
        guard let frame = try frames.next(&input, requests: false, blockMax: blockMax) else {
            return nil
        }
        return try ExchangeAnswer(frame.type, body: frame.body)
    }
}
