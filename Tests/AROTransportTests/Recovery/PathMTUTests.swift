/// RFC 8899: how large datagrams may be.

import AROPrimitives
import AROWire
import Testing

@testable import AROTransport

@Suite struct PathMTUTests {
    private func pair(_ mtu: Int, max: Int) -> Pair {
        var link = LinkModel(delay: .milliseconds(3), rate: 100_000_000)
        (link.mtu, link.queue) = (mtu, 4 << 20)
        var configuration = TransportConfiguration()
        configuration.datagramMax = max
        return Pair(link, configuration: configuration)
    }

    @Test(
        "The search ends within 8 bytes below what the path takes",
        arguments: [
            (1_500, 1_452), (1_400, 1_452), (1_300, 1_452), (1_232, 1_452), (9_000, 8_952),
            (4_000, 8_952), (65_535, 65_000), (1_452, 8_952),
        ])
    func search(mtu: Int, max: Int) {
        let pair = pair(mtu, max: max)
        pair.recordsDepartures = true
        _ = pair.offer(patterned(2 << 20))
        pair.run(for: .seconds(30))
        #expect(pair.finished[1].contains(0))
        let found = pair.a.statistics.datagramSize
        #expect(found <= min(mtu, max))
        #expect(found >= min(mtu, max) - 8)
        // Failed probes are no congestion, and each size is tried three times at most.
        #expect(pair.a.statistics.lostPackets == 0)
        let probes = pair.departures.filter { $0.isProbe }
        #expect(Dictionary(grouping: probes) { $0.bytes }.values.allSatisfy { $0.count <= 3 })
        #expect(probes.count <= 40)
    }

    @Test("A lookup's worth of messages and a small stream pay no probe")
    func noProbes() {
        let pair = pair(1_500, max: 65_000)
        pair.recordsDepartures = true
        for i in 0..<40 { _ = pair.send([UInt8(i)], from: .a) }
        _ = pair.offer(patterned(20_000))
        pair.run(for: .seconds(5))
        #expect(!pair.departures.contains { $0.isProbe })
    }

    @Test("When large packets begin to vanish, the connection goes on with smaller ones")
    func blackHole() {
        let pair = pair(1_500, max: 1_452)
        let data = patterned(8 << 20)
        let id = pair.offer(data)
        let found = pair.run(atMost: .seconds(30)) { $0.a.statistics.datagramSize == 1_452 }
        #expect(found)
        pair.links[0].mtu = 1_300
        let arrived = pair.run(atMost: .seconds(60)) { $0.finished[1].contains(0) }
        #expect(arrived)
        #expect(pair.read[1][id] == data)
        #expect(pair.a.statistics.datagramSize <= 1_300)
    }

    @Test("A peer's smaller buffer is respected")
    func peerMax() {
        var configuration = TransportConfiguration()
        configuration.datagramMax = 65_000
        let pair = Pair(
            LinkModel(), configuration: configuration,
            parameters: { $0.datagramMax = 1_350 })
        _ = pair.offer(patterned(1 << 20))
        pair.run(for: .seconds(20))
        #expect(pair.a.statistics.datagramSize == 1_350)
    }

    @Test("What did not get through is tried again after ten minutes")
    func raise() {
        var mtu = PathMTU(TransportConfiguration(), peerMax: 65_000)
        let now = Instant.origin
        while let size = mtu.dueProbe {
            mtu.probeSent()
            mtu.probeLost(size: size, at: now)
        }
        #expect(mtu.current == WireLimits.datagramFloor)
        mtu.raiseIfDue(at: now + .seconds(599))
        #expect(mtu.dueProbe == nil)
        mtu.raiseIfDue(at: now + .seconds(600))
        #expect(mtu.dueProbe == 1_452)
    }
}
