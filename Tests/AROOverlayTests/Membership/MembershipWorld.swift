/// A world of messages for the tests of membership: nodes, a shared peer book, latency, loss,
/// partitions and virtual time. No sessions: what a node sends arrives, or does not; a message to a
/// dead peer makes it unreachable after a while, and so does silence between neighbours.

import AROCrypto
import AROPrimitives
import AROWire

@testable import AROOverlay

final class MembershipNode {
    var view: HyParView
    let handle: PeerHandle
    var isDead = false
    /// Which side of a partition; sides do not hear each other.
    var side = 0
    var wake: Instant?
    var sent = 0
    var isolated = 0
    /// What events say the active view is.
    var told: [PeerHandle] = []

    init(view: HyParView, handle: PeerHandle) {
        self.view = view
        self.handle = handle
    }
}

final class MembershipWorld {
    enum Fact {
        case message(from: Int, bytes: [UInt8])
        case wake
        case unreachable(Int)
    }

    struct Entry {
        var at: Instant
        var order: UInt64
        var node: Int
        var fact: Fact
    }

    var book = PeerBook()
    var nodes: [MembershipNode] = []
    var now = Instant.origin
    var generator: Generator
    /// Per cent of the messages that are lost.
    var loss = 0
    /// After this long a message to a dead peer makes it unreachable; nil: nobody says so.
    var unreachableAfter: Duration? = .seconds(2)
    var configuration = MembershipConfiguration()
    var swarm: SwarmID?
    var messages = 0
    var bytes = 0
    var perKind = [Int](repeating: 0, count: 16)
    var largest = 0
    var undecodable = 0
    /// What each message goes through on its way.
    var mutate: ((inout [UInt8], inout Generator) -> Void)?
    /// Which messages are lost beside those by chance: sender, receiver, bytes.
    var isLost: ((Int, Int, [UInt8]) -> Bool)?
    private var heap: [Entry] = []
    private var order: UInt64 = 0
    private var outbox = MembershipOutbox()

    init(seed: UInt64) { generator = Generator(seed: seed) }

    // MARK: Nodes

    @discardableResult
    func addNode(address: SocketAddress? = nil) -> Int {
        let index = nodes.count
        let id = PeerID(key: generator.bits256())
        let address = address ?? SocketAddress(ipv4: 0x0a00_0000 + UInt32(index), port: 4001)
        let handle = book.intern(id, key: DHTKey(bits: id.key))
        book.heard(handle, at: address)
        precondition(Int(handle.index) == index, "handles are node numbers here")
        var view = HyParView(
            configuration: configuration, local: id, swarm: swarm,
            generator: Generator(seed: generator.next()), at: now)
        view.addresses = [address]
        nodes.append(MembershipNode(view: view, handle: handle))
        return index
    }

    func join(_ node: Int, through contacts: [Int]) {
        act(node) { view, book, out in
            view.join(
                through: contacts.map { PeerHandle(index: UInt32($0)) }, at: self.now,
                book: &book, into: &out)
        }
    }

    /// `count` nodes that join through the first, one after the other.
    func grow(to count: Int, every interval: Duration = .milliseconds(200)) {
        if nodes.isEmpty { join(addNode(), through: []) }
        while nodes.count < count {
            let node = addNode()
            join(node, through: [0])
            run(for: interval)
        }
    }

    func kill(_ node: Int) {
        nodes[node].isDead = true
    }

    /// Kills so many random nodes at once; their neighbours notice a little later.
    func kill(percent: Int) {
        var living = nodes.indices.filter { !nodes[$0].isDead }
        generator.shuffle(&living)
        for node in living.prefix(living.count * percent / 100) { kill(node) }
        noticeSilence()
    }

    /// What a failure detector does: neighbours that cannot be heard are judged dead within seconds.
    func noticeSilence() {
        for i in nodes.indices where !nodes[i].isDead {
            for peer in nodes[i].view.active where !canHear(i, Int(peer.index)) {
                let delay = generator.between(.seconds(2), .seconds(5))
                schedule(at: now + delay, i, .unreachable(Int(peer.index)))
            }
        }
    }

