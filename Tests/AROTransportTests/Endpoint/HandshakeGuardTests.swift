import AROCrypto
import AROPrimitives
import AROWire
import Testing

@testable import AROTransport

/// Replays, load and reflection.
@Suite struct HandshakeGuardTests {
    private func pair(
        _ configure: (inout TransportConfiguration) -> Void = { _ in }
    ) -> (world: TestWorld, a: TestNode, b: TestNode) {
        let world = TestWorld()
        let (a, b) = (world.add(configure: configure), world.add(configure: configure))
        world.run(for: .seconds(1))
        return (world, a, b)
    }

    @Test func `a replayed first message is never processed again`() {
        let (world, a, b) = pair()
        world.connect(a, to: b, first: [1])
        let initiation = world.sent[0].bytes
        world.run(for: .seconds(1))
        #expect(b.messages == [[1]])
        let stranger = SocketAddress(ipv4: 0x0a00_0063, port: 1)
        for source in [a.address, stranger] {
            world.deliver(initiation, to: b, from: source)
            world.run(for: .seconds(20))
            world.deliver(initiation, to: b, from: source)
        }
        // Nor when the session is long gone.
        world.run(for: .seconds(400))
        world.deliver(initiation, to: b, from: a.address)
        world.deliver(initiation, to: b, from: stranger)
        #expect(b.messages == [[1]])
        #expect(b.connected.count == 1)
        #expect(b.transport.sessionCount == 0)
    }

    @Test func `a replay with a grafted cookie is refused`() {
        let (world, a, b) = pair()
        world.connect(a, to: b, first: [1])
        let initiation = world.sent[0].bytes
        world.run(for: .seconds(1))
        let attacker = SocketAddress(ipv4: 0x0a00_0063, port: 1)
        let sent = world.sent.count
        world.deliver(initiation, to: b, from: attacker)
        let cookie = world.sent[sent]
        #expect(cookie.bytes[0] == PacketType.cookie.rawValue)
        #expect(cookie.to == attacker)
        var grafted = initiation
        grafted.replaceSubrange(13..<29, with: cookie.bytes[9..<25])
        world.deliver(grafted, to: b, from: attacker)
        #expect(b.messages == [[1]])
        #expect(b.transport.statistics[.forgedHandshake] == 1)
    }

    @Test func `a first message from before our start is challenged, and the honest peer passes`() {
        let world = TestWorld()
        // The clock of `a` is a day behind.
        let a = world.add(clock: -86_400)
        let b = world.add()
        world.run(for: .seconds(1))
        world.connect(a, to: b, first: [3])
        world.run(for: .seconds(2))
        #expect(b.messages == [[3]])
        #expect(b.transport.statistics[.challenged] == 1)
        #expect(b.connected.first?.isAddressProven == true)
        // With the cookie it carried, the message is replayed in vain.
        for datagram in world.sent where datagram.to == b.address {
            world.deliver(datagram.bytes, to: b, from: a.address)
            world.run(for: .seconds(11))
            world.deliver(datagram.bytes, to: b, from: a.address)
        }
        world.run(for: .seconds(200))
        #expect(b.messages == [[3]])
        #expect(b.connected.count == 1)
    }

    @Test func `a clock far ahead costs a round trip and lifts no watermark`() {
        let world = TestWorld()
        let a = world.add(clock: 10 * 365 * 86_400)
        let b = world.add { $0.endpoint.timestampsMax = 2 }
        world.run(for: .seconds(1))
        world.connect(a, to: b, first: [3])
        world.run(for: .seconds(2))
        #expect(b.messages == [[3]])
        let lead = UInt64(b.transport.configuration.endpoint.timestampLead.nanoseconds)
        for seed in 10..<14 as Range<UInt8> {
            world.connect(world.add(seed: seed), to: b, first: [seed])
            world.run(for: .seconds(2))
        }
        #expect(b.transport.ledger.count == 2)
        #expect(b.transport.ledger.watermark <= b.transport.wall(at: world.now) + lead)
        #expect(b.messages.count == 5)
    }

