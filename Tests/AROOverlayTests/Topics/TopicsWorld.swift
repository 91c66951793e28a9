/// A world of messages for the topics' tests: nodes, a shared peer book, latency, loss, death and
/// virtual time. Links are given (a random regular graph) or made by HyParView. No sessions: what a
/// node sends arrives, or does not.

import AROCrypto
import AROPrimitives
import AROWire

@testable import AROOverlay

final class TopicsNode {
    var topics: Topics
    let identity: Identity
    let handle: PeerHandle
    var isDead = false
    /// Whether the subscriber consumes what it gets at once.
    var consumes = true
    var wake: Instant?
    /// What the subscriber got, in order.
    var got: [TopicPostName] = []
    var gotAt: [Instant] = []
    var payloads: [[UInt8]] = []
    var missed = 0
    var events: [TopicsEvent] = []

    init(topics: consuming Topics, identity: consuming Identity, handle: PeerHandle) {
        self.topics = topics
        self.identity = identity
        self.handle = handle
    }
}

final class TopicsWorld {
    static let epoch = UnixTime(seconds: 1_800_000_000)
    static let topic = TopicID(name: "news")!

    enum Event {
        case message(from: Int, to: Int, [UInt8])
        case wake(Int)
        case found(Int, TopicID)
        case failed(Int, of: Int)
        case unreachable(Int, from: Int)
    }

    struct Sent {
        var name: TopicPostName
        var by: Int
    }

    var book = PeerBook()
    var nodes: [TopicsNode] = []
    var now = Instant.origin
    var generator: Generator
    var entropy: Entropy
    var configuration = TopicsConfiguration()
    /// Per cent of the messages that are lost.
    var loss = 0
    /// How long until a death is noticed by those who watch.
    var detection = Duration.seconds(3)
    var posts = 0
    var messages = 0
    var bytes = 0
    var largestMessage = 0
    var sent: [Sent] = []
    var publishedAt: [TopicPostName: Instant] = [:]
    var providers: [Int] = []
    /// Sees each message before it is delivered.
    var tap: ((Int, Int, [UInt8]) -> Void)?
    private var queue = LinkQueue<Event>()
    private var outbox = TopicsOutbox()

    init(seed: UInt64, signs: Bool = false) {
        generator = Generator(seed: seed)
        entropy = Entropy(seed: Bits256(seed, 7, 7, 7))
        configuration.tree.signs = signs
    }

    /// 5 to 150 ms one way, the same in both directions.
    func delay(_ a: Int, _ b: Int) -> Duration {
        let mix = UInt64(min(a, b)) &* 0x9e37_79b9_7f4a_7c15 ^ UInt64(max(a, b)) &* 0xff51_afd7
        return .milliseconds(5 + Int64((mix >> 20) % 146))
    }

    var wallClock: UnixTime { Self.epoch + (now - .origin) }

    @discardableResult
    func addNode() -> Int {
        let identity = Identity(from: &entropy)
        let index = nodes.count
        let handle = book.intern(identity.id)
        let address = SocketAddress(ipv4: 0x0a00_0000 + UInt32(index), port: 4001)
        book.heard(handle, at: address)
        var topics = Topics(
            configuration: configuration, local: identity.id,
            generator: Generator(seed: generator.next()), at: now, wallClock: wallClock)
        topics.addresses = [address]
        precondition(Int(handle.index) == index, "handles are node numbers here")
        nodes.append(TopicsNode(topics: topics, identity: identity, handle: handle))
        return index
    }

    // MARK: Acting

    func act(_ i: Int, _ body: (TopicsNode, inout PeerBook, inout TopicsOutbox) -> Void) {
        body(nodes[i], &book, &outbox)
        drain(i)
    }

    private func drain(_ i: Int) {
        for send in outbox.sends {
            let message = Array(outbox.bytes[send.range])
            largestMessage = max(largestMessage, message.count)
            messages += 1
            bytes += message.count
            if message[0] == 0x40 { posts += 1 }
            let to = Int(send.peer.index)
            if nodes[to].isDead {
                queue.insert(at: now + .seconds(2), .unreachable(to, from: i))
            } else if !generator.chance(loss, in: 100) {
                queue.insert(at: now + delay(i, to), .message(from: i, to: to, message))
            }
        }
        let events = outbox.events
        outbox.removeAll()
        for event in events { take(event, from: i) }
        guard let deadline = nodes[i].topics.nextDeadline else { return }
        let at = max(deadline, now)
        if let wake = nodes[i].wake, wake <= at { return }
        nodes[i].wake = at
        queue.insert(at: at, .wake(i))
    }

    private func take(_ event: TopicsEvent, from i: Int) {
        switch event {
        case .message(let topic, _, let publisher, let sequence, let payload):
            nodes[i].got.append(TopicPostName(publisher: publisher, sequence: sequence))
            nodes[i].gotAt.append(now)
            nodes[i].payloads.append(payload)
            guard nodes[i].consumes else { return }
            act(i) { node, _, out in node.topics.consumed(topic, count: 1, into: &out) }
        case .lagged(_, _, let missed): nodes[i].missed += missed
        case .wantsPeers(let topic):
            nodes[i].events.append(event)
            queue.insert(at: now + .milliseconds(200), .found(i, topic))
        case .provide: providers.append(i)
        case .withdraw: providers.removeAll { $0 == i }
        case .neighbourUp, .neighbourDown: break
        case .unheard, .misbehaved: nodes[i].events.append(event)
        }
    }

