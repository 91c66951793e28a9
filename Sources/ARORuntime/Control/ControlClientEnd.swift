/// One client of the control channel, as the node's side sees it: its request, its bytes, and the
/// way to answer. When the client hangs up, the task that serves it is cancelled.

import Logging
import NIOCore
import NIOPosix

package struct ControlClientEnd: Sendable {
    private let outbound: NIOAsyncChannelOutboundWriter<ControlFrame>
    private let body: BodyPipe

    /// Waits while the client does not read.
    package func send(_ event: ControlEvent) async throws {
        try await outbound.write(.line(ControlJSON.encode(event)))
    }

    /// Waits while the client does not read.
    package func send(bytes: [UInt8]) async throws {
        var start = 0
        while start < bytes.count {
            let end = min(start + ControlLimits.runBytesMax, bytes.count)
            try await outbound.write(.bytes(ByteBuffer(bytes: bytes[start..<end])))
            start = end
        }
    }

    /// The bytes that the client sends behind its request; nil at their end.
    package func nextBytes() async throws -> [UInt8]? { try await body.next() }
}

// MARK: - Serving

extension ControlClientEnd {
    /// How long a client may take for its request. A guess; programs send it at once.
    private static let requestTimeout = TimeAmount.seconds(30)

    static func serve(
        _ channel: ControlServer.ClientChannel, _ logger: Logger, refusing: Bool,
        _ answer: @escaping @Sendable (ControlCommand, ControlClientEnd) async throws -> Void
    ) async {
        do {
            try await channel.executeThenClose { inbound, outbound in
                guard try await credentials(channel.channel).isTrusted else {
                    return logger.warning("control channel: refused another user's process")
                }
                let client = ControlClientEnd(outbound: outbound, body: BodyPipe())
                guard !refusing else {
                    return try await client.send(
                        .failed(.init(.busy, "the node serves too many commands; try again")))
                }
                let last = await client.serve(inbound, channel.channel, logger, answer)
                // Waits until the kernel has all of it: closing the channel would drop the rest.
                // Goes behind what was sent before: all is handed to the loop in order.
                guard let last else { return }
                try await channel.channel.writeAndFlush(
                    ControlFrame.line(ControlJSON.encode(last)))
            }
        } catch {
            logger.debug("control channel: a client was lost: \(error)")
        }
    }

    /// Returns what is to be said last; nil where nobody listens any more.
    private func serve(
        _ inbound: NIOAsyncChannelInboundStream<ControlFrame>, _ channel: any Channel,
        _ logger: Logger,
        _ answer: @escaping @Sendable (ControlCommand, ControlClientEnd) async throws -> Void
    ) async -> ControlEvent? {
        let deadline = channel.eventLoop.scheduleTask(in: Self.requestTimeout) {
            channel.close(promise: nil)
        }
        var frames = inbound.makeAsyncIterator()
        let first = try? await frames.next()
        deadline.cancel()
        guard case .line(let line) = first else { return nil }
        do {
            let command = try Self.command(line)
            try await answerWhileConnected(FrameSource(frames), command, answer)
            return .done
        } catch {
            return error is CancellationError ? nil : .failed(FailureReport(error))
        }
    }

    private static func command(_ line: [UInt8]) throws -> ControlCommand {
        struct Versioned: Decodable { var version: Int }
        guard let version = try? ControlJSON.decode(Versioned.self, from: line).version else {
            throw FailureReport(.usage, "this is no request to a node")
        }
        guard version == ControlLimits.version else {
            throw FailureReport(
                .version,
                "this node speaks version \(ControlLimits.version) of the control channel, "
                    + "the command version \(version); use the same release for both")
        }
        do {
            return try ControlJSON.decode(ControlRequest.self, from: line).command
        } catch {
            throw FailureReport(.usage, "this node does not know that request")
        }
    }

    /// Runs `answer`, and cancels it when the client hangs up.
    private func answerWhileConnected(
        _ frames: FrameSource, _ command: ControlCommand,
        _ answer: @escaping @Sendable (ControlCommand, ControlClientEnd) async throws -> Void
    ) async throws {
        try await withThrowingTaskGroup(of: Bool.self) { group in
            group.addTask {
                await frames.pump(into: body)
                return false
            }
            group.addTask {
                try await answer(command, self)
                return true
            }
            defer { group.cancelAll() }
            let isAnswered = try await group.next() ?? false
            await body.abort()
            if !isAnswered { throw CancellationError() }
        }
    }

    private static func credentials(_ channel: any Channel) async throws -> PeerCredentials {
        guard let provider = channel as? any SocketOptionProvider else { return PeerCredentials() }
        return try await provider.unsafeGetSocketOption(
            level: .socket, name: .init(rawValue: PeerCredentials.option)
        ).get()
    }
}

/// The client's frames behind its request. Used by one task at a time.
private final class FrameSource: @unchecked Sendable {
    private var frames: NIOAsyncChannelInboundStream<ControlFrame>.AsyncIterator

    init(_ frames: NIOAsyncChannelInboundStream<ControlFrame>.AsyncIterator) {
        self.frames = frames
    }

    /// Returns when the client hangs up or breaks the format.
    func pump(into body: BodyPipe) async {
        while let frame = try? await frames.next() {
            switch frame {
            case .bytes(let bytes): await body.put(bytes)
            case .line(let line):
                guard case .end? = try? ControlJSON.decode(ControlEvent.self, from: line) else {
                    return await body.abort()
                }
                await body.end()
            }
        }
        await body.abort()
    }
}
