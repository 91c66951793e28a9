/// Carries what NIO read to the loop: a joined datagram (UDP_GRO) is taken apart, a batch ends with
/// one drain of the outbox.

import AROPrimitives
import NIOCore
import NIOPosix

final class DatagramReader<Machine: Driven & ~Copyable>: ChannelInboundHandler {
    typealias InboundIn = AddressedEnvelope<ByteBuffer>

    /// Joined datagrams of one recvmmsg call. Each may have 64 KiB, so this is half a mebibyte of
    /// buffer per socket. A guess.
    static var messagesPerRead: Int { 8 }
    static var messageBytes: Int { 64 << 10 }

    private unowned let owner: NodeLoop<Machine>
    private let index: Int

    init(_ owner: NodeLoop<Machine>, port index: Int) {
        (self.owner, self.index) = (owner, index)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let envelope = unwrapInboundIn(data)
        guard let address = SocketAddress(envelope.remoteAddress) else { return }
        let segment = envelope.metadata?.segmentSize ?? 0
        envelope.data.withUnsafeReadableBytes { bytes in
            owner.received(bytes, segment: segment, from: address, port: index)
        }
    }

    func channelReadComplete(context: ChannelHandlerContext) { owner.readCompleted() }

    func channelInactive(context: ChannelHandlerContext) { owner.portClosed(index) }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        owner.portFailed(index, error)
    }
}

/// Hands a bound socket to `loop`; NIO owns its descriptor from then on. Must be called on the loop.
func openChannel<Machine: Driven & ~Copyable>(
    _ socket: UDPSocket, port index: Int, for owner: NodeLoop<Machine>, on loop: any EventLoop
) -> EventLoopFuture<any Channel> {
    let messages = DatagramReader<Machine>.messagesPerRead
    let capacity = messages * DatagramReader<Machine>.messageBytes
    var bootstrap = DatagramBootstrap(group: loop)
        .channelOption(.datagramVectorReadMessageCount, value: messages)
        .channelOption(
            .recvAllocator, value: FixedSizeRecvByteBufferAllocator(capacity: capacity)
        )
        // One batch, one drain: acknowledgements must not wait for a whole socket buffer.
        .channelOption(.maxMessagesPerRead, value: 1)
        .channelInitializer { channel in
            channel.eventLoop.makeCompletedFuture {
                try channel.pipeline.syncOperations.addHandler(
                    DatagramReader(owner, port: index))
            }
        }
    if socket.hasReceiveOffload {
        bootstrap = bootstrap.channelOption(.datagramReceiveSegmentSize, value: true)
    }
    return bootstrap.withBoundSocket(socket.descriptor)
}