    func run(until end: Instant) {
        while let at = queue.nextTime, at <= end {
            let event = queue.removeFirst()
            now = max(now, at)
            deliver(event)
        }
        now = max(now, end)
    }

    func run(for time: Duration) { run(until: now + time) }

    private func deliver(_ event: Event) {
        switch event {
        case .wake(let i):
            guard !nodes[i].isDead, nodes[i].wake == now else { return }
            nodes[i].wake = nil
            act(i) { node, book, out in
                node.topics.deadlinePassed(at: self.now, book: &book, into: &out)
            }
        case .message(let from, let to, let bytes):
            guard !nodes[to].isDead else { return }
            tap?(from, to, bytes)
            inject(bytes, from: from, to: to)
        case .found(let i, let topic):
            guard !nodes[i].isDead else { return }
            var found: [PeerHandle] = []
            let live = providers.filter { $0 != i }
            for _ in 0..<min(8, live.count) {
                found.append(nodes[live[generator.below(live.count)]].handle)
            }
            act(i) { node, book, out in
                node.topics.peersFound(topic, found, at: self.now, book: &book, into: &out)
            }
        case .failed(let dead, let i):
            guard !nodes[i].isDead else { return }
            act(i) { node, book, out in
                for s in node.topics.swarms.indices {
                    node.topics.swarms[s].tree.neighbourDown(self.nodes[dead].handle)
                }
                node.topics.neighbourFailed(
                    self.nodes[dead].handle, at: self.now, book: &book, into: &out)
            }
        case .unreachable(let dead, let i):
            guard !nodes[i].isDead else { return }
            act(i) { node, book, out in
                node.topics.peerUnreachable(
                    self.nodes[dead].handle, at: self.now, book: &book, into: &out)
            }
        }
    }

    /// Hands a node bytes as if `from` had sent them.
    func inject(_ bytes: [UInt8], from: Int, to: Int) {
        act(to) { node, book, out in
            guard bytes.first.map({ $0 & 0xf0 }) == MessageFamily.membership.rawValue else {
                return node.topics.received(
                    bytes.span.bytes, from: self.nodes[from].handle, at: self.now, book: &book,
                    into: &out)
            }
            guard let message = try? MembershipMessage(decoding: bytes.span.bytes) else { return }
            node.topics.received(
                message, from: self.nodes[from].handle, at: self.now, book: &book, into: &out)
        }
    }

    // MARK: Shorthands

    func subscribe(
        _ i: Int, _ options: SubscriptionOptions = SubscriptionOptions(),
        _ topic: TopicID = TopicsWorld.topic
    ) {
        act(i) { node, book, out in
            try! node.topics.subscribe(topic, options, at: self.now, book: &book, into: &out)
        }
    }

    @discardableResult
    func publish(
        _ i: Int, _ payload: [UInt8] = [1, 2, 3], _ topic: TopicID = TopicsWorld.topic
    ) -> TopicPostName {
        var sequence: UInt64 = 0
        act(i) { node, book, out in
            sequence = try! node.topics.publish(
                topic, payload, identity: node.identity, at: self.now, book: &book, into: &out)
        }
        let name = TopicPostName(publisher: nodes[i].identity.id, sequence: sequence)
        sent.append(Sent(name: name, by: i))
        publishedAt[name] = now
        return name
    }

    /// Makes two nodes neighbours in the tree without asking HyParView.
    func connect(_ a: Int, _ b: Int) {
        for (i, peer) in [(a, b), (b, a)] {
            act(i) { node, _, out in
                node.topics.swarms[0].tree.neighbourUp(
                    self.nodes[peer].handle, roundTrip: self.delay(a, b) * 2, at: self.now,
                    into: &out)
            }
        }
    }

    // `#expect` cannot look into what cannot be copied.

    func isSubscribed(_ i: Int) -> Bool { nodes[i].topics.isSubscribed(Self.topic) }

    func topicCount(_ i: Int) -> Int { nodes[i].topics.topicCount }

    func drops(_ i: Int, _ drop: TopicDrop) -> Int { Int(nodes[i].topics.dropCount(drop)) }

    func neighbours(_ i: Int) -> [Int] {
        nodes[i].topics.neighbours(in: Self.topic).map { Int($0.index) }
    }

    func tree(_ i: Int) -> Plumtree { nodes[i].topics.swarms[0].tree }

    var live: [Int] { nodes.indices.filter { !nodes[$0].isDead } }

    func kill(_ i: Int) {
        nodes[i].isDead = true
        for other in live where tree(other).index(of: nodes[i].handle) != nil {
            let spread = Duration.milliseconds(Int64(generator.below(1_000)))
            queue.insert(at: now + detection + spread, .failed(i, of: other))
        }
    }

