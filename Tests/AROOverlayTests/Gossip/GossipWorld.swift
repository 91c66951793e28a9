/// Whole gossips over a queue of messages, in virtual time: what one part finds must reach the others.
/// No sessions: a first message counts as a handshake, and where nobody is, the sender hears so a
/// second later. Each node has a book of its own, which may be swept.

import AROCrypto
import AROPrimitives
import AROWire

@testable import AROOverlay

final class GossipWorld {
    final class Node {
        var gossip: Gossip
        let identity: Identity
        var book: PeerBook
        var isDead = false
        var events: [(event: GossipEvent, peer: PeerID?)] = []
        var posts: [[UInt8]] = []
        fileprivate var met: Set<PeerID> = []

        init(_ gossip: consuming Gossip, _ identity: consuming Identity, _ book: consuming PeerBook)
        {
            self.gossip = gossip
            self.identity = identity
            self.book = book
        }

        var id: PeerID { identity.id }
    }

    private struct Delivery {
        var at: Instant
        var from: Int
        var to: Int
        /// Empty: nobody is at the receiver's.
        var bytes: [UInt8]
    }

    private static let epoch = UnixTime(seconds: 1_800_000_000)
    private static let delay = Duration.milliseconds(5)

    private(set) var nodes: [Node] = []
    private(set) var now = Instant.origin
    /// In the order of their times.
    private var queue: [Delivery] = []
    private var numbers: [PeerID: Int] = [:]
    private var entropy: Entropy
    private var generator: Generator

    init(seed: UInt64) {
        entropy = Entropy(seed: Bits256(seed, 1, 1, 1))
        generator = Generator(seed: seed)
    }

    private func address(_ i: Int) -> SocketAddress {
        SocketAddress(ipv4: 0x2000_0001 + UInt32(i) << 8, port: 4_001)
    }

    // MARK: Nodes

    func add(_ configuration: GossipConfiguration = GossipConfiguration()) -> Int {
        let identity = Identity(from: &entropy)
        var book = PeerBook()
        var gossip = Gossip(
            configuration: configuration, local: identity.id, generator: &generator, at: now,
            wallClock: Self.epoch + (now - .origin))
        let i = nodes.count
        gossip.addresses = [address(i)]
        gossip.begin(Offer(), at: now, book: &book)
        numbers[identity.id] = i
        nodes.append(Node(gossip, identity, book))
        return i
    }

    func join(_ i: Int, through other: Int) {
        act(i) { node, out in
            let peer = self.meet(node, other)
            node.gossip.join(
                through: [peer], at: self.now, book: &node.book, identity: node.identity,
                into: &out)
        }
    }

    /// The process is gone without a word.
    func kill(_ i: Int) { nodes[i].isDead = true }

    func leave(_ i: Int) {
        act(i) { node, out in
            node.gossip.leave(
                at: self.now, book: &node.book, identity: node.identity, into: &out)
        }
        nodes[i].isDead = true
    }

    /// Ends its sessions for a shutdown, and its goodbye was lost.
    func vanish(_ i: Int) {
        nodes[i].isDead = true
        for j in nodes.indices where j != i {
            act(j) { node, out in
                guard let peer = node.book.handle(of: self.nodes[i].id) else { return }
                node.gossip.peerGone(
                    peer, at: self.now, book: &node.book, identity: node.identity, into: &out)
            }
        }
    }

    func act(_ i: Int, _ body: (Node, inout GossipOutbox) throws -> Void) rethrows {
        guard !nodes[i].isDead else { return }
        var out = GossipOutbox()
        try body(nodes[i], &out)
        drain(&out, of: i)
    }

    private func meet(_ node: Node, _ other: Int) -> PeerHandle {
        let peer = node.book.intern(nodes[other].id)
        node.book.heard(peer, at: address(other))
        return peer
    }

    // MARK: Time

    func run(_ time: Duration) {
        let end = now + time
        while true {
            let wake = nextWake
            let arrival = queue.first?.at ?? .distantFuture
            let next = min(wake?.at ?? .distantFuture, arrival)
            guard next <= end else { break }
            now = max(now, next)
            if arrival <= next { deliver(queue.removeFirst()) } else { wakeUp(wake!.node) }
        }
        now = end
    }

    private var nextWake: (at: Instant, node: Int)? {
        var next: (at: Instant, node: Int)?
        for i in nodes.indices where !nodes[i].isDead {
            guard let at = nodes[i].gossip.nextDeadline else { continue }
            if at < next?.at ?? .distantFuture { next = (at, i) }
        }
        return next
    }

    private func wakeUp(_ i: Int) {
        act(i) { node, out in
            node.gossip.deadlinePassed(
                at: self.now, book: &node.book, identity: node.identity, into: &out)
        }
    }

    private func deliver(_ delivery: Delivery) {
        guard !delivery.bytes.isEmpty else {
            return act(delivery.to) { node, out in
                let peer = self.meet(node, delivery.from)
                node.gossip.peerUnreachable(
                    peer, at: self.now, book: &node.book, identity: node.identity, into: &out)
            }
        }
        if nodes[delivery.to].isDead {
            let answer = Delivery(
                at: now + .seconds(1), from: delivery.to, to: delivery.from, bytes: [])
            return enqueue(answer)
        }
        act(delivery.to) { node, out in
            let peer = self.meet(node, delivery.from)
            if node.met.insert(self.nodes[delivery.from].id).inserted {
                node.gossip.peerConnected(
                    peer, roundTrip: Self.delay * 2, at: self.now, book: &node.book,
                    identity: node.identity, into: &out)
            }
            node.gossip.received(
                delivery.bytes.span.bytes, from: peer, at: self.now, book: &node.book,
                identity: node.identity, into: &out)
        }
    }

    private func drain(_ out: inout GossipOutbox, of i: Int) {
        let node = nodes[i]
        for send in out.sends {
            guard let to = numbers[node.book.id(send.peer)] else { continue }
            enqueue(
                Delivery(at: now + Self.delay, from: i, to: to, bytes: Array(out.bytes[send.range]))
            )
        }
        for event in out.events {
            switch event {
            case .member(_, let peer), .silent(let peer):
                node.events.append((event, node.book.id(peer)))
            case .topic(.message(_, _, _, _, let payload)): node.posts.append(payload)
            case .topic, .isolated: node.events.append((event, nil))
            }
        }
        out.removeAll()
    }

    private func enqueue(_ delivery: Delivery) {
        let i = queue.lastIndex { $0.at <= delivery.at }.map { $0 + 1 } ?? 0
        queue.insert(delivery, at: i)
    }

    // MARK: Looking

    var living: [Int] { nodes.indices.filter { !nodes[$0].isDead } }

    func state(of i: Int, at j: Int) -> MemberState? {
        let node = nodes[j]
        guard let peer = node.book.handle(of: nodes[i].id) else { return nil }
        return node.gossip.member(peer, book: node.book)?.state
    }

    /// Forgets all peers that gossip does not use.
    func sweep(_ i: Int) {
        let node = nodes[i]
        var used: Set<PeerHandle> = []
        node.gossip.forEachUsedHandle { used.insert($0) }
        node.book.sweep { used.contains($0) }
    }
}
