/// The numbers of topics and of their trees, each with its origin. "Plumtree" is Leitão, Pereira and
/// Rodrigues, *Epidemic Broadcast Trees*, 2007.

import AROPrimitives
import AROWire

public struct PlumtreeConfiguration: Sendable {
    /// A post reaching us over so many more links than another neighbour had announced before makes
    /// the tree change to that one. Plumtree §4.3 and iroh-gossip: 7; a guess: the diameter is 6.
    public var optimisationHops = 4
    /// The same where the other one announces it later: fewer hops for more time, against loss. A
    /// guess, with the least time between two such changes.
    public var shorteningHops = 4
    public var shorteningInterval = Duration.seconds(5)
    /// The tree is changed for fewer hops only after so many posts of one publisher in a row. A
    /// guess.
    public var steadyPosts = 3
    /// How long announcements are gathered for one message. A guess: below most round-trip times.
    public var announceDelay = Duration.milliseconds(50)
    /// The time to wait for a post after somebody announced it is measured: how late pushed posts
    /// came after announcements, mean and four deviations as in RFC 6298; these are its bounds,
    /// guesses.
    public var waitMin = Duration.milliseconds(100)
    public var waitMax = Duration.seconds(1)
    /// Round-trip time of a neighbour that was not measured. A guess.
    public var roundTripFirst = Duration.milliseconds(200)
    /// The least time between two attempts at a missing post. A guess.
    public var retryMin = Duration.milliseconds(100)
    public var retryMax = Duration.seconds(2)
    /// Attempts at one missing post: at a loss of 10 % each way, all fail once in 600,000 times.
    public var attemptsMax = 8
    /// Attempts at a post that only a gap between its publisher's numbers tells of. A guess: a
    /// publisher that leaves gaps on purpose shall not make everybody ask for them at length.
    public var gapAttemptsMax = 4
    /// Missing posts of one gap that are asked for unannounced: the newest. A guess.
    public var gapPostsMax = 8
    /// How much repair makes a lazy link a pushing one: each repaired post counts 2, each pushed one
    /// -1. A guess: two losses in a row, or a loss of more than a third.
    public var repairsUntilGraft = 4
    /// After posts were seen, digests go over pushing links after this time, and again after twice
    /// and four times it and so on, ``digestRounds`` times, unless more posts come. Guesses.
    public var digestInterval = Duration.seconds(1)
    public var digestRounds = 4
    /// Posts that are remembered for neighbours that miss them: count, bytes with their heads, and
    /// age. Guesses: a neighbour's death is found in five seconds.
    public var rememberedMax = 1_024
    public var rememberedBytesMax = 512 << 10
    public var rememberedFor = Duration.seconds(60)
    /// Publishers whose numbers are remembered: the ones heard lately. About 60 bytes each. A guess.
    public var publishersMax = 1_024
    /// Posts asked for or waited for at once, in all and by the word of one neighbour. Guesses.
    public var missingMax = 512
    public var missingPerNeighbourMax = 128
    /// Neighbours of one swarm. HyParView §5.2 has 5; bits of a word tell them apart here.
    public static let neighboursMax = 64
    /// What one neighbour may send per second, and at once, of new posts (each costs a signature's
    /// check, 82 µs) and of requests. Guesses.
    public var postsPerSecond = 500
    public var postsBurst = 1_000
    public var asksPerSecond = 200
    public var asksBurst = 512
    /// Posts with false signatures after which a neighbour is left. One proves that it does not
    /// check what it forwards; a few more may be on their way already.
    public var forgeriesMax = 3
    /// How old a post may be by its publisher's clock: as long as posts are remembered anywhere, and
    /// ``RecordLimits/clockSkewMax`` in both directions.
    public var staleAfter = Duration.minutes(5)
    /// Whether signatures are made and checked, or, in simulations, modelled by a hash of the same
    /// size, which detects change but can be forged.
    package var signs = true

    public init() {}
}

public struct TopicsConfiguration: Sendable {
    public var tree = PlumtreeConfiguration()
    public var membership = MembershipConfiguration()
    /// Swarms that a node may be in. A guess: about 3 kB each.
    public var swarmsMax = 256
    /// How long a node that publishes without being subscribed stays in the swarm. A guess: longer
    /// than the search for subscribers and the repair of the last post.
    public var linger = Duration.seconds(30)
    /// What may be published in one topic per second, and at once: below what neighbours accept.
    public var publishesPerSecond = 200
    public var publishesBurst = 400
    /// Posts handed to a local subscriber before it has consumed earlier ones. A guess: a quarter of
    /// a second of a busy topic.
    public var deliveredAheadMax = 256
    /// Local subscribers of one topic. A guess: each has a backlog of its own.
    public var subscribersMax = 64
    /// With neighbours, subscribers are searched once after the first of these times and then after each of
    /// the second, so that swarms of one topic that do not know of each other merge. Guesses.
    public var mergeFirst = Duration.seconds(20)
    public var mergeInterval = Duration.minutes(10)
    /// A neighbour that sent forged posts is kept out of the topic for this time. A guess.
    public var banFor = Duration.minutes(10)
    public static let bansMax = 32

    /// A topic's first subscribers find each other when the DHT has their records: the search is
    /// repeated sooner than that of a node for the network.
    public init() {
        membership.isolatedFirst = .seconds(2)
        membership.isolatedLast = .minutes(2)
    }
}

/// How a topic is subscribed to.
public struct SubscriptionOptions: Hashable, Sendable {
    /// Whether the posts of each publisher come in its order. What then misses for longer than
    /// ``gapWait`` is told by ``TopicsEvent/lagged(_:missed:)``, and what comes even later is left out.
    public var ordered = false
    public var gapWait = Duration.seconds(3)
    /// Posts that wait for the local subscriber; when there are more, the oldest are dropped and
    /// told by ``TopicsEvent/lagged(_:missed:)``.
    public var backlogMax = 1_024
    public var backlogBytesMax = 1 << 20
    /// Whether posts from before the subscription are wanted too, as far as neighbours remember them.
    public var catchesUp = false

    public init() {}
}
