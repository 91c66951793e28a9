/// Topics, as the rest of the node uses them.

import AROCrypto
import AROPrimitives
import AROWire

extension Gossip {
    /// Subscribes; posts come as ``GossipEvent/topic(_:)``.
    public mutating func subscribe(
        _ topic: TopicID, _ options: SubscriptionOptions = SubscriptionOptions(),
        as subscriber: SubscriberID = .only, at now: Instant, book: inout PeerBook,
        identity: borrowing Identity, into out: inout GossipOutbox
    ) throws(TopicFailure) {
        guard isOn else { throw .noGossip }
        try topics.subscribe(
            topic, options, as: subscriber, at: now, book: &book, into: &topicsOut)
        route(at: now, book: &book, identity: identity, into: &out)
    }

    public mutating func unsubscribe(
        _ topic: TopicID, as subscriber: SubscriberID = .only, at now: Instant,
        book: inout PeerBook, identity: borrowing Identity, into out: inout GossipOutbox
    ) {
        topics.unsubscribe(topic, as: subscriber, at: now, into: &topicsOut)
        route(at: now, book: &book, identity: identity, into: &out)
    }

    /// Publishes a post. Returns its sequence number.
    public mutating func publish(
        _ payload: [UInt8], in topic: TopicID, at now: Instant, book: inout PeerBook,
        identity: borrowing Identity, into out: inout GossipOutbox
    ) throws(TopicFailure) -> UInt64 {
        guard isOn else { throw .noGossip }
        let sequence = try topics.publish(
            topic, payload, identity: identity, at: now, book: &book, into: &topicsOut)
        route(at: now, book: &book, identity: identity, into: &out)
        return sequence
    }

    /// A local subscriber is done with so many posts.
    public mutating func consumed(
        _ topic: TopicID, count: Int, by subscriber: SubscriberID = .only, at now: Instant,
        book: inout PeerBook, identity: borrowing Identity, into out: inout GossipOutbox
    ) {
        topics.consumed(topic, count: count, by: subscriber, into: &topicsOut)
        route(at: now, book: &book, identity: identity, into: &out)
    }

    /// The DHT knows these subscribers of a topic.
    public mutating func found(
        _ peers: [PeerHandle], in topic: TopicID, at now: Instant, book: inout PeerBook,
        identity: borrowing Identity, into out: inout GossipOutbox
    ) {
        topics.peersFound(topic, peers, at: now, book: &book, into: &topicsOut)
        route(at: now, book: &book, identity: identity, into: &out)
    }
}
