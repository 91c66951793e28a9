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

    /// What a run of look-ups took.
    private struct Summary {
        var ended = 0
        var nearestFound = 0
        var share = 0.0
        var messages = 0
        var times: [Duration] = []

        func time(_ percent: Int) -> Double { times[times.count * percent / 100].milliseconds }
    }

    /// Random nodes look up random keys, `count` times.
    private func lookups(
        _ count: Int, in world: KademliaWorld, paths: Int = 1, _ name: String
    ) -> Summary {
        var summary = Summary()
        while summary.times.count < count {
            let node = world.generator.below(world.nodes.count)
            guard !world.nodes[node].isDead, world.nodes[node].lies == nil else { continue }
            let key = world.randomKey()
            guard let ended = world.lookup(node, key, paths: paths) else {
                summary.times.append(.seconds(60))
                continue
            }
            summary.times.append(ended.report.elapsed)
            summary.messages += ended.report.messages
            guard case .closest(let found) = ended.outcome else {
                print(name, node, ended)
                continue
            }
            let truth = world.closest(to: key, 20, excluding: node)
            summary.ended += 1
            summary.nearestFound += found.contains(truth[0]) ? 1 : 0
            summary.share += Double(truth.filter { found.contains($0) }.count) / 20
        }
        summary.times.sort()
        print(
            name, "nearest", summary.nearestFound, "of", count, "share",
            summary.share / Double(count), "messages", Double(summary.messages) / Double(count),
            "p50", summary.time(50), "p95", summary.time(95), "max", summary.time(99))
        return summary
    }

    @Test("look-ups end with success at 10 % and at 30 % loss", arguments: [10, 30])
    func survivesLoss(loss: Int) {
        let world = Self.world(300, seed: 2)
        world.loss = loss
        let summary = lookups(100, in: world, "loss \(loss) %")
        #expect(summary.ended == 100)
        #expect(summary.nearestFound >= (loss == 10 ? 99 : 90))
        #expect(summary.share / 100 >= (loss == 10 ? 0.97 : 0.8))
    }

    @Test("a fifth of the nodes died silently: look-ups end, and soon")
    func survivesDeath() {
        let world = Self.world(1_000, seed: 3)
        for i in stride(from: 0, to: 1_000, by: 5) { world.nodes[i].isDead = true }
        let summary = lookups(150, in: world, "20 % dead")
        #expect(summary.ended == 150)
        #expect(summary.nearestFound == 150)
        // Round trips are 20 to 100 ms; one fixed timeout of a few seconds would show here.
        #expect(summary.time(95) < 1_500)
    }

    @Test("a slow peer is raced, and its answer counts when it comes")
    func racesSlowPeers() throws {
        let world = Self.world(100, seed: 4)
        world.delay = { a, b in
            a % 10 == 1 || b % 10 == 1 ? .milliseconds(700) : KademliaWorld.delay(a, b)
        }
        let summary = lookups(50, in: world, "10 % slow")
        #expect(summary.ended == 50)
        #expect(summary.time(50) < 3_000)
    }

    @Test("disjoint paths find the nearest honest peers among a fifth of liars")
    func survivesLiars() {
        let world = Self.world(1_000, seed: 5)
        let liars = stride(from: 0, to: 1_000, by: 5).map { $0 }
        for i in liars {
            // The nearest liars to whatever is asked for.
            world.nodes[i].lies = { [unowned world] _, find in
                let near = liars.sorted {
                    find.key.distance(to: world.key($0)) < find.key.distance(to: world.key($1))
                }
                return KademliaAnswer(
                    request: find.request,
                    contacts: near.prefix(20).map { world.book.contact(world.nodes[$0].handle) })
            }
        }
        let summary = lookups(40, in: world, paths: 4, "20 % liars, 4 paths")
        #expect(summary.ended == 40)
        #expect(summary.nearestFound >= 38)
        #expect(summary.share / 40 >= 0.95)
    }

    @Test("a peer that names twenty new peers for ever does not keep a look-up from ending")
    func endsUnderInvention() throws {
        let world = Self.world(50, seed: 6)
        for i in 1..<50 {
            world.nodes[i].lies = { [unowned world] _, find in
                var contacts: [Contact] = []
                for _ in 0..<20 {
                    let id = PeerID(key: world.generator.bits256())
                    let address = SocketAddress(
                        ipv4: 0x0b00_0000 + UInt32(world.generator.below(1 << 24)), port: 1)
                    contacts.append(Contact(id: id, addresses: [address]))
                }
                return KademliaAnswer(request: find.request, contacts: contacts)
            }
        }
        let ended = try #require(world.lookup(0, world.randomKey()))
        let bound =
            KademliaConfiguration().lookupAskedMax * KademliaConfiguration.transmissionsMax
        #expect(ended.report.messages <= bound)
        #expect(world.book.count < 50 + 20 * KademliaConfiguration().lookupAskedMax)
        print("inventors: messages", ended.report.messages, "book", world.book.count)
    }

    @Test("the same seed gives the same look-ups")
    func repeats() throws {
        func trace() throws -> [String] {
            let world = Self.world(60, seed: 7)
            world.loss = 10
            return try (0..<10).map { i in
                let ended = try #require(world.lookup(i, world.randomKey(), paths: 1 + i % 3))
                return "\(ended.outcome) \(ended.report) \(world.messages)"
            }
        }
        #expect(try trace() == trace())
    }

    @Test("nodes that join one after another through one address find each other")
    func joins() throws {
        let world = KademliaWorld(seed: 8)
        for i in 0..<60 {
            world.addNode()
            guard i > 0 else { continue }
            world.connect(i, 0)
            let id = world.act(i) { node, book, out in
                node.kademlia.join(at: world.now, book: &book, into: &out)
            }
            let ended = try #require(world.finish(i, id))
            guard case .joined(let peers) = ended.outcome else {
                Issue.record("\(ended.outcome)")
                continue
            }
            #expect(peers >= min(i, 15))
        }
        world.run(for: .seconds(5))
        let summary = lookups(60, in: world, "60 joined")
        #expect(summary.nearestFound == 60)
        #expect(summary.share == 60)
    }

    @Test("a look-up without peers fails at once and says why")
    func failsAlone() throws {
        let world = KademliaWorld(seed: 9)
        world.addNode()
        let ended = try #require(world.lookup(0, world.randomKey()))
        #expect(ended.outcome == .failed(.noPeers))
    }

    @Test("who loses every peer says so, and finds back when they return")
    func rescues() throws {
        let world = Self.world(30, seed: 10)
        for i in 1..<30 { world.nodes[i].isDead = true }
        for _ in 0..<6 { _ = world.lookup(0, world.randomKey()) }
        world.run(for: .seconds(10))
        #expect(world.isolated == [0])
        for i in 1..<30 { world.nodes[i].isDead = false }
        world.run(for: .minutes(6))
        let ended = try #require(world.lookup(0, world.randomKey()))
        guard case .closest(let found) = ended.outcome else {
            Issue.record("\(ended.outcome)")
            return
        }
        #expect(found.count >= 20)
    }

    @Test("a peer that cannot be reached does not hold up a look-up, and leaves the candidates")
    func unreachable() throws {
        let world = Self.world(40, seed: 11)
        let key = world.randomKey()
        let nearest = world.closest(to: key, 1, excluding: 0)[0]
        world.nodes[Int(nearest.index)].isDead = true
        let id = world.act(0) { node, book, out in
            node.kademlia.startLookup(key, at: world.now, book: &book, into: &out)
        }
        world.act(0) { node, book, out in
            node.kademlia.peerUnreachable(nearest, at: world.now, book: &book, into: &out)
        }
        let ended = try #require(world.finish(0, id))
        guard case .closest(let found) = ended.outcome else {
            Issue.record("\(ended.outcome)")
            return
        }
        #expect(found == world.closest(to: key, 20, excluding: 0))
        #expect(ended.report.elapsed < .milliseconds(400), "four round trips, no timeout")
    }

    @Test("who said goodbye is not named to others, and is again when it comes back")
    func goodbye() {
        let world = Self.world(10, seed: 12)
        let gone = world.nodes[4].handle
        func names() -> Bool {
            world.nodes[0].kademlia.contacts(nearest: world.key(4), count: 20, book: world.book)
                .contains(gone)
        }
        #expect(names())
        world.act(0) { node, book, out in
            node.kademlia.peerGone(gone, at: world.now, book: &book, into: &out)
        }
        #expect(!names())
        world.connect(0, 4)
        #expect(names())
    }

    @Test("hourly refreshes rid the tables of the dead and find the newly come")
    func refreshes() throws {
        let world = Self.world(60, seed: 13)
        for i in 40..<60 { world.nodes[i].isDead = true }
        let newcomer = world.addNode()
        world.connect(newcomer, 0)
        world.run(for: .hours(8))
        var dead = 0
        var knows = 0
        for i in 0..<40 {
            let contacts = world.nodes[i].kademlia.contacts(
                nearest: world.key(i), count: 100, book: world.book)
            dead += contacts.filter { world.nodes[Int($0.index)].isDead }.count
            knows += contacts.contains(world.nodes[newcomer].handle) ? 1 : 0
        }
        #expect(dead <= 40, "one in a table, of twenty")
        #expect(knows >= 10)
        let summary = lookups(40, in: world, "after 8 h")
        #expect(summary.nearestFound == 40)
    }
}