    @Test func `an evicted timestamp becomes the watermark`() {
        let world = TestWorld()
        let b = world.add { $0.endpoint.timestampsMax = 4 }
        let peers = (10..<20).map { world.add(seed: $0) }
        world.run(for: .seconds(1))
        var initiations: [[UInt8]] = []
        for peer in peers {
            let sent = world.sent.count
            world.connect(peer, to: b, first: [1])
            initiations.append(world.sent[sent].bytes)
            world.run(for: .seconds(1))
        }
        let count = b.messages.count
        #expect(count == 10)
        #expect(b.transport.ledger.count == 4)
        world.run(for: .seconds(300))
        for initiation in initiations {
            world.deliver(initiation, to: b, from: SocketAddress(ipv4: 0x0a00_0063, port: 1))
        }
        #expect(b.messages.count == count)
        #expect(b.transport.statistics[.challenged] == 10)
    }

    @Test func `under load a cookie is demanded, given, and accepted`() {
        let world = TestWorld()
        let b = world.add { $0.endpoint.initiationsPerSecond = 3 }
        let peers = (10..<20).map { world.add(seed: $0) }
        world.run(for: .seconds(1))
        for (i, peer) in peers.enumerated() {
            world.connect(peer, to: b, knowing: i.isMultiple(of: 2), first: [UInt8(i)])
        }
        world.run(for: .seconds(3))
        #expect(b.transport.statistics[.challenged] == 7)
        #expect(b.connected.count == 10)
        #expect(b.messages.count == 10)
        // Three without, all the others with a proof of their addresses.
        let proven = b.connected.filter(\.isAddressProven).count
        #expect(proven >= 7)
    }

    @Test func `a cookie is worth nothing at another address or a minute later`() {
        var entropy = Entropy(seed: .zero)
        var mint = CookieMint(period: .seconds(20), from: &entropy)
        let (here, there) = (
            SocketAddress(ipv4: 1, port: 1), SocketAddress(ipv4: 1, port: 2)
        )
        let now = Instant.origin + .seconds(100)
        let cookie = mint.cookie(for: here, at: now)
        let verdicts = [
            mint.verifies(cookie, from: here, at: now),
            mint.verifies(cookie, from: here, at: now + .seconds(19)),
            mint.verifies(cookie, from: there, at: now),
            mint.verifies(cookie, from: here, at: now + .seconds(41)),
            mint.verifies(.none, from: here, at: now),
        ]
        #expect(verdicts == [true, true, false, false, false])
        mint.revoke(from: &entropy)
        let after = mint.verifies(cookie, from: here, at: now)
        #expect(!after)
    }

