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

extension NodeHandle {
    /// The members of the network that announced themselves, this node among them: all of them in
    /// a network of up to ``AnnouncementConfiguration/directoryMax``, a fair sample in a larger one.
    public func members() async throws -> [MemberStatus] {
        guard case .members(let members) = try await answer(.members) else { return [] }
        return members.sorted { $0.id < $1.id }
    }

    /// What changes among the members from now on.
    public func memberEvents() -> AsyncThrowingStream<MemberEvent, any Error> {
        stream(.watchMembers) { reply in
            guard case .memberChanged(let change, let peer, let member) = reply else { return nil }
            return MemberEvent(change: change, peer: peer, member: member)
        }
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
        let (id, replies) = loop.listen(.subscribe(try topic(name), options))
        return TopicFeed(replies: replies) { [loop] count in
            _ = loop.submit(.consumed(id, count)) { _ in }
        }
    }

    /// Publishes a post to all who subscribe to a topic; this node need not be one of them. Returns
    /// the post's sequence number.
    ///
    /// - Parameter payload: at most ``WireLimits/topicPayloadMax`` bytes.
    @discardableResult
    public func post(_ payload: [UInt8], to name: String) async throws -> UInt64 {
        guard case .published(let sequence) = try await answer(.post(try topic(name), payload))
        else { return 0 }
        return sequence
    }

    private func topic(_ name: String) throws -> TopicID {
        guard let topic = TopicID(name: name) else { throw RequestFailure.invalidTopic }
        return topic
    }
}

/// The posts of a topic, for one reader.
public struct TopicFeed: AsyncSequence, Sendable {
    public typealias Element = TopicNews

    let replies: AsyncStream<Reply>
    /// Tells the node how many posts were taken.
    let consumed: @Sendable (Int) -> Void

    public func makeAsyncIterator() -> Iterator {
        Iterator(replies: replies.makeAsyncIterator(), consumed: consumed)
    }

    public struct Iterator: AsyncIteratorProtocol {
        var replies: AsyncStream<Reply>.Iterator
        let consumed: @Sendable (Int) -> Void
        private var taken = 0

        /// Posts after which the node is told; far fewer than it gives ahead.
        private static let batch = 64

        init(replies: AsyncStream<Reply>.Iterator, consumed: @escaping @Sendable (Int) -> Void) {
            (self.replies, self.consumed) = (replies, consumed)
        }

        public mutating func next() async throws -> TopicNews? {
            if taken >= Self.batch {
                consumed(taken)
                taken = 0
            }
            while let reply = await replies.next() {
                switch reply {
                case .topic(let news):
                    if case .post = news { taken += 1 }
                    return news
                case .failed(let failure): throw failure
                default: continue
                }
            }
            return nil
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
