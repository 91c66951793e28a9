/// Gossip as one value: membership, failure detection, coordinates, announcements and topics, and
/// what each must be told of the others (Docs/Decisions/0010-gossip.md).
///
/// Every decision is made in a part; here is only what turns the finding of one into a fact for
/// another. Facts come in by past-tense methods, wishes by commands; messages and events come out
/// through the outbox, which the caller drains after each call.

import AROCrypto
import AROPrimitives
import AROWire

public struct Gossip: ~Copyable {
    public let local: PeerID
    /// Where we may be reached, best first.
    public var addresses: [SocketAddress] = [] {
        didSet {
            guard addresses != oldValue else { return }
            membership.addresses = addresses
            topics.addresses = addresses
            isOfferStale = true
        }
    }

    /// How our packets are translated, as far as we know.
    public var nat = NATClass.unknown {
        didSet { if nat != oldValue { isOfferStale = true } }
    }

    var membership: HyParView
    var detector: FailureDetector
    var coordinates: Vivaldi
    var announcements: Announcements
    var topics: Topics

    var membershipOut = MembershipOutbox()
    var failureOut = FailureOutbox()
    var announcementsOut = AnnouncementOutbox()
    var topicsOut = TopicsOutbox()
    var watches = WatchCounts()
    var generator: Generator
    /// What we offer, apart from what gossip itself knows: addresses, NAT, coordinate.
    var offer = Offer()
    var isOfferStale = true
    /// Of the offer the coordinate alone, maybe.
    var isPlaceStale = false
    let offeredWhenIsolated: Int
    /// ``GossipConfiguration/isOn``: if not, every door is closed.
    let isOn: Bool

    public init(
        configuration: GossipConfiguration = GossipConfiguration(), local: PeerID,
        pool: StatementPool? = nil, generator: inout Generator, at now: Instant, wallClock: UnixTime
    ) {
        self.init(
            SharedGossipConfiguration(configuration), local: local, pool: pool,
            generator: &generator, at: now, wallClock: wallClock)
    }

    package init(
        _ configuration: SharedGossipConfiguration, local: PeerID, pool: StatementPool?,
        generator: inout Generator, at now: Instant, wallClock: UnixTime
    ) {
        offeredWhenIsolated = configuration.offeredWhenIsolated
        isOn = configuration.isOn
        self.local = local
        self.generator = generator.fork("gossip")
        membership = HyParView(
            configuration.membership, local: local, swarm: nil,
            generator: generator.fork("membership"), at: now)
        detector = FailureDetector(
            configuration.failure, local: local,
            generator: generator.fork("failure"))
        coordinates = Vivaldi(
            configuration.coordinates, generator: generator.fork("coordinates"))
        announcements = Announcements(
            configuration.announcements, local: local, pool: pool,
            generator: generator.fork("announcements"), at: now, wallClock: wallClock)
        topics = Topics(
            configuration.topics, local: local,
            generator: generator.fork("topics"), at: now, wallClock: wallClock)
    }

    // MARK: Wishes

    /// Begins to be a member, alone: whoever comes finds a neighbour. What is offered is announced
    /// with the first input.
    public mutating func begin(_ offer: Offer, at now: Instant, book: inout PeerBook) {
        self.offer = offer
        guard isOn else { return }
        membership.join(through: [], at: now, book: &book, into: &membershipOut)
    }

    /// Enters the overlay through peers with whom sessions exist.
    public mutating func join(
        through peers: [PeerHandle], at now: Instant, book: inout PeerBook,
        identity: borrowing Identity, into out: inout GossipOutbox
    ) {
        guard isOn else { return }
        membership.join(through: peers, at: now, book: &book, into: &membershipOut)
        route(at: now, book: &book, identity: identity, into: &out)
    }

    /// What we offer from now on; addresses and coordinate are filled in here. A change that matters
    /// is announced at once.
    public mutating func offer(
        _ offer: Offer, at now: Instant, book: inout PeerBook, identity: borrowing Identity,
        into out: inout GossipOutbox
    ) {
        self.offer = offer
        isOfferStale = true
        guard isOn else { return }
        route(at: now, book: &book, identity: identity, into: &out)
    }

    /// Says goodbye to neighbours and to all who know us.
    public mutating func leave(
        at now: Instant, book: inout PeerBook, identity: borrowing Identity,
        into out: inout GossipOutbox
    ) {
        guard isOn else { return }
        announcements.leave(at: now, book: &book, identity: identity, into: &announcementsOut)
        topics.leaveAll(into: &topicsOut)
        membership.leave(into: &membershipOut)
        out.takeSends(of: &announcementsOut)
        out.takeSends(of: &topicsOut)
        out.takeSends(of: &membershipOut)
    }

    // MARK: Facts

    /// The time of day was read.
    public mutating func wallClockRead(_ time: UnixTime, at now: Instant) {
        announcements.wallClockRead(time, at: now)
        topics.wallClockRead(time, at: now)
    }

    /// A handshake with the peer was completed.
    public mutating func peerConnected(
        _ peer: PeerHandle, roundTrip: Duration?, at now: Instant, book: inout PeerBook,
        identity: borrowing Identity, into out: inout GossipOutbox
    ) {
        guard isOn else { return }
        detector.heard(from: peer, at: now, into: &failureOut)
        if let roundTrip {
            detector.measured(roundTrip, at: now)
            measured(roundTrip, to: peer, nil, at: now, book: book)
        }
        route(at: now, book: &book, identity: identity, into: &out)
    }

