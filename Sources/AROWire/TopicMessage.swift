/// Plumtree's messages (Leitão, Pereira and Rodrigues, *Epidemic Broadcast Trees*, 2007, §3.3), one
/// per datagram, inside a session, between neighbours of a topic's swarm.
///
/// ```
/// every message starts   kind u8 · topic 32
///
/// POST     0x40 · hops u8 (0...63, 128 more: mended) · publisher 32 · sequence u64 ·
///                 issued u64 · signature 64 · payload, to the end (0...1,024)                               146 bytes and more
/// HAVE     0x41 · flags u8 (1: settled) · posts, each with its hops             the paper's IHAVE
/// GRAFT    0x42 · flags u8 (1: push to me from now on) · posts
/// PRUNE    0x43                                                                 33 bytes
/// DIGEST   0x44 · flags u8 (1: an answer to a digest, 2: publishers left out) ·
///                 horizon u32, milliseconds · states, to the end
///
/// posts    groups by publisher, in ascending order of publishers, to the end of the message;
///          at least one in HAVE; at most 128 posts
/// group    publisher 32 · count u8 (1...) · first sequence u64 · [hops u8] ·
///          for each further one: sequence less the last one, varint (1...) · [hops u8]
/// states   in ascending order of publishers: publisher 32 · base u64 · span varint (0...1,024)
/// ```
///
/// Deviations from the paper. HAVE names many posts (the paper's §3.4 leaves batching open); a
/// settled one says that its posts were sent long ago, so that waiting for them is of no use. GRAFT
/// can ask for posts without changing the tree, as a lost datagram is no broken link, and change the
/// tree without asking for posts. A post that came over a link which is not of the tree goes on as
/// mended: it, and further copies of it, tell nothing of the tree. DIGEST is new: it tells what its sender has, so that what was lost
/// on a link without lazy ones beside it is found: of each publisher that was heard lately, every
/// post below `base`, and none at or above `base + span`; the horizon says for how long the sender
/// has been in the topic, as it does not want what is older.

import AROPrimitives
import AROCrypto

extension WireLimits {
    /// The largest payload of a topic's post: with 146 bytes around it, it fits ``messageMax``.
    public static let topicPayloadMax = 1_024
    /// A topic's name in bytes of UTF-8. A guess.
    public static let topicNameMax = 255
}

/// Which topic: a hash of its name, so that members need not tell the name to others.
public struct TopicID: Hashable, Comparable, Sendable {
    public var bits: Bits256

    @inlinable public init(bits: Bits256) { self.bits = bits }

    /// The topic of this name; nil where the name is empty or longer than
    /// ``WireLimits/topicNameMax``. Names are compared as bytes of UTF-8.
    public init?(name: some StringProtocol) {
        let name = Array(name.utf8)
        guard (1...WireLimits.topicNameMax).contains(name.count) else { return nil }
        bits = SHA256Digest.of(Array("ARO topic 1".utf8) + [UInt8(name.count)] + name)
    }

    /// Where the DHT keeps who subscribes.
    public var dhtKey: DHTKey { DHTKey(hashing: Array("topic:".utf8) + bits.bytes) }

    @inlinable public static func < (a: TopicID, b: TopicID) -> Bool { a.bits < b.bits }
}

extension TopicID: CustomStringConvertible {
    public var description: String { bits.description }
}

public enum TopicMessage: Hashable, Sendable {
    case post(TopicID, TopicPost, TopicPostPath)
    case have(TopicID, [TopicHave], settled: Bool)
    case graft(TopicID, [TopicPostName], pushes: Bool)
    case prune(TopicID)
    case digest(TopicID, TopicDigest)

    package enum Kind: UInt8 { case post = 0x40, have, graft, prune, digest }

    /// Posts that one HAVE or GRAFT names: an attempt to name more is refused.
    public static let postsMax = 128
    /// Links that a post may have crossed: one more is not forwarded. A guess: the deepest tree seen
    /// among 10,000 nodes is a quarter of it.
    public static let hopsMax = 63
    /// Sequence numbers are below this, so that sums of them cannot overflow.
    public static let sequenceBound: UInt64 = 1 << 62
}

/// How a post came: not signed, and of consequence only for the shape of the tree.
public struct TopicPostPath: Hashable, Sendable {
    /// Links crossed.
    public var hops: Int
    /// Whether one of them is not of the tree.
    public var isMended: Bool

    public init(hops: Int, isMended: Bool = false) {
        (self.hops, self.isMended) = (hops, isMended)
    }

    /// nil where there are more hops than a post may make.
    package init?(byte: UInt8) {
        let hops = Int(byte & ~Self.mended)
        guard hops <= TopicMessage.hopsMax else { return nil }
        self.init(hops: hops, isMended: byte & Self.mended != 0)
    }

    package var byte: UInt8 { UInt8(hops) | (isMended ? Self.mended : 0) }

    private static let mended: UInt8 = 0x80
}

/// Which post of a topic. A publisher that signs two posts with one sequence number cheats only its
/// own subscribers: each of them sees one of the two.
public struct TopicPostName: Hashable, Comparable, Sendable {
    public var publisher: PeerID
    public var sequence: UInt64

    public init(publisher: PeerID, sequence: UInt64) {
        (self.publisher, self.sequence) = (publisher, sequence)
    }

    public static func < (a: Self, b: Self) -> Bool {
        (a.publisher, a.sequence) < (b.publisher, b.sequence)
    }
}

/// A post that a neighbour has, and how many links it had crossed there.
public struct TopicHave: Hashable, Sendable {
    public var post: TopicPostName
    public var hops: Int

    public init(_ post: TopicPostName, hops: Int) { (self.post, self.hops) = (post, hops) }
}

/// What a neighbour has, by publishers.
public struct TopicDigest: Hashable, Sendable {
    public struct State: Hashable, Sendable {
        public var publisher: PeerID
        /// Every post below was seen, or is not wanted any more.
        public var base: UInt64
        /// At or above `base + span` none was seen; between, some may be missing.
        public var span: Int

        public init(publisher: PeerID, base: UInt64, span: Int) {
            (self.publisher, self.base, self.span) = (publisher, base, span)
        }
    }

    public var isAnswer: Bool
    public var leavesOut: Bool
    public var horizon: Duration
    public var states: [State]

    /// The widest span: how far apart the posts of one publisher may be received.
    public static let spanMax = 1_024
    /// As many states as surely fit a message.
    public static let statesMax = (WireLimits.messageMax - 38) / 42

    public init(isAnswer: Bool, leavesOut: Bool, horizon: Duration, states: [State]) {
        (self.isAnswer, self.leavesOut) = (isAnswer, leavesOut)
        (self.horizon, self.states) = (horizon, states)
    }
}
