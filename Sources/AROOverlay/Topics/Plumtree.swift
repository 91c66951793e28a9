/// Plumtree (Leitão, Pereira and Rodrigues, *Epidemic Broadcast Trees*, 2007): the broadcast tree of
/// one topic over the active view of its swarm. Posts are pushed over the links of a tree, which is
/// what is left of a flood when links that brought duplicates are pruned; over the other links posts
/// are only announced, and a post that was announced and does not come is asked for, which mends
/// both the tree and losses.
///
/// Where this deviates from the paper, because datagrams get lost:
/// * A missing post is asked for without changing the tree. Only where repair becomes a habit
///   (``PlumtreeConfiguration/repairsUntilGraft``) or a neighbour was lost is the link grafted, so that 10 % of
///   loss does not keep turning lazy links into duplicates.
/// * A duplicate prunes its link only if the first copy was pushed too.
/// * The first timeout follows how late pushed posts were seen to come after announcements.
/// * A node hears of a post whose push was lost by announcements, by a gap between its publisher's
///   numbers, or, where all of its links push, by digests.
/// * Neighbours that are known to have a post are not told of it.

import AROPrimitives
import AROCrypto
import AROWire

struct Plumtree: Sendable {
    struct Neighbour: Sendable {
        var peer: PeerHandle
        /// Which bit stands for it in ``Announcement/told``.
        var slot: UInt8
        /// Whether we push to it.
        var isEager = true
        var forgeries: UInt8 = 0
        var roundTrip: Duration
        var posts: Bucket
        var asks: Bucket
    }

    /// A post that has yet to be announced to those who were not told of it otherwise.
    struct Announcement: Sendable {
        var have: TopicHave
        var told: UInt64
    }

    let topic: TopicID
    let configuration: PlumtreeConfiguration
    let startedAt: Instant
    /// Whether posts from before our time are wanted.
    var wantsAll = false

    var neighbours: [Neighbour] = []
    var publishers = Publishers()
    var log = PostLog()
    var missing = MissingPosts()
    var announcements: [Announcement] = []
    var announceAt: Instant?
    var digest = DigestRounds()
    var lateness: Lateness
    /// How much was repaired lately: ``PlumtreeConfiguration/repairsUntilGraft``.
    var repairs = 0
    /// Whose posts came last, and how many in a row.
    var steady: (publisher: PeerID, count: Int)?
    /// When the tree may next be changed for fewer hops alone.
    var mayShortenAt: Instant
    var drops = TopicDropCounts()
    /// Posts that their publishers' numbers tell of and that nobody could give; drained by the owner.
    var lost: [TopicPostName] = []
    private(set) var statistics = Statistics()

    /// What a tree costs, for reports.
    struct Statistics: Sendable {
        var postsReceived = 0
        var postsNew = 0
        var postsSent = 0
        var postsRepaired = 0
        var grafts = 0
        var prunes = 0
    }

    init(_ topic: TopicID, _ configuration: PlumtreeConfiguration, at now: Instant) {
        self.topic = topic
        self.configuration = configuration
        startedAt = now
        mayShortenAt = now
        lateness = Lateness(configuration)
    }

    // MARK: Neighbours

    mutating func neighbourUp(
        _ peer: PeerHandle, roundTrip: Duration? = nil, at now: Instant,
        into out: inout TopicsOutbox
    ) {
        guard index(of: peer) == nil, let slot = freeSlot else { return }
        neighbours.append(
            Neighbour(
                peer: peer, slot: slot, roundTrip: roundTrip ?? configuration.roundTripFirst,
                posts: Bucket(full: configuration.postsBurst, at: now),
                asks: Bucket(full: configuration.asksBurst, at: now)))
        sendDigest(to: peer, isAnswer: false, at: now, into: &out)
        digest.restart(at: now, configuration)
    }

    mutating func neighbourDown(_ peer: PeerHandle) {
        guard let i = index(of: peer) else { return }
        let gone = neighbours.remove(at: i)
        for a in announcements.indices { announcements[a].told &= ~(1 << UInt64(gone.slot)) }
        missing.forget(peer)
        // It may have been the one that we got everything from.
        if gone.isEager { repairs = configuration.repairsUntilGraft }
    }

    mutating func measured(_ peer: PeerHandle, _ roundTrip: Duration) {
        guard let i = index(of: peer) else { return }
        neighbours[i].roundTrip = roundTrip
    }

    func index(of peer: PeerHandle) -> Int? { neighbours.firstIndex { $0.peer == peer } }

    private var freeSlot: UInt8? {
        let used = neighbours.reduce(UInt64(0)) { $0 | 1 << UInt64($1.slot) }
        let slot = (~used).trailingZeroBitCount
        return slot < PlumtreeConfiguration.neighboursMax ? UInt8(slot) : nil
    }

    // MARK: Time

    var nextDeadline: Instant? {
        let next = earliest(earliest(missing.nextDue, announceAt), digest.at)
        return earliest(next, log.oldest.map { $0 + configuration.rememberedFor })
    }

    mutating func deadlinePassed(at now: Instant, into out: inout TopicsOutbox) {
        if let due = missing.nextDue, due <= now { askForMissing(at: now, into: &out) }
        if let due = announceAt, due <= now { announce(into: &out) }
        if let due = digest.at, due <= now { sendDigests(at: now, into: &out) }
        if let oldest = log.oldest, oldest + configuration.rememberedFor <= now {
            log.removeAll(before: now - configuration.rememberedFor)
        }
    }

    // MARK: Our own posts

