/// Failure detection of neighbours as one value: SWIM's probes (Das, Gupta and Motivala 2002) with
/// Lifeguard's three parts (Dadgar, Phillips and Currey 2017). Facts come in by past-tense methods,
/// wishes by commands; messages and events come out through the outbox, which the caller drains
/// after each call.
///
/// SWIM draws its targets from a list of all members. Here a node watches its active view only,
/// which is symmetric, so that about five peers watch each; anything heard from a peer is a sign of
/// life, and only a silent link is probed. Pings and acks name their sender's neighbours: so the
/// watchers of a peer know each other, probe for each other and confirm each other's suspicions.
/// Docs/Decisions/0010-gossip.md has the reasons, ``FailureConfiguration`` the numbers.
///
/// Nothing here knows sessions: a message to a peer without one makes the caller open it. Peers are
/// handles of a ``PeerBook`` that the caller owns; see ``forEachUsedHandle(_:)``.

import AROPrimitives
import AROCrypto
import AROWire

/// What our pings and acks tell of ourselves.
public struct OwnVitals: Sendable {
    /// The sequence number of our newest announcement.
    public var incarnation: UInt64 = 0
    public var coordinate: Coordinate?
    /// Our active view. At most ``NeighbourList/contactsMax`` are told.
    public var neighbours: [PeerHandle] = []

    public init(
        incarnation: UInt64 = 0, coordinate: Coordinate? = nil, neighbours: [PeerHandle] = []
    ) {
        (self.incarnation, self.coordinate) = (incarnation, coordinate)
        self.neighbours = neighbours
    }
}

public struct FailureDetector: Sendable {
    let shared: Shared<FailureConfiguration>
    public var configuration: FailureConfiguration { shared.value }
    public let local: PeerID
    /// To be set before a call whenever it has changed.
    public var vitals = OwnVitals() {
        didSet { if vitals.neighbours != oldValue.neighbours { renumberList() } }
    }
    /// Of our list of neighbours as it is now.
    private(set) var listNumber: UInt32

    /// Sorted by peer.
    var watches: [Watch] = []
    /// Those under way, in the order in which they began.
    var probes: [Probe] = []
    var health = LocalHealth()
    var generator: Generator
    var strangers = AnswerBudget()
    var suspectedSelfAt: Instant?
    /// When an ack or a nack last came in time, which says that we run, and that packets reach us.
    var timely: Instant?
    var drops = FailureDropCounts()
    private var deadline: Instant?

    public init(
        configuration: FailureConfiguration = FailureConfiguration(), local: PeerID,
        generator: Generator
    ) {
        self.init(Shared(configuration), local: local, generator: generator)
    }

    init(_ shared: Shared<FailureConfiguration>, local: PeerID, generator: Generator) {
        (self.shared, self.local) = (shared, local)
        self.generator = generator
        // At random, as peers may remember the lists of our last run.
        listNumber = UInt32(truncatingIfNeeded: self.generator.next()) | 1
    }

    // MARK: Wishes

    /// Watches a peer from now on; does nothing where it is watched already. False where there is
    /// no room.
    ///
    /// - Parameter incarnation: the newest that is known of it; 0 where none is.
    @discardableResult
    public mutating func watch(
        _ peer: PeerHandle, incarnation: UInt64 = 0, at now: Instant
    ) -> Bool {
        let i = position(of: peer)
        if i < watches.count, watches[i].peer == peer {
            watches[i].named(incarnation: incarnation)
            watches[i].isVisit = false
            return true
        }
        guard watches.count < configuration.watchesMax else {
            drops.count(.noRoom)
            return false
        }
        let due = now + generator.between(.zero, configuration.firstProbeMax)
        watches.insert(Watch(peer: peer, incarnation: incarnation, at: now, due: due), at: i)
        deadline = earliest(deadline, due)
        return true
    }

    /// Watches a peer no longer, without an event.
    public mutating func unwatch(_ peer: PeerHandle) {
        guard let i = index(of: peer) else { return }
        if let p = probe(of: peer) { probes.remove(at: p) }
        watches.remove(at: i)
        settle()
    }

