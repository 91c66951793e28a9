/// The connections of a gateway: a bounded number of places, and who loses one. Also how a client that
/// hangs up cancels what it asked for.

import HTTPTypes
import HummingbirdCore
import NIOCore
import NIOHTTPTypes
import Synchronization

/// All connections of one gateway.
final class Connections: Sendable {
    struct Counters: Sendable {
        var open = 0
        var accepted: UInt64 = 0
        /// Idle ones that made way.
        var evicted: UInt64 = 0
        /// Turned away, as none was idle.
        var refused: UInt64 = 0
        /// Closed, as the reader took nothing.
        var stalled: UInt64 = 0
    }

    private struct State {
        var counters = Counters()
        var connections: [ObjectIdentifier: Connection] = [:]
    }

    private let state = Mutex(State())
    private let max: Int

    init(max: Int) { self.max = max }

    var counters: Counters { state.withLock { $0.counters } }

    /// Takes a place for a new connection; nil where none can be had.
    func open(_ channel: any Channel) -> Connection? {
        let connection = Connection(channel)
        let (isTaken, evicted) = state.withLock { state -> (Bool, Connection?) in
            state.counters.accepted += 1
            var evicted: Connection?
            if state.connections.count >= max {
                evicted = state.connections.values.filter(\.isIdle).min { $0.since < $1.since }
                guard let evicted else {
                    state.counters.refused += 1
                    return (false, nil)
                }
                state.connections[ObjectIdentifier(evicted.channel)] = nil
                state.counters.evicted += 1
            }
            state.connections[ObjectIdentifier(channel)] = connection
            state.counters.open = state.connections.count
            return (true, evicted)
        }
        evicted?.channel.close(promise: nil)
        return isTaken ? connection : nil
    }

    func closed(_ connection: Connection) {
        state.withLock { state in
            state.connections[ObjectIdentifier(connection.channel)] = nil
            state.counters.open = state.connections.count
        }
        connection.hangUp()
    }

    func noteStall() { state.withLock { $0.counters.stalled += 1 } }

    subscript(channel: any Channel) -> Connection? {
        state.withLock { $0.connections[ObjectIdentifier(channel)] }
    }
}

/// One connection.
final class Connection: Sendable {
    private struct State {
        var requests = 0
        var since: ContinuousClock.Instant = .now
        var serving: Task<Void, Never>?
        var isOver = false
    }

    let channel: any Channel
    private let state = Mutex(State())

    init(_ channel: any Channel) { self.channel = channel }

    /// No request is under way.
    var isIdle: Bool { state.withLock { $0.requests == 0 } }
    /// When it became so.
    var since: ContinuousClock.Instant { state.withLock { $0.since } }

    func requestBegan() { state.withLock { $0.requests += 1 } }

    func requestEnded() {
        state.withLock { state in
            state.requests = Swift.max(0, state.requests - 1)
            state.since = .now
        }
    }

    /// Serves the connection until the client hangs up.
    func serve(_ work: @escaping @Sendable () async -> Void) async {
        let task = Task { await work() }
        let isOver = state.withLock { state in
            state.serving = task
            return state.isOver
        }
        if isOver { task.cancel() }
        await withTaskCancellationHandler {
            await task.value
        } onCancel: {
            task.cancel()
        }
    }

    /// The client is gone: what it asked for is not wanted any more.
    func hangUp() {
        let task = state.withLock { state in
            state.isOver = true
            return state.serving
        }
        task?.cancel()
    }
}

/// Watches one connection from inside of its pipeline, behind the HTTP codec.
final class ConnectionWatch: ChannelDuplexHandler, RemovableChannelHandler {
    typealias InboundIn = HTTPRequestPart
    typealias InboundOut = HTTPRequestPart
    typealias OutboundIn = HTTPResponsePart
    typealias OutboundOut = HTTPResponsePart

    private let connections: Connections
    private let limits: GatewayLimits
    private var connection: Connection?
    private var stall: Scheduled<Void>?
    /// The answer says that it is the last one.
    private var closesAfter = false
    private var isClosing = false
    /// Bytes of an unwanted body that are still read, so that the refusal is seen before the reset.
    private static let drainedBytesMax = 1 << 20
    private static let drainSeconds: Int64 = 2
    private var drained = 0

    init(_ connections: Connections, _ limits: GatewayLimits) {
        (self.connections, self.limits) = (connections, limits)
    }

    func handlerAdded(context: ChannelHandlerContext) {
        connection = connections[context.channel]
    }

    func channelInactive(context: ChannelHandlerContext) {
        stall?.cancel()
        connection?.hangUp()
        context.fireChannelInactive()
    }

    func handlerRemoved(context: ChannelHandlerContext) { stall?.cancel() }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if event as? ChannelEvent == .inputClosed { connection?.hangUp() }
        context.fireUserInboundEventTriggered(event)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let part = unwrapInboundIn(data)
        guard !isClosing else { return drain(part, context) }
        if case .head = part { connection?.requestBegan() }
        context.fireChannelRead(data)
    }

    private func drain(_ part: HTTPRequestPart, _ context: ChannelHandlerContext) {
        guard case .body(let bytes) = part else { return }
        drained += bytes.readableBytes
        if drained > Self.drainedBytesMax { context.close(promise: nil) }
    }

    func write(
        context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?
    ) {
        switch unwrapOutboundIn(data) {
        case .head(let head) where head.headerFields[.connection] == "close":
            closesAfter = true
            context.write(data, promise: promise)
        case .end:
            connection?.requestEnded()
            guard closesAfter else { return context.write(data, promise: promise) }
            isClosing = true
            context.writeAndFlush(data, promise: promise)
            context.close(mode: .output, promise: nil)
            let bound = NIOLoopBound(context, eventLoop: context.eventLoop)
            context.eventLoop.scheduleTask(in: .seconds(Self.drainSeconds)) {
                bound.value.close(promise: nil)
            }
        default: context.write(data, promise: promise)
        }
    }

    /// A reader that takes nothing for long gives its place to others.
    func channelWritabilityChanged(context: ChannelHandlerContext) {
        stall?.cancel()
        stall = nil
        if !context.channel.isWritable {
            let bound = NIOLoopBound((context, self), eventLoop: context.eventLoop)
            stall = context.eventLoop.scheduleTask(in: .seconds(limits.stallSeconds)) {
                let (context, watch) = bound.value
                watch.connections.noteStall()
                context.close(promise: nil)
            }
        }
        context.fireChannelWritabilityChanged()
    }
}
