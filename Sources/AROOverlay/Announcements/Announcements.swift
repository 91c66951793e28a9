/// Announcements as one value: our own statement, the directory of others', rumours and
/// anti-entropy. Facts come in by past-tense methods, wishes by commands; messages and events come
/// out through the outbox, which the caller drains after each call.
///
/// State is spread twice (Demers and others 1987): what is new to a node is pushed to its neighbours
/// at once, and what that misses is found by push-pull exchanges of slices of the key ring. What is
/// only renewed is not pushed. Decisions and their reasons: Docs/Decisions/0010-gossip.md.
///
/// Nothing here knows sessions: a message to a peer without one makes the caller open it. Peers are
/// handles of a ``PeerBook`` that the caller owns; see ``forEachUsedHandle(_:)``.

import AROPrimitives
import AROCrypto
import AROWire

public struct Announcements: ~Copyable {
    let shared: Shared<AnnouncementConfiguration>
    public var configuration: AnnouncementConfiguration { shared.value }
    public let local: PeerID
    let localPlace: UInt64

    /// Peers that are known from elsewhere, like the passive view: now and then an exchange is made
    /// with one of them. Only who is met anew now and then keeps samples of a large network fair.
    public var others: [PeerHandle] = []

    var directory: Directory
    var tombstones = Tombstones()
    var neighbourTable: NeighbourTable
    var own: OwnStatement
    var rumours = Rumours()
    var exchanges: Exchanges
    var doubts: [Doubt] = []
    /// Watched members that we suspect to be dead.
    var suspects: [PeerHandle] = []
    var drops = AnnouncementDrops()
    var generator: Generator
    private var clock: (time: UnixTime, at: Instant)
    /// What other nodes of the same world have verified.
    let pool: StatementPool?

    /// - Parameters:
    ///   - pool: shared by the nodes of a simulated world; nil for a node of its own.
    ///   - generator: its seed is as secret as the choice of a full directory should be.
    ///   - wallClock: the time of day at `now`, for signed dates.
    public init(
        configuration: AnnouncementConfiguration = AnnouncementConfiguration(), local: PeerID,
        pool: StatementPool? = nil, generator: Generator, at now: Instant, wallClock: UnixTime
    ) {
        self.init(
            Shared(configuration), local: local, pool: pool, generator: generator, at: now,
            wallClock: wallClock)
    }

    init(
        _ shared: Shared<AnnouncementConfiguration>, local: PeerID, pool: StatementPool?,
        generator: Generator, at now: Instant, wallClock: UnixTime
    ) {
        let configuration = shared.value
        self.shared = shared
        self.local = local
        self.pool = pool
        var generator = generator
        localPlace = Directory.place(of: DHTKey(peer: local))
        directory = Directory(
            capacity: configuration.directoryMax, hash: KeyedHash(from: &generator))
        neighbourTable = NeighbourTable(configuration, at: now)
        own = OwnStatement(configuration, at: now)
        exchanges = Exchanges(configuration, generator: &generator, at: now)
        self.generator = generator
        clock = (wallClock, now)
    }

    // MARK: The clock

    /// The time of day was read. Between two readings the monotonic clock is believed.
    public mutating func wallClockRead(_ time: UnixTime, at now: Instant) { clock = (time, now) }

    func wallClock(at now: Instant) -> UnixTime { clock.time + (now - clock.at) }

    /// When ``deadlinePassed(at:book:identity:into:)`` wants to be called; it may lie in the past.
    @inline(__always)
    public var nextDeadline: Instant? {
        var next = earliest(own.dueAt, rumours.dueAt)
        next = earliest(next, exchanges.nextDeadline)
        next = earliest(next, directory.expiryAt)
        for doubt in doubts { next = earliest(next, doubt.until) }
        return next
    }

    /// ``nextDeadline`` for who asks after every input, see ``Gossip/dueNext()``.
    mutating func dueNext() -> Instant? { nextDeadline }

    public mutating func deadlinePassed(
        at now: Instant, book: inout PeerBook, identity: borrowing Identity,
        into out: inout AnnouncementOutbox
    ) {
        expireMembers(at: now, into: &out)
        settleDoubts(at: now, into: &out)
        if let due = own.dueAt, due <= now {
            issue(at: now, book: &book, identity: identity, into: &out)
        }
        keepExchanging(at: now, into: &out)
        if let due = rumours.dueAt, due <= now { push(into: &out) }
    }

    // MARK: Our own statement

    /// What we offer now. The first offer and material changes are announced at the next deadline,
    /// as fast as the allowance for changes permits; the newest wins. Smaller changes go along with
    /// a renewal.
    public mutating func offer(_ offer: Offer, at now: Instant) {
        own.offer(offer, members: directory.counts.alive, configuration, at: now)
    }

    /// What we offer is elsewhere now. False where the whole is to be offered again.
    mutating func moved(to coordinate: Coordinate, at now: Instant) -> Bool {
        own.moved(to: coordinate, at: now)
    }

    /// Somebody suspects us by this sequence: a higher one is announced, at a bounded rate.
    public mutating func refute(incarnation: UInt64, at now: Instant) {
        guard incarnation >= own.sequence else { return }
        own.accused(
            incarnation, by: nil, wallClock: wallClock(at: now), configuration, at: now)
    }

    /// Says goodbye to the neighbours, who pass it on. Nothing is announced afterwards.
    public mutating func leave(
        at now: Instant, book: inout PeerBook, identity: borrowing Identity,
        into out: inout AnnouncementOutbox
    ) {
        guard !own.isLeaving, own.announced != nil else { return }
        own.leave()
        issue(at: now, book: &book, identity: identity, into: &out)
        push(into: &out)
    }

