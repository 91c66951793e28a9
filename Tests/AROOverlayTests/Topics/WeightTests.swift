import AROPrimitives
import AROWire
import Testing

@testable import AROOverlay

@Suite("The weight of topics")
struct WeightTests {
    @Test("a subscription at rest takes a few kilobytes, an idle node next to nothing")
    func weights() {
        let swarm = MemoryLayout<Topics.Swarm>.stride
        let node = MemoryLayout<Topics>.stride
        print(
            """
            a node \(node) bytes; a subscription \(swarm), of it HyParView \
            \(MemoryLayout<HyParView>.stride), Plumtree \(MemoryLayout<Plumtree>.stride), \
            Subscription \(MemoryLayout<Subscription>.stride); a neighbour \
            \(MemoryLayout<Plumtree.Neighbour>.stride), a publisher \
            \(MemoryLayout<Publishers.Row>.stride), a remembered post \
            \(MemoryLayout<RememberedPost>.stride) and its bytes
            """)
        #expect(swarm < 4_096)
        #expect(node < 2_048)
    }

    @Test("a swarm without posts is silent but for its membership, and forgets what it carried")
    func silence() {
        let world = TopicsWorld.regular(20, seed: 30)
        _ = world.broadcast(3, settle: .minutes(2)) { _ in 0 }
        let before = world.messages
        world.run(for: .minutes(5))
        #expect(world.messages == before)
        for i in world.live { #expect(world.tree(i).log.count == 0) }
    }
}