    /// Pushes a post of ours. `bytes` is the whole message with no hops.
    mutating func publish(
        _ name: TopicPostName, _ bytes: [UInt8], at now: Instant, into out: inout TopicsOutbox
    ) {
        _ = publishers.saw(name, at: now, limit: configuration.publishersMax)
        spread(
            RememberedPost(
                name: name, hops: 0, source: nil, at: now, bytes: bytes),
            told: 0, at: now, into: &out)
    }

    /// Remembers a post, pushes it over the tree, and has it announced elsewhere.
    ///
    /// - Parameter told: bits of neighbours that are known to have it.
    mutating func spread(
        _ post: RememberedPost, told: UInt64, at now: Instant, into out: inout TopicsOutbox
    ) {
        var told = told
        if Int(post.hops) < TopicMessage.hopsMax {
            var isWritten = false
            for neighbour in neighbours
            where neighbour.isEager && told >> UInt64(neighbour.slot) & 1 == 0 {
                told |= 1 << UInt64(neighbour.slot)
                statistics.postsSent += 1
                if isWritten {
                    out.resend(to: neighbour.peer)
                } else {
                    send(post, to: neighbour.peer, into: &out)
                    isWritten = true
                }
            }
            let have = TopicHave(post.name, hops: Int(post.hops))
            announcements.append(Announcement(have: have, told: told))
            announceAt = announceAt ?? now + configuration.announceDelay
        }
        log.append(post, configuration)
        digest.restart(at: now, configuration)
        if announcements.count >= TopicMessage.postsMax { announce(into: &out) }
    }

    func send(_ post: RememberedPost, to peer: PeerHandle, into out: inout TopicsOutbox) {
        out.send(to: peer) { bytes in
            let start = bytes.count
            bytes.append(contentsOf: post.bytes)
            let path = TopicPostPath(hops: Int(post.hops), isMended: post.isMended)
            bytes[start + TopicPostHead.pathOffset] = path.byte
        }
    }

    // MARK: Announcements

    /// Tells every neighbour of the posts that it was not told of.
    private mutating func announce(into out: inout TopicsOutbox) {
        announceAt = nil
        guard !announcements.isEmpty else { return }
        announcements.sort { $0.have.post < $1.have.post }
        for neighbour in neighbours {
            let bit = UInt64(1) << UInt64(neighbour.slot)
            var haves: [TopicHave] = []
            for announcement in announcements where announcement.told & bit == 0 {
                haves.append(announcement.have)
            }
            sendHaves(haves, settled: false, to: neighbour.peer, messagesMax: .max, into: &out)
        }
        announcements.removeAll(keepingCapacity: true)
    }

    /// Announces posts, given in order, in as many messages as they take.
    func sendHaves(
        _ haves: [TopicHave], settled: Bool, to peer: PeerHandle, messagesMax: Int,
        into out: inout TopicsOutbox
    ) {
        var start = 0
        var messages = 0
        while start < haves.count, messages < messagesMax {
            let end = Self.fittingEnd(haves, from: start)
            out.send(
                .have(topic, Array(haves[start..<end]), settled: settled), to: peer)
            start = end
            messages += 1
        }
    }

    /// How many of the posts from `start` on surely fit one message.
    private static func fittingEnd(_ haves: [TopicHave], from start: Int) -> Int {
        var room = WireLimits.messageMax - 34
        var end = start
        while end < haves.count, end - start < TopicMessage.postsMax {
            let follows = end > start && haves[end].post.publisher == haves[end - 1].post.publisher
            room -= follows ? 9 : 42
            guard room >= 0 else { break }
            end += 1
        }
        return end
    }

    // MARK: Counting

    mutating func count(_ change: (inout Statistics) -> Void) { change(&statistics) }

    func forEachUsedHandle(_ body: (PeerHandle) -> Void) {
        for neighbour in neighbours { body(neighbour.peer) }
        log.forEachHandle(body)
        for row in missing.rows {
            for source in row.sources { body(source.peer) }
            if let asked = row.asked { body(asked) }
        }
    }
}

/// How late a pushed post comes after somebody else announced it: mean and deviation, smoothed as
/// round-trip times are in RFC 6298 §2.
struct Lateness: Sendable {
    private var mean: Duration?
    private var deviation = Duration.zero
    private let least: Duration
    private let most: Duration

    init(_ configuration: PlumtreeConfiguration) {
        (least, most) = (configuration.waitMin, configuration.waitMax)
    }

    mutating func measured(_ late: Duration) {
        let late = min(max(late, .zero), most)
        guard let mean else {
            self.mean = late
            deviation = late / 2
            return
        }
        let off = late > mean ? late - mean : mean - late
        deviation = (deviation * 3 + off) / 4
        self.mean = (mean * 7 + late) / 8
    }

    /// How long to wait for the push.
    ///
    /// - Parameter roundTrip: the largest of our neighbours'; three of them are waited for as long
    ///   as nothing was measured.
    func wait(roundTrip: Duration) -> Duration {
        let wait = mean.map { $0 + deviation * 4 } ?? roundTrip * 3
        return min(max(wait, least, roundTrip / 2), most)
    }
}

/// When digests are sent: some times after posts were seen, at growing intervals, then not any more.
struct DigestRounds: Sendable {
    private(set) var at: Instant?
    private var round = 0

    mutating func restart(at now: Instant, _ configuration: PlumtreeConfiguration) {
        round = 0
        let next = now + configuration.digestInterval
        if at.map({ $0 > next }) ?? true { at = next }
    }

    mutating func sent(at now: Instant, _ configuration: PlumtreeConfiguration) {
        round += 1
        at =
            round < configuration.digestRounds
            ? now + configuration.digestInterval * (1 << Int64(min(round, 16))) : nil
    }
}
