/// A world of messages for Kademlia's tests: nodes, a shared peer book, latency, loss, silence and
/// virtual time. No sessions: what a node sends arrives, or does not.

import AROCrypto
import AROPrimitives
import AROWire

@testable import AROOverlay

final class TestNode {
    var kademlia: Kademlia
    let identity: Identity
    let handle: PeerHandle
    var isDead = false
    /// A liar answers look-ups with its fellows only and keeps nothing.
    var lies: (([PeerHandle], KademliaFind) -> KademliaAnswer)?
    var wake: Instant?
    var sent = 0

    init(kademlia: consuming Kademlia, identity: consuming Identity, handle: PeerHandle) {
        self.kademlia = kademlia
        self.identity = identity
        self.handle = handle
    }
}

struct Ended {
    var node: Int
    var id: OperationID
    var outcome: KademliaOutcome
    var report: KademliaReport
}

final class KademliaWorld {
    static let epoch = UnixTime(seconds: 1_800_000_000)

    var book = PeerBook()
    var nodes: [TestNode] = []
    var now = Instant.origin
    var generator: Generator
    var entropy: Entropy
    /// Per cent of the messages that are lost.
    var loss = 0
    var ended: [Ended] = []
    var providers: [(node: Int, id: OperationID, record: ProviderRecord)] = []
    var renewed: [(node: Int, key: DHTKey, held: Int, wanted: Int)] = []
    var isolated: [Int] = []
    var largestMessage = 0
    var messages = 0
    /// Messages that nobody was there to take.
    var toTheDead = 0
    /// The one-way delay between two nodes.
    var delay: (Int, Int) -> Duration = KademliaWorld.delay
    private var queue = LinkQueue<WorldEvent>()
    private var outbox = KademliaOutbox()

    init(seed: UInt64) {
        generator = Generator(seed: seed)
        entropy = Entropy(seed: Bits256(seed, 1, 2, 3))
    }

    /// 10 to 50 ms one way, the same in both directions.
    static func delay(_ a: Int, _ b: Int) -> Duration {
        let mix = UInt64(min(a, b)) &* 0x9e37_79b9_7f4a_7c15 ^ UInt64(max(a, b)) &* 0xff51_afd7
        return .milliseconds(10 + Int64((mix >> 20) % 41))
    }

    @discardableResult
    func addNode(
        _ configuration: KademliaConfiguration = KademliaConfiguration(), serves: Bool = true,
        address: SocketAddress? = nil
    ) -> Int {
        let identity = Identity(from: &entropy)
        let index = nodes.count
        let address = address ?? SocketAddress(ipv4: 0x0a00_0000 + UInt32(index), port: 4001)
        let handle = book.intern(identity.id)
        book.heard(handle, at: address)
        var kademlia = Kademlia(
            configuration: configuration, local: identity.id, serves: serves,
            generator: Generator(seed: generator.next()), at: now, wallClock: wallClock)
        kademlia.addresses = [address]
        precondition(Int(handle.index) == index, "handles are node numbers here")
        nodes.append(TestNode(kademlia: kademlia, identity: identity, handle: handle))
        return index
    }

    var wallClock: UnixTime { Self.epoch + (now - .origin) }

    func key(_ node: Int) -> DHTKey { book.key(nodes[node].handle) }

    func randomKey() -> DHTKey { DHTKey(bits: generator.bits256()) }

    /// The living nodes nearest to a key, in truth.
    func closest(to key: DHTKey, _ count: Int, excluding: Int? = nil) -> [PeerHandle] {
        var all: [(Bits256, PeerHandle)] = []
        for (i, node) in nodes.enumerated() where !node.isDead && i != excluding {
            all.append((key.distance(to: self.key(i)), node.handle))
        }
        return all.sorted { $0.0 < $1.0 }.prefix(count).map(\.1)
    }

    /// Fills every table as it would stand after a long life: up to k random peers of each bucket,
    /// and all of the k nearest.
    func connectAll() {
        let sorted = nodes.indices.sorted { key($0) < key($1) }
        let keys = sorted.map { key($0) }
        for i in nodes.indices { fillTable(of: i, sorted, keys) }
    }

    private func fillTable(of i: Int, _ sorted: [Int], _ keys: [DHTKey]) {
        var range = 0..<sorted.count
        var depth = 0
        while range.count > 1, depth < 200 {
            let bit = key(i).bits[bit: depth]
            // The first key of the range that has the bit set.
            var middle = range.lowerBound
            var end = range.upperBound
            while middle < end {
                let half = (middle + end) / 2
                if keys[half].bits[bit: depth] { end = half } else { middle = half + 1 }
            }
            let far = bit ? range.lowerBound..<middle : middle..<range.upperBound
            range = bit ? middle..<range.upperBound : range.lowerBound..<middle
            var picks: [Int] = []
            if far.count > 40 {
                for _ in 0..<20 { picks.append(far.lowerBound + generator.below(far.count)) }
            } else {
                picks = Array(far)
                generator.shuffle(&picks)
                if range.count >= 20 { picks = Array(picks.prefix(20)) }
            }
            for pick in picks { connect(i, sorted[pick]) }
            depth += 1
        }
    }

