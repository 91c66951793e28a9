/// Which session is which peer, and which stream has which name: what lies between a participant, which
/// knows peers, and the transport, which knows sessions.

import AROContent
import AROPrimitives
import AROTransport

struct Carrier {
    enum Direction { case reading, writing }

    private var peers: [SessionID: PeerHandle] = [:]
    private var dials: [SessionID: SocketAddress] = [:]
    private var streams: [StreamToken: StreamID] = [:]
    private var tokens: [StreamID: StreamToken] = [:]
    /// The streams of each session, in the order in which they were opened.
    private var tokensOf: [SessionID: [StreamToken]] = [:]
    /// Streams that the peer opened and whose first byte has not come yet.
    private var unnamed: Set<StreamID> = []
    /// Streams of which one direction has ended in order.
    private var halfClosed: [StreamToken: Direction] = [:]
    /// Streams that are to be opened once their session is connected.
    private var waiting: [SessionID: [(token: StreamToken, priority: StreamPriority)]] = [:]
    private var isConnected: Set<SessionID> = []
    private var written: [StreamToken] = []

    // MARK: Sessions

    mutating func connecting(_ session: SessionID, to peer: PeerHandle) { peers[session] = peer }

    mutating func dialing(_ session: SessionID, _ address: SocketAddress) {
        dials[session] = address
    }

    mutating func connected(_ session: SessionID, _ peer: PeerHandle) {
        peers[session] = peer
        isConnected.insert(session)
    }

    func isConnected(_ session: SessionID) -> Bool { isConnected.contains(session) }

    /// Connected sessions with their peers, in the order of the sessions.
    var connectedPeers: [(session: SessionID, peer: PeerHandle)] {
        isConnected.sorted().compactMap { session in peers[session].map { (session, $0) } }
    }

    func peer(of session: SessionID) -> PeerHandle? { peers[session] }

    mutating func takeDial(of session: SessionID) -> SocketAddress? {
        dials.removeValue(forKey: session)
    }

    /// Forgets a session; returns its streams that were still in use.
    mutating func ended(_ session: SessionID) -> [StreamToken] {
        peers[session] = nil
        dials[session] = nil
        isConnected.remove(session)
        let unopened = takeWaiting(for: session).map(\.token)
        let left = (tokensOf.removeValue(forKey: session) ?? []) + unopened
        for token in left {
            halfClosed[token] = nil
            if let stream = streams.removeValue(forKey: token) { tokens[stream] = nil }
        }
        if !unnamed.isEmpty { unnamed = unnamed.filter { $0.session != session } }
        return left
    }

    func forEachUsedHandle(_ body: (PeerHandle) -> Void) {
        for peer in peers.values { body(peer) }  // marks a set: the order does not matter
    }

    // MARK: Streams

    mutating func waits(_ token: StreamToken, _ priority: StreamPriority, for session: SessionID) {
        waiting[session, default: []].append((token, priority))
    }

    mutating func takeWaiting(
        for session: SessionID
    ) -> [(token: StreamToken, priority: StreamPriority)] {
        waiting.removeValue(forKey: session) ?? []
    }

    mutating func streamArrived(_ stream: StreamID) { unnamed.insert(stream) }

    func isUnnamed(_ stream: StreamID) -> Bool { unnamed.contains(stream) }

    mutating func opened(_ stream: StreamID, _ token: StreamToken) {
        unnamed.remove(stream)
        streams[token] = stream
        tokens[stream] = token
        tokensOf[stream.session, default: []].append(token)
    }

    mutating func wrote(_ token: StreamToken) {
        if written.last != token { written.append(token) }
    }

    /// A stream that was written to and whose room was not told of since.
    mutating func takeWritten() -> StreamToken? { written.popLast() }

    mutating func dropUnnamed(_ stream: StreamID) { unnamed.remove(stream) }

    func stream(_ token: StreamToken) -> StreamID? { streams[token] }
    func token(_ stream: StreamID) -> StreamToken? { tokens[stream] }

    /// One direction ended in order; with the other one, the stream is over.
    mutating func finished(_ token: StreamToken, _ direction: Direction) {
        if let other = halfClosed[token], other != direction {
            closed(token)
        } else if streams[token] != nil {
            halfClosed[token] = direction
        }
    }

    mutating func closed(_ token: StreamToken) {
        halfClosed[token] = nil
        guard let stream = streams.removeValue(forKey: token) else { return }
        tokens[stream] = nil
        tokensOf[stream.session]?.removeAll { $0 == token }
    }
}
