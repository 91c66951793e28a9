/// What a participant and whatever carries its messages say to each other. In a real node the carrier
/// is the transport; a simulated world of many nodes is the carrier itself and spares the sessions.

import AROContent
import AROInference
import AROPrimitives
import AROTransport

/// Facts for the participant.
public enum ParticipantInput: ~Escapable {
    /// A session with `peer` exists now.
    case peerConnected(PeerHandle, PeerFacts)
    /// `peer` said goodbye: it is shutting down.
    case peerGone(PeerHandle)
    /// `peer` could not be reached at any of its addresses.
    case peerUnreachable(PeerHandle)
    /// This peer answered at a bootstrap address; `peerConnected` came before.
    case dialed(SocketAddress, PeerHandle)
    /// A bootstrap address did not answer.
    case dialFailed(SocketAddress)
    /// An unreliable message.
    case message(RawSpan, from: PeerHandle)
    /// A stream that we asked for is open and takes that many bytes. (One that a peer opened comes by
    /// ``Participant/streamAccepted(_:from:room:at:book:into:)``, which names it.)
    case streamOpened(StreamToken, room: Int)
    /// - Parameter isFinished: the peer writes nothing more.
    case streamReceived(StreamToken, RawSpan, isFinished: Bool)
    /// A stream takes that many bytes now.
    case streamWritable(StreamToken, room: Int)
    /// A stream ended before its time, by the peer or with its session.
    case streamReset(StreamToken)
    case deadline
    case request(Request, RequestID)
    case cancel(RequestID)
    case disk(DiskReply)
    case backend(BackendReply)
    case wallClock(UnixTime)
}

/// What a handshake tells of a peer.
public struct PeerFacts: Hashable, Sendable {
    public var address: SocketAddress
    /// Whether it answers queries of the DHT.
    public var servesDHT: Bool
    public var roundTrip: Duration?
    /// Whether we opened the session.
    public var isInitiator: Bool
    /// Our address as the peer sees it, where it told.
    public var observedAddress: SocketAddress?

    public init(
        address: SocketAddress, servesDHT: Bool, roundTrip: Duration?, isInitiator: Bool,
        observedAddress: SocketAddress?
    ) {
        (self.address, self.servesDHT, self.roundTrip) = (address, servesDHT, roundTrip)
        (self.isInitiator, self.observedAddress) = (isInitiator, observedAddress)
    }
}

/// What the participant wants its carrier to do.
public enum ParticipantEffect: Sendable {
    /// Send an unreliable message: these bytes of ``ParticipantOutbox/bytes``. Opens a session where
    /// there is none.
    case send(PeerHandle, Range<Int>)
    /// The peer was judged dead: end the session with it, and its streams, if that is silent, too.
    case hangUp(PeerHandle)
    /// Open a session with whoever is at an address.
    case dial(SocketAddress)
    case openStream(StreamToken, PeerHandle, StreamPriority)
    /// Queue bytes on a stream, which keeps the array; with `isFinal` nothing is written after them.
    case write(StreamToken, [UInt8], isFinal: Bool)
    /// Abandon both directions. The name is not used again.
    case reset(StreamToken)
    /// Deliver what was written, throw away what still comes. The name is not used again.
    case release(StreamToken)
    // Large and rare, and every effect would be as large as they are.
    indirect case reply(RequestID, Reply)
    case disk(DiskRequest)
    indirect case backend(BackendRequest)
    indirect case record(LedgerEntry)
}

extension ParticipantEffect {
    /// How long a session of a peer that was judged dead must have been silent to be ended. A guess:
    /// more than a stream stands still on most paths, and less than a verdict takes.
    package static var silenceOfTheDead: Duration { .seconds(2) }
}

/// What one input to a participant brought about. Reused.
public struct ParticipantOutbox: ~Copyable {
    public var effects: [ParticipantEffect] = []
    /// The bytes of messages.
    public var bytes: [UInt8] = []

    public init() {}

    public mutating func removeAll() {
        effects.clear()
        bytes.clear()
    }
}
