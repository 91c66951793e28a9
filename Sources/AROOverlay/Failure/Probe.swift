/// A probe of one watched peer, from the first ping to the sign of life or the verdict.
///
/// ```
///          ack, or anything else from the peer, at any stage: alive
///   direct ──timeout──> indirect ──timeout──> suspected ──timeout──> failed, or lost
///      │                                          ^
///      └─────────── a co-watcher suspects it ─────┘
/// ```
///
/// SWIM's probe has the first two stages in one protocol period; here each has its own time, and the
/// pings go on through all of them. Who probes because somebody asked does not ask others: under
/// heavy loss requests would otherwise breed requests.

import AROPrimitives
import AROWire

struct Probe: Sendable {
    enum Stage: Hashable, Sendable { case direct, indirect, suspected }

    /// Somebody who waits for our word on the peer.
    struct Requester: Sendable {
        var peer: PeerHandle
        var number: UInt32
        /// Whether it was told that we heard nothing, or need not be told.
        var isNacked: Bool
    }

    /// Who waits for our word on one peer: all co-watchers at most.
    static let requestersMax = 6

    let peer: PeerHandle
    /// Somebody asked us to look.
    let isInduced: Bool
    /// Random, its lower six bits zero.
    let number: UInt32
    var stage = Stage.direct
    var stageEnd: Instant
    var nextPing: Instant
    /// When the first ping was sent; later by as long as we did not run ourselves since.
    var first: Instant
    var suspectedAt: Instant
    /// When to see how we are ourselves.
    var checkAt = Instant.distantFuture
    /// When helpers were last asked.
    var asked: Instant?
    /// Nothing was exchanged with the peer before.
    var isFirst = false
    /// Something was heard; only the ack is awaited, for what it carries.
    var isHeard = false
    /// A helper vouched for the peer in vain.
    var isVouched = false
    /// The peers asked for an indirect probe, and those of them that said nack.
    var helpers = FewPeers()
    var nacked = FewPeers()
    /// Co-watchers that suspect the peer too.
    var accusers = FewPeers()
    /// Its neighbours with whom no session could be opened meanwhile.
    var unreachable = FewPeers()
    var requesters: [Requester] = []

    private var pings: UInt32 = 0
    /// When the last pings were sent, by number.
    private var sent = InlineArray<4, Instant>(repeating: .distantFuture)

    init(
        _ peer: PeerHandle, isInduced: Bool, timeout: Duration, at now: Instant,
        _ generator: inout Generator
    ) {
        self.peer = peer
        self.isInduced = isInduced
        number = UInt32(truncatingIfNeeded: generator.next()) & ~63
        first = now
        suspectedAt = now
        stageEnd = now + timeout
        nextPing = now
    }

    /// When there is something to do about it.
    var deadline: Instant { isHeard ? stageEnd : min(stageEnd, nextPing, checkAt) }

    /// A ping is being sent. Returns its number.
    mutating func transmitted(at now: Instant) -> UInt32 {
        let i = min(pings, 63)
        pings += 1
        sent[Int(i) & 3] = now
        return number | i
    }

    func matches(_ number: UInt32) -> Bool { number & ~63 == self.number }

    /// The round-trip time that an ack of this number shows; nil where it is an old one's.
    func roundTrip(_ number: UInt32, at now: Instant) -> Duration? {
        let i = number & 63
        // The last number stands for every later ping.
        guard matches(number), i < pings, i + 4 >= pings, i < 63 else { return nil }
        let at = sent[Int(i) & 3]
        return at == .distantFuture ? nil : max(now - at, .zero)
    }

    /// We did not run for a while: that time does not count, the next ping is due at once and has
    /// `grace` to be answered before anything is concluded, and no answer to an earlier one measures
    /// the path.
    mutating func slept(_ time: Duration, grace: Duration, until now: Instant) {
        stageEnd = max(stageEnd + time, now + grace)
        nextPing = now
        first += time
        suspectedAt += time
        if checkAt != .distantFuture { checkAt = max(checkAt, now) }
        sent = InlineArray(repeating: .distantFuture)
    }

    /// The evidence begins anew, with a ping at once.
    mutating func restart(at now: Instant) {
        (first, suspectedAt, nextPing) = (now, now, now)
    }

    mutating func add(_ requester: Requester) {
        if let i = requesters.firstIndex(where: { $0.peer == requester.peer }) {
            requesters[i] = requester
        } else if requesters.count < Self.requestersMax {
            requesters.append(requester)
        }
    }
}
