/// Everything of a node above messages and streams: the overlay, the content exchange, and the local
/// user's requests. Knows peers, not sessions; a transport or a simulated world carries for it.
///
/// One input, then drain the outbox, then the next. `Switchboard.swift` routes between the parts.

import AROContent
import AROCrypto
import AROInference
import AROOverlay
import AROPrimitives
import AROWire

public struct Participant: ~Copyable {
    public let id: PeerID
    let identity: Identity
    private let shared: Shared<Configuration>
    var configuration: Configuration { shared.value }
    var kademlia: Kademlia
    var exchange: Exchange
    var gossip: Gossip
    var inference: Inference
    var requests = RequestTable()
    var audience = Audience()
    var joins = Joins()
    var ownAddresses: OwnAddresses
    /// What we offer, apart from the models that are served.
    var baseOffer: Offer
    /// Searches of the DHT for providers of models.
    var modelSearches: [String] = []
    /// What the parts wanted done lately; drained by the switchboard.
    var kademliaOut = KademliaOutbox()
    var gossipOut = GossipOutbox()
    /// The overlay found that no contact answers, and no peer was connected since.
    var isIsolated = false
    /// When the participant wants ``ParticipantInput/deadline``, and why. Kept, as it is asked for
    /// after every input.
    public private(set) var nextDeadline: Wake?
    /// The same of all parts but gossip.
    private var othersDeadline = Wake(at: .distantFuture, reason: .overlay)
    /// Whether this input came to other parts than gossip, or gossip told them anything. If not, as
    /// mostly where little happens, they want nothing and their deadlines stand: they are not asked,
    /// which would bring them into the cache for nothing.
    var concernsOthers = true
    /// Posts of ours that nobody else was there to hear.
    var unheardPosts: UInt64 = 0
    /// Breaches of the content exchange and of inference by peers.
    var misconduct: UInt64 = 0

    /// - Parameters:
    ///   - addresses: where the node listens; nil for what the configuration says.
    ///   - pool: for the nodes of a simulated world; nil for one of its own.
    public init(
        configuration: SharedConfiguration, addresses: [SocketAddress]? = nil,
        identity: consuming Identity, seed: UInt64, pool: StatementPool? = nil, at now: Instant,
        wallClock: UnixTime
    ) {
        let parts = configuration
        shared = parts.whole
        let configuration = shared.value
        var generator = Generator(seed: seed)
        id = identity.id
        kademlia = Kademlia(
            parts.kademlia, local: identity.id, serves: configuration.servesDHT,
            generator: generator.fork("kademlia"), at: now,
            wallClock: wallClock)
        exchange = Exchange(
            parts.exchange, generator: generator.fork("exchange"))
        gossip = Gossip(
            parts.gossip, local: identity.id, pool: pool,
            generator: &generator, at: now, wallClock: wallClock)
        inference = Inference(
            parts.inference, identity: identity,
            generator: generator.fork("inference"), at: now, wallClock: wallClock)
        ownAddresses = OwnAddresses(listening: addresses ?? configuration.addresses)
        kademlia.addresses = ownAddresses.best
        gossip.addresses = ownAddresses.best
        var nobody = PeerBook()
        baseOffer = configuration.ownOffer
        gossip.begin(baseOffer, at: now, book: &nobody)
        self.identity = identity
        settle()
    }

    /// Takes one input. `now` must never go back. What is to be done is appended to `outbox`.
    public mutating func handle(
        _ input: borrowing ParticipantInput, at now: Instant, book: inout PeerBook,
        into outbox: inout ParticipantOutbox
    ) {
        concernsOthers = true
        switch input {
        case .peerConnected(let peer, let facts):
            peerConnected(peer, facts, at: now, book: &book)
        case .peerGone(let peer):
            kademlia.peerGone(peer, at: now, book: &book, into: &kademliaOut)
            exchange.peerUnreachable(peer, at: now)
            inference.peerUnreachable(peer, at: now)
            gossip.peerGone(peer, at: now, book: &book, identity: identity, into: &gossipOut)
        case .peerUnreachable(let peer):
            kademlia.peerUnreachable(peer, at: now, book: &book, into: &kademliaOut)
            exchange.peerUnreachable(peer, at: now)
            inference.peerUnreachable(peer, at: now)
            gossip.peerUnreachable(
                peer, at: now, book: &book, identity: identity, into: &gossipOut)
        case .dialed(let address, let peer):
            joins.dialed(address, peer)
            gossip.join(
                through: [peer], at: now, book: &book, identity: identity, into: &gossipOut)
            startJoins(at: now, book: &book)
        case .dialFailed(let address):
            joins.dialFailed(address)
            failJoins(into: &outbox)
        case .message(let bytes, let peer):
            received(bytes, from: peer, at: now, book: &book)
        case .streamOpened(let stream, let room):
            if Inference.names(stream) {
                inference.streamOpened(stream, room: room, at: now)
            } else {
                exchange.streamOpened(stream, room: room, at: now)
            }
        case .streamReceived(let stream, let bytes, let isFinished):
            if Inference.names(stream) {
                inference.streamReceived(stream, bytes, isFinished: isFinished, at: now)
            } else {
                exchange.streamReceived(stream, bytes, isFinished: isFinished, at: now)
            }
        case .streamWritable(let stream, let room):
            if Inference.names(stream) {
                inference.streamWritable(stream, room: room, at: now)
            } else {
                exchange.streamWritable(stream, room: room, at: now)
            }
        case .streamReset(let stream):
            if Inference.names(stream) {
                inference.streamReset(stream, at: now)
            } else {
                exchange.streamReset(stream, at: now)
            }
        case .deadline:
            deadlinePassed(at: now, book: &book)
        case .request(let request, let id):
            begin(request, id, at: now, book: &book, into: &outbox)
        case .cancel(let id):
            cancel(id, at: now, book: &book)
        case .disk(let reply):
            exchange.diskReplied(reply, at: now)
        case .backend(let reply):
            inference.backendReplied(reply, at: now)
        case .wallClock(let time):
            kademlia.wallClockRead(time, at: now)
            gossip.wallClockRead(time, at: now)
            inference.wallClockRead(time, at: now)
        }
        route(at: now, book: &book, into: &outbox)
        settle()
    }

