/// Congestion control on a path: queues, fairness, pacing.

import AROPrimitives
import Testing

@testable import AROTransport

@Suite struct PathSharingTests {
    @Test("Slow start ends long before a deep queue overflows")
    func hyStartOnPath() {
        // 50 Mbit/s and 60 ms hold 375 kB; the queue holds eight times that.
        var link = LinkModel(delay: .milliseconds(30), rate: 50_000_000)
        link.queue = 3_000_000
        let pair = Pair(link)
        _ = pair.offer(patterned(8 << 20))
        let arrived = pair.run(atMost: .seconds(20)) { $0.finished[1].contains(0) }
        #expect(arrived)
        #expect(pair.droppedByQueue == 0)
        #expect(pair.a.statistics.lostPackets == 0)
    }

    @Test("Packets of a window are spread over the round trip")
    func pacing() {
        let link = LinkModel(delay: .milliseconds(50), rate: 100_000_000)
        let pair = Pair(link)
        _ = pair.offer(patterned(40 << 20))
        pair.run(for: .milliseconds(2_500))
        pair.recordsDepartures = true
        let start = pair.now
        pair.run(for: .milliseconds(100))
        var slots = [Int](repeating: 0, count: 20)
        for departure in pair.departures where departure.from == .a {
            let slot = (departure.at - start).nanoseconds / 5_000_000
            slots[min(Int(slot), 19)] += departure.bytes
        }
        let total = slots.reduce(0, +)
        #expect(total > 500_000)
        #expect(slots.max()! < total / 8)
        #expect(slots.filter { $0 > 0 }.count >= 16)
    }

    @Test("The first flight is no more than the initial window")
    func initialWindow() {
        let pair = Pair(LinkModel(delay: .milliseconds(100)))
        pair.recordsDepartures = true
        _ = pair.offer(patterned(1 << 20))
        pair.run(for: .milliseconds(150))
        let sent = pair.departures.filter { $0.from == .a }.reduce(0) { $0 + $1.bytes }
        #expect(sent <= 12_320)
        #expect(sent > 10_000)
    }

    @Test("Two flows share a bottleneck, neither below a quarter")
    func fairness() {
        var link = LinkModel(delay: .milliseconds(20), rate: 20_000_000)
        link.queue = 100_000
        let first = Pair(link)
        let second = Pair(link, seed: 2)
        second.bottleneck = first.bottleneck
        _ = first.offer(patterned(40 << 20))
        Pair.runTogether([first, second], for: .seconds(2))
        _ = second.offer(patterned(40 << 20))
        Pair.runTogether([first, second], for: .seconds(10))
        let before = [first, second].map { $0.read[1][0]?.count ?? 0 }
        Pair.runTogether([first, second], for: .seconds(15))
        let after = [first, second].map { $0.read[1][0]?.count ?? 0 }
        let rates = zip(after, before).map { Double($0 - $1) * 8 / 15 }
        #expect(rates.reduce(0, +) > 16_000_000)
        #expect(rates.min()! > rates.reduce(0, +) / 4)
    }
}
