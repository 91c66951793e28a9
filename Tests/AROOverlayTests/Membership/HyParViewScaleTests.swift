import AROPrimitives
import Testing

@testable import AROOverlay

#if canImport(Glibc)
    import Glibc
#endif

@Suite("HyParView among many")
struct HyParViewScaleTests {
    private static let isHeavy = getenv("ARO_HEAVY") != nil

    private static func settled(seed: UInt64, _ count: Int, loss: Int = 0) -> MembershipWorld {
        let world = MembershipWorld(seed: seed)
        world.loss = loss
        world.grow(to: count, every: .milliseconds(100))
        world.run(for: .minutes(4))
        return world
    }

    @Test("a thousand nodes that join through one are connected, symmetric and evenly linked")
    func thousand() {
        let world = Self.settled(seed: 1, 1_000)
        #expect(world.isConnected)
        #expect(world.oneSided.isEmpty)
        let degrees = world.degrees
        #expect(degrees[5] >= 900 && degrees[0] + degrees[1] + degrees[2] == 0, "\(degrees)")
        // A random graph of degree 5 has 4 / 999 and, like the paper's, paths of ln N / ln 4.
        #expect(world.clustering < 0.01)
        let path = world.meanPath(from: 20)
        #expect(path > 4 && path < 5.5, "\(path)")
        for node in world.nodes {
            #expect(Set(node.told) == Set(node.view.active), "events tell the active view")
        }
        world.messages = 0
        world.run(for: .minutes(3))
        let rate = Double(world.messages) / 180 / 1_000
        #expect(rate < 0.1, "\(rate) messages per node and second at rest")
        #expect(world.largest <= WireBound.firstMessage)
    }

    @Test("with a tenth of all messages lost the views are connected and symmetric at rest")
    func loss() {
        let world = Self.settled(seed: 2, 600, loss: 10)
        #expect(world.isConnected, "\(world.components)")
        let underWay = world.nodes.reduce(0) { $0 + ($1.view.isAtRest ? 0 : 1) }
        #expect(world.oneSided.count <= underWay)
        world.loss = 0
        world.run(for: .seconds(30))
        #expect(world.oneSided.isEmpty)
        #expect(world.degrees[5] >= 480, "\(world.degrees)")
    }

    @Test("survivors of a mass failure heal to one connected graph", arguments: [30, 80])
    func massFailure(percent: Int) {
        let world = Self.settled(seed: 3, 400)
        world.kill(percent: percent)
        #expect(percent < 80 || !world.isConnected, "or nothing was to heal")
        world.run(for: .seconds(60))
        #expect(world.isConnected, "\(world.components)")
        #expect(world.oneSided.isEmpty)
        let full = world.degrees[5]
        #expect(full * 10 >= world.living.count * 7, "\(world.degrees)")
    }

    @Test("after five minutes apart the two sides mix again by themselves", arguments: [50, 10])
    func partition(percent: Int) {
        let world = Self.settled(seed: 4, 300)
        for node in world.nodes where world.generator.chance(percent, in: 100) { node.side = 1 }
        let sides = world.nodes.map(\.side)
        func crossing() -> Int {
            world.living.reduce(0) { sum, a in
                sum + world.neighbours(of: a).count { sides[$0] != sides[a] }
            }
        }
        let before = crossing()
        world.noticeSilence()
        world.run(for: .minutes(5))
        #expect(crossing() == 0)
        #expect(world.degrees[5] * 10 >= 300 * 8, "each side is whole: \(world.degrees)")
        for node in world.nodes { node.side = 0 }
        world.run(for: .minutes(3))
        #expect(world.isConnected)
        #expect(crossing() * 2 > before, "\(crossing()) of \(before)")
        #expect(world.oneSided.isEmpty)
    }

    @Test("fifty that join at once are all in")
    func flashCrowd() {
        let world = MembershipWorld(seed: 5)
        world.join(world.addNode(), through: [])
        for _ in 1..<50 { world.join(world.addNode(), through: [0]) }
        world.run(for: .seconds(2))
        #expect(world.isConnected, "\(world.components)")
        world.run(for: .seconds(20))
        #expect(world.isConnected)
        #expect(world.oneSided.isEmpty)
        #expect(world.degrees[5] >= 40, "\(world.degrees)")
        world.run(for: .minutes(3))
        world.messages = 0
        world.run(for: .minutes(5))
        let rate = Double(world.messages) / 300 / 50
        #expect(rate < 0.12, "\(rate) messages per node and second at rest")
    }

    @Test("an instance at rest weighs less than a kilobyte and a half")
    func weight() {
        let world = Self.settled(seed: 7, 100)
        let view = world.nodes[50].view
        // Three arrays with their headers; the allowances of idle peers are forgotten.
        let arrays =
            view.neighbours.capacity * MemoryLayout<Neighbour>.stride
            + view.passiveView.peers.capacity * MemoryLayout<PeerHandle>.stride
            + view.addresses.capacity * MemoryLayout<SocketAddress>.stride + 5 * 32
        let weight = MemoryLayout<HyParView>.size + arrays
        #expect(weight < 1_536, "\(weight) bytes")
        print("a HyParView weighs", MemoryLayout<HyParView>.size, "+", arrays, "bytes")
    }

    /// The figures of Docs: clustering .00092 and mean path 6.39 in HyParView §5.
    @Test("ten thousand, by hand with ARO_HEAVY set", .enabled(if: isHeavy))
    func tenThousand() {
        let world = MembershipWorld(seed: 6)
        world.grow(to: 10_000, every: .milliseconds(50))
        world.run(for: .minutes(20))
        print(
            "settled", world.degrees, "clustering", world.clustering, "path",
            world.meanPath(from: 50), "one-sided", world.oneSided.count, "messages",
            world.messages)
        #expect(world.isConnected)
        for percent in [80, 50] {
            world.kill(percent: percent)
            world.run(for: .minutes(2))
            print("killed", percent, world.degrees, world.components.prefix(5))
            #expect(world.isConnected)
        }
    }
}
