import AROPrimitives
import AROTransport
import Testing

@testable import AROSimulation

private func session(_ peer: Int, at now: Instant, isProven: Bool = true) -> PlainSession {
    PlainSession(
        peer: PeerHandle(index: UInt32(peer)), number: UInt32(peer) &* 7, activeAt: now,
        isConnecting: false, isProven: isProven)
}

private let limits = SessionLimits(EndpointConfiguration())
private let start = Instant.origin

@Suite struct PlainSessionTables {
    @Test func `peers are found in any order of arrival`() {
        var table = PlainSessions()
        var chance = Generator(seed: 5)
        var peers = Array(0..<300)
        chance.shuffle(&peers)
        var taken = 0
        for peer in peers where table.set(session(peer, at: start), limits, at: start) {
            taken += 1
        }
        #expect(taken == 300)
        for peer in peers {
            let i = table.find(PeerHandle(index: UInt32(peer)), limits, at: start)
            #expect(i.map { table.rows[$0].number } == UInt32(peer) &* 7)
        }
        table.remove(PeerHandle(index: 17))
        #expect(table.find(PeerHandle(index: 17), limits, at: start) == nil)
        #expect(table.rows.count == 299)
    }

    @Test func `silence ends a session, sooner where the initiator is not proven`() {
        var table = PlainSessions()
        _ = table.set(session(1, at: start), limits, at: start)
        _ = table.set(session(2, at: start, isProven: false), limits, at: start)
        func isThere(_ peer: UInt32, after span: Duration) -> Bool {
            table.find(PeerHandle(index: peer), limits, at: start + span) != nil
        }
        #expect(isThere(1, after: limits.idleTimeout - .nanoseconds(1)))
        #expect(!isThere(1, after: limits.idleTimeout))
        #expect(isThere(2, after: limits.unprovenIdleTimeout - .nanoseconds(1)))
        #expect(!isThere(2, after: limits.unprovenIdleTimeout))
    }

    @Test func `sending keeps a session only for the first time after something was received`() {
        var table = PlainSessions()
        _ = table.set(session(1, at: start), limits, at: start)
        table.sent(0, at: start + .seconds(100))
        table.sent(0, at: start + .seconds(200))
        #expect(table.rows[0].activeAt == start + .seconds(100))
        table.received(0, at: start + .seconds(210))
        table.sent(0, at: start + .seconds(211))
        #expect(table.rows[0].activeAt == start + .seconds(211))
    }

    @Test func `idle sessions make room without being asked`() {
        var table = PlainSessions()
        for i in 0..<10_000 {
            let now = start + .seconds(Int64(i))
            _ = table.set(session(i, at: now), limits, at: now)
        }
        // 120 are alive at any time; as many again may wait to be swept.
        #expect(table.rows.count <= 2 * 120 + 16)
    }

    @Test
    func `a table full of sessions in use takes no more, and of silent ones forgets the oldest`() {
        var table = PlainSessions()
        for i in 0..<limits.sessionsMax { _ = table.set(session(i, at: start), limits, at: start) }
        #expect(table.rows.count == limits.sessionsMax)
        let isTaken = table.set(session(9_000, at: start), limits, at: start)
        #expect(!isTaken)
        let later = start + limits.evictableAfter
        for i in 1..<limits.sessionsMax { table.received(i, at: later) }
        let isTakenLater = table.set(session(9_000, at: later), limits, at: later)
        #expect(isTakenLater)
        #expect(table.rows.count == limits.sessionsMax)
        #expect(table.find(PeerHandle(index: 0), limits, at: later) == nil)
    }
}

@Suite struct PlainPackets {
    private func sent(
        _ kind: PlainPacket.Kind, _ content: [UInt8], isFrames: Bool = false
    ) -> [UInt8] {
        var packets = PacketBuffer()
        PlainPacket(kind, from: PeerHandle(index: 70_000), session: 0xdead_beef, servesDHT: true)
            .append(
                content.span.bytes, isFrames: isFrames, introduction: 105,
                to: SocketAddress(ipv4: 1, port: 1), into: &packets)
        return packets.bytes
    }

    private func size(of packet: [UInt8]) -> Int {
        PlainPacket.wireByteCount(of: packet.span.bytes)
    }

    private func messages(in packet: [UInt8]) -> [[UInt8]] {
        let bytes = packet.span.bytes
        let frames = bytes.extracting(PlainPacket.frames(in: bytes))
        var found: [[UInt8]] = []
        var offset = 0
        while let range = PlainPacket.nextMessage(in: frames, from: &offset) {
            found.append(frames.extracting(range).array)
        }
        return found
    }

    @Test(arguments: [1, 63, 64, 900, 1_180])
    func `a message arrives, in a packet of the real one's size`(count: Int) {
        let message = (0..<count).map { UInt8(truncatingIfNeeded: $0) }
        let data = sent(.data, message)
        #expect(messages(in: data) == [message])
        #expect(size(of: data) == 29 + 3 + count)
        let header = PlainPacket(data.span.bytes)
        #expect(header?.sender.index == 70_000)
        #expect(header?.session == 0xdead_beef)
        #expect(header?.servesDHT == true)
    }

    @Test func `handshakes have their sizes`() {
        #expect(size(of: sent(.initiation, [])) == 480)
        #expect(size(of: sent(.dial, [])) == 480)
        let large = sent(.initiation, [UInt8](repeating: 1, count: 900))
        #expect(size(of: large) == 29 + 96 + 105 + 903)
        #expect(size(of: sent(.reset, [])) == 25)
    }

    @Test func `several messages ride in one response`() {
        var frames: [UInt8] = []
        let two: [[UInt8]] = [[1, 2, 3], [UInt8](repeating: 9, count: 200)]
        for message in two { PlainPacket.appendFrame(message.span.bytes, to: &frames) }
        let packet = sent(.response, frames, isFrames: true)
        #expect(messages(in: packet) == two)
        #expect(size(of: packet) == 9 + 48 + 105 + 26 + frames.count)
        #expect(frames.count <= PlainPacket.responseRoom(introduction: 105))
    }
}
