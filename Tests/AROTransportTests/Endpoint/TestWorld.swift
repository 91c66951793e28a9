/// A small world in virtual time for transports: latency, loss, reordering, duplication, and a hook
/// for what else can happen to a datagram under way.

import AROCrypto
import AROPrimitives
import AROWire
import Testing

@testable import AROTransport

struct TestLink {
    var latency: Duration = .milliseconds(10)
    /// Up to this is added at random, so that datagrams overtake each other.
    var jitter: Duration = .zero
    /// Per cent.
    var loss = 0
    var duplication = 0
}

struct TestDatagram {
    var bytes: [UInt8]
    var from, to: SocketAddress
}

/// One transport with a user that reads all streams and notes everything.
final class TestNode {
    var transport: Transport
    var address: SocketAddress
    var events: [TransportEvent] = []
    var messages: [[UInt8]] = []
    var read: [StreamID: [UInt8]] = [:]
    var finished: [StreamID] = []
    /// What to answer to a message.
    var answer: ([UInt8]) -> [UInt8]? = { _ in nil }
    private var toWrite: [(stream: StreamID, bytes: [UInt8])] = []

    init(transport: consuming Transport, address: SocketAddress) {
        self.transport = transport
        self.address = address
    }

    var connected: [Connected] {
        events.compactMap { if case .connected(let c) = $0 { c } else { nil } }
    }
    var closed: [CloseReason] {
        events.compactMap { if case .closed(_, let reason) = $0 { reason } else { nil } }
    }
    var failures: [ConnectFailure] {
        events.compactMap { if case .connectFailed(_, let reason) = $0 { reason } else { nil } }
    }

    func write(_ bytes: [UInt8], to stream: StreamID) {
        toWrite.append((stream, bytes))
        pump()
    }

    func takeEvents(at now: Instant) {
        while let event = transport.nextEvent() {
            events.append(event)
            switch event {
            case .message(let session, let range):
                let bytes = transport.withReceived(range) { $0.array }
                messages.append(bytes)
                if let reply = answer(bytes) {
                    transport.send(message: reply.span.bytes, on: session, at: now)
                }
            case .readable(let stream): drain(stream)
            case .writable: pump()
            default: break
            }
        }
    }

    private func drain(_ stream: StreamID) {
        var bytes: [UInt8] = []
        let (_, isFinished) = transport.read(stream, atMost: .max) { span in
            span.withUnsafeBytes { bytes.append(contentsOf: $0) }
        }
        read[stream, default: []] += bytes
        if isFinished { finished.append(stream) }
    }

    /// Writes as much as there is room for, and finishes what is written.
    private func pump() {
        for i in toWrite.indices {
            let stream = toWrite[i].stream
            while !toWrite[i].bytes.isEmpty {
                let room = min(transport.room(in: stream), 64 << 10, toWrite[i].bytes.count)
                guard room > 0 else { break }
                transport.write(Array(toWrite[i].bytes.prefix(room)), to: stream)
                toWrite[i].bytes.removeFirst(room)
            }
            if toWrite[i].bytes.isEmpty { transport.finish(stream) }
        }
        toWrite.removeAll { $0.bytes.isEmpty }
    }
}

final class TestWorld {
    private(set) var now: Instant
    var nodes: [TestNode] = []
    var link = TestLink()
    var generator: Generator
    /// Every datagram that was sent, before the link has its way.
    var sent: [TestDatagram] = []
    /// What becomes of a datagram on its way: none, one or more.
    var tamper: (TestDatagram) -> [TestDatagram] = { [$0] }
    private var flying: [(at: Instant, order: Int, datagram: TestDatagram)] = []
    private var order = 0

    /// The time of day at the start of every world.
    static let wallClock = UnixTime(seconds: 1_700_000_000)

    init(seed: UInt64 = 1) {
        now = Instant(nanoseconds: 1_000_000_000_000)
        generator = Generator(seed: seed)
    }

