/// The commands' end of the control channel: one request, then its events. Blocking: a command has
/// nothing else to do.

import Glibc
import NIOCore

package enum ControlClientFailure: Error, Hashable, Sendable, CustomStringConvertible {
    /// No node runs with that data directory.
    case noNode(dataDirectory: String)
    /// The node ended, or hung up, before the answer was complete.
    case hungUp
    case system(SystemFailure)
    case malformed(String)

    package var description: String {
        switch self {
        case .noNode(let directory):
            """
            no node is running with the data directory \(directory)
            start one in another terminal:  aro node --data-dir '\(directory)'
            or name another one by --data-dir DIR or the environment variable ARO_DATA_DIR
            """
        case .hungUp: "the node went away before it had answered"
        case .system(let failure): "cannot \(failure)"
        case .malformed(let why): "the node's answer makes no sense: \(why)"
        }
    }
}

package final class ControlClient {
    private let descriptor: Int32
    private var reader = ControlFrameReader()
    private var buffer = ByteBuffer()
    private var space = [UInt8](repeating: 0, count: 256 << 10)

    /// Connects to the node with this data directory and asks.
    package init(dataDirectory: String, _ command: ControlCommand) throws {
        let connected: Int32?
        do throws(SystemFailure) {
            connected = try ControlSocket(dataDirectory: dataDirectory).connect()
        } catch {
            throw ControlClientFailure.system(error)
        }
        guard let connected else {
            throw ControlClientFailure.noNode(dataDirectory: dataDirectory)
        }
        descriptor = connected
        try send(line: ControlJSON.encode(ControlRequest(command)))
    }

    deinit { close(descriptor) }

    /// Where the answer is written to: when nobody reads there any more, ``next()`` does not go on
    /// waiting, but fails.
    package var output: Int32?

    package enum Message {
        case event(ControlEvent)
        case bytes(ByteBuffer)
    }

    /// The next event or bytes; nil after ``ControlEvent/done``.
    ///
    /// - Throws: a `FailureReport` of the node's, or a ``ControlClientFailure``.
    package func next() throws -> Message? {
        while true {
            if let message = try buffered() {
                switch message {
                case .event(.done): return nil
                case .event(.failed(let report)): throw report
                default: return message
                }
            }
            guard try fill() else { throw ControlClientFailure.hungUp }
        }
    }

    private func buffered() throws -> Message? {
        guard let frame = try reader.next(&buffer) else {
            if buffer.readableBytes == 0 { buffer.clear() }
            return nil
        }
        switch frame {
        case .bytes(let bytes): return .bytes(bytes)
        case .line(let line):
            do {
                return .event(try ControlJSON.decode(ControlEvent.self, from: line))
            } catch {
                throw ControlClientFailure.malformed("\(error)")
            }
        }
    }

    /// Returns when the node said something, or hung up.
    private func waitForNode() throws {
        guard let output else { return }
        var entries = [
            pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0),
            pollfd(fd: output, events: 0, revents: 0),
        ]
        while poll(&entries, 2, -1) < 0 {
            guard errno == EINTR else { return }
        }
        // A pipe whose reader is gone (poll(2), POLLERR).
        guard entries[1].revents & Int16(POLLERR) != 0 else { return }
        throw ControlClientFailure.system(SystemFailure("write the output", code: EPIPE))
    }

    /// False where the node hung up.
    private func fill() throws -> Bool {
        while true {
            try waitForNode()
            let count = read(descriptor, &space, space.count)
            if count < 0, errno == EINTR { continue }
            if count < 0, errno != ECONNRESET {
                throw ControlClientFailure.system(SystemFailure("read from the node"))
            }
            guard count > 0 else { return false }
            buffer.discardReadBytes()
            buffer.writeBytes(space[..<count])
            return true
        }
    }
}

// MARK: - Sending

extension ControlClient {
    /// Sends bytes behind a `put`. `whileWaiting` is given what the node says meanwhile.
    package func send(
        bytes: UnsafeRawBufferPointer, whileWaiting: (ControlEvent) throws -> Void
    ) throws {
        var start = 0
        while start < bytes.count {
            let end = min(start + ControlLimits.runBytesMax, bytes.count)
            try write(Array(ControlFrameReader.announcing(end - start).utf8))
            try bytes[start..<end].withUnsafeBytes { try write($0) }
            start = end
            while try isReadable() {
                guard try fill() else { throw ControlClientFailure.hungUp }
                while let message = try buffered() {
                    guard case .event(let event) = message else { continue }
                    if case .failed(let report) = event { throw report }
                    try whileWaiting(event)
                }
            }
        }
    }

    /// Says that the bytes of a `put` end here.
    package func sendEnd() throws { try send(line: ControlJSON.encode(ControlEvent.end)) }

    private func send(line: [UInt8]) throws { try write(line + [UInt8(ascii: "\n")]) }

    private func write(_ bytes: [UInt8]) throws { try bytes.withUnsafeBytes { try write($0) } }

    private func write(_ bytes: UnsafeRawBufferPointer) throws {
        var done = 0
        while done < bytes.count {
            let count = Glibc.send(
                descriptor, bytes.baseAddress! + done, bytes.count - done, Int32(MSG_NOSIGNAL))
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { return try explainRefusal() }
            done += count
        }
    }

    /// The node hung up while we were sending: what it said before is the reason.
    private func explainRefusal() throws {
        while try next() != nil {}
        throw ControlClientFailure.hungUp
    }

    private func isReadable() throws -> Bool {
        var entry = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        return poll(&entry, 1, 0) > 0
    }
}