    /// The peer answered a request after this time.
    public mutating func measured(
        _ roundTrip: Duration, to peer: PeerHandle, at now: Instant, book: borrowing PeerBook
    ) {
        guard isOn else { return }
        detector.measured(roundTrip, at: now)
        measured(roundTrip, to: peer, nil, at: now, book: book)
    }

    /// Something authenticated that is not gossip's came from the peer.
    public mutating func heard(from peer: PeerHandle, at now: Instant) {
        guard isOn else { return }
        detector.heard(from: peer, at: now, into: &failureOut)
    }

    /// A message of one of gossip's families.
    public mutating func received(
        _ bytes: RawSpan, from peer: PeerHandle, at now: Instant, book: inout PeerBook,
        identity: borrowing Identity, into out: inout GossipOutbox
    ) {
        guard isOn, bytes.byteCount > 0 else { return }
        let first = bytes.unsafeLoad(as: UInt8.self)
        switch MessageFamily(rawValue: first & 0xf0) {
        case .membership where ProbeMessage.claims(first):
            refreshVitals()
            detector.received(bytes, from: peer, at: now, book: &book, into: &failureOut)
        case .membership:
            detector.heard(from: peer, at: now, into: &failureOut)
            receivedMembership(bytes, from: peer, at: now, book: &book)
        case .announcement:
            detector.heard(from: peer, at: now, into: &failureOut)
            announcements.received(
                bytes, from: peer, at: now, book: &book, into: &announcementsOut)
        case .topic:
            detector.heard(from: peer, at: now, into: &failureOut)
            topics.received(bytes, from: peer, at: now, book: &book, into: &topicsOut)
        case .kademlia, nil: return
        }
        route(at: now, book: &book, identity: identity, into: &out)
    }

    private mutating func receivedMembership(
        _ bytes: RawSpan, from peer: PeerHandle, at now: Instant, book: inout PeerBook
    ) {
        do throws(DecodingFailure) {
            let message = try MembershipMessage(decoding: bytes)
            if message.swarm == nil {
                membership.received(message, from: peer, at: now, book: &book, into: &membershipOut)
            } else {
                topics.received(message, from: peer, at: now, book: &book, into: &topicsOut)
            }
        } catch {
            malformed += 1
        }
    }

    /// Membership messages that could not be read.
    var malformed: UInt64 = 0

    /// No session with the peer could be opened, or the one there was has died.
    public mutating func peerUnreachable(
        _ peer: PeerHandle, at now: Instant, book: inout PeerBook, identity: borrowing Identity,
        into out: inout GossipOutbox
    ) {
        guard isOn else { return }
        refreshVitals()
        detector.peerUnreachable(peer, at: now, book: &book, into: &failureOut)
        // The detector judges neighbours; others were being asked to become some.
        if !membership.isNeighbour(peer) {
            membership.peerUnreachable(peer, at: now, book: &book, into: &membershipOut)
        }
        topics.peerUnreachable(peer, at: now, book: &book, into: &topicsOut)
        announcements.peerUnreachable(peer, at: now, into: &announcementsOut)
        route(at: now, book: &book, identity: identity, into: &out)
    }

    /// The peer said goodbye to us and is shutting down.
    public mutating func peerGone(
        _ peer: PeerHandle, at now: Instant, book: inout PeerBook, identity: borrowing Identity,
        into out: inout GossipOutbox
    ) {
        guard isOn else { return }
        membership.peerGone(peer, at: now, book: &book, into: &membershipOut)
        topics.peerGone(peer, at: now, book: &book, into: &topicsOut)
        announcements.peerGone(peer, at: now, book: book)
        route(at: now, book: &book, identity: identity, into: &out)
    }

    // MARK: The clock

    /// When ``deadlinePassed(at:book:identity:into:)`` wants to be called; it may lie in the past.
    public var nextDeadline: Instant? {
        guard isOn else { return nil }
        var next = earliest(membership.nextDeadline, detector.nextDeadline)
        next = earliest(next, announcements.nextDeadline)
        return earliest(next, topics.nextDeadline)
    }

    /// ``nextDeadline`` for who asks after every input: a borrowed value of this size is copied for
    /// a call, a mutable one is not.
    package mutating func dueNext() -> Instant? {
        guard isOn else { return nil }
        var next = earliest(membership.dueNext(), detector.nextDeadline)
        next = earliest(next, announcements.dueNext())
        return topics.swarms.isEmpty ? next : earliest(next, topics.nextDeadline)
    }

    public mutating func deadlinePassed(
        at now: Instant, book: inout PeerBook, identity: borrowing Identity,
        into out: inout GossipOutbox
    ) {
        refreshVitals()
        if let at = detector.nextDeadline, at <= now {
            detector.deadlinePassed(at: now, book: &book, into: &failureOut)
        }
        if let at = membership.nextDeadline, at <= now {
            membership.deadlinePassed(at: now, book: &book, into: &membershipOut)
        }
        if let at = announcements.nextDeadline, at <= now {
            // Lent, as a second owner would make every change of the view a copy.
            announcements.others = membership.passive
            announcements.deadlinePassed(
                at: now, book: &book, identity: identity, into: &announcementsOut)
            announcements.others = []
        }
        if let at = topics.nextDeadline, at <= now {
            topics.deadlinePassed(at: now, book: &book, into: &topicsOut)
        }
        route(at: now, book: &book, identity: identity, into: &out)
    }
}
