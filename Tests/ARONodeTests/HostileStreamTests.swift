/// A node against a bare transport that opens streams and says nothing on them.

import ARONode
import AROCrypto
import AROPrimitives
import AROTransport
import AROWire
import Testing

private final class Siege {
    private static let addresses = (1...2).map {
        SocketAddress(ipv4: 0x0a00_0000 + UInt32($0), port: 4001)
    }

    private(set) var attacker: Transport
    private var node: Node
    private var outbox = Outbox()
    private var now = Instant.origin + .seconds(1)
    private(set) var session: SessionID?

    init() {
        let wallClock = UnixTime(seconds: 1_800_000_000)
        func identity(_ number: UInt8) -> Identity {
            Identity(seed: SecretKey(copying: [UInt8](repeating: number, count: 32)))
        }
        var configuration = Configuration()
        configuration.transport.streamsMax = 4
        node = Node(
            configuration: configuration, identity: identity(1),
            entropy: Entropy(seed: Bits256(0, 0, 0, 1)), seed: 1, at: now, wallClock: wallClock)
        attacker = Transport(
            configuration: configuration.transport, identity: identity(2),
            entropy: Entropy(seed: Bits256(0, 0, 0, 2)), generator: Generator(seed: 2), at: now,
            wallClock: wallClock)
        session = attacker.connect(
            to: node.id, addresses: [Self.addresses[0]], first: RawSpan(), at: now)
        settle()
    }

    /// Opens a stream; nil where the node allows no more.
    func open() -> StreamID? { attacker.openStream(on: session!, priority: .interactive) }

    func finish(_ stream: StreamID) { attacker.finish(stream) }
    func reset(_ stream: StreamID) { attacker.reset(stream, code: 0) }

    /// Carries packets to and fro for a second.
    func settle() {
        for _ in 0..<100 {
            var packets = PacketBuffer()
            if let at = attacker.nextDeadline, at <= now { attacker.deadlinePassed(at: now) }
            attacker.flush(at: now, into: &packets)
            for packet in bytes(packets) {
                node.handle(
                    .datagram(packet.span.bytes, from: Self.addresses[1]), at: now, into: &outbox)
            }
            if let wake = node.nextDeadline, wake.at <= now {
                node.handle(.deadline, at: now, into: &outbox)
            }
            node.flush(at: now, into: &outbox)
            for packet in bytes(outbox.packets) {
                attacker.receive(packet.span.bytes, from: Self.addresses[0], at: now)
            }
            outbox.removeAll()
            while attacker.nextEvent() != nil {}
            now += .milliseconds(10)
        }
    }

    private func bytes(_ packets: borrowing PacketBuffer) -> [[UInt8]] {
        var all: [[UInt8]] = []
        for run in packets.runs {
            for start in stride(from: run.start, to: run.start + run.count, by: run.segment) {
                let end = min(start + run.segment, run.start + run.count)
                all.append(Array(packets.bytes[start..<end]))
            }
        }
        return all
    }
}

@Suite("Streams that say nothing")
struct HostileStreamTests {
    @Test("A stream that ends or is reset before its first byte leaves nothing behind")
    func silentStreams() {
        let siege = Siege()
        for i in 0..<12 {
            guard let stream = siege.open() else {
                Issue.record("stream \(i) finds no room: the ones before were not forgotten")
                return
            }
            if i.isMultiple(of: 2) { siege.finish(stream) } else { siege.reset(stream) }
            siege.settle()
        }
    }
}
