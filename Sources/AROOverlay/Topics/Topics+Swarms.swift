/// Entering and leaving swarms, finding peers for them, and what their views tell.

import AROPrimitives
import AROWire

/// When the caller is asked for other subscribers of a topic although there are neighbours, so that
/// swarms of one topic merge that do not know of each other.
struct SwarmSearch: Sendable {
    var at: Instant?
    /// Whether the peers of the next answer may belong to a swarm that ours does not know of.
    var merges = false
}

extension Topics.Swarm {
    var nextDeadline: Instant? {
        let next = earliest(membership.nextDeadline, tree.nextDeadline)
        let last = earliest(earliest(leaveAt, search.at), unheardAt)
        return subscriptions.reduce(earliest(next, last)) { earliest($0, $1.nextDeadline) }
    }

    /// Whom to join by, if found peers are to be joined and not only kept in mind: alone, all of
    /// them; otherwise now and then one that we do not know of.
    mutating func contactsToJoin(
        through found: [PeerHandle], _ generator: inout Generator
    ) -> [PeerHandle]? {
        var found = found
        generator.shuffle(&found)
        if membership.activeCount == 0 { return found }
        guard search.merges else { return nil }
        let known = membership.active + membership.passive
        guard let stranger = found.first(where: { !known.contains($0) }) else { return nil }
        search.merges = false
        return [stranger]
    }
}

extension Topics {
    /// The topic's swarm, joined if it is new.
    mutating func enter(
        _ topic: TopicID, at now: Instant, book: inout PeerBook, into out: inout TopicsOutbox
    ) throws(TopicFailure) -> Int {
        let i = position(of: topic)
        if i < swarms.count, swarms[i].topic == topic { return i }
        guard swarms.count < configuration.swarmsMax else { throw .tooManyTopics }
        var membership = HyParView(
            configuration: configuration.membership, local: local, swarm: topic.swarm,
            generator: generator.fork("swarm"), at: now)
        membership.addresses = addresses
        // Alone as yet: asks for peers.
        membership.join(through: [], at: now, book: &book, into: &membershipOutbox)
        swarms.insert(
            Swarm(
                topic: topic, membership: membership,
                tree: Plumtree(topic, configuration.tree, at: now), search: SwarmSearch(),
                publishing: Bucket(full: configuration.publishesBurst, at: now)), at: i)
        passOn(i, at: now, into: &out)
        return i
    }

    mutating func leave(_ i: Int, into out: inout TopicsOutbox) {
        let topic = swarms[i].topic
        swarms[i].membership.leave(into: &membershipOutbox)
        for send in membershipOutbox.sends { out.pass(send, membershipOutbox.bytes) }
        membershipOutbox.removeAll()
        for neighbour in swarms[i].tree.neighbours {
            out.events.append(.neighbourDown(topic, neighbour.peer))
        }
        if !swarms[i].subscriptions.isEmpty { out.events.append(.withdraw(topic)) }
        tellUnheard(i, into: &out)
        swarms.remove(at: i)
    }

    mutating func swarmDeadlinePassed(
        _ i: Int, at now: Instant, book: inout PeerBook, into out: inout TopicsOutbox
    ) {
        if let at = swarms[i].leaveAt, at <= now { return leave(i, into: &out) }
        if let at = swarms[i].membership.nextDeadline, at <= now {
            swarms[i].membership.deadlinePassed(at: now, book: &book, into: &membershipOutbox)
            passOn(i, at: now, into: &out)
        }
        if let at = swarms[i].tree.nextDeadline, at <= now {
            swarms[i].tree.deadlinePassed(at: now, into: &out)
            let lost = swarms[i].tree.lost
            for s in swarms[i].subscriptions.indices {
                for name in lost { swarms[i].subscriptions[s].lost(name) }
            }
            if !lost.isEmpty { swarms[i].tree.lost = [] }
        }
        if let at = swarms[i].search.at, at <= now { searchAgain(i, at: now, into: &out) }
        if let at = swarms[i].unheardAt, at <= now { tellUnheard(i, into: &out) }
        for s in swarms[i].subscriptions.indices {
            swarms[i].subscriptions[s].deadlinePassed(at: now)
        }
        pump(i, into: &out)
    }

    /// A post is here: one of ours, or a verified one of somebody else.
    mutating func handOut(
        _ item: Subscription.Item, _ i: Int, at now: Instant, into out: inout TopicsOutbox
    ) {
        for s in swarms[i].subscriptions.indices {
            swarms[i].subscriptions[s].arrived(
                item, at: now, publishersMax: configuration.tree.publishersMax)
        }
        pump(i, into: &out)
    }

    mutating func pump(_ i: Int, into out: inout TopicsOutbox) {
        let topic = swarms[i].topic
        for s in swarms[i].subscriptions.indices {
            swarms[i].subscriptions[s].pump(
                topic, aheadMax: configuration.deliveredAheadMax, into: &out)
        }
    }

    private mutating func tellUnheard(_ i: Int, into out: inout TopicsOutbox) {
        let posts = swarms[i].unheard
        (swarms[i].unheard, swarms[i].unheardAt) = (0, nil)
        if posts > 0 { out.events.append(.unheard(swarms[i].topic, posts: posts)) }
    }

    private mutating func searchAgain(_ i: Int, at now: Instant, into out: inout TopicsOutbox) {
        out.events.append(.wantsPeers(swarms[i].topic))
        swarms[i].search.merges = true
        swarms[i].search.at = now + spread(configuration.mergeInterval)
    }

    /// Between three quarters and five quarters of a time, so that nodes do not keep step.
    private mutating func spread(_ time: Duration) -> Duration {
        time * 3 / 4 + .nanoseconds(Int64(generator.below(Int(time.nanoseconds / 2))))
    }

    /// Hands on what the swarm's membership said.
    mutating func passOn(_ i: Int, at now: Instant, into out: inout TopicsOutbox) {
        guard !membershipOutbox.isEmpty else { return }
        for send in membershipOutbox.sends { out.pass(send, membershipOutbox.bytes) }
        for event in membershipOutbox.events { took(event, i, at: now, into: &out) }
        membershipOutbox.removeAll()
    }

    private mutating func took(
        _ event: MembershipEvent, _ i: Int, at now: Instant, into out: inout TopicsOutbox
    ) {
        switch event {
        case .neighbourUp(let peer): neighbourUp(peer, i, at: now, into: &out)
        case .neighbourDown(let peer, _):
            swarms[i].tree.neighbourDown(peer)
            out.events.append(.neighbourDown(swarms[i].topic, peer))
            if swarms[i].tree.neighbours.isEmpty { swarms[i].search.at = nil }
        case .isolated: out.events.append(.wantsPeers(swarms[i].topic))
        }
    }

    private mutating func neighbourUp(
        _ peer: PeerHandle, _ i: Int, at now: Instant, into out: inout TopicsOutbox
    ) {
        if swarms[i].tree.neighbours.isEmpty {
            swarms[i].search.at = now + spread(configuration.mergeFirst)
        }
        (swarms[i].unheard, swarms[i].unheardAt) = (0, nil)
        swarms[i].tree.neighbourUp(peer, at: now, into: &out)
        out.events.append(.neighbourUp(swarms[i].topic, peer))
    }
}

extension OverlayOutbox {
    /// Sends what another outbox was to send.
    mutating func pass(_ send: OverlaySend, _ bytes: [UInt8]) {
        self.send(to: send.peer) { $0.append(contentsOf: bytes[send.range]) }
    }
}
