import AROPrimitives
import AROWire
import Testing

@testable import AROOverlay

@Suite("Look-ups in a world of messages")
struct KademliaLookupTests {
    static func world(_ count: Int, seed: UInt64) -> KademliaWorld {
        let world = KademliaWorld(seed: seed)
        for _ in 0..<count { world.addNode() }
        world.connectAll()
        return world
    }

    @Test("among 1,000 nodes every look-up finds the true closest, in few hops")
    func findsClosest() throws {
        let world = Self.world(1_000, seed: 1)
        var exact = 0
        var messages = 0
        var hops: [Int] = []
        var times: [Duration] = []
        for i in 0..<100 {
            let key = world.randomKey()
            let node = i * 7 % 1_000
            let ended = try #require(world.lookup(node, key))
            guard case .closest(let found) = ended.outcome else {
                Issue.record("ended with \(ended.outcome)")
                continue
            }
            let truth = world.closest(to: key, 20, excluding: node)
            #expect(found.first == truth.first, "seed 1, look-up \(i)")
            exact += found == truth ? 1 : 0
            messages += ended.report.messages
            hops.append(ended.report.hops)
            times.append(ended.report.elapsed)
        }
        #expect(exact >= 98, "all 20 nearest")
        #expect(hops.max()! <= 5)
        times.sort()
        print(
            "1,000 nodes: exact \(exact) of 100, messages", Double(messages) / 100, "hops",
            Double(hops.reduce(0, +)) / 100, "p50", times[50].milliseconds, "p95",
            times[95].milliseconds)
    }
}
