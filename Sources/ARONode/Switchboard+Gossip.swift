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
        do throws(TopicFailure) {
            try gossip.subscribe(
                topic, options, as: SubscriberID(number: id.number), at: now, book: &book,
                identity: identity, into: &gossipOut)
            audience.listens(id, to: topic)
        } catch {
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
            outbox.effects.append(
                .reply(
                    id,
                    .published(sequence: sequence, neighbours: gossip.neighbours(in: topic).count)))
        } catch {
            outbox.effects.append(.reply(id, .failed(.topic(error))))
        }
    }

    /// A listener took posts, or a watcher changes.
    mutating func consumed(
        _ request: RequestID, _ count: Int, at now: Instant, book: inout PeerBook,
        into outbox: inout ParticipantOutbox
    ) {
        guard let topic = audience.topic(of: request) else {
            let missed = audience.tookChanges(count, request)
            if missed > 0 { outbox.effects.append(.reply(request, .membersMissed(missed))) }
            return
        }
        gossip.consumed(
            topic, count: count, by: SubscriberID(number: request.number), at: now, book: &book,
            identity: identity, into: &gossipOut)
    }

    mutating func stopListening(
        _ id: RequestID, at now: Instant, book: inout PeerBook
    ) {
        guard let topic = audience.cancelled(id) else { return }
        gossip.unsubscribe(
            topic, as: SubscriberID(number: id.number), at: now, book: &book, identity: identity,
            into: &gossipOut)
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
            concernsOthers = true
            switch event {
            case .member(let change, let peer):
                carry(change, peer, at: now, book: &book, into: &outbox)
            case .silent(let peer):
                outbox.effects.append(.hangUp(peer))
                kademlia.peerUnreachable(peer, at: now, book: &book, into: &kademliaOut)
                exchange.peerUnreachable(peer, at: now)
            case .topic(let event): carry(event, at: now, book: &book, into: &outbox)
            case .isolated: isIsolated = true
            }
        }
    }

    /// Look-ups start also from members who serve the DHT and do not wait for the dead, and listeners
    /// are told.
    private mutating func carry(
        _ change: MemberChange, _ peer: PeerHandle, at now: Instant, book: inout PeerBook,
        into outbox: inout ParticipantOutbox
    ) {
        let isSelf = book.id(peer) == id
        switch change {
        case .joined, .updated, .refuted:
            kademlia.heardBack(peer, book: book)
            let offer = gossip.member(peer, book: book)?.announcement.offer
            if offer?.servesDHT == true, !isSelf {
                kademlia.heardOf(peer, book: book)
            } else {
                kademlia.heardGone(peer, book: book)
            }
        case .failed:
            kademlia.heardFailed(peer, at: now, book: &book, into: &kademliaOut)
            outbox.effects.append(.hangUp(peer))
        case .left: kademlia.heardLeft(peer, at: now, book: &book, into: &kademliaOut)
        case .expired, .evicted: kademlia.heardGone(peer, book: book)
        case .suspected, .cleared, .neighbourUp, .neighbourDown: break
        }
        guard audience.hasWatchers else { return }
        let status = memberStatus(of: peer, at: now, book: book)
        for watcher in audience.changed() {
            outbox.effects.append(
                .reply(watcher, .memberChanged(change, book.id(peer), status)))
        }
    }

    private mutating func carry(
        _ event: TopicsEvent, at now: Instant, book: inout PeerBook,
        into outbox: inout ParticipantOutbox
    ) {
        switch event {
        case .message(_, let subscriber, let publisher, let sequence, let payload):
            let news = TopicNews.post(
                publisher: publisher, sequence: sequence, payload: payload)
            outbox.effects.append(.reply(RequestID(subscriber), .topic(news)))
        case .lagged(_, let subscriber, let missed):
            outbox.effects.append(.reply(RequestID(subscriber), .topic(.missed(missed))))
        case .unheard(let topic, let posts):
            unheardPosts += UInt64(posts)
            for request in audience.listeners(of: topic) {
                outbox.effects.append(.reply(request, .topic(.unheard(posts))))
            }
        case .wantsPeers(let topic):
            let operation = kademlia.startProviderSearch(
                topic.dhtKey, limit: configuration.subscribersWanted, at: now, book: &book,
                into: &kademliaOut)
            requests.started(operation, for: .topic(topic))
        case .provide(let topic): kademlia.resumeProviding(topic.dhtKey, at: now)
        case .withdraw(let topic): kademlia.withdraw(topic.dhtKey)
        case .neighbourUp, .neighbourDown, .misbehaved: break
        }
    }
}

extension RequestID {
    /// Each listener is a subscriber of its own.
    fileprivate init(_ subscriber: SubscriberID) { self.init(number: subscriber.number) }
}
