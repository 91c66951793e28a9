/// The topics of one node: for each a HyParView of its swarm, a Plumtree over that view, and what each
/// local subscriber is yet to see. Facts come in by past-tense methods, wishes by commands; messages
/// and events come out through the outbox, which the caller drains after each call.
///
/// Who publishes or subscribes is in the topic's swarm, and nobody else carries its posts
/// (Docs/Decisions/0010-gossip.md). Other subscribers are found by the caller, under the topic's key
/// of the DHT: ``TopicsEvent/wantsPeers(_:)``. A node that publishes without being subscribed joins
/// the swarm for ``TopicsConfiguration/linger``.
///
/// A publisher's numbers begin anew with each start of its node, at the time in seconds times 2^24;
/// within one start, they rise by one from post to post of a topic.

import AROPrimitives
import AROCrypto
import AROWire

public struct Topics: ~Copyable {
    let shared: Shared<TopicsConfiguration>
    public var configuration: TopicsConfiguration { shared.value }
    public let local: PeerID
    /// Where we may be reached, best first.
    public var addresses: [SocketAddress] = [] {
        didSet { for i in swarms.indices { swarms[i].membership.addresses = addresses } }
    }

    /// Sorted by topic.
    var swarms: [Swarm] = []
    var drops = TopicDropCounts()
    var generator: Generator
    /// What the parts of a swarm say, passed on after each call.
    var membershipOutbox = MembershipOutbox()
    /// Above every sequence number that was used: what a topic that is published to anew starts
    /// from, should the wall clock have gone back.
    private var sequenceFloor: UInt64 = 0
    var refusals: Bucket
    private var clock: (time: UnixTime, at: Instant)

    struct Swarm: Sendable {
        let topic: TopicID
        var membership: HyParView
        var tree: Plumtree
        /// What each local subscriber is yet to see, in the order in which they came.
        var subscriptions: [Subscription] = []
        /// When a publisher that is not subscribed leaves.
        var leaveAt: Instant?
        var search: SwarmSearch
        var nextSequence: UInt64?
        var publishing: Bucket
        var bans: [(peer: PeerHandle, until: Instant)] = []
        /// Of local subscribers that went while others stayed.
        var endedDrops = TopicDropCounts()
        /// Posts of ours that nobody was there to hear, and when to say so.
        var unheard = 0
        var unheardAt: Instant?
    }

    /// - Parameter wallClock: the time of day at `now`, for signed dates.
    public init(
        configuration: TopicsConfiguration = TopicsConfiguration(), local: PeerID,
        generator: Generator, at now: Instant, wallClock: UnixTime
    ) {
        self.init(
            Shared(configuration), local: local, generator: generator, at: now,
            wallClock: wallClock)
    }

    init(
        _ shared: Shared<TopicsConfiguration>, local: PeerID, generator: Generator,
        at now: Instant, wallClock: UnixTime
    ) {
        self.shared = shared
        self.local = local
        self.generator = generator
        refusals = Bucket(full: Self.refusalsBurst, at: now)
        clock = (wallClock, now)
    }

    // MARK: The clock

    /// The time of day was read. Between two readings the monotonic clock is believed.
    public mutating func wallClockRead(_ time: UnixTime, at now: Instant) { clock = (time, now) }

    func wallClock(at now: Instant) -> UnixTime { clock.time + (now - clock.at) }

    /// When ``deadlinePassed(at:book:into:)`` wants to be called; it may lie in the past.
    public var nextDeadline: Instant? {
        var next: Instant?
        for swarm in swarms { next = earliest(next, swarm.nextDeadline) }
        return next
    }

    public mutating func deadlinePassed(
        at now: Instant, book: inout PeerBook, into out: inout TopicsOutbox
    ) {
        // Backwards, as a swarm may be left.
        for i in swarms.indices.reversed() {
            guard let deadline = swarms[i].nextDeadline, deadline <= now else { continue }
            swarmDeadlinePassed(i, at: now, book: &book, into: &out)
        }
    }

    // MARK: Wishes

    /// Joins the topic's swarm and hands out its posts from now on. Each local subscriber has its
    /// own options and its own backlog.
    public mutating func subscribe(
        _ topic: TopicID, _ options: SubscriptionOptions = SubscriptionOptions(),
        as subscriber: SubscriberID = .only, at now: Instant, book: inout PeerBook,
        into out: inout TopicsOutbox
    ) throws(TopicFailure) {
        let i = try enter(topic, at: now, book: &book, into: &out)
        let others = swarms[i].subscriptions
        guard !others.contains(where: { $0.subscriber == subscriber }) else {
            throw .alreadySubscribed
        }
        guard others.count < configuration.subscribersMax else { throw .tooManySubscribers }
        swarms[i].subscriptions.append(Subscription(options, of: subscriber))
        swarms[i].tree.wantsAll = swarms[i].subscriptions.contains { $0.options.catchesUp }
        swarms[i].leaveAt = nil
        if others.isEmpty { out.events.append(.provide(topic)) }
    }

    /// Stops handing out posts to a subscriber; with the last one, leaves the swarm with a goodbye.
    public mutating func unsubscribe(
        _ topic: TopicID, as subscriber: SubscriberID = .only, at now: Instant,
        into out: inout TopicsOutbox
    ) {
        guard let i = index(of: topic),
            let s = swarms[i].subscriptions.firstIndex(where: { $0.subscriber == subscriber })
        else { return }
        guard swarms[i].subscriptions.count > 1 else { return leave(i, into: &out) }
        swarms[i].endedDrops.add(swarms[i].subscriptions.remove(at: s).drops)
        swarms[i].tree.wantsAll = swarms[i].subscriptions.contains { $0.options.catchesUp }
    }

