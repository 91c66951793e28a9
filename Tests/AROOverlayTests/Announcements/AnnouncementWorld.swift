/// A world of messages for the tests of announcements: nodes with views that the test draws, a
/// shared peer book, latency, loss, deaths, partitions and virtual time. No sessions: what a node
/// sends arrives, or does not; where nobody is, the sender hears so a second later.

import AROCrypto
import AROOverlay
import AROPrimitives
import AROWire

final class AnnouncingNode {
    var announcements: Announcements
    let identity: Identity
    let handle: PeerHandle
    var isDead = false
    var wake: Instant?
    var sent = 0
    var sentBytes = 0
    var events: [AnnouncementEvent] = []

    init(
        announcements: consuming Announcements, identity: consuming Identity, handle: PeerHandle
    ) {
        self.announcements = announcements
        self.identity = identity
        self.handle = handle
    }
}

final class AnnouncementWorld {
    static let epoch = UnixTime(seconds: 1_800_000_000)

    var book = PeerBook()
    var nodes: [AnnouncingNode] = []
    var now = Instant.origin
    var generator: Generator
    var entropy: Entropy
    let configuration: AnnouncementConfiguration
    /// Per cent of the messages that are lost.
    var loss = 0
    /// Nodes of different sides cannot talk.
    var side: [Int] = []
    var delay = Duration.milliseconds(1)
    var largestMessage = 0
    var messages = 0
    /// Messages sent by their first byte.
    var kinds: [Int] = Array(repeating: 0, count: 256)
    private var queue = LinkQueue<WorldEvent>()
    private var outbox = AnnouncementOutbox()

    init(seed: UInt64, _ configuration: AnnouncementConfiguration = .init()) {
        generator = Generator(seed: seed)
        entropy = Entropy(seed: Bits256(seed, 7, 7, 7))
        self.configuration = configuration
    }

    var wallClock: UnixTime { Self.epoch + (now - .origin) }

    static func offer(_ number: Int) -> Offer {
        var offer = Offer()
        offer.addresses = [SocketAddress(ipv4: 0x0a00_0000 + UInt32(number), port: 4001)]
        offer.software = "aro 0.3"
        offer.servesDHT = true
        offer.storage = StorageOffer(offeredBytes: 1 << 30, freeBytes: 1 << 29)
        offer.models = [ModelOffer(name: "model-\(number % 7)", contextTokens: 8_192, slots: 4)]
        return offer
    }

    /// - Parameter offer: nil for a node that says nothing of itself.
    @discardableResult
    func addNode(offer: Offer?) -> Int {
        let identity = Identity(from: &entropy)
        let handle = book.intern(identity.id)
        precondition(Int(handle.index) == nodes.count, "handles are node numbers here")
        let announcements = Announcements(
            configuration: configuration, local: identity.id,
            generator: Generator(seed: generator.next()), at: now, wallClock: wallClock)
        nodes.append(
            AnnouncingNode(announcements: announcements, identity: identity, handle: handle))
        side.append(0)
        let i = nodes.count - 1
        act(i) { node, _, _ in if let offer { node.announcements.offer(offer, at: self.now) } }
        return i
    }

    @discardableResult
    func addNode() -> Int { addNode(offer: Self.offer(nodes.count)) }

    /// The node's process starts anew: all memory is gone but the key.
    func restart(_ i: Int) {
        let old = nodes[i]
        let announcements = Announcements(
            configuration: configuration, local: old.identity.id,
            generator: Generator(seed: generator.next()), at: now, wallClock: wallClock)
        nodes[i] = AnnouncingNode(
            announcements: announcements, identity: old.identity.copy(), handle: old.handle)
        act(i) { node, _, _ in node.announcements.offer(Self.offer(i), at: self.now) }
    }

    // MARK: Views

    func link(_ a: Int, _ b: Int) {
        guard a != b else { return }
        for (a, b) in [(a, b), (b, a)] {
            act(a) { node, book, out in
                node.announcements.neighbourUp(
                    PeerHandle(index: UInt32(b)), at: self.now, book: book, into: &out)
            }
        }
    }

    /// A ring and random links on top: everybody has about `degree` neighbours.
    func linkAll(degree: Int = 5) {
        for i in nodes.indices { link(i, (i + 1) % nodes.count) }
        for i in nodes.indices {
            while nodes[i].announcements.neighbours.count < degree - 1 {
                link(i, generator.below(nodes.count))
            }
        }
    }

