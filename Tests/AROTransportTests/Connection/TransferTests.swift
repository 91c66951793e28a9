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
        print("hard link:", (pair.now - .origin).seconds, "s", statistics)
        // Spurious retransmissions: what was sent beyond the data stays near what was lost.
        #expect(statistics.streamBytesOut < UInt64(data.count) * 150 / 100)
    }

    @Test("A clean 100 Mbit/s path of 50 ms is filled to 80 % and more")
    func cleanLink() {
        var link = LinkModel(delay: .milliseconds(25), rate: 100_000_000)
        link.queue = 625_000
        let pair = Pair(link)
        let data = patterned(50 << 20)
        _ = pair.offer(data)
        let start = pair.now
        let arrived = pair.run(atMost: .seconds(20)) { $0.finished[1].contains(0) }
        let seconds = (pair.now - start).seconds
        print("clean link:", seconds, "s", pair.a.statistics)
        #expect(arrived)
        #expect(Double(data.count) * 8 / seconds >= 80_000_000)
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