    /// The sequence of our newest statement; 0 before the first.
    public var sequence: UInt64 { own.sequence }

    // MARK: Neighbours

    /// The peers that are told of everything.
    public var neighbours: [PeerHandle] { neighbourTable.peers }

    /// A neighbour of the active view is there: both sides compare what they know.
    public mutating func neighbourUp(
        _ peer: PeerHandle, at now: Instant, book: borrowing PeerBook,
        into out: inout AnnouncementOutbox
    ) {
        guard neighbourTable.add(peer, configuration, at: now) else { return }
        if let statement = ownStatement { out.send(.rumour([.statement(statement)]), to: peer) }
        let delay = local < book.id(peer) ? Duration.zero : configuration.syncDelay
        exchanges.queue(peer, at: now + delay)
    }

    public mutating func neighbourDown(_ peer: PeerHandle) {
        neighbourTable.remove(peer)
        exchanges.unqueue(peer)
    }

    /// No session with the peer could be opened, or the one there was has died.
    public mutating func peerUnreachable(
        _ peer: PeerHandle, at now: Instant, into out: inout AnnouncementOutbox
    ) {
        if let current = exchanges.current, current.peer == peer, current.purpose == .renewal {
            renewalFailed(current, at: now, into: &out)
        }
        exchanges.ended(with: peer)
        for i in doubts.indices where doubts[i].peer == peer { doubts[i].until = now }
        settleDoubts(at: now, into: &out)
    }

    /// The peer ended its session because it shuts down. The signed goodbye came before, or was
    /// lost: then nobody watches the peer any more, and it would be held for alive until its
    /// statement runs out. So it is given a while to say otherwise.
    public mutating func peerGone(
        _ peer: PeerHandle, at now: Instant, book: borrowing PeerBook
    ) {
        guard let i = directory.index(of: peer, place: Directory.place(of: book.key(peer))),
            directory.rows[i].state == .alive, !directory.isOwn(i)
        else { return }
        addDoubt(about: directory.rows[i], at: now)
    }

    /// Our own verdict about a peer that we watched: its statements up to `incarnation` are over.
    /// It is spread to those who hold one.
    public mutating func obituary(
        of peer: PeerHandle, incarnation: UInt64, at now: Instant, book: borrowing PeerBook,
        into out: inout AnnouncementOutbox
    ) {
        let place = Directory.place(of: book.key(peer))
        if let i = directory.index(of: peer, place: place) {
            guard directory.rows[i].state == .alive, directory.rows[i].sequence <= incarnation
            else { return }
            fail(i, source: nil, at: now, into: &out)
        } else {
            rumour(
                Rumours.Row(peer: peer, place: place, source: nil, obituary: incarnation),
                at: now)
        }
    }

    // MARK: Details

    var ownStatement: [UInt8]? {
        guard let i = directory.index(at: localPlace) else { return nil }
        return directory.rows[i].bytes
    }

    private mutating func issue(
        at now: Instant, book: inout PeerBook, identity: borrowing Identity,
        into out: inout AnnouncementOutbox
    ) {
        guard let offer = own.offer else { return }
        let members = directory.counts.alive
        let time = wallClock(at: now)
        let period = configuration.period(members: members)
        let announcement = Announcement(
            offer: offer, isLeaving: own.isLeaving, sequence: own.nextSequence(wallClock: time),
            issued: time,
            lifetime: period * configuration.periodsOfLifetime * (directory.isFull ? 2 : 1),
            signedBy: identity)
        let bytes = announcement.bytes
        let statement = Statement(announcement, bytes: bytes, place: localPlace)
        let handle = book.intern(local)
        pool?.keep(statement)
        directory.setOwn(row(of: statement, handle, at: now))
        for accuser in own.accusers where !neighbourTable.contains(accuser) {
            out.send(.rumour([.statement(bytes)]), to: accuser)
        }
        let tenth = Int(period.nanoseconds / 10)
        own.issued(
            offer, members: members,
            jitter: .nanoseconds(Int64(generator.below(2 * tenth) - tenth)), configuration,
            at: now)
        out.events.append(.announced(sequence: announcement.sequence))
        rumour(
            Rumours.Row(peer: handle, place: localPlace, source: nil, obituary: nil), at: now,
            isUrgent: true)
    }

    /// A row for a verified statement.
    func row(of statement: Statement, _ peer: PeerHandle, at now: Instant) -> Directory.Row {
        let announcement = statement.announcement
        let left = min(announcement.expires - wallClock(at: now), Announcement.lifetimeMax)
        return Directory.Row(
            statement: statement, peer: peer, rank: directory.rank(of: statement.place),
            source: directory.source(
                of: announcement.offer.addresses,
                exemptsPrivate: configuration.privateNetworksAreExempt),
            since: now, expires: now + left)
    }

    /// Where a peer stands on the ring.
    func place(of peer: PeerID, _ book: borrowing PeerBook) -> UInt64 {
        if peer == local { return localPlace }
        // A hash is dearer than a look into the book.
        return Directory.place(of: book.handle(of: peer).map { book.key($0) } ?? DHTKey(peer: peer))
    }

    private mutating func expireMembers(at now: Instant, into out: inout AnnouncementOutbox) {
        while let i = directory.nextExpired(at: now) {
            let row = directory.remove(at: i)
            if row.state == .alive { out.events.append(.expired(row.peer)) }
        }
    }
}
