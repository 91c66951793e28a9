/// HyParView as one value: a small symmetric active view, over which everything is gossiped, and a
/// larger passive view to repair it from (Leitão, Pereira and Rodrigues, *HyParView*, 2007). One
/// instance keeps the views of one overlay: that of all nodes, or that of a topic's swarm.
///
/// The paper has TCP: a link is there when the connection is, at both ends. Here links are agreed by
/// unreliable datagrams, so that
/// - a request (JOIN, NEIGHBOUR) is repeated until it is answered, and its receiver takes the link
///   for made when it says yes, the asker when it hears it;
/// - a parting is repeated until it is answered;
/// - whoever gets from a stranger what only neighbours send answers that they are not neighbours;
///   each shuffle takes its first step over the link that was longest without one, so that every
///   link is tried.
///
/// Further deviations: a node whose neighbour failed remembers it and asks it ever more rarely, which
/// brings the halves of a healed partition together; requests to peers that do not answer at once are
/// overtaken by others; caps per public network, allowances per peer.
///
/// Facts come in by past-tense methods; messages and events come out through the outbox. Who is
/// alive is judged elsewhere; see ``neighbourFailed(_:at:book:into:)``.

import AROPrimitives
import AROCrypto
import AROWire

public struct HyParView: Sendable {
    let shared: Shared<MembershipConfiguration>
    public var configuration: MembershipConfiguration { shared.value }
    public let local: PeerID
    /// nil: the base overlay.
    public let swarm: SwarmID?
    /// Where we may be reached, best first; may be empty as long as nobody told us.
    public var addresses: [SocketAddress] = []

    var neighbours: [Neighbour] = [] {
        didSet {
            let isSame = neighbours.elementsEqual(active) { $0.peer == $1 }
            if !isSame { active = neighbours.map(\.peer) }
        }
    }
    /// The neighbours. Kept, as it is asked for with every message.
    public private(set) var active: [PeerHandle] = []
    var passiveView = PassiveView()
    var requests: [LinkRequest] = []
    var partings: [Parting] = []
    var lost: [LostPeer] = []
    var shuffles: ShuffleClock?
    var pace: RefillPace
    var isolation: (at: Instant, delay: Duration)?
    /// Whom we entered by: asked again where nobody else is left.
    var door: PeerHandle?
    /// Whether we want to be part of the overlay at all: from the first join until we leave.
    var isMember = false
    /// No neighbour was found since we joined: we still ask by JOIN.
    var isNewcomer = false
    var generator: Generator
    var allowances = Allowances()
    var pushedOut: Bucket
    var referrals: Bucket
    var hearsay: Bucket
    var drops = MembershipDrops()

    public init(
        configuration: MembershipConfiguration = MembershipConfiguration(), local: PeerID,
        swarm: SwarmID?, generator: Generator, at now: Instant
    ) {
        self.init(
            Shared(configuration), local: local, swarm: swarm, generator: generator, at: now)
    }

    init(
        _ shared: Shared<MembershipConfiguration>, local: PeerID, swarm: SwarmID?,
        generator: Generator, at now: Instant
    ) {
        let configuration = shared.value
        precondition(configuration.activeMax > 0 && configuration.passiveMax > 0)
        precondition((0...MembershipMessage.hopsMax).contains(configuration.activeWalk))
        precondition((0...MembershipMessage.hopsMax).contains(configuration.shuffleWalk))
        self.shared = shared
        self.local = local
        self.swarm = swarm
        self.generator = generator
        pace = RefillPace(at: now)
        pushedOut = Bucket(full: configuration.pushedOutBurst, at: now)
        referrals = Bucket(full: configuration.referralBurst, at: now)
        hearsay = Bucket(full: configuration.hearsayBurst, at: now)
    }

    // MARK: Wishes

    /// Enters the overlay through peers that are thought to be in it: they are asked one after the
    /// other until one answers. With an empty list we are alone, and say so by
    /// ``MembershipEvent/isolated`` until somebody is offered or comes.
    public mutating func join(
        through contacts: [PeerHandle], at now: Instant, book: inout PeerBook,
        into out: inout MembershipOutbox
    ) {
        isMember = true
        isNewcomer = neighbours.isEmpty
        shuffleSoon(at: now)
        keep(contacts, book)
        let first = contacts.first { mayAsk($0) && book.id($0) != local }
        if let first {
            door = first
            ask(first, .join, at: now, book, into: &out)
        }
        maintain(at: now, book: book, into: &out)
    }

    /// Somebody (the directory, the DHT) knows peers that may be in this overlay: they go into the
    /// passive view, and are asked at once where neighbours are missing.
    public mutating func offered(
        _ candidates: [PeerHandle], at now: Instant, book: inout PeerBook,
        into out: inout MembershipOutbox
    ) {
        keep(candidates, book)
        pace.hurry(at: now)
        maintain(at: now, book: book, into: &out)
    }

    /// Says goodbye to all neighbours and forgets every peer. ``join(through:at:book:into:)`` starts
    /// anew.
    public mutating func leave(into out: inout MembershipOutbox) {
        for neighbour in neighbours {
            send(.disconnect(.leaving), to: neighbour.peer, into: &out)
            out.events.append(.neighbourDown(neighbour.peer, .partedByUs))
        }
        neighbours.removeAll()
        passiveView.removeAll()
        requests.removeAll()
        partings.removeAll()
        lost.removeAll()
        (shuffles, isolation, door) = (nil, nil, nil)
        pace.waitsUntil = nil
        (isMember, isNewcomer) = (false, false)
    }

