/// What a transport tells its user, and the names of sessions and streams.

import AROPrimitives

/// A session of one ``Transport``: a place in its table and how often the place was used before.
public struct SessionID: Hashable, Comparable, Sendable {
    public var index: UInt32
    public var generation: UInt32

    public init(index: UInt32, generation: UInt32) {
        (self.index, self.generation) = (index, generation)
    }

    public static func < (a: SessionID, b: SessionID) -> Bool {
        (a.index, a.generation) < (b.index, b.generation)
    }
}

/// A stream of one session. Even numbers were opened by who began the session.
public struct StreamID: Hashable, Comparable, Sendable {
    public var session: SessionID
    public var number: UInt64

    public init(session: SessionID, number: UInt64) {
        (self.session, self.number) = (session, number)
    }

    public static func < (a: StreamID, b: StreamID) -> Bool {
        (a.session, a.number) < (b.session, b.number)
    }
}

/// A session that can carry traffic.
public struct Connected: Hashable, Sendable {
    public var session: SessionID
    /// The peer's handshake proved that it has this key.
    public var peer: PeerID
    public var address: SocketAddress
    /// Where the peer saw our packets come from; only the initiator is told.
    public var observedAddress: SocketAddress?
    public var isInitiator: Bool
    /// Whether the peer is known to receive at ``address``. False for the initiator of a first
    /// message that was answered at once: ``TransportEvent/proven(_:)`` follows with its next packet.
    public var isAddressProven: Bool
    public var servesDHT: Bool
}

public enum ConnectFailure: Hashable, Sendable {
    /// Nobody answered at any of the addresses.
    case timeout
    /// Somebody answered that it does not speak our version.
    case version
    /// The peer's id is no valid key.
    case invalidPeer
    /// The peer is this node itself.
    case ownIdentity
    /// No address that a datagram could be sent to.
    case noAddress
    /// Every session is in use.
    case tableFull
}

public enum CloseReason: Hashable, Sendable {
    /// ``Transport/close(_:code:text:at:)`` was called here.
    case local(CloseCode)
    case byPeer(CloseCode, text: [UInt8])
    /// Neither side had anything to say for the idle timeout.
    case idle
    /// The peer broke the protocol.
    case violation(CloseCode)
    /// The peer does not know the session any more.
    case reset
    /// The peer has started anew since.
    case peerRestarted
    /// The peer began another session in place of this one.
    case superseded
    /// The table was full and this session silent for long.
    case evicted
    /// The peer's address changed and the new one did not answer.
    case pathLost
    /// The peer did not confirm the end of the handshake.
    case unconfirmed
}

public enum TransportEvent: Hashable, Sendable {
    case connected(Connected)
    /// The peer of a session that it began has shown that it receives at its address.
    case proven(SessionID)
    /// The end of a session that never was connected.
    case connectFailed(SessionID, ConnectFailure)
    /// The end of a session that was connected.
    case closed(SessionID, CloseReason)
    /// An unreliable message; ``Transport/withReceived(_:_:)`` lends its bytes.
    case message(SessionID, Range<Int>)
    /// The peer opened a stream.
    case streamOpened(StreamID)
    case readable(StreamID)
    case writable(StreamID)
    /// All bytes of a stream that we finished have reached the peer.
    case delivered(StreamID)
    /// The peer will send no more on the stream, for the reason `code`.
    case reset(StreamID, code: UInt64)
    /// The peer wants no more of what we send on the stream.
    case stopped(StreamID, code: UInt64)
    /// The peer of a session is reached at another address now.
    case migrated(SessionID, SocketAddress)
}

/// What one session did.
public struct SessionStatistics: Hashable, Sendable {
    public var bytesIn: UInt64 = 0
    public var bytesOut: UInt64 = 0
    public var packetsIn: UInt64 = 0
    public var packetsOut: UInt64 = 0
    /// Of ``packetsOut``, those that were given up for lost.
    public var packetsLost: UInt64 = 0
    /// The smoothed round-trip time; nil until one was measured.
    public var roundTrip: Duration?
    /// The largest datagram that the path is known to carry, bytes.
    public var datagramMax = 0
    /// Bytes that may be in flight.
    public var congestionWindow = 0
    public var isAES = false

    public init() {}
}
