/// The node's end of the control channel: accepts clients, checks who they are, serves each on a task
/// of its own. It lives on a thread of its own, so that no client can hold up the node.

import Glibc
import Logging
import NIOCore
import NIOPosix

package final class ControlServer: Sendable {
    typealias ClientChannel = NIOAsyncChannel<ControlFrame, ControlFrame>

    package let socket: ControlSocket
    private let group: MultiThreadedEventLoopGroup
    private let serving: Task<Void, Never>

    /// - Parameter answer: does what one client asks for.
    package init(
        socket: ControlSocket, logger: Logger,
        answer: @escaping @Sendable (ControlCommand, ControlClientEnd) async throws -> Void
    ) async throws {
        self.socket = socket
        let descriptor = try socket.listen()
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        self.group = group
        let channel = try await ServerBootstrap(group: group)
            .bind(descriptor) { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandlers(
                        ByteToMessageHandler(
                            ControlFrameDecoder(),
                            maximumBufferSize: 2 * ControlLimits.lineBytesMax),
                        MessageToByteHandler(ControlFrameEncoder()))
                    return try ClientChannel(wrappingChannelSynchronously: channel)
                }
            }
        serving = Task { await Self.serve(channel, logger, answer) }
    }

    /// Hangs up on every client and removes the socket.
    package func close() async {
        serving.cancel()
        await serving.value
        unlink(socket.path)
        try? await group.shutdownGracefully()
    }

    private static func serve(
        _ channel: NIOAsyncChannel<ClientChannel, Never>, _ logger: Logger,
        _ answer: @escaping @Sendable (ControlCommand, ControlClientEnd) async throws -> Void
    ) async {
        do {
            try await channel.executeThenClose { clients in
                try await withThrowingDiscardingTaskGroup { tasks in
                    let places = Places(ControlLimits.clientsMax)
                    for try await client in clients {
                        let hasPlace = places.take()
                        tasks.addTask {
                            defer { if hasPlace { places.free() } }
                            await ControlClientEnd.serve(
                                client, logger, refusing: !hasPlace, answer)
                        }
                    }
                }
            }
        } catch is CancellationError {
        } catch {
            logger.error("the control channel failed: \(error)")
        }
    }
}