    @discardableResult
    func add(
        clock: Int64 = 0, seed: UInt8? = nil,
        configure: (inout TransportConfiguration) -> Void = { _ in }
    ) -> TestNode {
        let number = seed ?? UInt8(nodes.count + 1)
        var configuration = TransportConfiguration()
        configure(&configuration)
        let identity = Identity(
            seed: SecretKey(copying: Array(repeating: number, count: 32)))
        let wall = UnixTime(
            seconds: Self.wallClock.seconds + clock + now.nanoseconds / 1_000_000_000)
        let node = TestNode(
            transport: Transport(
                configuration: configuration, identity: identity,
                entropy: Entropy(seed: Bits256(generator.next(), 0, 0, UInt64(number))),
                generator: Generator(seed: UInt64(number)), at: now, wallClock: wall),
            address: SocketAddress(ipv4: 0x0a00_0000 + UInt32(nodes.count + 1), port: 4001))
        nodes.append(node)
        return node
    }

    /// Connects and returns the session's name.
    @discardableResult
    func connect(
        _ a: TestNode, to b: TestNode, knowing isKnown: Bool = true, first: [UInt8] = []
    ) -> SessionID {
        let id = a.transport.connect(
            to: isKnown ? b.transport.id : nil, addresses: [b.address], first: first.span.bytes,
            at: now)
        settle(a)
        return id
    }

    func send(_ message: [UInt8], _ node: TestNode, on session: SessionID) -> Bool {
        let taken = node.transport.send(message: message.span.bytes, on: session, at: now)
        settle(node)
        return taken
    }

    /// Events, answers, and the packets that come of them.
    func settle(_ node: TestNode) {
        node.takeEvents(at: now)
        var packets = PacketBuffer()
        node.transport.flush(at: now, into: &packets)
        for run in packets.runs {
            var start = run.start
            while start < run.start + run.count {
                let end = min(start + run.segment, run.start + run.count)
                launch(
                    TestDatagram(
                        bytes: Array(packets.bytes[start..<end]), from: node.address,
                        to: run.address))
                start = end
            }
        }
    }

    func launch(_ datagram: TestDatagram) {
        sent.append(datagram)
        for datagram in tamper(datagram) {
            if generator.chance(link.loss, in: 100) { continue }
            fly(datagram)
            if generator.chance(link.duplication, in: 100) { fly(datagram) }
        }
    }

    private func fly(_ datagram: TestDatagram) {
        var delay = link.latency
        if link.jitter > .zero {
            delay += .nanoseconds(Int64(generator.below(Int(link.jitter.nanoseconds))))
        }
        order += 1
        flying.append((now + delay, order, datagram))
        var i = flying.count - 1
        while i > 0, (flying[i].at, flying[i].order) < (flying[i - 1].at, flying[i - 1].order) {
            flying.swapAt(i, i - 1)
            i -= 1
        }
    }

    func deliver(_ bytes: [UInt8], to node: TestNode, from address: SocketAddress) {
        node.transport.receive(bytes.span.bytes, from: address, at: now)
        settle(node)
    }

    /// Runs until nothing is left to do, `isDone`, or `limit` has passed. Returns whether it was done.
    @discardableResult
    func run(for limit: Duration, until isDone: () -> Bool = { false }) -> Bool {
        let end = now + limit
        while !isDone() {
            var next: Instant? = flying.first?.at
            for node in nodes { next = earliest(next, node.transport.nextDeadline) }
            guard let next, next <= end else { break }
            now = max(now, next)
            while let first = flying.first, first.at <= now {
                flying.removeFirst()
                if let node = nodes.first(where: { $0.address == first.datagram.to }) {
                    deliver(first.datagram.bytes, to: node, from: first.datagram.from)
                }
            }
            for node in nodes {
                if let at = node.transport.nextDeadline, at <= now {
                    node.transport.deadlinePassed(at: now)
                    settle(node)
                }
            }
        }
        if !isDone() { now = max(now, end) }
        return isDone()
    }

    func bytes(_ count: Int) -> [UInt8] {
        (0..<count).map { _ in UInt8(truncatingIfNeeded: generator.next()) }
    }
}
