/// What arrives for a topic: its own messages, those of its swarm's membership, and what the caller
/// knows of peers.

import AROPrimitives
import AROCrypto
import AROWire

extension Topics {
    /// A message of the topics' family arrived from a peer with a session.
    public mutating func received(
        _ bytes: RawSpan, from peer: PeerHandle, at now: Instant, book: inout PeerBook,
        into out: inout TopicsOutbox
    ) {
        guard bytes.byteCount <= WireLimits.messageMax else { return drops.count(.oversized) }
        do throws(DecodingFailure) {
            var reader = ByteReader(bytes)
            let (kind, topic) = try TopicMessage.header(from: &reader)
            guard let i = index(of: topic) else { return unknown(topic, peer, at: now, into: &out) }
            guard let n = neighbour(peer, in: i, at: now, book: &book, into: &out) else { return }
            guard kind != .post else {
                let path = try reader.path()
                let head = try TopicPostHead(from: &reader)
                return received(
                    head, path, reader.rest(), in: bytes, from: n, of: i, at: now,
                    book: &book, into: &out)
            }
            switch try TopicMessage(decoding: bytes) {
            case .post: preconditionFailure("posts were dealt with")
            case .have(_, let posts, let settled):
                swarms[i].tree.received(posts, settled: settled, from: n, at: now, into: &out)
            case .graft(_, let posts, let pushes):
                swarms[i].tree.received(
                    graft: posts, pushes: pushes, from: n, at: now, into: &out)
            case .prune: swarms[i].tree.receivedPrune(from: n)
            case .digest(_, let digest):
                swarms[i].tree.received(digest, from: n, at: now, into: &out)
            }
        } catch {
            drops.count(.malformed)
        }
    }

    /// A membership message of a topic's swarm arrived.
    public mutating func received(
        _ message: MembershipMessage, from peer: PeerHandle, at now: Instant,
        book: inout PeerBook, into out: inout TopicsOutbox
    ) {
        guard let swarm = message.swarm else { return drops.count(.malformed) }
        let topic = TopicID(bits: swarm.bits)
        guard let i = index(of: topic) else {
            // An answer to this one would go back and forth.
            if case .disconnect = message.body { return drops.count(.unknownTopic) }
            return unknown(topic, peer, at: now, into: &out)
        }
        guard !isBanned(peer, in: i, at: now) else { return drops.count(.banned) }
        swarms[i].membership.received(
            message, from: peer, at: now, book: &book, into: &membershipOutbox)
        passOn(i, at: now, into: &out)
    }

    /// The DHT, or somebody else, knows peers that may be subscribed to the topic.
    public mutating func peersFound(
        _ topic: TopicID, _ peers: [PeerHandle], at now: Instant, book: inout PeerBook,
        into out: inout TopicsOutbox
    ) {
        guard let i = index(of: topic) else { return }
        var candidates: [PeerHandle] = []
        for peer in peers where book.id(peer) != local && !isBanned(peer, in: i, at: now) {
            candidates.append(peer)
        }
        guard !candidates.isEmpty else { return }
        if let contacts = swarms[i].contactsToJoin(through: candidates, &generator) {
            swarms[i].membership.join(
                through: contacts, at: now, book: &book, into: &membershipOutbox)
        } else {
            swarms[i].membership.offered(
                candidates, at: now, book: &book, into: &membershipOutbox)
        }
        passOn(i, at: now, into: &out)
    }

    // MARK: Verdicts

    /// No session with the peer could be opened, or the one there was has died.
    public mutating func peerUnreachable(
        _ peer: PeerHandle, at now: Instant, book: inout PeerBook, into out: inout TopicsOutbox
    ) {
        for i in swarms.indices {
            swarms[i].membership.peerUnreachable(
                peer, at: now, book: &book, into: &membershipOutbox)
            passOn(i, at: now, into: &out)
        }
    }

    /// The neighbour was judged dead.
    public mutating func neighbourFailed(
        _ peer: PeerHandle, at now: Instant, book: inout PeerBook, into out: inout TopicsOutbox
    ) {
        for i in swarms.indices {
            swarms[i].membership.neighbourFailed(
                peer, at: now, book: &book, into: &membershipOutbox)
            passOn(i, at: now, into: &out)
        }
    }