    // MARK: Worlds

    /// Subscribers on a random graph in which each has as many neighbours, in a circle first so that
    /// it is connected.
    static func regular(
        _ count: Int, degree: Int = 5, seed: UInt64, signs: Bool = false,
        options: SubscriptionOptions = SubscriptionOptions()
    ) -> TopicsWorld {
        let world = TopicsWorld(seed: seed, signs: signs)
        for i in 0..<count {
            world.addNode()
            world.subscribe(i, options)
        }
        world.providers = []
        for (a, b) in edges(count, degree: degree, &world.generator) { world.connect(a, b) }
        world.run(for: .seconds(20))
        return world
    }

    private static func edges(
        _ count: Int, degree: Int, _ generator: inout Generator
    ) -> [(Int, Int)] {
        var edges = Set<[Int]>()
        var list: [(Int, Int)] = []
        var free: [Int] = []
        func add(_ a: Int, _ b: Int) -> Bool {
            guard a != b, edges.insert([min(a, b), max(a, b)]).inserted else { return false }
            list.append((a, b))
            return true
        }
        for i in 0..<count {
            _ = add(i, (i + 1) % count)
            for _ in 2..<max(degree, 2) { free.append(i) }
        }
        generator.shuffle(&free)
        for i in stride(from: 0, to: free.count - 1, by: 2) {
            if add(free[i], free[i + 1]) { continue }
            _ = add(free[i], generator.below(count))
        }
        return list
    }

    /// Subscribers that come one after the other and find each other by the DHT.
    static func joined(
        _ count: Int, seed: UInt64, signs: Bool = false, settle: Duration = .seconds(120)
    ) -> TopicsWorld {
        let world = TopicsWorld(seed: seed, signs: signs)
        for i in 0..<count {
            world.addNode()
            world.subscribe(i)
            world.run(for: .milliseconds(50))
        }
        world.run(for: settle)
        return world
    }

    // MARK: Measuring

    /// Live nodes that can be reached from `start` over live neighbours.
    func reachable(from start: Int) -> Set<Int> {
        var reached: Set<Int> = [start]
        var next = [start]
        while let i = next.popLast() {
            for neighbour in tree(i).neighbours {
                let peer = Int(neighbour.peer.index)
                guard !nodes[peer].isDead, reached.insert(peer).inserted else { continue }
                next.append(peer)
            }
        }
        return reached
    }

    struct Figures {
        /// Posts per receiver and post, less one.
        var redundancy: Double
        /// The most links that a post crossed until its last receiver: mean and largest.
        var lastHop: Double
        var lastHopMax: Int
        /// Deliveries that did not happen.
        var missed: Int
        var doubled: Int
        /// Seconds until half of the deliveries were made, and the last one.
        var latency: Double
        var latencyMax: Double
        /// Messages of all kinds per delivery.
        var messages: Double
    }

    /// Publishes and lets the posts spread.
    func broadcast(
        _ count: Int, every interval: Duration = .milliseconds(500),
        settle: Duration = .seconds(30),
        by publisher: (Int) -> Int
    ) -> Figures {
        for node in nodes {
            node.got = []
            node.gotAt = []
            node.payloads = []
        }
        let before = (posts: posts, messages: messages)
        var names: [Sent] = []
        for k in 0..<count {
            publish(publisher(k))
            names.append(sent.last!)
            run(for: interval)
        }
        let hops = lastHops(names)
        run(for: settle)
        return figures(names, hops, since: before)
    }

    private func figures(
        _ names: [Sent], _ hops: [Int], since before: (posts: Int, messages: Int)
    ) -> Figures {
        let receivers = live.count - 1
        let wanted = receivers * names.count
        var missed = 0
        var doubled = 0
        var latencies: [Double] = []
        for i in live {
            for (name, at) in zip(nodes[i].got, nodes[i].gotAt) {
                if let start = publishedAt[name] { latencies.append((at - start).seconds) }
            }
            let got = Set(nodes[i].got)
            doubled += nodes[i].got.count - got.count
            for post in names where post.by != i && !got.contains(post.name) { missed += 1 }
        }
        latencies.sort()
        return Figures(
            redundancy: Double(posts - before.posts) / Double(wanted) - 1,
            lastHop: Double(hops.reduce(0, +)) / Double(max(hops.count, 1)),
            lastHopMax: hops.max() ?? 0,
            missed: missed, doubled: doubled,
            latency: latencies.isEmpty ? 0 : latencies[latencies.count / 2],
            latencyMax: latencies.last ?? 0,
            messages: Double(messages - before.messages) / Double(wanted))
    }

    private func lastHops(_ names: [Sent]) -> [Int] {
        run(for: .seconds(3))
        var hops: [TopicPostName: Int] = [:]
        for i in live {
            for post in tree(i).log.all {
                hops[post.name] = max(hops[post.name] ?? 0, Int(post.hops))
            }
        }
        return names.compactMap { hops[$0.name] }
    }
}
