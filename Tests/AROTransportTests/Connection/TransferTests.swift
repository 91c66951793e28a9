/// Streams and messages from end to end, over good links and bad ones.

import AROPrimitives
import Testing

@testable import AROTransport

@Suite struct TransferTests {
    @Test("A stream arrives as it was written, and both sides forget it")
    func roundTrip() {
        let pair = Pair()
        let data = patterned(100_000)
        let id = pair.offer(data)
        pair.run(for: .seconds(2))
        #expect(pair.read[1][id] == data)
        #expect(pair.finished[1].contains(id))
        #expect(pair.events[0].contains(.delivered(id)))
        #expect(pair.events[1].contains(.streamOpened(id)))
        let answer = patterned(5_000, seed: 2)
        #expect(pair.answer(answer, on: id))
        pair.run(for: .seconds(2))
        #expect(pair.read[0][id] == answer)
        let open = (pair.a.statistics.streamsOpen, pair.b.statistics.streamsOpen)
        #expect(open == (0, 0))
        #expect(pair.violations.isEmpty)
    }

    @Test("10 MiB arrive over 20 % loss, reordering, duplication and 300 ms")
    func hardLink() {
        var link = LinkModel(delay: .milliseconds(150))
        (link.loss, link.reordering, link.duplication) = (200, 100, 50)
        link.reorderDelay = .milliseconds(60)
        let pair = Pair(link, seed: 7)
        let data = patterned(10 << 20)
        let id = pair.offer(data)
        let arrived = pair.run(atMost: .seconds(7_200)) { $0.finished[1].contains(0) }
        #expect(arrived)
        #expect(pair.read[1][id] == data)
        #expect(pair.violations.isEmpty)
        let statistics = pair.a.statistics
        // Spurious retransmissions: what was sent beyond the data stays near what was lost.
        #expect(statistics.streamBytesOut < UInt64(data.count) * 150 / 100)
    }

    @Test("A clean 100 Mbit/s path of 50 ms is filled to 80 % and more")
    func cleanLink() {
        var link = LinkModel(delay: .milliseconds(25), rate: 100_000_000)
        link.queue = 625_000
        let pair = Pair(link)
        let data = patterned(30 << 20)
        _ = pair.offer(data)
        let start = pair.now
        let arrived = pair.run(atMost: .seconds(20)) { $0.finished[1].contains(0) }
        let seconds = (pair.now - start).seconds
        #expect(arrived)
        #expect(Double(data.count) * 8 / seconds >= 80_000_000)
    }

    @Test("Without loss nothing is sent twice")
    func noRetransmission() {
        let pair = Pair(LinkModel(delay: .milliseconds(40)))
        let data = patterned(4 << 20)
        _ = pair.offer(data)
        pair.run(for: .seconds(10))
        #expect(pair.finished[1] == [0])
        #expect(pair.a.statistics.streamBytesOut == UInt64(data.count))
        #expect(pair.a.statistics.lostPackets == 0)
        #expect(pair.a.statistics.probeTimeouts == 0)
    }

    @Test("Reordering without loss costs few retransmissions once it is known")
    func reorderingOnly() {
        var link = LinkModel(delay: .milliseconds(40), rate: 50_000_000)
        (link.reordering, link.reorderDelay) = (50, .milliseconds(8))
        let pair = Pair(link, seed: 4)
        let data = patterned(8 << 20)
        let id = pair.offer(data)
        let arrived = pair.run(atMost: .seconds(60)) { $0.finished[1].contains(0) }
        #expect(arrived)
        #expect(pair.read[1][id] == data)
        let statistics = pair.a.statistics
        #expect(statistics.streamBytesOut < UInt64(data.count) * 103 / 100)
        #expect(statistics.spuriousLosses > 0)
    }

    @Test("A path that is dead for ten seconds is used again")
    func outage() {
        let pair = Pair(LinkModel(delay: .milliseconds(20), rate: 20_000_000))
        let data = patterned(4 << 20)
        let id = pair.offer(data)
        pair.run(for: .seconds(1))
        (pair.links[0].loss, pair.links[1].loss) = (1_000, 1_000)
        pair.run(for: .seconds(10))
        (pair.links[0].loss, pair.links[1].loss) = (0, 0)
        let arrived = pair.run(atMost: .seconds(15)) { $0.finished[1].contains(0) }
        #expect(arrived)
        #expect(pair.read[1][id] == data)
    }

    @Test("Messages arrive without a single acknowledgement")
    func messages() {
        let pair = Pair()
        #expect(pair.send([1, 2, 3], from: .a))
        pair.run(for: .seconds(1))
        #expect(pair.messages[1] == [[1, 2, 3]])
        #expect(pair.send([4], from: .b))
        pair.run(for: .seconds(1))
        #expect(pair.messages[0] == [[4]])
        #expect(pair.delivered == 2)
    }
}