    /// A peer opened a stream, whose first byte said what it is for. Returns its name.
    public mutating func streamAccepted(
        _ purpose: StreamProtocol, from peer: PeerHandle, room: Int, at now: Instant,
        book: inout PeerBook, into outbox: inout ParticipantOutbox
    ) -> StreamToken {
        concernsOthers = true
        let stream =
            switch purpose {
            case .content: exchange.streamAccepted(from: peer, room: room, at: now)
            case .inference:
                inference.streamAccepted(from: peer, book.id(peer), room: room, at: now)
            }
        route(at: now, book: &book, into: &outbox)
        settle()
        return stream
    }

    /// Streams are ended with a word of explanation, fetches without an event, calls with one.
    public mutating func shutDown(
        at now: Instant, book: inout PeerBook, into outbox: inout ParticipantOutbox
    ) {
        concernsOthers = true
        exchange.shutDown(at: now)
        inference.shutDown(at: now)
        gossip.leave(at: now, book: &book, identity: identity, into: &gossipOut)
        route(at: now, book: &book, into: &outbox)
        settle()
    }

    /// Every call ends with it: what the parts want next is asked for after each.
    private mutating func settle() {
        if concernsOthers { settleOthers() }
        var next = othersDeadline
        if let at = gossip.dueNext(), at < next.at { next = Wake(at: at, reason: .gossip) }
        nextDeadline = next.at == .distantFuture ? nil : next
    }

    private mutating func settleOthers() {
        var next = Wake(at: .distantFuture, reason: .overlay)
        if let at = kademlia.dueNext() { next.at = at }
        if let at = exchange.dueNext(), at < next.at { next = Wake(at: at, reason: .content) }
        if let at = inference.dueNext(), at < next.at {
            next = Wake(at: at, reason: .inference)
        }
        othersDeadline = next
    }

    /// Every peer that must stay in the book. The outbox must have been drained.
    public func forEachUsedHandle(_ body: (PeerHandle) -> Void) {
        kademlia.forEachUsedHandle(body)
        exchange.markUsed(body)
        inference.markUsed(body)
        joins.forEachUsedHandle(body)
        gossip.forEachUsedHandle(body)
        ownAddresses.forEachUsedHandle(body)
    }

    // MARK: Facts

    private mutating func peerConnected(
        _ peer: PeerHandle, _ facts: PeerFacts, at now: Instant, book: inout PeerBook
    ) {
        isIsolated = false
        if let observed = facts.observedAddress, ownAddresses.reported(observed, by: peer) {
            kademlia.addresses = ownAddresses.best
            gossip.addresses = ownAddresses.best
            gossip.nat = ownAddresses.nat
        }
        kademlia.peerConnected(
            peer, serves: facts.servesDHT, roundTrip: facts.roundTrip, at: now, book: &book,
            into: &kademliaOut)
        gossip.peerConnected(
            peer, roundTrip: facts.roundTrip, at: now, book: &book, identity: identity,
            into: &gossipOut)
    }

    private mutating func received(
        _ bytes: RawSpan, from peer: PeerHandle, at now: Instant, book: inout PeerBook
    ) {
        guard bytes.byteCount > 0 else { return }
        switch MessageFamily(rawValue: bytes.unsafeLoad(as: UInt8.self) & 0xf0) {
        case .kademlia:
            gossip.heard(from: peer, at: now)
            kademlia.received(bytes, from: peer, at: now, book: &book, into: &kademliaOut)
        case .membership, .announcement, .topic:
            kademlia.heardFrom(peer, at: now)
            concernsOthers = false
            gossip.received(
                bytes, from: peer, at: now, book: &book, identity: identity, into: &gossipOut)
        case nil: unknownMessages += 1
        }
    }

    private mutating func deadlinePassed(at now: Instant, book: inout PeerBook) {
        concernsOthers = othersDeadline.at <= now
        if concernsOthers {
            if let at = kademlia.dueNext(), at <= now {
                kademlia.deadlinePassed(
                    at: now, book: &book, identity: identity, into: &kademliaOut)
            }
            if let at = exchange.dueNext(), at <= now { exchange.deadlinePassed(at: now) }
            if let at = inference.dueNext(), at <= now { inference.deadlinePassed(at: now) }
        }
        if let at = gossip.dueNext(), at <= now {
            gossip.deadlinePassed(at: now, book: &book, identity: identity, into: &gossipOut)
        }
    }

    /// Messages of a family that this version does not know.
    var unknownMessages: UInt64 = 0
}
