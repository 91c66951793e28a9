/// What is kept of a watched peer at all times; while it does not answer there is a `Probe` as well.

import AROPrimitives
import AROWire

struct Watch: Sendable {
    let peer: PeerHandle
    /// Whether a ``Probe`` of it is under way; ``due`` means nothing then.
    var isProbed = false
    /// It is nobody's neighbour here: looked at once, until its first sign of life or the verdict.
    var isVisit = false
    /// Vouches of others since it was last heard by ourselves.
    var hearsay: UInt8 = 0
    var answers = AnswerBudget()
    /// Smoothed as in RFC 6298 §2; 0 while unmeasured.
    private(set) var roundTripMicroseconds: UInt32 = 0
    /// The newest incarnation that it named itself. Others are not believed: an obituary of a made-up
    /// one would end all that the peer ever says.
    private(set) var incarnation: UInt64
    /// When it was last heard.
    var heard: Instant
    /// When its last ping or ack came.
    var exchanged: Instant
    /// When it last told, and was believed, whether we are its neighbour.
    var neighboursRead: Instant?
    /// The number of the list of its neighbours that we read last, and when; 0 for none.
    var list: UInt32 = 0
    var listRead = Instant.origin
    /// The number of our list that it holds, by its last word.
    var holds: UInt32 = 0
    /// When it was last probed because somebody asked.
    var asked: Instant?
    /// When to look at it next, and when that was decided: a sign of life since then puts it off.
    private(set) var due: Instant
    private(set) var decided: Instant
    /// The peer's other neighbours, by its own word.
    var coWatchers = FewPeers()

    init(peer: PeerHandle, incarnation: UInt64, at now: Instant, due: Instant) {
        (self.peer, self.incarnation, self.due) = (peer, incarnation, due)
        (heard, exchanged, decided) = (now, now, now)
    }

    mutating func look(at moment: Instant, decidedAt now: Instant) {
        (due, decided) = (moment, now)
    }

    /// Its neighbours are not known yet.
    var isNew: Bool { list == 0 }

    var roundTrip: Duration? {
        roundTripMicroseconds == 0 ? nil : .microseconds(Int64(roundTripMicroseconds))
    }

    mutating func measured(_ roundTrip: Duration) {
        let sample = UInt32(clamping: max(roundTrip.nanoseconds / 1_000, 1))
        let old = roundTripMicroseconds
        roundTripMicroseconds = old == 0 ? sample : max(old - old / 8 + sample / 8, 1)
    }

    mutating func named(incarnation: UInt64) {
        self.incarnation = max(self.incarnation, incarnation)
    }
}

/// At most ``NeighbourList/contactsMax`` peers, in the order in which they came.
struct FewPeers: Sendable {
    private var peers = InlineArray<6, PeerHandle>(repeating: PeerHandle(index: 0))
    private(set) var count = 0

    subscript(i: Int) -> PeerHandle { peers[i] }

    func contains(_ peer: PeerHandle) -> Bool {
        for i in 0..<count where peers[i] == peer { return true }
        return false
    }

    /// Adds the peer; does nothing where it is in already, or where there is no room.
    mutating func insert(_ peer: PeerHandle) {
        guard count < peers.count, !contains(peer) else { return }
        peers[count] = peer
        count += 1
    }

    mutating func remove(_ peer: PeerHandle) {
        var kept = FewPeers()
        for i in 0..<count where peers[i] != peer { kept.insert(peers[i]) }
        self = kept
    }
}

/// How many messages are answered within a second that begins with the first of them.
struct AnswerBudget: Sendable {
    private var second = Instant.origin
    private var answered: UInt16 = 0

    mutating func allows(_ limit: Int, at now: Instant) -> Bool {
        if answered == 0 || now - second >= .seconds(1) { (second, answered) = (now, 0) }
        guard answered < limit else { return false }
        answered += 1
        return true
    }
}
