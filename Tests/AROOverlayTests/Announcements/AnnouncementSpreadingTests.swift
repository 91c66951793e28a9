import AROCrypto
import AROPrimitives
import AROWire
import Testing

@testable import AROOverlay

@Suite("Announcements spread")
struct AnnouncementSpreadingTests {
    private func world(
        _ count: Int, seed: UInt64, _ configuration: AnnouncementConfiguration = .init()
    ) -> AnnouncementWorld {
        let world = AnnouncementWorld(seed: seed, configuration)
        for _ in 0..<count { world.addNode() }
        world.linkAll()
        return world
    }

    @Test("fifty nodes that start together know each other within a second")
    func fifty() throws {
        let world = world(50, seed: 1)
        let took = try #require(world.time(within: .seconds(1)) { world.isComplete })
        #expect(took <= .milliseconds(500))
        #expect(world.largestMessage <= WireLimits.messageMax)
        for node in world.nodes {
            #expect(node.events.count { if case .joined = $0 { true } else { false } } == 49)
        }
    }

    @Test("a newcomer learns fifty nodes in a few exchanges, and is known to all by rumour")
    func newcomer() throws {
        let world = world(50, seed: 2)
        world.run(for: .minutes(10))
        #expect(world.isComplete)
        let new = world.addNode()
        world.resetCounts()
        for _ in 0..<3 { world.link(new, world.generator.below(50)) }
        let took = try #require(world.time(within: .seconds(1)) { world.isComplete })
        #expect(took <= .milliseconds(300))
        // One digest for each neighbour, and the answers in several datagrams.
        #expect(world.nodes[new].sent <= 20)
    }

    @Test("with one message in ten lost all know all soon, and a death as well", arguments: [3, 4])
    func loss(seed: UInt64) throws {
        let world = world(50, seed: seed)
        world.loss = 10
        let took = try #require(world.time(within: .seconds(20)) { world.isComplete })
        #expect(took <= .seconds(20))
        world.run(for: .minutes(5))
        world.kill(9)
        #expect(world.time(within: .seconds(90)) { world.all(.failed, of: 9) } != nil)
    }

    @Test("a material change reaches all at once, a small one without a flood")
    func changes() throws {
        let world = world(50, seed: 5)
        world.run(for: .minutes(10))
        var offer = AnnouncementWorld.offer(7)
        offer.models[0].slotsFree = 1
        let heard = { (test: (Offer) -> Bool) in
            world.nodes.indices.allSatisfy { i in
                i == 7
                    || world.nodes[i].announcements
                        .entry(of: world.nodes[7].handle, book: world.book)
                        .map { test($0.announcement.offer) } ?? false
            }
        }
        world.act(7) { node, _, _ in node.announcements.offer(offer, at: world.now) }
        let took = try #require(
            world.time(within: .seconds(1)) { heard { $0.models[0].slotsFree == 1 } })
        #expect(took <= .milliseconds(300))
        world.run(for: .seconds(5))
        world.resetCounts()
        offer.storage.freeBytes -= 1
        world.act(7) { node, _, _ in node.announcements.offer(offer, at: world.now) }
        #expect(
            world.time(within: .minutes(30)) { heard { $0.storage == offer.storage } } != nil)
        #expect(world.kinds[0x30] < 200, "rumours: \(world.kinds[0x30])")
    }

    @Test("changes without end are told at a bounded rate, and the newest arrives in the end")
    func rate() throws {
        let world = world(10, seed: 6)
        world.run(for: .seconds(30))
        func announced() -> Int {
            world.nodes[3].events.count { if case .announced = $0 { true } else { false } }
        }
        let first = announced()
        var offer = AnnouncementWorld.offer(3)
        for step in 1...600 {
            offer.models[0].slots = UInt16(step)
            world.act(3) { node, _, _ in node.announcements.offer(offer, at: world.now) }
            world.run(for: .milliseconds(100))
        }
        let burst = AnnouncementConfiguration().changesBurst
        #expect(announced() - first <= burst + 60 / 5 + 1)
        let known = world.time(within: .seconds(30)) {
            world.nodes.indices.allSatisfy { i in
                i == 3
                    || world.nodes[i].announcements
                        .entry(of: world.nodes[3].handle, book: world.book)?.announcement.offer
                        == offer
            }
        }
        #expect(known != nil)
    }

    @Test("a goodbye is known to all at once, and an old statement does not undo it")
    func goodbye() throws {
        let world = world(50, seed: 7)
        world.run(for: .seconds(10))
        let statement = world.nodes[4].announcements.ownAnnouncement
        let old = try #require(statement)
        world.act(4) { node, book, out in
            node.announcements.leave(
                at: world.now, book: &book, identity: node.identity, into: &out)
        }
        world.run(for: .milliseconds(300))
        world.nodes[4].isDead = true
        #expect(world.all(.left, of: 4))
        #expect(world.nodes[20].announcements.counts == MemberCounts(alive: 48, failed: 0, left: 1))
        // Long after the row is gone, as long as the statement would be valid.
        world.run(for: .minutes(29))
        world.send(.rumour([.statement(old.bytes)]), from: 5, to: 20)
        world.run(for: .minutes(2))
        #expect(
            world.nodes[20].announcements.state(of: world.nodes[4].handle, book: world.book) == nil
                || world.all(.left, of: 4))
    }

    @Test("statements are renewed long before they run out, without rumours")
    func renewal() {
        let world = world(20, seed: 8)
        world.run(for: .seconds(10))
        world.resetCounts()
        world.run(for: .minutes(70))
        #expect(world.isComplete)
        for node in world.nodes {
            let expired = node.events.count { if case .expired = $0 { true } else { false } }
            #expect(expired == 0)
        }
    }

    @Test("who falls silent without an obituary runs out in time")
    func expiry() {
        let world = world(10, seed: 9)
        world.run(for: .seconds(10))
        world.nodes[2].isDead = true
        for node in world.nodes {
            node.announcements.neighbourDown(PeerHandle(index: 2))
        }
        world.run(for: .minutes(32))
        #expect(
            world.nodes[5].announcements.state(of: PeerHandle(index: 2), book: world.book) == nil)
        #expect(world.events(5, .expired(PeerHandle(index: 2))) == 1)
    }

    @Test("an idle settled network of fifty spends 0.15 packets a second on this, at most")
    func idle() {
        let world = world(50, seed: 10)
        world.run(for: .minutes(20))
        world.resetCounts()
        world.run(for: .minutes(30))
        let rate = Double(world.messages) / 50 / 1_800
        #expect(rate <= 0.15, "\(rate) packets a second; kinds \(world.kinds[0x30...0x34])")
        #expect(rate > 0.02)
        #expect(world.isComplete)
    }
}
