import AROCrypto
import AROPrimitives
import AROWire
import Testing

@testable import AROTransport

/// What strangers and the network may send: nothing of it may trap, change a session, or be believed.
@Suite struct BadInputTests {
    /// Two nodes a second after their start.
    private func pair(
        _ configure: (inout TransportConfiguration) -> Void = { _ in }
    ) -> (world: TestWorld, a: TestNode, b: TestNode) {
        let world = TestWorld()
        let (a, b) = (world.add(configure: configure), world.add(configure: configure))
        world.run(for: .seconds(1))
        return (world, a, b)
    }

    private func flipped(_ bytes: [UInt8], _ i: Int) -> [UInt8] {
        var out = bytes
        out[i] ^= 1 << UInt8(i & 7)
        return out
    }

    @Test(arguments: [true, false])
    func `no changed or cut initiation makes a session`(isKnown: Bool) {
        let (world, a, b) = pair { $0.endpoint.initiationsPerSecond = 100_000 }
        world.tamper = { _ in [] }
        world.connect(a, to: b, knowing: isKnown, first: Array("question".utf8))
        let initiation = world.sent[0].bytes
        var lastOfNoise = AROWire.Packet.initiationHeader + 32
        for i in initiation.indices {
            world.deliver(flipped(initiation, i), to: b, from: a.address)
        }
        for count in initiation.indices {
            world.deliver(Array(initiation.prefix(count)), to: b, from: a.address)
        }
        if isKnown {
            #expect(b.connected.isEmpty)
            #expect(b.messages.isEmpty)
            #expect(b.transport.sessionCount == 0)
            lastOfNoise = initiation.count
        } else {
            // The first message of XX authenticates nothing; a changed one is found out by the
            // initiator, who cannot read the response.
            #expect(b.connected.isEmpty)
        }
        #expect(lastOfNoise > 0)
        let before = b.transport.sessionCount
        world.tamper = { [$0] }
        world.deliver(initiation, to: b, from: a.address)
        #expect(b.transport.sessionCount == before + 1)
        world.run(for: .seconds(1)) { !b.messages.isEmpty && !a.connected.isEmpty }
        #expect(b.messages == [Array("question".utf8)])
        #expect(a.connected.count == 1)
    }

    @Test(arguments: [true, false])
    func `no changed or cut answer is believed, and the true one is still taken`(isKnown: Bool) {
        let (world, a, b) = pair()
        var held: [TestDatagram] = []
        world.tamper = { datagram in
            if datagram.to == a.address, held.isEmpty {
                held.append(datagram)
                return []
            }
            return [datagram]
        }
        world.connect(a, to: b, knowing: isKnown)
        world.run(for: .milliseconds(100)) { !held.isEmpty }
        let response = held[0].bytes
        for i in response.indices {
            world.deliver(flipped(response, i), to: a, from: b.address)
        }
        for count in response.indices {
            world.deliver(Array(response.prefix(count)), to: a, from: b.address)
        }
        // Nor from another address.
        world.deliver(response, to: a, from: SocketAddress(ipv4: 0x0a00_0063, port: 1))
        #expect(a.connected.isEmpty)
        #expect(a.failures.isEmpty)
        world.deliver(response, to: a, from: b.address)
        #expect(a.connected.count == 1)
    }

    @Test func `no changed or cut completion makes a session, and the true one still does`() {
        let (world, a, b) = pair()
        var held: [TestDatagram] = []
        world.tamper = { datagram in
            if datagram.bytes[0] == PacketType.completion.rawValue {
                held.append(datagram)
                return []
            }
            return [datagram]
        }
        world.connect(a, to: b, knowing: false, first: [5])
        world.run(for: .milliseconds(100)) { !held.isEmpty }
        let completion = held[0].bytes
        for i in completion.indices {
            world.deliver(flipped(completion, i), to: b, from: a.address)
        }
        for count in completion.indices {
            world.deliver(Array(completion.prefix(count)), to: b, from: a.address)
        }
        #expect(b.connected.isEmpty)
        world.deliver(completion, to: b, from: a.address)
        #expect(b.connected.count == 1)
        #expect(b.messages == [[5]])
    }

    @Test(arguments: [true, false])
    func `no changed, cut or repeated data packet is taken`(allowsAES: Bool) {
        let (world, a, b) = pair { $0.endpoint.allowsAES = allowsAES }
        let session = world.connect(a, to: b)
        world.run(for: .seconds(1))
        var held: [TestDatagram] = []
        world.tamper = { datagram in
            held.append(datagram)
            return []
        }
        _ = world.send(Array("only once".utf8), a, on: session)
        let data = held[0].bytes
        for i in data.indices { world.deliver(flipped(data, i), to: b, from: a.address) }
        for count in data.indices {
            world.deliver(Array(data.prefix(count)), to: b, from: a.address)
        }
        for extra in 1...40 {
            let longer = data + Array(repeating: 0, count: extra)
            world.deliver(longer, to: b, from: a.address)
        }
        #expect(b.messages.isEmpty)
        for _ in 0..<5 { world.deliver(data, to: b, from: a.address) }
        #expect(b.messages == [Array("only once".utf8)])
        #expect(b.transport.statistics[.replayedData] >= 4)
        #expect(b.transport.statistics[.forgedData] > 0)
        #expect(b.closed.isEmpty)
    }

