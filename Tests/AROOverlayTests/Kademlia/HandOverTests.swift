import AROPrimitives
import AROWire
import Testing

@testable import AROOverlay

@Suite("Handing records to newcomers")
struct HandOverTests {
    /// A node that joins through node 0.
    private func join(_ world: KademliaWorld, _ configuration: KademliaConfiguration) throws -> Int
    {
        let newcomer = world.addNode(configuration)
        world.connect(newcomer, 0)
        world.connect(0, newcomer)
        let id = world.act(newcomer) { node, book, out in
            node.kademlia.join(at: world.now, book: &book, into: &out)
        }
        _ = try #require(world.finish(newcomer, id))
        return newcomer
    }

    /// Four nodes that know each other, of which one provides so many keys; then others join.
    private func grown(
        by count: Int, keys: Int, _ configuration: KademliaConfiguration
    ) throws -> (KademliaWorld, [DHTKey]) {
        let world = KademliaWorld(seed: 41)
        for _ in 0..<4 { world.addNode(configuration) }
        world.connectAll()
        let all = (0..<keys).map { _ in world.randomKey() }
        for key in all { _ = world.provide(1, key) }
        for _ in 0..<count { _ = try join(world, configuration) }
        world.run(for: .seconds(10))
        return (world, all)
    }

    private func holders(_ world: KademliaWorld, _ key: DHTKey) -> Set<Int> {
        let author = world.nodes[1].identity.id
        let place = RecordPlace(key: key, kind: .provider, author: author)
        return Set(
            world.nodes.indices.filter {
                world.nodes[$0].kademlia.store.record(place, at: world.wallClock) != nil
            })
    }

    @Test("who joins near a key is handed its record, so that it is found where it is looked for")
    func found() throws {
        let (world, keys) = try grown(by: 60, keys: 10, KademliaConfiguration())
        for key in keys {
            let near = Set(world.closest(to: key, 20).map { Int($0.index) })
            let held = holders(world, key)
            // A newcomer that nobody near the key has met yet is left out: few are.
            #expect(held.intersection(near).count >= 16, "\(held.intersection(near).count) of 20")
            // Handed only to who was among the nearest then.
            #expect(held.count < 60)
        }
        for asker in [10, 30, 63] {
            for key in keys {
                #expect(
                    try #require(world.search(asker, key)).outcome == .searched(providers: 1))
            }
        }
    }

