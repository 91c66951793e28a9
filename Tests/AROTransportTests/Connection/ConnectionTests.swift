/// Messages, probes, paths, closing, quiet.

import AROPrimitives
import AROWire
import Testing

@testable import AROTransport

@Suite struct ConnectionTests {
    @Test("Forty messages one by one cost two pings and as many acknowledgements")
    func loneMessages() {
        let pair = Pair()
        for i in 0..<40 {
            #expect(pair.send([UInt8(i)], from: .a))
            pair.run(for: .milliseconds(200))
        }
        #expect(pair.messages[1] == (0..<40).map { [UInt8($0)] })
        #expect(pair.b.statistics.packetsOut == 2)
        #expect(pair.a.statistics.packetsOut == 40)
    }

    @Test("A flood of messages into a dead path is held back, the oldest dropped and counted")
    func messageFlood() {
        var link = LinkModel()
        link.loss = 1_000
        let pair = Pair(link)
        for _ in 0..<1_000 {
            #expect(pair.send(patterned(1_000), from: .a))
            pair.run(for: .milliseconds(1))
        }
        let configuration = TransportConfiguration()
        let statistics = pair.a.statistics
        #expect(statistics.packetsOut < 60)
        #expect(
            statistics.droppedMessages
                >= UInt64(1_000 - configuration.messagesMax - 60))
    }

    @Test("The queue of messages is bounded, the newest stay")
    func messageBound() {
        var queue = MessageQueue(countMax: 8)
        for i in 0..<100 { queue.append([UInt8(i), 0].span.bytes) }
        #expect(queue.count == 8)
        #expect(queue.dropped == 92)
        var left: [UInt8] = []
        while !queue.isEmpty {
            left.append(queue.withFirst { $0[0] })
            queue.removeFirst()
        }
        #expect(left == Array(92..<100))
    }

    @Test("A message of the largest size goes, a larger one is refused")
    func messageSize() {
        let pair = Pair()
        #expect(pair.send(patterned(WireLimits.messageMax), from: .a))
        #expect(!pair.send(patterned(WireLimits.messageMax + 1), from: .a))
        pair.run(for: .seconds(1))
        #expect(pair.messages[1].map(\.count) == [WireLimits.messageMax])
    }

    @Test("The largest messages go on while acknowledgements are large too")
    func messagesBesideAcks() {
        var link = LinkModel(delay: .milliseconds(20))
        (link.loss, link.reordering) = (200, 200)
        let pair = Pair(link, seed: 5)
        _ = pair.offer(patterned(300_000))
        for _ in 0..<200 {
            _ = pair.send(patterned(WireLimits.messageMax), from: .b)
            pair.run(for: .milliseconds(50))
        }
        #expect(pair.messages[0].count > 120)
        #expect(pair.violations.isEmpty)
    }

    @Test("Small messages share a packet")
    func coalesced() {
        let pair = Pair()
        for i in 0..<50 { #expect(pair.send([UInt8(i)], from: .a)) }
        pair.run(for: .seconds(1))
        #expect(pair.messages[1].count == 50)
        #expect(pair.delivered == 1)
    }

    @Test("A small first buffer takes what fits, the rest follows")
    func smallBuffer() {
        let pair = Pair()
        #expect(pair.send(patterned(900), from: .a))
        #expect(pair.send(patterned(900, seed: 2), from: .a))
        var bytes = [UInt8](repeating: 0, count: 1_000)
        var counts: [Int] = []
        bytes.withUnsafeMutableBytes {
            counts.append(pair.a.write(into: $0, packetNumber: 0, at: pair.now).count)
            let none = UnsafeMutableRawBufferPointer(rebasing: $0[..<20])
            counts.append(pair.a.write(into: none, packetNumber: 1, at: pair.now).count)
            counts.append(pair.a.write(into: $0, packetNumber: 1, at: pair.now).count)
        }
        #expect(counts == [903, 0, 903])
    }

    @Test("A ping is acknowledged, and then both sides are quiet for ever")
    func ping() {
        let pair = Pair()
        pair.a.ping()
        pair.run(for: .seconds(1))
        #expect(pair.b.statistics.packetsOut == 1)
        #expect(pair.a.statistics.hasRoundTrip)
        #expect(pair.a.nextDeadline == nil)
        #expect(pair.b.nextDeadline == nil)
    }

    @Test("The handshake's round trip is the first sample")
    func sampled() {
        let pair = Pair()
        pair.a.sampled(roundTrip: .milliseconds(40), at: pair.now)
        #expect(pair.a.statistics.smoothedRoundTrip == .milliseconds(40))
        #expect(pair.a.statistics.hasRoundTrip)
    }

    @Test("A lost ping is probed for, with backoff, until the path is back")
    func probes() {
        var link = LinkModel()
        link.loss = 1_000
        let pair = Pair(link)
        pair.a.ping()
        pair.run(for: .seconds(60))
        #expect(pair.a.statistics.probeTimeouts >= 6)
        #expect(pair.a.statistics.packetsOut < 30)
        pair.links[0].loss = 0
        pair.links[1].loss = 0
        pair.run(for: .seconds(11))
        #expect(pair.a.statistics.hasRoundTrip)
        #expect(pair.a.statistics.bytesInFlight == 0)
    }

    @Test("A path challenge is answered, and repeated until it is")
    func pathChallenge() {
        let pair = Pair()
        pair.links[0].loss = 1_000
        pair.a.challengePath(0xdead_beef)
        pair.run(for: .seconds(3))
        #expect(pair.events[0].isEmpty)
        pair.links[0].loss = 0
        pair.run(for: .seconds(5))
        #expect(pair.events[0] == [.pathResponded(0xdead_beef)])
    }

    @Test("A challenge goes though the window is full, and a changed path empties the window")
    func challengeBesideTransfer() {
        let pair = Pair(LinkModel(delay: .milliseconds(100)))
        _ = pair.offer(patterned(4 << 20))
        pair.run(for: .milliseconds(850))
        pair.recordsDepartures = true
        pair.a.challengePath(7)
        pair.flush(.a)
        #expect(pair.departures.map(\.isAckEliciting) == [true])
        #expect(pair.departures[0].bytes < 60)
        pair.a.pathChanged(at: pair.now)
        #expect(pair.a.statistics.bytesInFlight == 0)
        pair.run(for: .seconds(5))
        #expect(pair.events[0].contains(.pathResponded(7)))
        #expect(pair.finished[1] == [0])
        #expect(pair.a.statistics.bytesInFlight == 0)
    }

    @Test("A path response that nobody asked for is nothing")
    func strayResponse() {
        let pair = Pair()
        var frame: [UInt8] = [FrameType.pathResponse]
        frame.appendU64(1)
        #expect(pair.attack(frame) == nil)
        #expect(pair.events[1].isEmpty)
    }

    @Test("A new path starts with a small window and the smallest MTU, and the transfer goes on")
    func migration() {
        let pair = Pair(LinkModel(delay: .milliseconds(20), rate: 100_000_000))
        let data = patterned(12 << 20)
        let id = pair.offer(data)
        pair.run(for: .milliseconds(600))
        #expect(pair.a.statistics.congestionWindow > 100_000)
        #expect(pair.a.statistics.datagramSize == 1_452)
        pair.a.pathChanged(at: pair.now)
        #expect(pair.a.statistics.congestionWindow == 12_320)
        #expect(pair.a.statistics.datagramSize == 1_232)
        #expect(!pair.a.statistics.hasRoundTrip)
        let arrived = pair.run(atMost: .seconds(30)) { $0.finished[1].contains(id) }
        #expect(arrived)
        #expect(pair.read[1][id] == data)
    }

    @Test("Closing tells the peer the code and the reason, once")
    func close() {
        let pair = Pair()
        _ = pair.offer(patterned(1_000))
        pair.a.close(.shuttingDown, text: String(repeating: "ü", count: 100))
        pair.run(for: .seconds(5))
        let text = [UInt8](String(repeating: "ü", count: 64).utf8)
        #expect(pair.events[1] == [.closed(code: .shuttingDown, text: text)])
        #expect(pair.delivered == 1)
        #expect(pair.a.nextDeadline == nil)
        #expect(!pair.send([1], from: .a))
        #expect(pair.a.openStream(priority: .interactive) == nil)
    }

    @Test("Packets that come again are counted and ignored")
    func duplicates() {
        var link = LinkModel()
        link.duplication = 1_000
        let pair = Pair(link)
        for i in 0..<20 {
            _ = pair.send([UInt8(i)], from: .a)
            pair.run(for: .milliseconds(10))
        }
        pair.run(for: .seconds(1))
        #expect(pair.messages[1].count == 20)
        #expect(pair.b.statistics.duplicatePackets == 20)
    }

    @Test("An owner that may not write for a while is not called without end")
    func noSpinning() {
        let pair = Pair()
        _ = pair.offer(patterned(100_000))
        pair.flush(.a)
        var calls = 0
        var now = pair.now
        while let deadline = pair.a.nextDeadline, deadline < pair.now + .seconds(60) {
            #expect(deadline >= now)
            now = max(deadline, now)
            pair.a.deadlinePassed(at: now)
            calls += 1
            if calls > 100 { break }
        }
        #expect(calls < 30)
    }

    @Test("The same seed gives the same packets")
    func deterministic() {
        func departures() -> [[Int64]] {
            var link = LinkModel(delay: .milliseconds(30), rate: 30_000_000)
            (link.loss, link.reordering, link.jitter) = (20, 30, .milliseconds(3))
            let pair = Pair(link, seed: 11)
            pair.recordsDepartures = true
            for i in 0..<8 { _ = pair.offer(patterned(200_000, seed: UInt64(i))) }
            pair.run(for: .seconds(5))
            return pair.departures.map {
                [$0.at.nanoseconds, Int64($0.bytes), Int64($0.from.rawValue)]
            }
        }
        let first = departures()
        #expect(first.count > 1_000)
        #expect(first == departures())
    }
}