    @Test func `random datagrams of every kind are dropped and counted`() {
        let (world, a, b) = pair()
        let session = world.connect(a, to: b)
        world.run(for: .seconds(1))
        let live = world.sent.last { $0.to == b.address }!.bytes
        let dropped = b.transport.statistics.droppedCount
        for i in 0..<20_000 {
            var bytes = world.bytes(world.generator.below(i.isMultiple(of: 4) ? 1_300 : 60))
            if !bytes.isEmpty, !i.isMultiple(of: 3) {
                bytes[0] = [1, 2, 3, 4, 5, 6, 7, 8, 0x40, 0x41][world.generator.below(10)]
            }
            if bytes.count >= 13, i.isMultiple(of: 5) {
                bytes.replaceSubrange(1..<9, with: live[1..<9])
            }
            world.deliver(bytes, to: b, from: a.address)
        }
        let count = b.transport.statistics.droppedCount - dropped
        #expect(count >= 19_900)
        #expect(b.connected.count == 1)
        #expect(b.closed.isEmpty)
        world.run(for: .seconds(1))
        _ = world.send([1], a, on: session)
        world.run(for: .seconds(1))
        #expect(b.messages == [[1]])
    }

    @Test func `an unknown version is answered by ours, smaller than the question`() throws {
        let (world, a, b) = pair()
        world.tamper = { datagram in
            guard datagram.to == b.address else { return [datagram] }
            var other = datagram
            other.bytes[4] ^= 0xff
            return [other]
        }
        world.connect(a, to: b)
        world.run(for: .seconds(2))
        #expect(b.transport.statistics[.unknownVersion] > 0)
        let answers = world.sent.filter { $0.from == b.address }
        #expect(!answers.isEmpty && answers.allSatisfy { $0.bytes.count == 14 })
        let bytes = answers[0].bytes
        let packet = try VersionsPacket(bytes.span.bytes)
        #expect(packet.versions == [AROWire.Packet.version])
        // Our own version among the answers is no reason to give up, and it was the network's fault.
        #expect(a.failures.isEmpty)
    }

    @Test func `who speaks only other versions is given up soon`() {
        let (world, a, b) = pair()
        world.tamper = { datagram in
            guard datagram.bytes[0] == PacketType.versions.rawValue else {
                var other = datagram
                other.bytes[4] ^= 0xff
                return [other]
            }
            var other = datagram
            other.bytes[13] = 0x77
            return [other]
        }
        world.connect(a, to: b)
        world.run(for: .seconds(3))
        #expect(a.failures == [.version])
    }

    @Test func `versions and cookies from elsewhere change nothing`() {
        let (world, a, b) = pair()
        world.tamper = { _ in [] }
        let session = world.connect(a, to: b)
        let source = ConnectionID(
            world.sent[0].bytes[5..<13].reduce(0) { $0 << 8 | UInt64($1) })
        let stranger = SocketAddress(ipv4: 0x0a00_0063, port: 1)
        let versions = VersionsPacket(id: source, versions: [1]).bytes
        let cookie = ShortNotice(cookie: Cookie(high: 1, low: 2), to: source).bytes
        let sent = world.sent.count
        world.deliver(versions, to: a, from: stranger)
        world.deliver(cookie, to: a, from: stranger)
        #expect(world.sent.count == sent)
        // Nor do endless cookies from the right address make us work without end.
        for _ in 0..<50 { world.deliver(cookie, to: a, from: b.address) }
        #expect(world.sent.count - sent <= 3)
        world.tamper = { [$0] }
        world.run(for: .seconds(3))
        #expect(a.connected.first?.session == session)
    }

    @Test func `a reset without the token is ignored`() {
        let (world, a, b) = pair()
        let session = world.connect(a, to: b)
        world.run(for: .seconds(1))
        _ = world.send([1], a, on: session)
        let data = world.sent.last!.bytes
        let id = ConnectionID(data[1..<9].reduce(0) { $0 << 8 | UInt64($1) })
        for low in 0..<100 as Range<UInt64> {
            let reset = ShortNotice(reset: ResetToken(high: 0, low: low), of: id).bytes
            world.deliver(reset, to: a, from: b.address)
        }
        world.run(for: .seconds(1))
        #expect(a.closed.isEmpty)
        #expect(b.messages == [[1]])
    }

    @Test func `resets are smaller than what they answer and limited in rate`() {
        let (world, a, b) = pair()
        let limit = b.transport.configuration.endpoint.resetsPerSecond
        for _ in 0..<10_000 {
            var bytes = world.bytes(30)
            bytes[0] = 0x40
            world.deliver(bytes, to: b, from: a.address)
        }
        let resets = world.sent.filter { $0.bytes[0] == PacketType.reset.rawValue }
        #expect(resets.count == limit)
        #expect(resets.allSatisfy { $0.bytes.count < 30 })
        // A reset is never answered.
        let count = world.sent.count
        world.deliver(resets[0].bytes, to: b, from: a.address)
        #expect(world.sent.count == count)
    }

    @Test func `datagrams from addresses that none can have are dropped`() {
        let (world, a, b) = pair()
        world.tamper = { _ in [] }
        world.connect(a, to: b)
        let initiation = world.sent[0].bytes
        for address in [
            SocketAddress(ipv4: 0, port: 4), SocketAddress(ipv4: 0xe000_0001, port: 4),
            SocketAddress(ipv4: .max, port: 4), SocketAddress(ipv4: 0x0a00_0001, port: 0),
        ] {
            world.deliver(initiation, to: b, from: address)
        }
        #expect(b.connected.isEmpty)
        #expect(b.transport.statistics[.malformed] == 4)
    }
}