    func canHear(_ a: Int, _ b: Int) -> Bool {
        !nodes[a].isDead && !nodes[b].isDead && nodes[a].side == nodes[b].side
    }

    func act(
        _ node: Int,
        _ body: (inout HyParView, inout PeerBook, inout MembershipOutbox) -> Void
    ) {
        body(&nodes[node].view, &book, &outbox)
        drain(node)
    }

    // MARK: Time

    func run(for span: Duration) {
        let end = now + span
        while let first = heap.first, first.at <= end {
            let entry = pop()
            now = entry.at
            take(entry)
        }
        now = end
    }

    private func take(_ entry: Entry) {
        let node = nodes[entry.node]
        guard !node.isDead else { return }
        switch entry.fact {
        case .message(let from, let bytes):
            guard let message = decode(bytes) else { return undecodable += 1 }
            act(entry.node) { view, book, out in
                view.received(
                    message, from: self.nodes[from].handle, at: self.now, book: &book, into: &out)
            }
        case .wake:
            guard node.wake == entry.at else { return }
            node.wake = nil
            act(entry.node) { view, book, out in
                view.deadlinePassed(at: self.now, book: &book, into: &out)
            }
        case .unreachable(let peer):
            guard peer >= nodes.count || !canHear(entry.node, peer) else { return }
            act(entry.node) { view, book, out in
                view.peerUnreachable(
                    PeerHandle(index: UInt32(peer)), at: self.now, book: &book, into: &out)
            }
        }
    }

    private func decode(_ bytes: [UInt8]) -> MembershipMessage? {
        try? MembershipMessage(decoding: bytes.span.bytes)
    }

    private func drain(_ node: Int) {
        for send in outbox.sends {
            deliver(Array(outbox.bytes[send.range]), from: node, to: Int(send.peer.index))
        }
        for event in outbox.events { note(event, node) }
        outbox.removeAll()
        guard let next = nodes[node].view.nextDeadline else { return nodes[node].wake = nil }
        let at = max(next, now)
        guard nodes[node].wake != at else { return }
        nodes[node].wake = at
        schedule(at: at, node, .wake)
    }

    private func note(_ event: MembershipEvent, _ node: Int) {
        switch event {
        case .neighbourUp(let peer): nodes[node].told.append(peer)
        case .neighbourDown(let peer, _): nodes[node].told.removeAll { $0 == peer }
        case .isolated: nodes[node].isolated += 1
        }
    }

    private func deliver(_ sent: [UInt8], from: Int, to: Int) {
        messages += 1
        bytes += sent.count
        largest = max(largest, sent.count)
        perKind[Int(sent[0] & 15)] += 1
        nodes[from].sent += 1
        guard to < nodes.count, canHear(from, to) else {
            if let unreachableAfter {
                schedule(at: now + unreachableAfter, from, .unreachable(to))
            }
            return
        }
        guard !generator.chance(loss, in: 100), isLost?(from, to, sent) != true else { return }
        var bytes = sent
        mutate?(&bytes, &generator)
        let delay = generator.between(.milliseconds(10), .milliseconds(50))
        schedule(at: now + delay, to, .message(from: from, bytes: bytes))
    }

    // MARK: The queue, a binary heap

    private func schedule(at: Instant, _ node: Int, _ fact: Fact) {
        order += 1
        heap.append(Entry(at: at, order: order, node: node, fact: fact))
        var i = heap.count - 1
        while i > 0, isBefore(i, (i - 1) / 2) {
            heap.swapAt(i, (i - 1) / 2)
            i = (i - 1) / 2
        }
    }

    private func pop() -> Entry {
        heap.swapAt(0, heap.count - 1)
        let entry = heap.removeLast()
        var i = 0
        while true {
            var least = i
            for child in [2 * i + 1, 2 * i + 2] where child < heap.count && isBefore(child, least) {
                least = child
            }
            guard least != i else { return entry }
            heap.swapAt(i, least)
            i = least
        }
    }

    private func isBefore(_ a: Int, _ b: Int) -> Bool {
        (heap[a].at, heap[a].order) < (heap[b].at, heap[b].order)
    }
}
