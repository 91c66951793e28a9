/// Streams from their doors: credit, priorities, resets, bounds.

import AROPrimitives
import AROWire
import Testing

@testable import AROTransport

@Suite struct StreamTests {
    @Test("Overlapping pieces in any order make the stream", arguments: [1, 2, 3, 4] as [UInt64])
    func overlapping(seed: UInt64) {
        var generator = Generator(seed: seed)
        let data = patterned(30_000, seed: seed)
        let pair = Pair()
        pair.readsAll = generator.chance(1, in: 2)
        var missing = AROPrimitives.RangeSet()
        missing.insert(0..<30_000)
        while let hole = missing.first {
            var low = generator.below(30_000)
            if generator.chance(1, in: 3) { low = Int(hole.lowerBound) }
            let high = min(low + 1 + generator.below(3_000), 30_000)
            missing.remove(UInt64(low)..<UInt64(high))
            let violation = pair.attack(
                Crafted.stream(
                    0, at: UInt64(low), Array(data[low..<high]), isLast: high == 30_000))
            #expect(violation == nil)
        }
        pair.take(0, at: .b, atMost: 7)
        pair.take(0, at: .b, atMost: 12_345)
        pair.take(0, at: .b)
        #expect(pair.read[1][0] == data, "seed \(seed)")
        #expect(pair.finished[1] == [0])
    }

    @Test("A reader that does not read stops the writer at the window, and no memory grows")
    func backpressure() {
        var configuration = TransportConfiguration()
        configuration.streamWindow = 100_000
        let pair = Pair(configuration: configuration)
        pair.readsAll = false
        let data = patterned(1 << 20)
        let id = pair.offer(data)
        pair.run(for: .seconds(10))
        #expect(pair.a.statistics.streamBytesOut == 100_000)
        #expect(pair.b.statistics.receiveBufferBytes <= 1 << 17)
        #expect(pair.a.nextDeadline == nil)
        pair.readsAll = true
        pair.take(id, at: .b)
        pair.run(for: .seconds(10))
        #expect(pair.read[1][id] == data)
    }

    @Test("Windows grow until a 300 ms path is full that holds nine first windows")
    func autotuning() {
        var link = LinkModel(delay: .milliseconds(150), rate: 32_000_000)
        link.queue = 4 << 20
        var configuration = TransportConfiguration()
        (configuration.streamWindow, configuration.connectionWindow) = (128 << 10, 256 << 10)
        let pair = Pair(link, configuration: configuration)
        _ = pair.offer(patterned(16 << 20))
        pair.run(for: .milliseconds(3_500))
        let before = pair.read[1][0]?.count ?? 0
        pair.run(for: .milliseconds(1_500))
        let rate = Double((pair.read[1][0]?.count ?? 0) - before) * 8 / 1.5
        #expect(rate > 26_000_000)
    }

    @Test("A writer hears when there is room again")
    func writable() {
        var configuration = TransportConfiguration()
        configuration.sendHighWater = 10_000
        let pair = Pair(configuration: configuration)
        let id = pair.a.openStream(priority: .interactive)!
        #expect(pair.a.room(in: id) == 10_000)
        #expect(pair.writeAtA(patterned(1 << 20), to: id))
        #expect(pair.a.room(in: id) == 0)
        #expect(!pair.writeAtA([1], to: id))
        pair.run(for: .seconds(10))
        #expect(pair.events[0] == [.writable(id)])
        #expect(pair.a.room(in: id) == 10_000)
    }

    @Test("Inference goes before interactive before background")
    func priorities() {
        let pair = Pair(LinkModel(delay: .milliseconds(10), rate: 20_000_000))
        let background = pair.offer(patterned(1 << 20), priority: .background)
        let interactive = pair.offer(patterned(1 << 20), priority: .interactive)
        pair.run(for: .milliseconds(100))
        let inference = pair.offer(patterned(1 << 18), priority: .inference)
        var order: [UInt64] = []
        for id in [inference, interactive, background] {
            let arrived = pair.run(atMost: .seconds(10)) { $0.finished[1].contains(id) }
            #expect(arrived)
            order += pair.finished[1].subtracting(order).sorted()
        }
        #expect(order == [inference, interactive, background])
    }

    @Test("Equals take turns")
    func roundRobin() {
        let pair = Pair(LinkModel(delay: .milliseconds(10), rate: 20_000_000))
        let ids = (0..<4).map { _ in pair.offer(patterned(1 << 20)) }
        pair.run(for: .milliseconds(700))
        let counts = ids.map { pair.read[1][$0]?.count ?? 0 }
        #expect(counts.min()! > 100_000)
        #expect(counts.max()! - counts.min()! < 200_000)
    }

    @Test("A thousand streams one after another, where two hundred may be open")
    func manyStreams() {
        let pair = Pair(LinkModel(delay: .milliseconds(1)))
        var opened = 0
        for _ in 0..<1_000 {
            guard let id = pair.a.openStream(priority: .interactive) else { break }
            opened += 1
            _ = pair.writeAtA([1, 2, 3], to: id)
            pair.a.finish(id)
            pair.run(for: .milliseconds(60))
            #expect(pair.answer([4], on: id))
            pair.run(for: .milliseconds(60))
        }
        #expect(opened == 1_000)
        #expect(pair.read[0].count == 1_000)
        #expect(pair.b.statistics.streamsOpen == 0)
    }