    /// Probes a peer once that may have died with all who watched it: its silence is judged like a
    /// neighbour's, a sign of life ends the matter. Does nothing for who is not sure to be well.
    public mutating func visit(_ peer: PeerHandle, incarnation: UInt64, at now: Instant) {
        guard index(of: peer) == nil, isWell(at: now),
            watches.count(where: \.isVisit) < configuration.visitsMax,
            watch(peer, incarnation: incarnation, at: now), let i = index(of: peer)
        else { return }
        watches[i].isVisit = true
    }

    /// Others have told what the visit was to find out.
    public mutating func endVisit(_ peer: PeerHandle) {
        guard let i = index(of: peer), watches[i].isVisit else { return }
        unwatch(peer)
    }

    // MARK: What happened

    /// Anything authenticated came from the peer. Cheap: for every datagram of a session.
    public mutating func heard(
        from peer: PeerHandle, at now: Instant, into out: inout FailureOutbox
    ) {
        noticeSleep(at: now)
        guard let i = index(of: peer) else { return }
        heard(i, at: now, into: &out)
    }

    /// An unreliable message of this family came.
    public mutating func received(
        _ bytes: RawSpan, from peer: PeerHandle, at now: Instant, book: inout PeerBook,
        into out: inout FailureOutbox
    ) {
        do throws(DecodingFailure) {
            let message = try ProbeMessage(decoding: bytes)
            received(message, from: peer, at: now, book: &book, into: &out)
        } catch {
            drops.count(.malformed)
        }
    }

    public mutating func received(
        _ message: ProbeMessage, from peer: PeerHandle, at now: Instant, book: inout PeerBook,
        into out: inout FailureOutbox
    ) {
        noticeSleep(at: now)
        switch message {
        case .ack(let ack): acked(ack, by: peer, at: now, book: &book, into: &out)
        case .ping(let ping): pinged(ping, by: peer, at: now, book: &book, into: &out)
        case .pingRequest(let request):
            asked(request, by: peer, at: now, book: &book, into: &out)
        case .vouch(let number): vouched(number, by: peer, at: now, into: &out)
        case .nack(let number): nacked(number, by: peer, at: now)
        case .suspect(let suspicion):
            accused(suspicion, by: peer, at: now, book: &book, into: &out)
        }
        // Last, as an ack is worth more than a mere sign of life.
        if let i = index(of: peer) { heard(i, at: now, into: &out) }
        settle()
    }

    /// Any peer, watched or not, answered after this round trip: to a handshake, a request. That we
    /// are well ourselves is worth knowing while many neighbours are silent.
    public mutating func measured(_ roundTrip: Duration, at now: Instant) {
        noticeSleep(at: now)
        guard roundTrip <= configuration.timeoutMax else { return }
        wasTimely(at: now)
        settle()
    }

    /// No session with the peer could be opened, or the one there was has died.
    public mutating func peerUnreachable(
        _ peer: PeerHandle, at now: Instant, book: inout PeerBook, into out: inout FailureOutbox
    ) {
        noticeSleep(at: now)
        for p in probes.indices {
            probes[p].helpers.remove(peer)
            guard let i = index(of: probes[p].peer), watches[i].coWatchers.contains(peer) else {
                continue
            }
            probes[p].unreachable.insert(peer)
        }
        for i in watches.indices where watches[i].coWatchers.contains(peer) {
            watches[i].coWatchers.remove(peer)
            watches[i].list = 0
        }
        if let i = index(of: peer), !watches[i].isProbed {
            begin(i, isInduced: false, at: now, book: book, into: &out)
        }
        settle()
    }

    // MARK: The clock

    /// When ``deadlinePassed(at:book:into:)`` wants to be called.
    public var nextDeadline: Instant? { deadline }

