import AROCrypto
import AROPrimitives
import AROWire
import Testing

@testable import AROTransport

@Suite struct SessionTests {
    @Test func `a first request to a known peer is answered in one round trip and two datagrams`() {
        let world = TestWorld()
        let (a, b) = (world.add(), world.add())
        b.answer = { $0 + Array(" answered".utf8) }
        // First messages from before a responder's start are challenged.
        world.run(for: .seconds(1))
        let start = world.now
        world.connect(a, to: b, first: Array("a question".utf8))
        let isDone = world.run(for: .seconds(1)) { !a.messages.isEmpty }
        #expect(isDone)
        #expect(a.messages == [Array("a question answered".utf8)])
        #expect(world.now - start == .milliseconds(20))
        let count = world.sent.count
        #expect(count == 2)
        #expect(a.connected.first?.observedAddress == a.address)
        #expect(a.connected.first?.peer == b.transport.id)
        #expect(b.connected.first?.peer == a.transport.id)
        #expect(b.connected.first?.isAddressProven == false)
    }

    @Test func `an unknown peer is met by its address alone, and the request follows`() {
        let world = TestWorld()
        let (a, b) = (world.add(), world.add())
        b.answer = { $0 + [33] }
        let start = world.now
        world.connect(a, to: b, knowing: false, first: [1, 2, 3])
        let isDone = world.run(for: .seconds(1)) { !a.messages.isEmpty }
        #expect(isDone)
        #expect(a.messages == [[1, 2, 3, 33]])
        #expect(world.now - start == .milliseconds(40))
        #expect(a.connected.first?.peer == b.transport.id)
        #expect(a.connected.first?.observedAddress == a.address)
        #expect(b.connected.first?.peer == a.transport.id)
        #expect(b.connected.first?.isAddressProven == true)
    }

    @Test(arguments: [true, false])
    func `both ciphers carry streams`(allowsAES: Bool) {
        let world = TestWorld()
        let a = world.add { $0.endpoint.allowsAES = allowsAES }
        let b = world.add()
        let session = world.connect(a, to: b)
        world.run(for: .seconds(1)) { !a.connected.isEmpty }
        let isAES = a.transport.statistics(of: session)?.isAES
        #expect(isAES == (allowsAES && CipherSuite.hasAES))
        let content = world.bytes(200_000)
        let stream = a.transport.openStream(on: session, priority: .interactive)!
        a.write(content, to: stream)
        world.settle(a)
        world.run(for: .seconds(20)) { !b.finished.isEmpty }
        #expect(b.read.values.first == content)
    }

    @Test(arguments: [1, 2, 3, 4, 5] as [UInt64])
    func `a mebibyte crosses a bad path unharmed`(seed: UInt64) {
        let world = TestWorld(seed: seed)
        world.link = TestLink(
            latency: .milliseconds(130), jitter: .milliseconds(40), loss: 20, duplication: 10)
        let (a, b) = (world.add(), world.add())
        let knows = seed.isMultiple(of: 2)
        let session = world.connect(a, to: b, knowing: knows)
        world.run(for: .seconds(30)) { !a.connected.isEmpty }
        #expect(!a.connected.isEmpty, "seed \(seed)")
        let content = world.bytes(1 << 20)
        guard let stream = a.transport.openStream(on: session, priority: .interactive) else {
            Issue.record("no stream, seed \(seed)")
            return
        }
        a.write(content, to: stream)
        world.settle(a)
        let isDone = world.run(for: .seconds(900)) { !b.finished.isEmpty }
        #expect(isDone, "seed \(seed)")
        let isSame = b.read.values.first == content
        #expect(isSame, "seed \(seed)")
    }

    @Test func `two peers that call each other at once share one session`() {
        let world = TestWorld()
        let (a, b) = (world.add(), world.add())
        world.connect(a, to: b, first: [1])
        world.connect(b, to: a, first: [2])
        world.run(for: .seconds(5))
        #expect(a.transport.sessionCount == 1)
        #expect(b.transport.sessionCount == 1)
        #expect(a.connected.count == 1)
        #expect(b.connected.count == 1)
        #expect(a.connected.first?.isInitiator != b.connected.first?.isInitiator)
        let smaller = a.transport.id < b.transport.id ? a : b
        #expect(smaller.connected.first?.isInitiator == true)
        #expect(a.messages == [[2]])
        #expect(b.messages == [[1]])
    }

    @Test func `silence sends nothing and ends the session on both sides`() {
        let world = TestWorld()
        let (a, b) = (world.add(), world.add())
        let session = world.connect(a, to: b)
        world.run(for: .seconds(1))
        _ = world.send([7], a, on: session)
        world.run(for: .seconds(2))
        let before = world.sent.count
        world.run(for: .seconds(300))
        let after = world.sent.count
        #expect(after == before)
        #expect(a.closed == [.idle])
        #expect(b.closed == [.idle])
        #expect(a.transport.sessionCount + b.transport.sessionCount == 0)
        #expect(a.transport.nextDeadline == nil)
    }

