/// Between gossip, the DHT and the local users who listen.

import AROOverlay
import AROPrimitives
import AROWire

// MARK: - Requests

extension Participant {
    mutating func subscribe(
        _ id: RequestID, to topic: TopicID, _ options: SubscriptionOptions, at now: Instant,
        book: inout PeerBook, into outbox: inout ParticipantOutbox
    ) {
        if let row = audience.row(of: topic) {
            guard row.isOrdered == options.ordered else {
                outbox.effects.append(.reply(id, .failed(.topic(.alreadySubscribed))))
                return
            }
            return audience.subscribed(id, to: topic, isOrdered: options.ordered)
        }
        do throws(TopicFailure) {
            audience.subscribed(id, to: topic, isOrdered: options.ordered)
            try gossip.subscribe(
                topic, options, at: now, book: &book, identity: identity, into: &gossipOut)
        } catch {
            _ = audience.cancelled(id)
            outbox.effects.append(.reply(id, .failed(.topic(error))))
        }
    }

    mutating func post(
        _ payload: [UInt8], in topic: TopicID, _ id: RequestID, at now: Instant,
        book: inout PeerBook, into outbox: inout ParticipantOutbox
    ) {
        do throws(TopicFailure) {
            let sequence = try gossip.publish(
                payload, in: topic, at: now, book: &book, identity: identity, into: &gossipOut)
            outbox.effects.append(.reply(id, .published(sequence: sequence)))
        } catch {
            outbox.effects.append(.reply(id, .failed(.topic(error))))
        }
    }

    mutating func consumed(
        _ listener: RequestID, _ count: Int, into outbox: inout ParticipantOutbox
    ) {
        let missed = audience.consumed(listener, count)
        if missed > 0 { outbox.effects.append(.reply(listener, .topic(.missed(missed)))) }
    }

    mutating func stopListening(
        _ id: RequestID, at now: Instant, book: inout PeerBook
    ) {
        guard let topic = audience.cancelled(id) else { return }
        gossip.unsubscribe(topic, at: now, book: &book, identity: identity, into: &gossipOut)
    }
}

// MARK: - From gossip

extension Participant {
    mutating func drainGossip(
        at now: Instant, book: inout PeerBook, into outbox: inout ParticipantOutbox
    ) {
        guard !gossipOut.isEmpty else { return }
        let base = outbox.bytes.count
        outbox.bytes += gossipOut.bytes
        for send in gossipOut.sends {
            let range = base + send.range.lowerBound..<base + send.range.upperBound
            outbox.effects.append(.send(send.peer, range))
        }
        for event in gossipOut.takeAll() {
            switch event {
            case .member(let change, let peer):
                carry(change, peer, at: now, book: book, into: &outbox)
            case .topic(let event): carry(event, at: now, book: &book, into: &outbox)
            case .isolated: isIsolated = true
            }
        }
    }

    /// Look-ups start also from members who serve the DHT, and listeners are told.
    private mutating func carry(
        _ change: MemberChange, _ peer: PeerHandle, at now: Instant, book: borrowing PeerBook,
        into outbox: inout ParticipantOutbox
    ) {
        let isSelf = book.id(peer) == id
        switch change {
        case .joined, .updated, .refuted:
            let offer = gossip.member(peer, book: book)?.announcement.offer
            if offer?.servesDHT == true, !isSelf {
                kademlia.heardOf(peer)
            } else {
                kademlia.heardGone(peer)
            }
        case .failed, .left, .expired, .evicted: kademlia.heardGone(peer)
        case .suspected, .cleared, .neighbourUp, .neighbourDown: break
        }
        guard !audience.watchers.isEmpty else { return }
        let status = memberStatus(of: peer, at: now, book: book)
        for watcher in audience.watchers {
            outbox.effects.append(
                .reply(watcher, .memberChanged(change, book.id(peer), status)))
        }
    }

    private mutating func carry(
        _ event: TopicsEvent, at now: Instant, book: inout PeerBook,
        into outbox: inout ParticipantOutbox
    ) {
        switch event {
        case .message(let topic, let publisher, let sequence, let payload):
            let news = TopicNews.post(
                publisher: publisher, sequence: sequence, payload: payload)
            for request in audience.posted(topic) {
                outbox.effects.append(.reply(request, .topic(news)))
            }
            gossip.consumed(
                topic, count: 1, at: now, book: &book, identity: identity, into: &gossipOut)
        case .lagged(let topic, let missed):
            tell(.missed(missed), topic, into: &outbox)
        case .unheard(let topic, let posts): tell(.unheard(posts), topic, into: &outbox)
        case .wantsPeers(let topic):
            let operation = kademlia.startProviderSearch(
                topic.dhtKey, limit: subscribersWanted, at: now, book: &book,
                into: &kademliaOut)
            requests.started(operation, for: .topic(topic))
        case .provide(let topic): kademlia.resumeProviding(topic.dhtKey, at: now)
        case .withdraw(let topic): kademlia.withdraw(topic.dhtKey)
        case .neighbourUp, .neighbourDown, .misbehaved: break
        }
    }

    private func tell(
        _ news: TopicNews, _ topic: TopicID, into outbox: inout ParticipantOutbox
    ) {
        for request in audience.listeners(of: topic) {
            outbox.effects.append(.reply(request, .topic(news)))
        }
    }
}
