/// Reads the frames of an inference stream, which arrive in any pieces: as ExchangeDecoder.swift does
/// for content, with the types of ``CallerMessage`` and ``ProviderMessage``.
///
/// A body grows as it arrives, so a sender that announces much and sends little costs little.

import AROPrimitives

private struct CallFrame {
    var type: CallFrameType
    var body: [UInt8]
}

private struct CallFrameDecoder: Sendable {
    private var type: CallFrameType?
    /// The length's bytes, as far as they have come.
    private var lengthBytes: UInt64 = 0
    private var lengthBytesHeld = 0
    private var length: Int?
    private var body: [UInt8] = []

    /// Whether the stream may end here.
    var isBetweenFrames: Bool { type == nil }

    /// The next whole frame; nil when every byte of `input` is used up.
    @_lifetime(input: copy input)
    mutating func next(
        _ input: inout ByteReader, ofCaller: Bool
    ) throws(DecodingFailure) -> CallFrame? {
        if type == nil {
            guard !input.isAtEnd else { return nil }
            guard let known = CallFrameType(rawValue: try input.u8()), known.isCallers == ofCaller
            else { throw .unknown }
            type = known
        }
        guard let type else { return nil }
        if length == nil {
            guard let announced = try nextLength(&input) else { return nil }
            guard type.bodyByteCount.contains(announced) else { throw .outOfBounds }
            length = announced
        }
        guard let length else { return nil }
        body.append(try input.span(min(length - body.count, input.remaining)))
        guard body.count == length else { return nil }
        defer { self = Self() }
        return CallFrame(type: type, body: body)
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

/// The provider's decoder.
public struct CallerMessageDecoder: Sendable {
    private var frames = CallFrameDecoder()

    public init() {}

    public var isBetweenFrames: Bool { frames.isBetweenFrames }

    /// The next message; nil when every byte of `input` is used up.
    @_lifetime(input: copy input)
    public mutating func next(
        _ input: inout ByteReader
    ) throws(DecodingFailure) -> CallerMessage? {
        guard let frame = try frames.next(&input, ofCaller: true) else { return nil }
        return try CallerMessage(frame.type, body: frame.body)
    }
}

/// The caller's decoder.
public struct ProviderMessageDecoder: Sendable {
    private var frames = CallFrameDecoder()

    public init() {}

    public var isBetweenFrames: Bool { frames.isBetweenFrames }

    /// The next message; nil when every byte of `input` is used up.
    @_lifetime(input: copy input)
    public mutating func next(
        _ input: inout ByteReader
    ) throws(DecodingFailure) -> ProviderMessage? {
        guard let frame = try frames.next(&input, ofCaller: false) else { return nil }
        return try ProviderMessage(frame.type, body: frame.body)
    }
}
