import AROPrimitives
import AROWire
import Testing

@testable import AROOverlay

@Suite struct GossipTests {
    /// Twenty nodes that joined through the first, and a quarter of a minute.
    private func network(seed: UInt64) -> GossipWorld {
        let world = GossipWorld(seed: seed)
        for _ in 0..<20 {
            let i = world.add()
            if i > 0 { world.join(i, through: 0) }
        }
        world.run(.seconds(15))
        return world
    }

    @Test func allKnowAllAndEverybodyHasNeighbours() {
        let world = network(seed: 1)
        for i in world.nodes.indices {
            #expect(world.nodes[i].gossip.memberCount == 19, "node \(i)")
            #expect(!world.nodes[i].gossip.neighbours.isEmpty, "node \(i)")
        }
    }

    @Test func whoDiesIsKnownToBeDeadByAllAndNoNeighbourAnyMore() {
        let world = network(seed: 2)
        world.kill(7)
        world.run(.seconds(20))
        for i in world.living {
            #expect(world.state(of: 7, at: i) == .failed, "node \(i)")
            let node = world.nodes[i]
            let ids = node.gossip.neighbours.map { node.book.id($0) }
            #expect(!ids.contains(world.nodes[7].id), "node \(i)")
        }
        for i in world.living {
            for j in world.living where i != j {
                #expect(world.state(of: j, at: i) == .alive, "node \(j) at node \(i)")
            }
        }
    }

    /// Kills a node together with all its neighbours, so that nobody is left who watches it.
    private func killWithWatchers(_ i: Int, in world: GossipWorld) -> [Int] {
        let node = world.nodes[i]
        let watchers = node.gossip.neighbours.map { peer in
            world.nodes.firstIndex { $0.id == node.book.id(peer) }!
        }
        for j in watchers + [i] { world.kill(j) }
        return watchers
    }

