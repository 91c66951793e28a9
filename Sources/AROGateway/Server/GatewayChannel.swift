/// One connection as Hummingbird serves it, with a place among the gateway's ``Connections`` and cancelled
/// when its client hangs up.

import HummingbirdCore
import Logging
import NIOCore
import NIOHTTPTypes

struct GatewayChannel: ServerChildChannel {
    typealias Value = HTTP1Channel.Value

    let http: HTTP1Channel
    let connections: Connections

    init(
        _ connections: Connections, _ limits: GatewayLimits,
        _ responder: @escaping HTTPChannelHandler.Responder
    ) {
        self.connections = connections
        http = HTTP1Channel(
            responder: responder,
            configuration: .init(
                additionalChannelHandlers: [ConnectionWatch(connections, limits)],
                idleTimeout: .seconds(limits.idleSeconds),
                httpDecoderConfiguration: .init(
                    maxHeaderFieldSize: limits.headerBytesMax,
                    maxHeaderListSize: limits.headerBytesMax,
                    maxHeaderFieldCount: limits.headersMax)))
    }

    func setup(channel: any Channel, logger: Logger) -> EventLoopFuture<Value> {
        guard let connection = connections.open(channel) else {
            return channel.eventLoop.makeFailedFuture(NoPlace())
        }
        channel.closeFuture.whenComplete { [connections] _ in connections.closed(connection) }
        return http.setup(channel: channel, logger: logger)
    }

    func handle(value: Value, logger: Logger) async {
        // It may have made way already; then its channel is closed, and serving it ends at once.
        let connection = connections[value.channel] ?? Connection(value.channel)
        await connection.serve { [http] in await http.handle(value: value, logger: logger) }
    }
}

/// All places are taken, and none is idle.
private struct NoPlace: Error {}
