/// Members, announcements and topics, as async calls and sequences.

import ARONode
import AROOverlay
import AROPrimitives
import AROWire

/// What changed about a member. ``member`` is nil where it is known by its name only.
public struct MemberEvent: Hashable, Sendable {
    public var change: MemberChange
    public var peer: PeerID
    public var member: MemberStatus?
}

public enum MemberNews: Hashable, Sendable {
    case changed(MemberEvent)
    /// So many changes are missing here, as the ones before were not taken in time:
    /// ``NodeHandle/members()`` tells what holds now.
    case missed(Int)
}

/// A post that was published.
public struct PostReceipt: Hashable, Sendable {
    public var sequence: UInt64
    /// Others in the topic to whom it went at once. Where there are none, it goes to those who are
    /// found within ``TopicsConfiguration/linger``.
    public var neighbours: Int
}

extension NodeHandle {
    /// The members of the network that announced themselves, without this node: all of them in
    /// a network of up to ``AnnouncementConfiguration/directoryMax``, a fair sample in a larger one.
    public func members() async throws -> [MemberStatus] {
        guard case .members(let members) = try await answer(.members) else { return [] }
        return members.sorted { $0.id < $1.id }
    }

    /// What changes among the members from now on. A reader that is too slow misses changes, and is
    /// told how many.
    public func memberEvents() -> MemberFeed {
        MemberFeed(feed: feed(.watchMembers))
    }

    /// Announces models, instead of those announced before. Storage, bandwidth, addresses and the
    /// network coordinate are announced by the node itself.
    public func announce(models: [ModelOffer]) { offering.announce(models: models) }

    // MARK: Topics

    /// Subscribes to a topic. The subscription lasts as long as the feed is read; what a reader
    /// that is too slow misses is told by ``TopicNews/missed(_:)``.
    ///
    /// - Parameters:
    ///   - name: 1 to ``WireLimits/topicNameMax`` bytes.
    ///   - ordered: whether the posts of each publisher come in the order of their publication.
    public func subscribe(to name: String, ordered: Bool = false) throws -> TopicFeed {
        var options = SubscriptionOptions()
        options.ordered = ordered
        return TopicFeed(feed: feed(.subscribe(try topic(name), options)))
    }

    /// Publishes a post to all who subscribe to a topic, also here; this node need not be one of
    /// them. Returns the post's sequence number.
    ///
    /// - Parameter payload: at most ``WireLimits/topicPayloadMax`` bytes.
    @discardableResult
    public func post(_ payload: [UInt8], to name: String) async throws -> PostReceipt {
        guard
            case .published(let sequence, let neighbours) = try await answer(
                .post(try topic(name), payload))
        else { throw RequestFailure.shuttingDown }
        return PostReceipt(sequence: sequence, neighbours: neighbours)
    }

    private func feed(_ request: Request) -> ReplyFeed {
        let (id, replies) = loop.listen(request)
        return ReplyFeed(replies: replies) { [loop] count in
            _ = loop.submit(.consumed(id, count)) { _ in }
        }
    }

    private func topic(_ name: String) throws -> TopicID {
        guard let topic = TopicID(name: name) else { throw RequestFailure.invalidTopic }
        return topic
    }
}

/// Replies that go on, for one reader, which tells the node how many it took.
struct ReplyFeed: Sendable {
    let replies: AsyncStream<Reply>
    let consumed: @Sendable (Int) -> Void

    struct Iterator {
        private var replies: AsyncStream<Reply>.Iterator
        private let consumed: @Sendable (Int) -> Void
        private var taken = 0

        /// Replies after which the node is told; far fewer than it gives ahead.
        private static let batch = 64

        init(_ feed: ReplyFeed) {
            (replies, consumed) = (feed.replies.makeAsyncIterator(), feed.consumed)
        }

        /// - Parameter counts: whether a reply is one of those that the node counts.
        mutating func next(counts: (Reply) -> Bool) async throws -> Reply? {
            if taken >= Self.batch {
                consumed(taken)
                taken = 0
            }
            guard let reply = await replies.next() else { return nil }
            if case .failed(let failure) = reply { throw failure }
            if counts(reply) { taken += 1 }
            return reply
        }
    }
}

/// The posts of a topic, for one reader.
public struct TopicFeed: AsyncSequence, Sendable {
    public typealias Element = TopicNews

    let feed: ReplyFeed

    public func makeAsyncIterator() -> Iterator { Iterator(feed: ReplyFeed.Iterator(feed)) }

    public struct Iterator: AsyncIteratorProtocol {
        var feed: ReplyFeed.Iterator

        public mutating func next() async throws -> TopicNews? {
            let reply = try await feed.next { reply in
                if case .topic(.post) = reply { true } else { false }
            }
            guard case .topic(let news)? = reply else { return nil }
            return news
        }
    }
}

/// What changes among the members, for one reader.
public struct MemberFeed: AsyncSequence, Sendable {
    public typealias Element = MemberNews

    let feed: ReplyFeed

    public func makeAsyncIterator() -> Iterator { Iterator(feed: ReplyFeed.Iterator(feed)) }

    public struct Iterator: AsyncIteratorProtocol {
        var feed: ReplyFeed.Iterator

        public mutating func next() async throws -> MemberNews? {
            let reply = try await feed.next { reply in
                if case .memberChanged = reply { true } else { false }
            }
            switch reply {
            case .memberChanged(let change, let peer, let member)?:
                return .changed(MemberEvent(change: change, peer: peer, member: member))
            case .membersMissed(let count)?: return .missed(count)
            default: return nil
            }
        }
    }
}

/// The bounds of topics, for programs.
public enum TopicLimits {
    /// Bytes of a topic's name.
    public static let nameMax = WireLimits.topicNameMax
    /// Bytes of a post.
    public static let payloadMax = WireLimits.topicPayloadMax
}