    @Test func whoDiesWithAllItsWatchersIsFoundByTheNeighboursOfThese() {
        let world = network(seed: 8)
        for i in world.nodes.indices { world.nodes[i].gossip.nat = .open }
        world.run(.minutes(12))
        let dead = killWithWatchers(7, in: world) + [7]
        world.run(.seconds(30))
        for i in world.living {
            for j in dead { #expect(world.state(of: j, at: i) == .failed, "\(j) at \(i)") }
            for j in world.living where i != j {
                #expect(world.state(of: j, at: i) == .alive, "\(j) at \(i)")
            }
            #expect(world.nodes[i].gossip.watched.count == world.nodes[i].gossip.neighbours.count)
        }
    }

    @Test func whoDiesWhileNobodyWatchesItIsFoundByWhoeverAsksItForNews() {
        let world = network(seed: 9)
        for i in world.nodes.indices { world.nodes[i].gossip.nat = .open }
        world.run(.minutes(12))
        world.kill(7)
        for i in world.living { part(i, with: 7, in: world) }
        world.run(.seconds(20))
        let alive = world.living.filter { world.state(of: 7, at: $0) == .alive }
        #expect(alive.count > 10, "or somebody watched it after all")
        world.run(.minutes(20))
        for i in world.living { #expect(world.state(of: 7, at: i) == .failed, "node \(i)") }
    }

    /// Takes a neighbour out of a view, and out of the watch.
    private func part(_ i: Int, with other: Int, in world: GossipWorld) {
        world.act(i) { node, _ in
            guard let peer = node.book.handle(of: world.nodes[other].id) else { return }
            var out = MembershipOutbox()
            node.gossip.membership.peerGone(peer, at: world.now, book: &node.book, into: &out)
            node.gossip.detector.unwatch(peer)
            node.gossip.announcements.neighbourDown(peer)
        }
    }

    @Test func ofWhoMayBeBehindATranslatorSilenceProvesNothing() {
        let world = network(seed: 8)
        for i in world.nodes.indices { world.nodes[i].gossip.nat = .endpointIndependent }
        world.run(.minutes(12))
        let watchers = killWithWatchers(7, in: world)
        world.run(.seconds(30))
        for i in world.living {
            #expect(world.state(of: 7, at: i) == .alive, "until its statement runs out")
            for j in watchers { #expect(world.state(of: j, at: i) == .failed, "\(j) at \(i)") }
        }
    }

    @Test func whomThereIsNoRoomToWatchIsGivenUpAtOthersWordAndWatchedLater() {
        let world = GossipWorld(seed: 7)
        var configuration = GossipConfiguration()
        configuration.failure.watchesMax = 2
        for i in 0..<12 {
            _ = i == 3 ? world.add(configuration) : world.add()
            if i > 0 { world.join(i, through: 0) }
        }
        world.run(.seconds(30))
        let node = world.nodes[3]
        var neighbours = node.gossip.neighbours
        #expect(neighbours.count > 2 && node.gossip.watched.count == 2)
        let unwatched = neighbours.first { !node.gossip.watched.contains($0) }!
        let watched = node.gossip.watched[0]
        for peer in [unwatched, watched] {
            world.kill(world.nodes.firstIndex { $0.id == node.book.id(peer) }!)
        }
        world.run(.seconds(20))
        neighbours = node.gossip.neighbours
        #expect(!neighbours.contains(unwatched) && !neighbours.contains(watched))
        #expect(node.gossip.watched.count == 2)
    }

    @Test func whoSaysGoodbyeHasLeftAndNotFailed() {
        let world = network(seed: 3)
        world.leave(4)
        world.run(.seconds(10))
        for i in world.living { #expect(world.state(of: 4, at: i) == .left, "node \(i)") }
    }

    @Test func whoShutsDownAndWhoseGoodbyeIsLostIsNotHeldForAlive() {
        let world = network(seed: 4)
        world.vanish(5)
        world.run(.seconds(15))
        for i in world.living { #expect(world.state(of: 5, at: i) == .failed, "node \(i)") }
    }

    @Test func ofTwoNodesTheOneLeftSaysThatItIsIsolatedAndTakesTheOtherBack() {
        let world = GossipWorld(seed: 5)
        let first = world.add()
        let second = world.add()
        world.join(second, through: first)
        world.run(.minutes(30))
        world.kill(second)
        world.nodes[first].events.removeAll()
        // In good time, however long it had one neighbour only before.
        world.run(.seconds(45))
        #expect(world.nodes[first].events.contains { $0.event == .isolated })
        let third = world.add()
        world.join(third, through: first)
        world.run(.seconds(5))
        #expect(world.nodes[first].gossip.neighbours.count == 1)
        #expect(world.state(of: third, at: first) == .alive)
    }

    @Test func subscribersWhoFoundEachOtherGetWhatIsPublished() throws {
        let world = network(seed: 6)
        let topic = try #require(TopicID(name: "news"))
        for i in [3, 9, 14] {
            try world.act(i) { node, out in
                try node.gossip.subscribe(
                    topic, at: world.now, book: &node.book, identity: node.identity, into: &out)
            }
        }
        for i in [9, 14] {
            world.act(i) { node, out in
                let peer = node.book.intern(world.nodes[3].id)
                node.gossip.found(
                    [peer], in: topic, at: world.now, book: &node.book, identity: node.identity,
                    into: &out)
            }
        }
        world.run(.seconds(5))
        try world.act(9) { node, out in
            _ = try node.gossip.publish(
                [1, 2, 3], in: topic, at: world.now, book: &node.book, identity: node.identity,
                into: &out)
        }
        world.run(.seconds(5))
        #expect(world.nodes[3].posts == [[1, 2, 3]])
        #expect(world.nodes[14].posts == [[1, 2, 3]])
        #expect(world.nodes[0].posts.isEmpty)
    }

    @Test func aSweepOfTheBookKeepsAllThatGossipUses() {
        let world = network(seed: 7)
        for i in world.nodes.indices { world.sweep(i) }
        world.kill(11)
        world.run(.seconds(30))
        for i in world.living {
            world.sweep(i)
            #expect(world.state(of: 11, at: i) == .failed, "node \(i)")
            #expect(world.nodes[i].gossip.memberCount == 18, "node \(i)")
        }
    }
}
