/// The doors of whoever uses sessions: messages, streams, closing, and what is known of a session.
/// A name that means nothing any more is answered like an empty or finished one.

import AROPrimitives
import AROWire

extension Transport {
    /// Sends an unreliable message of at most ``WireLimits/messageMax`` bytes, after the handshake
    /// where that is still under way. False for one that was not taken.
    @discardableResult
    public mutating func send(message: RawSpan, on id: SessionID, at now: Instant) -> Bool {
        guard message.byteCount <= WireLimits.messageMax, let session = sessions.session(id),
            !session.pointee.isClosing
        else { return false }
        guard session.pointee.connection != nil else {
            return session.pointee.enqueue(message, configuration.endpoint)
        }
        markReady(session)
        return session.pointee.connection!.send(message: message)
    }

    /// Opens a stream; nil where the session is not connected or the peer allows no more for now.
    public mutating func openStream(on id: SessionID, priority: StreamPriority) -> StreamID? {
        guard let session = connected(id) else { return nil }
        return session.pointee.connection!.openStream(priority: priority)
            .map { StreamID(session: id, number: $0) }
    }

    /// Says how urgent a stream that the peer opened is.
    public mutating func prioritize(_ stream: StreamID, _ priority: StreamPriority) {
        connected(stream.session)?.pointee.connection!.prioritize(stream.number, priority)
    }

    /// Bytes that may be written now; after 0, ``TransportEvent/writable(_:)`` tells of room.
    public mutating func room(in stream: StreamID) -> Int {
        connected(stream.session)?.pointee.connection!.room(in: stream.number) ?? 0
    }

    /// Queues bytes, all or none; false where there is no room at all.
    @discardableResult
    public mutating func write(_ bytes: [UInt8], to stream: StreamID) -> Bool {
        guard let session = connected(stream.session) else { return false }
        markReady(session)
        return session.pointee.connection!.write(bytes, to: stream.number)
    }

    /// Ends our side of a stream after what was written.
    public mutating func finish(_ stream: StreamID) {
        guard let session = connected(stream.session) else { return }
        session.pointee.connection!.finish(stream.number)
        markReady(session)
    }

    /// Ends our side at once; what was not delivered is lost.
    public mutating func reset(_ stream: StreamID, code: UInt64) {
        guard let session = connected(stream.session) else { return }
        session.pointee.connection!.reset(stream.number, code: code)
        markReady(session)
    }

    /// Asks the peer to send no more on a stream.
    public mutating func stop(_ stream: StreamID, code: UInt64) {
        guard let session = connected(stream.session) else { return }
        session.pointee.connection!.stop(stream.number, code: code)
        markReady(session)
    }

    /// Lends received bytes in order, in one piece or more, and takes them off the stream.
    public mutating func read(
        _ stream: StreamID, atMost count: Int, into body: (RawSpan) -> Void
    ) -> (count: Int, isFinished: Bool) {
        guard let session = connected(stream.session) else { return (0, true) }
        markReady(session)
        return session.pointee.connection!.read(stream.number, atMost: count, body)
    }

    private func connected(_ id: SessionID) -> SessionPointer? {
        guard let session = sessions.session(id), session.pointee.isConnected else { return nil }
        return session
    }

    // MARK: Closing

    /// Ends a session; the peer is told why. Nothing more comes of it but the event.
    public mutating func close(
        _ id: SessionID, code: CloseCode = .none, text: String = "", at now: Instant
    ) {
        guard let session = sessions.session(id), !session.pointee.isClosing else { return }
        session.pointee.connection?.close(code, text: text)
        end(session, .local(code))
    }

    /// Ends every session, for a node that stops.
    public mutating func closeAll(code: CloseCode = .shuttingDown, at now: Instant) {
        for index in sessions.indices {
            guard let session = sessions.session(at: index) else { continue }
            close(session.pointee.id, code: code, at: now)
        }
    }

    // MARK: What is known

    public var sessionCount: Int { sessions.count }

    /// The session with a peer, connected or under way.
    public func session(with peer: PeerID) -> SessionID? { byPeer[peer] }

    public func peer(of id: SessionID) -> PeerID? { sessions.session(id)?.pointee.peer }

    public func address(of id: SessionID) -> SocketAddress? {
        sessions.session(id)?.pointee.address
    }

    /// How long nothing has come over a session, at the most since we first sent something that is to
    /// be answered.
    public func silence(of id: SessionID, at now: Instant) -> Duration? {
        sessions.session(id).map { now - $0.pointee.lastActivity }
    }

    /// The smoothed round-trip time; nil until one was measured.
    public func roundTrip(of id: SessionID) -> Duration? {
        guard let session = connected(id) else { return nil }
        let known = session.pointee.connectionStatistics!
        return known.hasRoundTrip ? known.smoothedRoundTrip : nil
    }

    public func statistics(of id: SessionID) -> SessionStatistics? {
        guard let session = sessions.session(id) else { return nil }
        var out = session.pointee.statistics
        if session.pointee.connection != nil {
            let known = session.pointee.connectionStatistics!
            out.roundTrip = known.hasRoundTrip ? known.smoothedRoundTrip : nil
            out.packetsLost = known.lostPackets
            out.datagramMax = known.datagramSize
            out.congestionWindow = known.congestionWindow
        }
        return out
    }
}