    @Test func `a close tells its reason`() {
        let world = TestWorld()
        let (a, b) = (world.add(), world.add())
        let session = world.connect(a, to: b)
        world.run(for: .seconds(1))
        a.transport.close(session, code: .shuttingDown, text: "good night", at: world.now)
        world.settle(a)
        world.run(for: .seconds(1))
        #expect(a.closed == [.local(.shuttingDown)])
        #expect(b.closed == [.byPeer(.shuttingDown, text: Array("good night".utf8))])
        #expect(a.transport.sessionCount + b.transport.sessionCount == 0)
    }

    @Test func `a session that the peer has forgotten is reset`() {
        let world = TestWorld()
        let (a, b) = (world.add(), world.add())
        let session = world.connect(a, to: b)
        world.run(for: .seconds(1))
        // The same identity starts anew at the same address.
        let restarted = world.add(seed: 2)
        world.nodes.removeAll { $0 === b }
        restarted.address = b.address
        _ = world.send([1], a, on: session)
        world.run(for: .seconds(1))
        #expect(a.closed == [.reset])
        let again = world.connect(a, to: restarted, first: [2])
        world.run(for: .seconds(1))
        #expect(again != session)
        #expect(restarted.messages == [[2]])
    }

    @Test func `a peer that restarted takes the place of what it was`() {
        let world = TestWorld()
        let (a, b) = (world.add(), world.add())
        world.connect(b, to: a)
        world.run(for: .seconds(1))
        let restarted = world.add(clock: 5, seed: 2)
        world.nodes.removeAll { $0 === b }
        restarted.address = b.address
        world.connect(restarted, to: a, first: [9])
        world.run(for: .seconds(1))
        #expect(a.messages == [[9]])
        #expect(a.closed == [.peerRestarted])
        #expect(a.transport.sessionCount == 1)
    }

    @Test func `nobody at home is told after the timeout`() {
        let world = TestWorld()
        let a = world.add()
        let nowhere = SocketAddress(ipv4: 0x0a00_00ff, port: 9)
        _ = a.transport.connect(
            to: nil, addresses: [nowhere], first: RawSpan(), at: world.now)
        world.settle(a)
        world.run(for: .seconds(30))
        #expect(a.failures == [.timeout])
        #expect(a.transport.sessionCount == 0)
        let count = world.sent.count
        #expect((3...8).contains(count))
    }

    @Test func `of several addresses the one that works is found soon`() {
        let world = TestWorld()
        let (a, b) = (world.add(), world.add())
        let dead = SocketAddress(ipv4: 0x0a00_00ff, port: 9)
        let start = world.now
        _ = a.transport.connect(
            to: b.transport.id, addresses: [dead, b.address], first: RawSpan(), at: world.now)
        world.settle(a)
        world.run(for: .seconds(5)) { !a.connected.isEmpty }
        #expect(a.connected.first?.address == b.address)
        #expect(world.now - start <= .milliseconds(300))
    }

    @Test func `what cannot be reached is refused at once`() {
        let world = TestWorld()
        let a = world.add()
        let somewhere = SocketAddress(ipv4: 0x0a00_00ff, port: 9)
        let invalid = PeerID(key: Bits256(1 << 56, 0, 0, 0))
        for (peer, addresses) in [
            (a.transport.id, [somewhere]), (nil, []),
            (nil, [SocketAddress(ipv4: 0, port: 1)]), (invalid, [somewhere]),
        ] as [(PeerID?, [SocketAddress])] {
            _ = a.transport.connect(
                to: peer, addresses: addresses, first: RawSpan(), at: world.now)
        }
        world.settle(a)
        #expect(a.failures == [.ownIdentity, .noAddress, .noAddress, .invalidPeer])
        let count = world.sent.count
        #expect(count == 0)
    }

    @Test func `one flush is bounded, and what is left goes in the next ones, in turn`() {
        let world = TestWorld()
        let a = world.add {
            $0.endpoint.flushBytesPerSessionMax = 4_000
            $0.endpoint.flushBytesMax = 6_000
        }
        let peers = (0..<3).map { _ in world.add() }
        let sessions = peers.map { world.connect(a, to: $0) }
        world.run(for: .seconds(1))
        for session in sessions {
            let stream = a.transport.openStream(on: session, priority: .interactive)!
            a.transport.write(world.bytes(100_000), to: stream)
            a.transport.finish(stream)
        }
        var packets = PacketBuffer()
        var turns: [Set<SocketAddress>] = []
        for _ in 0..<3 {
            a.transport.flush(at: world.now, into: &packets)
            let (count, addresses) = (packets.bytes.count, Set(packets.runs.map(\.address)))
            #expect(count <= 6_000 + 4_000 + 1_500)
            turns.append(addresses)
            packets.removeAll()
        }
        #expect(turns[0].count == 2 && turns[1].count == 2)
        #expect(turns[0].union(turns[1]).count == 3)
        let isDue = a.transport.nextDeadline.map { $0 <= world.now } ?? false
        #expect(isDue)
        let isDone = world.run(for: .seconds(60)) { peers.allSatisfy { !$0.finished.isEmpty } }
        #expect(isDone)
        #expect(peers.allSatisfy { $0.read.values.first?.count == 100_000 })
    }
}
