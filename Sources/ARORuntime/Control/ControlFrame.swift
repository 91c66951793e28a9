/// The control channel on the wire: lines of JSON, and runs of raw bytes announced by one.
///
/// ```
/// {"version":1,"command":{"put":{"isStream":true}}}\n
/// {"bytes":5}\nhello
/// {"end":{}}\n
/// ```
/// A line ends with a newline and holds none; `{"bytes":N}`, spelled just so, says that N raw bytes
/// follow. Each side refuses longer lines and runs than the bounds below, so that neither can make
/// the other hold more.

import NIOCore

package enum ControlFrame: Hashable, Sendable {
    case line([UInt8])
    case bytes(ByteBuffer)
}

package enum ControlLimits {
    /// The version that both sides speak; one number for everything that goes over the channel.
    package static let version = 1
    /// The longest line: a path of 4,096 bytes, escaped six-fold, fits several times. A guess.
    package static let lineBytesMax = 256 << 10
    /// The longest run of raw bytes. A guess: a quarter of a chunk keeps progress smooth.
    package static let runBytesMax = 256 << 10
    /// Clients served at once; the next one is told to come back. A guess.
    package static let clientsMax = 128
}

package struct ControlFrameFailure: Error, Hashable, Sendable, CustomStringConvertible {
    package var description: String

    static let lineTooLong = Self(
        description: "the control channel carried a line that is too long")
    static let runTooLong = Self(description: "the control channel carried too many bytes at once")
    static let cutShort = Self(description: "the control channel ended in the middle of a message")
}

/// Takes bytes as they come and gives frames. Used by both sides.
package struct ControlFrameReader {
    private static let announcement = Array(#"{"bytes":"#.utf8)
    /// Bytes still to come of an announced run.
    private var runRemaining = 0

    package init() {}

    /// Whether the channel may end here.
    package var isAtBoundary: Bool { runRemaining == 0 }

    /// The next frame of `buffer`; nil where more bytes are needed. A run may come in several frames.
    package mutating func next(_ buffer: inout ByteBuffer) throws(ControlFrameFailure)
        -> ControlFrame?
    {
        if runRemaining > 0 { return nextOfRun(&buffer) }
        guard let end = buffer.readableBytesView.firstIndex(of: UInt8(ascii: "\n")) else {
            guard buffer.readableBytes <= ControlLimits.lineBytesMax else { throw .lineTooLong }
            return nil
        }
        let count = end - buffer.readerIndex
        guard count <= ControlLimits.lineBytesMax else { throw .lineTooLong }
        let line = buffer.readBytes(length: count) ?? []
        buffer.moveReaderIndex(forwardBy: 1)
        guard let run = Self.runLength(line) else { return .line(line) }
        guard run <= ControlLimits.runBytesMax else { throw .runTooLong }
        runRemaining = run
        return run == 0 ? try next(&buffer) : nextOfRun(&buffer)
    }

    private mutating func nextOfRun(_ buffer: inout ByteBuffer) -> ControlFrame? {
        let count = min(runRemaining, buffer.readableBytes)
        guard count > 0, let bytes = buffer.readSlice(length: count) else { return nil }
        runRemaining -= count
        return .bytes(bytes)
    }

    /// The number in `{"bytes":N}`; nil for any other line.
    private static func runLength(_ line: [UInt8]) -> Int? {
        guard line.starts(with: announcement), line.last == UInt8(ascii: "}") else { return nil }
        let digits = line[announcement.count..<line.count - 1]
        guard (1...9).contains(digits.count), digits.allSatisfy({ (48...57).contains($0) }) else {
            return nil
        }
        return digits.reduce(0) { $0 * 10 + Int($1 - 48) }
    }

    /// The line that announces `count` raw bytes.
    package static func announcing(_ count: Int) -> String { "{\"bytes\":\(count)}\n" }
}

final class ControlFrameDecoder: ByteToMessageDecoder {
    typealias InboundOut = ControlFrame
    private var reader = ControlFrameReader()

    func decode(context: ChannelHandlerContext, buffer: inout ByteBuffer) throws
        -> DecodingState
    {
        guard let frame = try reader.next(&buffer) else { return .needMoreData }
        context.fireChannelRead(wrapInboundOut(frame))
        return .continue
    }
}

final class ControlFrameEncoder: MessageToByteEncoder {
    typealias OutboundIn = ControlFrame

    func encode(data: ControlFrame, out: inout ByteBuffer) {
        switch data {
        case .line(let line):
            out.writeBytes(line)
            out.writeInteger(UInt8(ascii: "\n"))
        case .bytes(var bytes):
            out.writeString(ControlFrameReader.announcing(bytes.readableBytes))
            out.writeBuffer(&bytes)
        }
    }
}