    /// `a` completed a handshake with `b`.
    func connect(_ a: Int, _ b: Int) {
        guard a != b else { return }
        act(a) { node, book, out in
            node.kademlia.peerConnected(
                self.nodes[b].handle, serves: self.nodes[b].kademlia.serves,
                roundTrip: self.delay(a, b) * 2, at: self.now, book: &book, into: &out)
        }
    }

    /// Calls a node and delivers what comes out.
    @discardableResult
    func act<R>(
        _ i: Int, _ body: (TestNode, inout PeerBook, inout KademliaOutbox) -> R
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
            nodes[i].sent += 1
            let to = Int(send.peer.index)
            guard to < nodes.count, !generator.chance(loss, in: 100) else { continue }
            queue.insert(at: now + delay(i, to), .message(from: i, to: to, bytes))
        }
        for event in outbox.events { take(event, from: i) }
        outbox.removeAll()
        guard let deadline = nodes[i].kademlia.nextDeadline else { return }
        let at = max(deadline, now)
        if let wake = nodes[i].wake, wake <= at { return }
        nodes[i].wake = at
        queue.insert(at: at, .wake(i))
    }

    private func take(_ event: KademliaEvent, from i: Int) {
        switch event {
        case .provider(let id, let record, _): providers.append((i, id, record))
        case .ended(let id, let outcome, let report):
            ended.append(Ended(node: i, id: id, outcome: outcome, report: report))
        case .renewed(let key, let held, let wanted): renewed.append((i, key, held, wanted))
        case .roundTrip: break
        case .isolated: isolated.append(i)
        }
    }

    /// Delivers events until nothing is left or `end` is reached.
    func run(until end: Instant) {
        while let at = queue.nextTime, at <= end {
            let event = queue.removeFirst()
            now = max(now, at)
            deliver(event)
        }
        now = max(now, end)
    }

    func run(for time: Duration) { run(until: now + time) }

    /// Runs until an operation ends. Nil if it does not within virtual `limit`.
    func finish(_ node: Int, _ id: OperationID, within limit: Duration = .seconds(60)) -> Ended? {
        let end = now + limit
        while true {
            if let i = ended.firstIndex(where: { $0.node == node && $0.id == id }) {
                return ended.remove(at: i)
            }
            guard let at = queue.nextTime, at <= end else { return nil }
            let event = queue.removeFirst()
            now = max(now, at)
            deliver(event)
        }
    }

    private func deliver(_ event: WorldEvent) {
        switch event {
        case .wake(let i):
            guard !nodes[i].isDead, nodes[i].wake == now else { return }
            nodes[i].wake = nil
            act(i) { node, book, out in
                node.kademlia.deadlinePassed(
                    at: self.now, book: &book, identity: node.identity, into: &out)
            }
        case .message(let from, let to, let bytes):
            guard !nodes[to].isDead else {
                toTheDead += 1
                return
            }
            if nodes[to].lies != nil, lie(to, from, bytes) { return }
            act(to) { node, book, out in
                node.kademlia.received(
                    bytes.span.bytes, from: self.nodes[from].handle, at: self.now, book: &book,
                    into: &out)
            }
        }
    }

    private func lie(_ liar: Int, _ victim: Int, _ bytes: [UInt8]) -> Bool {
        guard let lies = nodes[liar].lies,
            case .find(let find) = try? KademliaMessage(decoding: bytes.span.bytes)
        else { return false }
        let answer = KademliaMessage.answer(lies([], find))
        queue.insert(
            at: now + delay(liar, victim), .message(from: liar, to: victim, answer.bytes))
        return true
    }

    /// Hands a node bytes as if `from` had sent them.
    func inject(_ bytes: [UInt8], from: Int, to: Int) {
        act(to) { node, book, out in
            node.kademlia.received(
                bytes.span.bytes, from: self.nodes[from].handle, at: self.now, book: &book,
                into: &out)
        }
    }

    // MARK: Shorthands

    func lookup(_ node: Int, _ key: DHTKey, paths: Int = 1) -> Ended? {
        let id = act(node) { node, book, out in
            node.kademlia.startLookup(key, paths: paths, at: self.now, book: &book, into: &out)
        }
        return finish(node, id)
    }

    func provide(_ node: Int, _ key: DHTKey) -> Ended? {
        let id = act(node) { node, book, out in
            node.kademlia.provide(
                key, at: self.now, book: &book, identity: node.identity, into: &out)
        }
        return finish(node, id)
    }

    func search(_ node: Int, _ key: DHTKey, limit: Int = 1) -> Ended? {
        let id = act(node) { node, book, out in
            node.kademlia.startProviderSearch(
                key, limit: limit, at: self.now, book: &book, into: &out)
        }
        return finish(node, id)
    }

    func publishName(
        _ node: Int, _ label: String, _ value: [UInt8], sequence: UInt64,
        lifetime: Duration = .hours(48)
    ) -> Ended? {
        let id = act(node) { node, book, out in
            node.kademlia.publishName(
                label: Array(label.utf8), value: value, sequence: sequence, lifetime: lifetime,
                at: self.now, book: &book, identity: node.identity, into: &out)
        }
        return finish(node, id)
    }

    func resolve(_ node: Int, of publisher: Int, _ label: String) -> Ended? {
        let id = act(node) { node, book, out in
            node.kademlia.resolveName(
                of: self.nodes[publisher].identity.id, label: Array(label.utf8), at: self.now,
                book: &book, into: &out)
        }
        return finish(node, id)
    }
}