    @Test("without it most of those who join find nothing, which is why it is done")
    func without() throws {
        var configuration = KademliaConfiguration()
        configuration.handOversMax = 0
        let (world, keys) = try grown(by: 60, keys: 10, configuration)
        for key in keys { #expect(holders(world, key).isSubset(of: [0, 1, 2, 3])) }
    }

    @Test("a record is handed over by one node, the nearest to its key")
    func once() throws {
        let configuration = KademliaConfiguration()
        let world = KademliaWorld(seed: 42)
        for _ in 0..<8 { world.addNode(configuration) }
        world.connectAll()
        let key = world.randomKey()
        _ = world.provide(1, key)
        let newcomer = world.addNode(configuration)
        let before = world.messages
        for i in 0..<8 { world.connect(i, newcomer) }
        world.run(for: .seconds(5))
        #expect(world.messages == before + 2, "one STORE and its answer")
        #expect(holders(world, key).contains(newcomer))
    }

    @Test("expired records are handed to nobody, and nor is anything to who serves not")
    func notHanded() throws {
        let world = KademliaWorld(seed: 43)
        var configuration = KademliaConfiguration()
        configuration.refreshInterval = .hours(100)
        for _ in 0..<4 { world.addNode(configuration) }
        world.connectAll()
        let key = world.randomKey()
        _ = world.provide(1, key)
        let client = world.addNode(configuration, serves: false)
        for i in 0..<4 { world.connect(i, client) }
        world.run(for: .seconds(5))
        #expect(!holders(world, key).contains(client))
        world.act(1) { node, _, _ in node.kademlia.withdraw(key) }
        world.run(for: .hours(25))
        let late = world.addNode(configuration)
        let before = world.messages
        for i in 0..<4 { world.connect(i, late) }
        world.run(for: .seconds(5))
        #expect(world.messages == before)
    }

    /// Two nodes, of which the second provides so many keys.
    private func pair(keys: Int, _ configuration: KademliaConfiguration) -> KademliaWorld {
        let world = KademliaWorld(seed: 44)
        for _ in 0..<2 { world.addNode(configuration) }
        world.connectAll()
        for _ in 0..<keys { _ = world.provide(1, world.randomKey()) }
        world.run(for: .seconds(5))
        return world
    }

    @Test("a flood of newcomers is answered evenly and within bounds")
    func bounded() {
        var configuration = KademliaConfiguration()
        configuration.handOversMax = 50
        let world = pair(keys: 40, configuration)
        for _ in 0..<100 { world.connect(0, world.addNode(configuration)) }
        #expect(world.nodes[0].kademlia.handOvers.rows.count <= 50)
        let before = world.nodes[0].sent
        world.run(for: .milliseconds(99))
        // Nothing is sent twice before half a second is over.
        #expect(world.nodes[0].sent - before == configuration.handOversAtOnce)
        world.run(for: .seconds(10))
        #expect(world.nodes[0].kademlia.handOvers.rows.isEmpty)
        #expect(world.nodes[0].sent - before <= 50 * 4)
    }

    @Test("a newcomer that never answers costs four messages a record, and no more")
    func silent() {
        let configuration = KademliaConfiguration()
        let world = pair(keys: 1, configuration)
        let newcomer = world.addNode(configuration)
        world.nodes[newcomer].isDead = true
        let before = world.messages
        for i in 0..<2 { world.connect(i, newcomer) }
        world.run(for: .seconds(20))
        #expect(world.messages == before + 4)
    }
}

@Suite("Telling of content that is here in part")
struct PartPublicationTests {
    private func world() -> KademliaWorld {
        let world = KademliaWorld(seed: 46)
        var configuration = KademliaConfiguration()
        configuration.refreshInterval = .hours(100)
        for _ in 0..<30 { world.addNode(configuration) }
        world.connectAll()
        return world
    }

    private func provide(_ world: KademliaWorld, _ key: DHTKey) {
        world.act(0) { node, _, _ in node.kademlia.providePart(key, at: world.now) }
        world.run(for: .seconds(5))
    }

    @Test("it is found, renewed while the fetch goes on, and forgotten soon after it was given up")
    func givenUp() throws {
        let world = world()
        let key = world.randomKey()
        provide(world, key)
        #expect(try #require(world.search(9, key)).outcome == .searched(providers: 1))
        world.run(for: .hours(1))
        #expect((4...5).contains(world.renewed.count), "half of 30 min, a tenth earlier at most")
        #expect(try #require(world.search(9, key)).outcome == .searched(providers: 1))
        world.act(0) { node, _, _ in node.kademlia.withdrawPart(key) }
        world.run(for: .minutes(31))
        #expect(try #require(world.search(9, key)).outcome == .searched(providers: 0))
    }

    @Test("what became whole is said so at the next renewal, and holds for a day")
    func completed() throws {
        let world = world()
        let key = world.randomKey()
        provide(world, key)
        world.act(0) { node, _, _ in node.kademlia.resumeProviding(key, at: world.now) }
        world.run(for: .seconds(5))
        #expect(world.renewed.count == 1, "not told twice within seconds")
        world.run(for: .minutes(16))
        #expect(world.renewed.count == 2)
        world.run(for: .hours(10))
        #expect(world.renewed.count == 2)
        #expect(try #require(world.search(9, key)).outcome == .searched(providers: 1))
        // What is provided as a whole is not withdrawn as a part.
        world.act(0) { node, _, _ in node.kademlia.withdrawPart(key) }
        #expect(world.nodes[0].kademlia.publicationCount == 1)
    }

    @Test("a part changes nothing about what is provided already")
    func alreadyWhole() throws {
        let world = world()
        let key = world.randomKey()
        _ = world.provide(0, key)
        provide(world, key)
        #expect(world.renewed.isEmpty)
        world.run(for: .hours(2))
        #expect(world.renewed.isEmpty)
    }
}