    // MARK: Facts

    /// No session with the peer could be opened, or the one there was has died.
    public mutating func peerUnreachable(
        _ peer: PeerHandle, at now: Instant, book: inout PeerBook,
        into out: inout MembershipOutbox
    ) {
        let purpose = requests.first { $0.peer == peer }?.purpose
        requests.removeAll { $0.peer == peer }
        failed(peer, isWorthAnother: purpose.map { isWorthAnother($0) } ?? false, at: now, &out)
        maintain(at: now, book: book, into: &out)
    }

    /// The neighbour was judged dead.
    public mutating func neighbourFailed(
        _ peer: PeerHandle, at now: Instant, book: inout PeerBook,
        into out: inout MembershipOutbox
    ) {
        failed(peer, isWorthAnother: false, at: now, &out)
        maintain(at: now, book: book, into: &out)
    }

    /// The peer said goodbye to the network.
    public mutating func peerGone(
        _ peer: PeerHandle, at now: Instant, book: inout PeerBook,
        into out: inout MembershipOutbox
    ) {
        forget(peer, at: now, &out)
        maintain(at: now, book: book, into: &out)
    }

    /// A message arrived that only neighbours send each other, or that names the peer's neighbours
    /// without us. Answers whether the peer is a neighbour; if it is not, it is told so.
    public mutating func spokeAsNeighbour(
        _ peer: PeerHandle, at now: Instant, into out: inout MembershipOutbox
    ) -> Bool {
        if isNeighbour(peer) { return true }
        drops.count(.notNeighbour)
        let isAgreed = requests.contains { $0.peer == peer } || isParting(peer)
        if !isAgreed, allowances.take(64, from: peer, at: now, configuration) {
            send(.disconnect(.notNeighbours), to: peer, into: &out)
        }
        return false
    }

    /// The peer's list of its neighbours came in, as acknowledgements of probes carry it: a neighbour
    /// that leaves us out twice is none.
    public mutating func neighboursListed(
        by peer: PeerHandle, includingUs: Bool, at now: Instant, book: inout PeerBook,
        into out: inout MembershipOutbox
    ) {
        guard let i = neighbours.firstIndex(where: { $0.peer == peer }) else { return }
        guard !includingUs else { return neighbours[i].denials = 0 }
        guard now - neighbours[i].since >= Self.settled else { return }
        neighbours[i].denials += 1
        guard neighbours[i].denials >= 2 else { return }
        partedByPeer(peer, at: now, book, &out)
        maintain(at: now, book: book, into: &out)
    }

    /// When ``deadlinePassed(at:book:into:)`` wants to be called; it may lie in the past.
    @inline(__always)
    public var nextDeadline: Instant? {
        var next = earliest(shuffles?.at, pace.waitsUntil)
        for request in requests { next = earliest(next, request.at) }
        for parting in partings { next = earliest(next, parting.at) }
        for peer in lost { next = earliest(next, peer.at) }
        if !isAsking { next = earliest(next, isolation?.at) }
        return next
    }

    /// ``nextDeadline`` for who asks after every input, see ``Gossip/dueNext()``.
    mutating func dueNext() -> Instant? { nextDeadline }

    public mutating func deadlinePassed(
        at now: Instant, book: inout PeerBook, into out: inout MembershipOutbox
    ) {
        repeatRequests(at: now, book, into: &out)
        repeatPartings(at: now, into: &out)
        askLostPeers(at: now, book, into: &out)
        if let at = shuffles?.at, at <= now { shuffle(at: now, book, into: &out) }
        maintain(at: now, book: book, into: &out)
    }

    // MARK: Looking in

    public var passive: [PeerHandle] { passiveView.peers }
    public var activeCount: Int { neighbours.count }

    @inline(__always)
    public func isNeighbour(_ peer: PeerHandle) -> Bool {
        neighbours.contains { $0.peer == peer }
    }

    /// Whether nothing is under way: no request, no parting.
    public var isAtRest: Bool { requests.isEmpty && partings.isEmpty }

    public func dropCount(_ drop: MembershipDrop) -> UInt64 { drops[drop] }

    /// Every peer that must stay in the book. The outbox must have been drained.
    public func forEachUsedHandle(_ body: (PeerHandle) -> Void) {
        for neighbour in neighbours { body(neighbour.peer) }
        for peer in passiveView.peers { body(peer) }
        for request in requests { body(request.peer) }
        for parting in partings { body(parting.peer) }
        for peer in lost { body(peer.peer) }
        if let door { body(door) }
        allowances.forEachHandle(body)
    }

    // MARK: Details

    /// What was said before a link was made may still be under way for this time. A guess.
    static let settled = Duration.seconds(2)

    func send(
        _ body: MembershipMessage.Body, to peer: PeerHandle, into out: inout MembershipOutbox
    ) {
        out.send(MembershipMessage(swarm: swarm, body), to: peer)
    }

    /// Puts peers into the passive view, up to its size: what is there gives way to others only in
    /// shuffles.
    private mutating func keep(_ candidates: [PeerHandle], _ book: borrowing PeerBook) {
        for peer in candidates.prefix(configuration.passiveMax) {
            var given: [PeerHandle] = []
            addToPassiveView(peer, replacing: &given, book)
        }
    }

    /// What every call ends with: empty places are filled, or it is said that nobody is left.
    mutating func maintain(
        at now: Instant, book: borrowing PeerBook, into out: inout MembershipOutbox
    ) {
        guard isMember else { return }
        refill(at: now, book, into: &out)
        noteIsolation(at: now, book, into: &out)
    }
}