    /// Signs a post and sends it to the topic's subscribers, the local ones too. Joins the swarm
    /// for a while if need be.
    ///
    /// - Parameter payload: at most ``WireLimits/topicPayloadMax`` bytes.
    /// - Returns: the sequence number.
    @discardableResult
    public mutating func publish(
        _ topic: TopicID, _ payload: [UInt8], identity: borrowing Identity, at now: Instant,
        book: inout PeerBook, into out: inout TopicsOutbox
    ) throws(TopicFailure) -> UInt64 {
        guard payload.count <= WireLimits.topicPayloadMax else { throw .payloadTooLarge }
        let i = try enter(topic, at: now, book: &book, into: &out)
        guard
            swarms[i].publishing.take(
                1, burst: configuration.publishesBurst,
                perSecond: configuration.publishesPerSecond, at: now)
        else { throw .tooFast }
        if swarms[i].subscriptions.isEmpty { swarms[i].leaveAt = now + configuration.linger }
        let sequence = nextSequence(i, at: now)
        let post = post(topic, payload, sequence, identity, at: now)
        if swarms[i].tree.neighbours.isEmpty {
            swarms[i].unheard += 1
            swarms[i].unheardAt = swarms[i].unheardAt ?? now + configuration.linger
        }
        let bytes = TopicMessage.post(topic, post, TopicPostPath(hops: 0)).bytes
        swarms[i].tree.publish(post.head.name, bytes, at: now, into: &out)
        handOut(Subscription.Item(name: post.head.name, bytes: bytes), i, at: now, into: &out)
        return sequence
    }

    /// A local subscriber is done with `count` more messages.
    public mutating func consumed(
        _ topic: TopicID, count: Int, by subscriber: SubscriberID = .only,
        into out: inout TopicsOutbox
    ) {
        guard let i = index(of: topic),
            let s = swarms[i].subscriptions.firstIndex(where: { $0.subscriber == subscriber })
        else { return }
        swarms[i].subscriptions[s].consumed(count)
        pump(i, into: &out)
    }

    /// Leaves all swarms with a goodbye: the node ends.
    public mutating func leaveAll(into out: inout TopicsOutbox) {
        for i in swarms.indices.reversed() { leave(i, into: &out) }
    }

    // MARK: Looking in from outside

    public var topicCount: Int { swarms.count }
    public var topics: [TopicID] { swarms.map { $0.topic } }

    public func isSubscribed(_ topic: TopicID) -> Bool {
        index(of: topic).map { !swarms[$0].subscriptions.isEmpty } ?? false
    }

    public func neighbours(in topic: TopicID) -> [PeerHandle] {
        index(of: topic).map { swarms[$0].membership.active } ?? []
    }

    /// Neighbours in the topic over whose links posts are pushed.
    public func treeNeighbours(in topic: TopicID) -> [PeerHandle] {
        guard let i = index(of: topic) else { return [] }
        return swarms[i].tree.neighbours.filter { $0.isEager }.map { $0.peer }
    }

    public func backlogCount(in topic: TopicID) -> Int {
        guard let i = index(of: topic) else { return 0 }
        return swarms[i].subscriptions.reduce(0) { $0 + $1.backlogCount }
    }

    public func dropCount(_ drop: TopicDrop) -> UInt64 {
        swarms.reduce(drops[drop]) {
            $1.subscriptions.reduce($0 &+ $1.tree.drops[drop] &+ $1.endedDrops[drop]) {
                $0 &+ $1.drops[drop]
            }
        }
    }

    /// Every peer that must stay in the book. The outbox must have been drained.
    public func forEachUsedHandle(_ body: (PeerHandle) -> Void) {
        for swarm in swarms {
            swarm.membership.forEachUsedHandle(body)
            swarm.tree.forEachUsedHandle(body)
            for ban in swarm.bans { body(ban.peer) }
        }
    }

    // MARK: Details

    func index(of topic: TopicID) -> Int? {
        let i = position(of: topic)
        return i < swarms.count && swarms[i].topic == topic ? i : nil
    }

    func position(of topic: TopicID) -> Int {
        swarms.partitionPoint { $0.topic < topic }
    }

    private mutating func nextSequence(_ i: Int, at now: Instant) -> UInt64 {
        let start = TopicPost.firstSequence(at: wallClock(at: now))
        let sequence = swarms[i].nextSequence ?? max(start, sequenceFloor)
        swarms[i].nextSequence = sequence + 1
        let nextRun = ((sequence >> TopicPost.runBits) + 1) << TopicPost.runBits
        sequenceFloor = max(sequenceFloor, nextRun)
        return sequence
    }

    private func post(
        _ topic: TopicID, _ payload: [UInt8], _ sequence: UInt64, _ identity: borrowing Identity,
        at now: Instant
    ) -> TopicPost {
        let issued = wallClock(at: now)
        guard !configuration.tree.signs else {
            return TopicPost(
                topic: topic, payload: payload, sequence: sequence, issued: issued,
                signedBy: identity)
        }
        var head = TopicPostHead(
            publisher: identity.id, sequence: sequence, issued: issued,
            signature: Signature(r: .zero, s: .zero))
        head.signature = head.modelledSignature(topic, payload.span.bytes)
        return TopicPost(head: head, payload: payload)
    }
}
