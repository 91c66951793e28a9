import AROPrimitives
import AROWire
import Testing

@testable import AROOverlay

@Suite("Publishing and finding")
struct KademliaPublicationTests {
    private func held(_ ended: Ended?) -> (by: Int, of: Int)? {
        guard case .held(let by, let of) = ended?.outcome else { return nil }
        return (by, of)
    }

    @Test("at 10 % loss everyone finds what was published")
    func foundByEveryone() throws {
        let world = KademliaLookupTests.world(300, seed: 21)
        world.loss = 10
        let key = world.randomKey()
        let published = try #require(world.provide(17, key))
        let (by, of) = try #require(held(published))
        #expect(of == 20)
        #expect(by >= 18)
        var found = 0
        var messages = 0
        var times: [Duration] = []
        for i in 0..<300 where i != 17 {
            let ended = try #require(world.search(i, key))
            if ended.outcome == .searched(providers: 1) { found += 1 }
            messages += ended.report.messages
            times.append(ended.report.elapsed)
        }
        #expect(found == 299)
        #expect(world.providers.allSatisfy { $0.record.provider == world.nodes[17].identity.id })
        times.sort()
        print(
            "publish", published.report.elapsed.milliseconds, "ms", published.report.messages,
            "messages; search p50", times[150].milliseconds, "p95", times[285].milliseconds,
            "messages", Double(messages) / 299)
    }

    @Test("a search ends when it has found as many providers as it wanted")
    func quorum() throws {
        let world = KademliaLookupTests.world(100, seed: 22)
        let key = world.randomKey()
        for i in 0..<12 { _ = world.provide(i, key) }
        let few = try #require(world.search(50, key, limit: 3))
        #expect(few.outcome == .searched(providers: 3))
        let all = try #require(world.search(51, key, limit: 100))
        #expect(all.outcome == .searched(providers: 12))
        #expect(few.report.messages < all.report.messages)
        let ids = Set(world.providers.filter { $0.node == 51 }.map(\.record.provider))
        #expect(ids == Set((0..<12).map { world.nodes[$0].identity.id }))
    }

    @Test("a search that found a provider waits for nobody who is late")
    func lateHolders() throws {
        let world = KademliaLookupTests.world(100, seed: 28)
        let key = world.randomKey()
        _ = world.provide(3, key)
        for holder in world.closest(to: key, 6) where holder.index != 3 {
            world.nodes[Int(holder.index)].isDead = true
        }
        let asker = world.nodes.indices.first { $0 != 3 && !world.nodes[$0].isDead }!
        let found = try #require(world.search(asker, key, limit: 20))
        #expect(found.outcome == .searched(providers: 1))
        // The nearest peers themselves cannot be told without waiting.
        let nearest = try #require(world.lookup(asker, key))
        #expect(found.report.elapsed < nearest.report.elapsed)
    }

    @Test("what half of the nearest peers do not know is still found at the other half")
    func fewHolders() throws {
        let world = KademliaLookupTests.world(100, seed: 29)
        let key = world.randomKey()
        for i in 0..<2 { _ = world.provide(i, key) }
        // All but four of the nearest lose what they kept.
        for holder in world.closest(to: key, 20).prefix(16) {
            world.act(Int(holder.index)) { node, _, _ in
                for i in 0..<2 {
                    node.kademlia.providerFailed(world.nodes[i].identity.id, key: key)
                }
            }
        }
        let all = try #require(world.search(60, key, limit: 20))
        #expect(all.outcome == .searched(providers: 2))
    }

