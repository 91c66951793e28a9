/// One stream on which a peer calls us: how far its request has come, and how far our answer.

import AROPrimitives
import AROWire

struct ServedStream {
    enum Phase {
        case awaitingCall
        /// The head was accepted.
        case awaitingBody(CallHead)
        /// Follows a run, from the beginning of its log.
        case following(BackendToken)
        /// All was said; the caller is to sign.
        case settling(Receipt)
    }

    /// Who calls; nil for ourselves.
    let peer: PeerHandle?
    let caller: PeerID
    var decoder = CallerMessageDecoder()
    var phase = Phase.awaitingCall
    var body: [UInt8] = []
    /// Bytes that the transport takes now; one array may overshoot it.
    var room: Int
    /// Bytes of events that the caller takes, in all.
    var credit: UInt64 = 0
    /// Bytes of events that were sent.
    var sent: UInt64 = 0
    /// The run's next frame.
    var cursor = 0
    /// The position that the caller was told last; nil before it was told any.
    var positionTold: Int?
    /// The price that it was told, which holds to the end.
    var price: TokenPrice?
    /// Frames outside of a run's log that wait for room.
    var pending: [UInt8] = []
    /// The caller writes nothing more.
    var isFinished = false
    /// When the phase began, or the caller last took something.
    var activeAt: Instant
    /// When the caller was last told anything.
    var toldAt: Instant

    init(peer: PeerHandle?, caller: PeerID, room: Int, at now: Instant) {
        (self.peer, self.caller, self.room) = (peer, caller, room)
        (activeAt, toldAt) = (now, now)
    }

    var token: BackendToken? {
        if case .following(let token) = phase { token } else { nil }
    }

    mutating func enter(_ phase: Phase, at now: Instant) {
        (self.phase, activeAt) = (phase, now)
    }
}
