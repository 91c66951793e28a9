import AROPrimitives
import AROWire
import Testing

@testable import AROOverlay

@Suite("Announcements in networks larger than their directories")
struct AnnouncementScaleTests {
    /// A network that grew and settled.
    private func settled(_ count: Int, capacity: Int, seed: UInt64) -> AnnouncementWorld {
        var configuration = AnnouncementConfiguration()
        configuration.directoryMax = capacity
        let world = AnnouncementWorld(seed: seed, configuration)
        for i in 0..<count {
            world.addNode()
            for _ in 0..<3 where i > 0 { world.link(i, world.generator.below(i)) }
            world.run(for: .milliseconds(100))
        }
        world.run(for: .minutes(3))
        return world
    }

    private func rate(_ world: AnnouncementWorld, over time: Duration) -> Double {
        world.resetCounts()
        world.run(for: time)
        return Double(world.messages) / Double(world.nodes.count) / time.seconds
    }

    @Test("what a node sends does not grow with the network")
    func flat() {
        let small = rate(settled(24, capacity: 24, seed: 1), over: .minutes(12))
        let large = settled(192, capacity: 24, seed: 2)
        let rate = rate(large, over: .minutes(12))
        #expect(rate <= 2 * small, "\(rate) packets a second, \(small) in the small network")
        for node in large.nodes {
            #expect(node.announcements.count <= 24)
            #expect(node.announcements.count >= 20)
        }
    }

    @Test("a full directory finds out that a member of its sample is gone")
    func gone() {
        let world = settled(96, capacity: 16, seed: 3)
        let victim = world.nodes[40].handle
        func holders() -> Int {
            world.nodes.indices.count { $0 != 40 && world.knows($0, 40) }
        }
        #expect(holders() > 0)
        world.kill(40)
        world.run(for: .minutes(65))
        #expect(holders() == 0)
        #expect(world.nodes[0].announcements.state(of: victim, book: world.book) != .alive)
    }
}