    public mutating func deadlinePassed(
        at now: Instant, book: inout PeerBook, into out: inout FailureOutbox
    ) {
        noticeSleep(at: now)
        var p = 0
        while p < probes.count {
            let count = probes.count
            advance(p, at: now, book: book, into: &out)
            if probes.count == count { p += 1 }
        }
        for i in watches.indices where !watches[i].isProbed && watches[i].due <= now {
            look(i, at: now, book: book, into: &out)
        }
        settle()
    }

    // MARK: Looking in from outside

    public var watchCount: Int { watches.count }
    /// Whether one more peer can be watched.
    public var hasRoom: Bool { watches.count < configuration.watchesMax }

    /// The watched peers, sorted by handle.
    public var watched: [PeerHandle] { watches.map(\.peer) }

    /// Nil for a peer that is not watched.
    public func state(of peer: PeerHandle) -> WatchState? {
        guard let i = index(of: peer) else { return nil }
        guard watches[i].isProbed, let p = probe(of: peer) else { return .alive }
        return probes[p].stage == .suspected ? .suspected : .probed
    }

    /// The smoothed round-trip time of a watched peer, by its acks.
    public func roundTrip(of peer: PeerHandle) -> Duration? {
        index(of: peer).flatMap { watches[$0].roundTrip }
    }

    /// The newest incarnation that a watched peer named.
    public func incarnation(of peer: PeerHandle) -> UInt64? {
        index(of: peer).map { watches[$0].incarnation }
    }

    /// Lifeguard's local health multiplier: 0 is healthy, ``FailureConfiguration/healthMax`` is the
    /// worst.
    public var localHealth: Int { health.score }

    public func dropCount(_ drop: FailureDrop) -> UInt64 { drops[drop] }

    /// Every peer that must stay in the book. The outbox must have been drained.
    public func forEachUsedHandle(_ body: (PeerHandle) -> Void) {
        for watch in watches {
            body(watch.peer)
            for i in 0..<watch.coWatchers.count { body(watch.coWatchers[i]) }
        }
        for probe in probes {
            for i in 0..<probe.helpers.count { body(probe.helpers[i]) }
            for i in 0..<probe.nacked.count { body(probe.nacked[i]) }
            for i in 0..<probe.accusers.count { body(probe.accusers[i]) }
            for i in 0..<probe.unreachable.count { body(probe.unreachable[i]) }
            for requester in probe.requesters { body(requester.peer) }
        }
        for peer in vitals.neighbours { body(peer) }
    }

    // MARK: Details

    private mutating func renumberList() {
        listNumber = listNumber == .max ? 1 : listNumber + 1
    }

    @inline(__always)
    func index(of peer: PeerHandle) -> Int? {
        let i = position(of: peer)
        return i < watches.count && watches[i].peer == peer ? i : nil
    }

    @inline(__always)
    private func position(of peer: PeerHandle) -> Int {
        watches.partitionPoint { $0.peer < peer }
    }

    @inline(__always)
    func probe(of peer: PeerHandle) -> Int? { probes.firstIndex { $0.peer == peer } }

    /// Keeps the deadline, as it is asked for after every input.
    mutating func settle() {
        var next: Instant?
        for watch in watches where !watch.isProbed { next = earliest(next, watch.due) }
        for probe in probes { next = earliest(next, probe.deadline) }
        deadline = next
    }

    /// A deadline that is met late tells that we did not run: others' silence meanwhile was ours.
    private mutating func noticeSleep(at now: Instant) {
        guard configuration.isSelfAware, let deadline, now - deadline >= configuration.lateMin
        else { return }
        let late = now - deadline
        let amount = 1 + Int(min(late.nanoseconds / 1_000_000_000, 8))
        health.worsened(by: amount, atMost: configuration.healthMax, at: now)
        // What came in the meantime is yet to be read, and may spare us probes and verdicts.
        let grace = configuration.timeoutMax * health.scale
        for p in probes.indices { probes[p].slept(late, grace: grace, until: now) }
        for i in watches.indices where watches[i].due <= now {
            let soon = now + generator.between(.zero, configuration.timeoutMax)
            watches[i].look(at: soon, decidedAt: watches[i].decided)
        }
        settle()
    }
}