    @Test(arguments: [true, false])
    func `an unproven address is never sent more than three times what came from it`(isKnown: Bool)
    {
        let (world, a, b) = pair()
        // `b` has much to say to everybody; `a` never hears it, and repeats itself.
        b.answer = { _ in Array(repeating: 1, count: 1_100) }
        world.tamper = { $0.to == a.address ? [] : [$0] }
        world.connect(a, to: b, knowing: isKnown, first: [1])
        world.run(for: .milliseconds(50))
        if let session = b.connected.first?.session {
            for _ in 0..<50 { _ = world.send(Array(repeating: 2, count: 1_100), b, on: session) }
            if let stream = b.transport.openStream(on: session, priority: .interactive) {
                b.write(Array(repeating: 3, count: 100_000), to: stream)
                world.settle(b)
            }
        }
        var (received, returned) = (0, 0)
        var worst = 0.0
        world.run(for: .seconds(60))
        for datagram in world.sent {
            if datagram.to == b.address { received += datagram.bytes.count }
            if datagram.to == a.address { returned += datagram.bytes.count }
            worst = max(worst, Double(returned) / Double(max(received, 1)))
        }
        #expect(received > 0 && returned > 0)
        #expect(worst <= 3)
        if isKnown { #expect(worst > 1) }
    }

    @Test func `small initiations are not answered at all`() {
        let (world, a, b) = pair()
        world.tamper = { _ in [] }
        world.connect(a, to: b)
        let initiation = world.sent[0].bytes
        #expect(initiation.count == AROWire.Packet.initiationMin)
        world.deliver(Array(initiation.dropLast()), to: b, from: a.address)
        let count = world.sent.count
        #expect(count == 1)
        #expect(b.transport.statistics[.undersizedInitiation] == 1)
    }

    @Test func `half-open handshakes are bounded, and then only cookies open more`() {
        let world = TestWorld()
        let b = world.add {
            $0.endpoint.halfOpenMax = 5
            $0.endpoint.initiationsPerSecond = 10_000
        }
        world.run(for: .seconds(1))
        // Nobody hears an answer.
        world.tamper = { $0.to == b.address ? [$0] : [] }
        for seed in 10..<40 as Range<UInt8> {
            world.connect(world.add(seed: seed), to: b, knowing: false)
        }
        world.run(for: .milliseconds(100))
        #expect(b.transport.halfOpenCount == 5)
        #expect(b.transport.sessionCount == 5)
        #expect(b.transport.statistics[.challenged] == 25)
        world.run(for: .seconds(30))
        #expect(b.transport.halfOpenCount == 0)
        #expect(b.transport.sessionCount == 0)
    }

    @Test func `the session table is bounded: the longest silent goes, busy ones stay`() {
        let world = TestWorld()
        let b = world.add { $0.endpoint.sessionsMax = 4 }
        let peers = (10..<18).map { world.add(seed: $0) }
        world.run(for: .seconds(1))
        for peer in peers.prefix(4) {
            world.connect(peer, to: b, knowing: false)
            world.run(for: .seconds(1))
        }
        // All four were heard lately: the fifth finds no room.
        world.connect(peers[4], to: b, knowing: false)
        world.run(for: .milliseconds(100))
        #expect(b.transport.sessionCount == 4)
        #expect(b.transport.statistics[.tableFull] > 0)
        world.run(for: .seconds(8))
        for peer in peers[5...] {
            world.connect(peer, to: b, knowing: false)
            world.run(for: .seconds(6))
        }
        #expect(b.transport.sessionCount == 4)
        #expect(b.closed.filter { $0 == .evicted }.count >= 3)
        #expect(b.connected.last?.peer == peers.last?.transport.id)
    }

    @Test func `nobody passes for another: a peer id that is not the key's is refused`() {
        let (world, a, b) = pair()
        let mallory = world.add(seed: 77)
        // Asked for `a`, the address of mallory answers: it cannot read what was said.
        _ = b.transport.connect(
            to: a.transport.id, addresses: [mallory.address], first: RawSpan(), at: world.now)
        world.settle(b)
        world.run(for: .seconds(20))
        #expect(b.failures == [.timeout])
        #expect(mallory.connected.isEmpty)
        #expect(mallory.transport.statistics[.forgedHandshake] > 0)
    }

    @Test func `one network begins no more sessions than its share, whatever its identities`() {
        let world = TestWorld()
        let b = world.add { $0.endpoint.acceptedPerNetworkMax = 3 }
        let crowd = (1...6).map { i in
            let node = world.add()
            node.address = SocketAddress(ipv4: 0xcb00_7100 + UInt32(i), port: 4001)
            return node
        }
        for node in crowd { world.connect(node, to: b) }
        world.run(for: .seconds(1))
        #expect(b.connected.count == 3)
        let other = world.add()
        other.address = SocketAddress(ipv4: 0xc633_6401, port: 4001)
        world.connect(other, to: b)
        world.run(for: .seconds(1))
        #expect(b.connected.count == 4)
        // A private network is no crowd from outside.
        let neighbours = (0..<4).map { _ in world.add() }
        for node in neighbours { world.connect(node, to: b) }
        world.run(for: .seconds(1))
        #expect(b.connected.count == 8)
    }

    @Test func `strangers leave room for the sessions that we begin`() {
        let world = TestWorld()
        let b = world.add {
            $0.endpoint.sessionsMax = 4
            $0.endpoint.acceptedMax = 2
        }
        let others = (0..<5).map { _ in world.add() }
        for node in others.prefix(3) { world.connect(node, to: b) }
        world.run(for: .seconds(1))
        #expect(b.connected.count == 2)
        world.connect(b, to: others[3])
        world.connect(b, to: others[4])
        world.run(for: .seconds(1))
        #expect(b.connected.count == 4)
        #expect(b.failures.isEmpty)
    }
}