    @Test("No more streams open than the peer allows")
    func openLimit() {
        let pair = Pair()
        var ids: [UInt64] = []
        while let id = pair.a.openStream(priority: .background) { ids.append(id) }
        #expect(ids == (0..<200).map { $0 * 2 })
        #expect(pair.b.openStream(priority: .background) == 1)
    }

    @Test("A reset is told, gives the connection's credit back, and frees the stream")
    func reset() {
        let pair = Pair()
        pair.readsAll = false
        // Ten streams of 1 MiB that are never read: more than the connection's window of 4 MiB.
        for _ in 0..<10 {
            let id = pair.a.openStream(priority: .interactive)!
            #expect(pair.writeAtA(patterned(1 << 20), to: id))
            pair.run(for: .seconds(2))
            pair.a.reset(id, code: 77)
            pair.b.reset(id, code: 78)
            pair.run(for: .seconds(2))
            #expect(pair.events[1].contains(.reset(id, code: 77)))
            #expect(pair.events[0].contains(.reset(id, code: 78)))
        }
        #expect(pair.a.statistics.streamsOpen == 0)
        #expect(pair.b.statistics.streamsOpen == 0)
        #expect(pair.b.statistics.receiveBufferBytes == 0)
        #expect(pair.violations.isEmpty)
    }

    @Test("A reader that stops makes the writer reset, even over loss")
    func stop() {
        var link = LinkModel()
        link.loss = 200
        let pair = Pair(link, seed: 3)
        pair.readsAll = false
        let id = pair.a.openStream(priority: .interactive)!
        #expect(pair.writeAtA(patterned(1 << 20), to: id))
        pair.run(for: .milliseconds(200))
        pair.b.stop(id, code: 9)
        pair.b.finish(id)
        pair.run(for: .seconds(30))
        #expect(pair.events[0].contains(.stopped(id, code: 9)))
        #expect(!pair.writeAtA([1], to: id))
        pair.take(id, at: .a)
        #expect(pair.a.statistics.streamsOpen == 0)
        #expect(pair.b.statistics.streamsOpen == 0)
        #expect(pair.violations.isEmpty)
    }

    @Test("An empty stream is a stream")
    func empty() {
        let pair = Pair()
        let id = pair.a.openStream(priority: .interactive)!
        pair.a.finish(id)
        pair.run(for: .seconds(1))
        #expect(pair.finished[1] == [id])
        #expect(pair.read[1][id] == [])
        #expect(pair.events[0] == [.delivered(id)])
    }

    @Test("One byte at the far end of many windows does not make a peer rich")
    func farBytes() {
        let pair = Pair()
        let configuration = TransportConfiguration()
        for i in 0..<UInt64(configuration.streamsMax) {
            _ = pair.attack(Crafted.stream(i * 2, at: configuration.streamWindow / 64, [1]))
        }
        #expect(
            pair.b.statistics.receiveBufferBytes <= 2 * Int(configuration.connectionWindow))
    }

    @Test("A stream torn into too many holes is refused as if lost, then mended in order")
    func holes() {
        var configuration = TransportConfiguration()
        configuration.receiveHolesMax = 50
        let pair = Pair(configuration: configuration)
        for _ in 0..<20 {
            for i in 0..<500 {
                #expect(pair.attack(Crafted.stream(0, at: UInt64(i) * 2 + 1, [9])) == nil)
            }
        }
        let far = TransportConfiguration().streamWindow - 1
        for _ in 0..<9 { #expect(pair.attack(Crafted.stream(0, at: far, [9])) == nil) }
        for i in 0..<500 {
            #expect(pair.attack(Crafted.stream(0, at: UInt64(i) * 2, [8, 9])) == nil)
        }
        pair.take(0, at: .b)
        let expected = [[UInt8]](repeating: [8, 9], count: 500).flatMap { $0 }
        #expect(pair.read[1][0] == expected)
    }

    @Test("Small writes are gathered and arrive in order")
    func smallWrites() {
        let pair = Pair()
        let id = pair.a.openStream(priority: .inference)!
        let data = patterned(50_000)
        var offset = 0
        while offset < data.count {
            let end = min(offset + 7, data.count)
            #expect(pair.writeAtA(Array(data[offset..<end]), to: id))
            offset = end
        }
        pair.a.finish(id)
        pair.run(for: .seconds(3))
        #expect(pair.read[1][id] == data)
    }

    @Test("Both directions at once, many streams, over a bad link", arguments: [1, 2] as [UInt64])
    func everything(seed: UInt64) {
        var link = LinkModel(delay: .milliseconds(20), rate: 50_000_000)
        (link.loss, link.reordering, link.duplication) = (30, 50, 20)
        let pair = Pair(link, seed: seed)
        let offers = (0..<20).map { patterned(10_000 + $0 * 7_919, seed: UInt64($0)) }
        let ids = offers.map { pair.offer($0) }
        pair.run(for: .seconds(20))
        for (id, data) in zip(ids, offers) {
            #expect(pair.read[1][id] == data)
            #expect(pair.answer(Array(data.reversed()), on: id))
        }
        pair.run(for: .seconds(20))
        for (id, data) in zip(ids, offers) { #expect(pair.read[0][id] == data.reversed()) }
        #expect(pair.a.statistics.streamsOpen == 0)
        #expect(pair.b.statistics.streamsOpen == 0)
        #expect(pair.violations.isEmpty)
    }
}