    @Test("a record is stored at a near peer that is late, too")
    func lateHolderHolds() throws {
        let world = KademliaLookupTests.world(100, seed: 30)
        let key = world.randomKey()
        let late = try #require(
            world.closest(to: key, 20, excluding: 3).map { Int($0.index) }
                .first { world.delay(3, $0) >= .milliseconds(40) })
        world.delay = { a, b in
            let isLate = (a, b) == (3, late) || (a, b) == (late, 3)
            return isLate ? .milliseconds(150) : KademliaWorld.delay(a, b)
        }
        #expect(try #require(held(world.provide(3, key))) == (20, 20))
        #expect(world.nodes[late].kademlia.recordCount == 1)
    }

    @Test("held n of k tells the truth after holders died")
    func heldIsHonest() throws {
        let world = KademliaLookupTests.world(100, seed: 23)
        let key = world.randomKey()
        let before = try #require(held(world.provide(3, key)))
        #expect(before == (20, 20))
        let holders = world.nodes.indices.filter { world.nodes[$0].kademlia.recordCount > 0 }
        #expect(holders.count == 21, "twenty and the publisher")
        // All but ten nodes die, the holders among them: nobody can hold more than there are.
        for i in 0..<100 where i >= 11 || holders.contains(i) && i != 3 {
            world.nodes[i].isDead = true
        }
        world.nodes[3].isDead = false
        let alive = world.nodes.filter { !$0.isDead }.count
        let after = try #require(held(world.provide(3, key)))
        #expect(after.by == after.of)
        #expect(after.by <= alive - 1)
        let truth = world.nodes.indices.filter {
            !world.nodes[$0].isDead && $0 != 3 && world.nodes[$0].kademlia.recordCount > 0
        }
        #expect(after.by == truth.count)
    }

    @Test("who has no peers publishes to nobody, says so, and publishes when a peer comes")
    func publishesLater() throws {
        let world = KademliaWorld(seed: 24)
        world.addNode()
        let key = world.randomKey()
        let alone = try #require(held(world.provide(0, key)))
        #expect(alone == (0, 0))
        world.addNode()
        world.connect(0, 1)
        world.run(for: .seconds(2))
        #expect(world.renewed.map(\.held) == [1])
        #expect(world.nodes[1].kademlia.recordCount == 1)
    }

    @Test("records are renewed for as long as they are provided, and run out afterwards")
    func renewsAndExpires() throws {
        let world = KademliaWorld(seed: 25)
        var configuration = KademliaConfiguration()
        configuration.refreshInterval = .hours(20)
        for _ in 0..<40 { world.addNode(configuration) }
        world.connectAll()
        let key = world.randomKey()
        _ = world.provide(0, key)
        world.run(for: .hours(60))
        #expect((4...6).contains(world.renewed.count), "half of 24 h, a tenth earlier at most")
        #expect(world.renewed.allSatisfy { $0.held >= 19 })
        #expect(try #require(world.search(9, key)).outcome == .searched(providers: 1))
        world.act(0) { node, _, _ in node.kademlia.withdraw(key) }
        world.run(for: .hours(25))
        #expect(try #require(world.search(9, key)).outcome == .searched(providers: 0))
        #expect(world.nodes.allSatisfy { $0.kademlia.recordCount == 0 })
    }

    @Test("the highest sequence of a name wins, whoever stored what")
    func names() throws {
        let world = KademliaLookupTests.world(100, seed: 26)
        #expect(try #require(held(world.publishName(5, "site", [1], sequence: 1))).by == 20)
        #expect(try #require(held(world.publishName(5, "site", [2], sequence: 2))).by == 20)
        guard case .name(let record) = try #require(world.resolve(77, of: 5, "site")).outcome else {
            Issue.record("not found")
            return
        }
        #expect(record.value == [2] && record.sequence == 2)
        // An old value is refused by those who have the new one, and nobody farther gets it.
        #expect(try #require(held(world.publishName(5, "site", [3], sequence: 1))).by == 0)
        guard case .name(let still) = try #require(world.resolve(78, of: 5, "site")).outcome else {
            Issue.record("not found")
            return
        }
        #expect(still.value == [2])
        #expect(world.nodes.filter { $0.kademlia.recordCount > 0 }.count == 21)
        let other = try #require(world.resolve(78, of: 6, "site"))
        #expect(other.outcome == .failed(.nameNotFound))
    }

    @Test("labels and values out of bounds are refused before anything is sent")
    func badNames() throws {
        let world = KademliaLookupTests.world(5, seed: 27)
        let before = world.messages
        let long = String(repeating: "x", count: 64)
        #expect(
            try #require(world.publishName(0, "", [1], sequence: 1)).outcome
                == .failed(.invalidName))
        #expect(
            try #require(world.publishName(0, long, [1], sequence: 1)).outcome
                == .failed(.invalidName))
        let value = [UInt8](repeating: 0, count: 129)
        #expect(
            try #require(world.publishName(0, "a", value, sequence: 1)).outcome
                == .failed(.invalidName))
        #expect(world.messages == before)
    }

    @Test("many publications are renewed a few at a time")
    func staggers() throws {
        let world = KademliaLookupTests.world(30, seed: 28)
        for _ in 0..<40 {
            let key = world.randomKey()
            world.act(0) { node, _, _ in node.kademlia.resumeProviding(key, at: world.now) }
        }
        var most = 0
        for _ in 0..<600 {
            world.run(for: .milliseconds(20))
            most = max(most, world.nodes[0].kademlia.operationCount)
        }
        #expect(most <= KademliaConfiguration().backgroundMax)
        #expect(world.renewed.count == 40)
    }

    @Test("who does not serve publishes and finds, but is named to nobody")
    func clients() throws {
        let world = KademliaLookupTests.world(50, seed: 29)
        let client = world.addNode(serves: false)
        world.connect(client, 0)
        let key = world.randomKey()
        #expect(try #require(held(world.provide(client, key))).by == 20)
        #expect(try #require(world.search(9, key)).outcome == .searched(providers: 1))
        let handle = world.nodes[client].handle
        for i in 0..<50 {
            let knows = world.nodes[i].kademlia.isInTable(handle, book: world.book)
            #expect(!knows)
        }
    }

    @Test("cancelled operations are silent, and what they were to publish follows later")
    func cancels() throws {
        let world = KademliaLookupTests.world(50, seed: 30)
        let key = world.randomKey()
        let id = world.act(0) { node, book, out in
            node.kademlia.provide(
                key, at: world.now, book: &book, identity: node.identity, into: &out)
        }
        world.act(0) { node, _, _ in node.kademlia.cancel(id, at: world.now) }
        #expect(world.finish(0, id, within: .seconds(30)) == nil)
        world.run(for: .minutes(2))
        #expect(world.renewed.map(\.held) == [20])
    }

    @Test("a provider that failed its promise is not handed out by whoever noticed")
    func failedProvider() throws {
        let world = KademliaLookupTests.world(10, seed: 31)
        let key = world.randomKey()
        _ = world.provide(1, key)
        #expect(world.nodes[0].kademlia.recordCount == 1)
        let id = world.nodes[1].identity.id
        world.act(0) { node, _, _ in node.kademlia.providerFailed(id, key: key) }
        #expect(world.nodes[0].kademlia.recordCount == 0)
    }

    @Test("a wrong wall clock refuses records until it is read again")
    func wallClock() throws {
        let world = KademliaLookupTests.world(3, seed: 32)
        for i in 0..<2 {
            world.act(i) { node, _, _ in
                node.kademlia.wallClockRead(world.wallClock + .hours(48), at: world.now)
            }
        }
        let key = world.randomKey()
        let (by, of) = try #require(held(world.provide(2, key)))
        #expect(by == 0 && of == 2, "long expired for the others")
        for i in 0..<2 {
            world.act(i) { node, _, _ in
                node.kademlia.wallClockRead(world.wallClock, at: world.now)
            }
        }
        #expect(try #require(held(world.provide(2, key))).by == 2)
    }

    @Test("a publication survives peers that refuse and peers that lie about holding")
    func refusers() throws {
        let world = KademliaLookupTests.world(60, seed: 33)
        let key = world.randomKey()
        let near = world.closest(to: key, 20, excluding: 0)
        // Six of the twenty nearest answer look-ups but give nothing back.
        for handle in near.prefix(6) {
            let i = Int(handle.index)
            world.nodes[i].lies = { [unowned world] _, find in
                let contacts = world.closest(to: find.key, 20, excluding: i)
                return KademliaAnswer(
                    request: find.request, contacts: contacts.map { world.book.contact($0) })
            }
        }
        let (by, of) = try #require(held(world.provide(0, key)))
        #expect(of == 20)
        #expect(by == 20, "the next nearest took their places")
        let reallyHeld = world.nodes.filter {
            $0.lies == nil && $0.handle.index != 0 && $0.kademlia.recordCount > 0
        }
        #expect(reallyHeld.count == 20)
    }
}
