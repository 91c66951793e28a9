import AROCrypto
import AROPrimitives
import AROWire
import Testing

@testable import AROTransport

/// Renewal of packet keys, and peers that move.
@Suite struct KeyAndPathTests {
    @Test(arguments: [1, 2, 3] as [UInt64])
    func `keys are renewed by count under loss and reordering, and nothing is lost`(seed: UInt64) {
        let world = TestWorld(seed: seed)
        world.link = TestLink(
            latency: .milliseconds(20), jitter: .milliseconds(30), loss: 5, duplication: 5)
        let a = world.add { $0.endpoint.packetsPerKey = 50 }
        let b = world.add { $0.endpoint.packetsPerKey = 70 }
        let session = world.connect(a, to: b)
        world.run(for: .seconds(10)) { !a.connected.isEmpty }
        let content = world.bytes(500_000)
        guard let stream = a.transport.openStream(on: session, priority: .interactive) else {
            Issue.record("not connected, seed \(seed)")
            return
        }
        a.write(content, to: stream)
        world.settle(a)
        let isDone = world.run(for: .seconds(300)) { !b.finished.isEmpty }
        #expect(isDone, "seed \(seed)")
        let isSame = b.read.values.first == content
        #expect(isSame)
        #expect(a.transport.statistics.rekeys >= 4)
        let phases = Set(world.sent.map { $0.bytes[0] }.filter { $0 & 0x40 != 0 })
        #expect(phases == [0x40, 0x41])
        #expect(a.closed.isEmpty && b.closed.isEmpty)
    }

    @Test func `keys are renewed by time, also by the side that was silent till then`() {
        let world = TestWorld()
        let (a, b) = (
            world.add {
                $0.endpoint.keyLifetime = .seconds(30)
                $0.endpoint.idleTimeout = .seconds(600)
            },
            world.add {
                $0.endpoint.keyLifetime = .seconds(45)
                $0.endpoint.idleTimeout = .seconds(600)
            }
        )
        let session = world.connect(a, to: b)
        world.run(for: .seconds(1))
        // Only `a` speaks, in messages that nobody acknowledges.
        for i in 0..<10 as Range<UInt8> {
            _ = world.send([i], a, on: session)
            world.run(for: .seconds(20))
        }
        let other = b.connected[0].session
        _ = world.send([100], b, on: other)
        world.run(for: .seconds(1))
        for i in 10..<20 as Range<UInt8> {
            _ = world.send([i], a, on: session)
            _ = world.send([100 + i], b, on: other)
            world.run(for: .seconds(20))
        }
        #expect(b.messages == (0..<20).map { [UInt8($0)] })
        #expect(a.messages == ([100] + (110..<120)).map { [UInt8($0)] })
        #expect(a.transport.statistics.rekeys >= 2)
    }

    @Test func `packets of the last key are read for a while and then no more`() {
        let world = TestWorld()
        let (a, b) = (world.add { $0.endpoint.packetsPerKey = 8 }, world.add())
        let session = world.connect(a, to: b)
        world.run(for: .seconds(1))
        var held: [TestDatagram] = []
        world.tamper = { datagram in
            guard held.count < 2, datagram.to == b.address else { return [datagram] }
            held.append(datagram)
            return []
        }
        _ = world.send([1], a, on: session)
        _ = world.send([2], a, on: session)
        #expect(held.count == 2)
        let other = b.connected[0].session
        for i in 10..<30 as Range<UInt8> {
            _ = world.send([i], a, on: session)
            _ = world.send([i], b, on: other)
            world.run(for: .milliseconds(100))
            if a.transport.statistics.rekeys == 1 { break }
        }
        #expect(a.transport.statistics.rekeys == 1)
        // `b` follows with the first packet of the new phase.
        _ = world.send([30], a, on: session)
        world.run(for: .milliseconds(100))
        world.deliver(held[0].bytes, to: b, from: a.address)
        #expect(b.messages.contains([1]))
        world.run(for: .seconds(10))
        world.deliver(held[1].bytes, to: b, from: a.address)
        #expect(!b.messages.contains([2]))
    }

    @Test func `a peer whose address changes keeps its session and its stream`() {
        let world = TestWorld()
        let (a, b) = (world.add(), world.add())
        let session = world.connect(a, to: b)
        world.run(for: .seconds(1))
        let stream = a.transport.openStream(on: session, priority: .interactive)!
        let content = world.bytes(400_000)
        a.write(content, to: stream)
        world.settle(a)
        world.run(for: .milliseconds(60))
        #expect(b.finished.isEmpty)
        let old = a.address
        a.address = SocketAddress(ipv4: 0x0a00_0077, port: 9_999)
        world.run(for: .seconds(60)) { !b.finished.isEmpty }
        let isSame = b.read.values.first == content
        #expect(isSame)
        let moved = b.events.contains(.migrated(b.connected[0].session, a.address))
        #expect(moved)
        #expect(b.transport.address(of: b.connected[0].session) == a.address)
        #expect(b.closed.isEmpty && a.closed.isEmpty)
        #expect(old != a.address)
    }

    @Test func `a new address gets no more than three times what it sent until it answers`() {
        let world = TestWorld()
        let (a, b) = (world.add(), world.add())
        let session = world.connect(a, to: b)
        world.run(for: .seconds(1))
        _ = world.send([1], a, on: session)
        world.run(for: .seconds(1))
        let stream = b.transport.openStream(on: b.connected[0].session, priority: .interactive)!
        b.write(world.bytes(3_000_000), to: stream)
        world.settle(b)
        world.run(for: .milliseconds(50))
        // One packet of `a` appears to come from a victim, who answers nothing.
        let victim = SocketAddress(ipv4: 0x0a00_0066, port: 53)
        var spoofed = 0
        var start = 0
        world.tamper = { datagram in
            guard datagram.to == b.address, spoofed == 0 else { return [datagram] }
            spoofed = datagram.bytes.count
            start = world.sent.count
            var other = datagram
            other.from = victim
            return [other]
        }
        _ = world.send([2], a, on: session)
        let finished = world.run(for: .seconds(60)) { !a.finished.isEmpty }
        let toVictim = world.sent[start...].filter { $0.to == victim }
            .reduce(0) { $0 + $1.bytes.count }
        #expect(spoofed > 0 && toVictim > 0)
        #expect(toVictim <= 3 * spoofed)
        // And the transfer goes on at the old address.
        #expect(finished)
        #expect(b.closed.isEmpty)
    }
}
