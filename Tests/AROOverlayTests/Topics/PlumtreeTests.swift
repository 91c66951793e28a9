import AROCrypto
import AROPrimitives
import AROWire
import Testing

@testable import AROOverlay

@Suite("Plumtree over given links")
struct PlumtreeTests {
    private static let seed: UInt64 = 3

    private func report(_ label: String, _ figures: TopicsWorld.Figures) {
        print(
            """
            \(label): redundancy \(figures.redundancy), last hop \(figures.lastHop) (at most \
            \(figures.lastHopMax)), missed \(figures.missed), latency \
            \(figures.latency) s (at most \(figures.latencyMax)), messages per delivery \
            \(figures.messages), seed \(Self.seed)
            """)
    }

    @Test("after the first post a tree is left: few duplicates, and nobody is missed")
    func oneSender() {
        let world = TopicsWorld.regular(1_000, seed: Self.seed)
        let first = world.broadcast(1) { _ in 0 }
        report("the first post", first)
        #expect(first.missed == 0)
        #expect(first.redundancy > 1, "the first post floods")
        let later = world.broadcast(40) { _ in 0 }
        report("one sender", later)
        #expect(later.missed == 0)
        #expect(later.doubled == 0)
        #expect(later.redundancy < 0.2)
        #expect(later.lastHopMax <= 15)
        #expect(world.largestMessage <= WireLimits.messageMax)
    }

    @Test("many senders share the tree")
    func manySenders() {
        let world = TopicsWorld.regular(1_000, seed: Self.seed)
        var generator = Generator(seed: Self.seed)
        let figures = world.broadcast(40) { _ in generator.below(1_000) }
        report("many senders", figures)
        #expect(figures.missed == 0)
        #expect(figures.doubled == 0)
        #expect(figures.redundancy < 1)
    }

    @Test("nothing is missed where one message in ten is lost")
    func loss() {
        let world = TopicsWorld.regular(1_000, seed: Self.seed)
        _ = world.broadcast(3) { _ in 0 }
        world.loss = 10
        let figures = world.broadcast(40) { _ in 0 }
        report("10 % loss", figures)
        #expect(figures.missed == 0)
        #expect(figures.doubled == 0)
        #expect(figures.redundancy < 0.5)
        let missed = world.nodes.reduce(0) { $0 + $1.missed }
        #expect(missed == 0)
    }

    @Test("nothing is missed on a line, which has no lazy links, where one in ten is lost")
    func lossOnALine() {
        let world = TopicsWorld.regular(20, degree: 2, seed: Self.seed)
        world.loss = 10
        let figures = world.broadcast(60, settle: .seconds(60)) { _ in 0 }
        report("10 % loss on a circle", figures)
        #expect(figures.missed == 0)
    }

    @Test("half of the nodes die: the tree heals over the links that are left")
    func healing() {
        let world = TopicsWorld.regular(1_000, degree: 8, seed: Self.seed)
        _ = world.broadcast(5) { _ in 0 }
        for i in 1..<1_000 where i % 2 == 1 { world.kill(i) }
        let during = world.broadcast(10) { _ in 0 }
        report("while healing", during)
        let after = world.broadcast(30) { _ in 0 }
        report("after half died", after)
        let cutOff = world.live.count - world.reachable(from: 0).count
        #expect(cutOff < 50)
        #expect(after.missed == 30 * cutOff)
        #expect(after.redundancy < 0.2)
    }
}