    /// The peer said goodbye to the network.
    public mutating func peerGone(
        _ peer: PeerHandle, at now: Instant, book: inout PeerBook, into out: inout TopicsOutbox
    ) {
        for i in swarms.indices {
            swarms[i].membership.peerGone(peer, at: now, book: &book, into: &membershipOutbox)
            passOn(i, at: now, into: &out)
        }
    }

    /// The round-trip time to a peer was measured: how long to wait for what it is asked.
    public mutating func roundTripMeasured(_ peer: PeerHandle, _ roundTrip: Duration) {
        for i in swarms.indices { swarms[i].tree.measured(peer, roundTrip) }
    }

    // MARK: Details

    private mutating func received(
        _ head: TopicPostHead, _ path: TopicPostPath, _ payload: RawSpan, in bytes: RawSpan,
        from n: Int,
        of i: Int, at now: Instant, book: inout PeerBook, into out: inout TopicsOutbox
    ) {
        let peer = swarms[i].tree.neighbours[n].peer
        let arrival = swarms[i].tree.received(
            head, path, payload, in: bytes, from: n, wallClock: wallClock(at: now), at: now,
            into: &out)
        switch arrival {
        case .dropped: return
        case .misbehaved: ban(peer, in: i, at: now, book: &book, into: &out)
        case .new:
            guard !swarms[i].subscriptions.isEmpty else { return }
            let item = Subscription.Item(name: head.name, bytes: bytes.array)
            handOut(item, i, at: now, into: &out)
        }
    }

    /// The neighbour's number in the tree; where the peer is none, it is told.
    private mutating func neighbour(
        _ peer: PeerHandle, in i: Int, at now: Instant, book: inout PeerBook,
        into out: inout TopicsOutbox
    ) -> Int? {
        guard !isBanned(peer, in: i, at: now) else {
            drops.count(.banned)
            return nil
        }
        if let n = swarms[i].tree.index(of: peer) { return n }
        drops.count(.stranger)
        _ = swarms[i].membership.spokeAsNeighbour(peer, at: now, into: &membershipOutbox)
        passOn(i, at: now, into: &out)
        return nil
    }

    /// Who speaks to us of a topic that we are not in took us for a neighbour, or asks us to be one.
    private mutating func unknown(
        _ topic: TopicID, _ peer: PeerHandle, at now: Instant, into out: inout TopicsOutbox
    ) {
        drops.count(.unknownTopic)
        guard
            refusals.take(
                1, burst: Self.refusalsBurst, perSecond: Self.refusalsPerSecond, at: now)
        else { return }
        let message = MembershipMessage(swarm: topic.swarm, .disconnect(.notNeighbours))
        out.send(to: peer) { message.append(to: &$0) }
    }

    /// Answers to messages of unknown topics, at once and per second. Guesses.
    static let refusalsBurst = 64
    private static let refusalsPerSecond = 16

    private func isBanned(_ peer: PeerHandle, in i: Int, at now: Instant) -> Bool {
        swarms[i].bans.contains { $0.peer == peer && $0.until > now }
    }

    private mutating func ban(
        _ peer: PeerHandle, in i: Int, at now: Instant, book: inout PeerBook,
        into out: inout TopicsOutbox
    ) {
        out.events.append(.misbehaved(swarms[i].topic, peer))
        swarms[i].bans.removeAll { $0.until <= now }
        if swarms[i].bans.count >= TopicsConfiguration.bansMax { swarms[i].bans.removeFirst() }
        swarms[i].bans.append((peer, now + configuration.banFor))
        let message = MembershipMessage(
            swarm: swarms[i].topic.swarm, .disconnect(.notNeighbours))
        out.send(to: peer) { message.append(to: &$0) }
        swarms[i].membership.peerGone(peer, at: now, book: &book, into: &membershipOutbox)
        passOn(i, at: now, into: &out)
    }
}

extension TopicID {
    /// The swarm whose membership messages belong to the topic.
    public var swarm: SwarmID { SwarmID(bits: bits) }
}