    /// The verdict of a watcher: the link goes, the obituary spreads.
    func condemn(_ victim: Int, by watcher: Int) {
        let handle = nodes[victim].handle
        act(watcher) { node, book, out in
            node.announcements.neighbourDown(handle)
            node.announcements.obituary(
                of: handle,
                incarnation: node.announcements.sequence(of: handle, book: book) ?? 0,
                at: self.now, book: book, into: &out)
        }
    }

    /// Dies without a word; its neighbours find out after two seconds.
    func kill(_ victim: Int) {
        nodes[victim].isDead = true
        let watchers = nodes[victim].announcements.neighbours
        run(for: .seconds(2))
        for watcher in watchers where !nodes[Int(watcher.index)].isDead {
            condemn(victim, by: Int(watcher.index))
        }
    }

    // MARK: Turning

    @discardableResult
    func act<R>(
        _ i: Int, _ body: (AnnouncingNode, inout PeerBook, inout AnnouncementOutbox) -> R
    ) -> R {
        let result = body(nodes[i], &book, &outbox)
        drain(i)
        return result
    }

    private func drain(_ i: Int) {
        for send in outbox.sends {
            let bytes = Array(outbox.bytes[send.range])
            largestMessage = max(largestMessage, bytes.count)
            messages += 1
            kinds[Int(bytes[0])] += 1
            nodes[i].sent += 1
            nodes[i].sentBytes += bytes.count
            let to = Int(send.peer.index)
            guard to < nodes.count, !generator.chance(loss, in: 100) else { continue }
            let jitter = Duration.microseconds(Int64(generator.below(100)))
            queue.insert(at: now + delay + jitter, .message(from: i, to: to, bytes))
        }
        nodes[i].events += outbox.events
        outbox.removeAll()
        guard let deadline = nodes[i].announcements.nextDeadline else { return }
        let at = max(deadline, now)
        if let wake = nodes[i].wake, wake <= at { return }
        nodes[i].wake = at
        queue.insert(at: at, .wake(i))
    }

    func send(_ message: AnnouncementMessage, from: Int, to: Int) {
        receive(message.bytes, from: from, to: to)
    }

    func receive(_ bytes: [UInt8], from: Int, to: Int) {
        act(to) { node, book, out in
            node.announcements.received(
                bytes.span.bytes, from: self.nodes[from].handle, at: self.now, book: &book,
                into: &out)
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

    /// Runs until `condition`, looking each 10 ms; how long it took, nil after `limit`.
    func time(within limit: Duration, until condition: () -> Bool) -> Duration? {
        let start = now
        while now - start <= limit {
            if condition() { return now - start }
            run(for: .milliseconds(10))
        }
        return nil
    }

    private func deliver(_ event: WorldEvent) {
        switch event {
        case .wake(let i):
            guard !nodes[i].isDead, nodes[i].wake == now else { return }
            nodes[i].wake = nil
            act(i) { node, book, out in
                node.announcements.deadlinePassed(
                    at: self.now, book: &book, identity: node.identity, into: &out)
            }
        case .message(let from, let to, let bytes):
            guard !nodes[to].isDead, side[from] == side[to] else {
                guard !nodes[from].isDead else { return }
                return act(from) { node, _, out in
                    node.announcements.peerUnreachable(
                        self.nodes[to].handle, at: self.now, into: &out)
                }
            }
            receive(bytes, from: from, to: to)
        }
    }

    // MARK: Looking

    func knows(_ i: Int, _ other: Int) -> Bool {
        nodes[i].announcements.state(of: nodes[other].handle, book: book) == .alive
    }

    /// Every living node holds every other living one for alive, and nobody else.
    var isComplete: Bool {
        let living = nodes.indices.filter { !nodes[$0].isDead }
        return living.allSatisfy { i in
            nodes[i].announcements.count == living.count - 1
                && living.allSatisfy { $0 == i || knows(i, $0) }
        }
    }

    func all(_ state: MemberState, of victim: Int) -> Bool {
        nodes.indices.allSatisfy { i in
            i == victim || nodes[i].isDead
                || nodes[i].announcements.state(of: nodes[victim].handle, book: book) == state
        }
    }

    func resetCounts() {
        (messages, kinds) = (0, Array(repeating: 0, count: 256))
        for node in nodes { (node.sent, node.sentBytes) = (0, 0) }
    }

    func events(_ i: Int, _ event: AnnouncementEvent) -> Int {
        nodes[i].events.count { $0 == event }
    }
}
