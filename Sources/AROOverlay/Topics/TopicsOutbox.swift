/// What topics want done and what they found: plain values that the caller drains after each call.

import AROPrimitives
import AROWire

public typealias TopicsOutbox = OverlayOutbox<TopicsEvent>

extension TopicsOutbox {
    mutating func send(_ message: TopicMessage, to peer: PeerHandle) {
        send(to: peer) { message.append(to: &$0) }
    }
}

public enum TopicsEvent: Hashable, Sendable {
    /// A post for a local subscriber, who says by ``Topics/consumed(_:count:by:into:)`` when it is
    /// done with it.
    case message(
        TopicID, for: SubscriberID, publisher: PeerID, sequence: UInt64, payload: [UInt8])
    /// Between the last message and the next one, so many are missing: the subscriber was too slow,
    /// or they were lost.
    case lagged(TopicID, for: SubscriberID, missed: Int)
    /// Watch the peer for failures, and stop watching it, on behalf of this topic.
    case neighbourUp(TopicID, PeerHandle)
    case neighbourDown(TopicID, PeerHandle)
    /// Search subscribers under ``TopicID/dhtKey`` and hand them to ``Topics/peersFound``.
    case wantsPeers(TopicID)
    /// Publish under ``TopicID/dhtKey`` that we subscribe, until ``withdraw(_:)``.
    case provide(TopicID)
    case withdraw(TopicID)
    /// For ``TopicsConfiguration/linger``, or until the swarm was left, nobody was found to publish
    /// to: so many posts of ours were heard by nobody else.
    case unheard(TopicID, posts: Int)
    /// The peer sent posts with false signatures, and is kept out of the topic for a while.
    case misbehaved(TopicID, PeerHandle)
}

public enum TopicFailure: String, Error, Hashable, Sendable {
    case tooManyTopics = "too-many-topics"
    case payloadTooLarge = "payload-too-large"
    case tooFast = "publishing-too-fast"
    case alreadySubscribed = "already-subscribed"
    case tooManySubscribers = "too-many-subscribers"
    /// The node takes no part in gossip: ``GossipConfiguration/isOn``.
    case noGossip = "no-gossip"
}

/// One of the local subscribers of a topic, by a number that the caller chose.
public struct SubscriberID: Hashable, Sendable {
    public var number: UInt64

    public init(number: UInt64) { self.number = number }

    /// For who has one subscriber a topic.
    public static let only = SubscriberID(number: 0)
}

/// What was dropped or refused, by stable names.
public enum TopicDrop: Int, CaseIterable, Sendable {
    case malformed, oversized, unknownTopic, stranger, banned
    case duplicate, stale, fromFuture, forged, postsOverRate
    case asksOverRate, askedUnknown, missingFull, givenUp
    case lateForOrder, backlogFull

    public var name: String {
        switch self {
        case .malformed: "topic-malformed"
        case .oversized: "topic-oversized"
        case .unknownTopic: "topic-unknown"
        case .stranger: "topic-stranger"
        case .banned: "topic-banned"
        case .duplicate: "topic-duplicate"
        case .stale: "topic-stale"
        case .fromFuture: "topic-from-future"
        case .forged: "topic-forged"
        case .postsOverRate: "topic-posts-over-rate"
        case .asksOverRate: "topic-asks-over-rate"
        case .askedUnknown: "topic-asked-unknown"
        case .missingFull: "topic-missing-full"
        case .givenUp: "topic-given-up"
        case .lateForOrder: "topic-late-for-order"
        case .backlogFull: "topic-backlog-full"
        }
    }
}

/// One number for each ``TopicDrop``; nothing is allocated before the first drop.
struct TopicDropCounts: Sendable {
    private var counts: [UInt64] = []

    mutating func count(_ drop: TopicDrop, _ number: Int = 1) {
        if counts.isEmpty { counts = Array(repeating: 0, count: TopicDrop.allCases.count) }
        counts[drop.rawValue] &+= UInt64(number)
    }

    mutating func add(_ others: TopicDropCounts) {
        guard !others.counts.isEmpty else { return }
        for drop in TopicDrop.allCases { count(drop, Int(clamping: others[drop])) }
    }

    subscript(drop: TopicDrop) -> UInt64 { counts.isEmpty ? 0 : counts[drop.rawValue] }
}
