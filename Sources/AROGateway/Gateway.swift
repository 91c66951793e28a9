/// The node's face for programs that speak HTTP: content as an IPFS gateway, models as OpenAI's interface,
/// tools as an MCP server, the node's state as a page and as metrics (Docs/Gateway.md).
///
/// It runs in the node's process on a thread of its own, and reaches the node by its handle.

import AROBackend
import struct AROPrimitives.SocketAddress
import ARORuntime
import HummingbirdCore
import Logging
import NIOCore
import NIOPosix

public final class Gateway: Sendable {
    /// Where it listens, with the port that the system chose.
    public let address: SocketAddress
    /// What the owner's programs identify themselves by.
    public let token: ControlToken

    private let group: MultiThreadedEventLoopGroup
    private let serving: Task<Void, any Error>
    private let desk: Desk

    /// Starts to serve; close it before the node shuts down.
    ///
    /// - Parameter inference: answers calls of models; nil for the node, which pays nothing.
    /// - Throws: ``GatewayFailure``.
    public static func start(
        _ configuration: GatewayConfiguration, node: NodeHandle,
        inference: (any InferenceServing)? = nil, logger: Logger
    ) async throws -> Gateway {
        let address = configuration.address
        guard address.isLoopback || configuration.allowsRemote else {
            throw GatewayFailure.notLoopback(address)
        }
        let token = try ControlToken(in: node.dataDirectory)
        let desk = Desk(
            configuration, node: node, inference: inference ?? NetworkInference(node: node),
            token, logger: logger)
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        // What it logs is of no use to the node's owner; what matters is counted.
        let quiet = Logger(label: "aro.gateway") { _ in SwiftLogNoOpLogHandler() }
        let (starts, started) = AsyncThrowingStream.makeStream(of: SocketAddress.self)
        let channels = GatewayChannel(desk.connections, configuration.limits) {
            request, writer, channel in
            try await desk.answer(request, writer, channel)
        }
        let server = Server<GatewayChannel>(
            childChannelSetup: channels,
            configuration: ServerConfiguration(
                address: .hostname(address.hostName, port: Int(address.port)), backlog: 1_024),
            onServerRunning: { channel in
                started.yield(address.withPort(UInt16(channel.localAddress?.port ?? 0)))
            }, eventLoopGroup: group, logger: quiet)
        let serving = Task {
            do { try await server.run() } catch {
                started.finish(throwing: error)
                throw error
            }
            started.finish()
        }
        do {
            for try await bound in starts {
                let gateway = Gateway(bound, token, group, serving, desk)
                try GatewayPlace.write(gateway.url, in: node.dataDirectory)
                return gateway
            }
            throw GatewayFailure.cannotListen(address, "it was stopped")
        } catch {
            serving.cancel()
            _ = await serving.result
            try? await group.shutdownGracefully()
            token.remove()
            if error is GatewayFailure { throw error }
            throw GatewayFailure.cannotListen(address, "\(error)")
        }
    }

    private init(
        _ address: SocketAddress, _ token: ControlToken, _ group: MultiThreadedEventLoopGroup,
        _ serving: Task<Void, any Error>, _ desk: Desk
    ) {
        (self.address, self.token, self.group) = (address, token, group)
        (self.serving, self.desk) = (serving, desk)
    }

    /// The address for programs of this machine.
    public var url: String {
        address.isUnspecified ? "http://127.0.0.1:\(address.port)" : "http://\(address)"
    }

    /// Hangs up on every client.
    public func close() async {
        serving.cancel()
        _ = await serving.result
        try? await group.shutdownGracefully()
        token.remove()
        GatewayPlace.remove(in: desk.node.dataDirectory)
    }
}

extension SocketAddress {
    /// Without brackets, as the system's calls take it.
    fileprivate var hostName: String {
        hostDescription.hasPrefix("[")
            ? String(hostDescription.dropFirst().dropLast())
            : hostDescription
    }

    fileprivate func withPort(_ port: UInt16) -> SocketAddress {
        SocketAddress(high: high, low: low, port: port)
    }
}
