import AROCrypto
import AROPrimitives
import AROWire
import Testing

@testable import AROOverlay

@Suite("Topics over swarms of their own")
struct TopicsTests {
    private static let topic = TopicsWorld.topic

    @Test("subscribers find each other, and each gets every post once, signed for real")
    func small() {
        let world = TopicsWorld.joined(20, seed: 5, signs: true, settle: .seconds(30))
        let figures = world.broadcast(20) { $0 }
        #expect(figures.missed == 0)
        #expect(figures.doubled == 0)
        #expect(world.nodes[3].payloads.allSatisfy { $0 == [1, 2, 3] })
        #expect(world.live.allSatisfy { world.drops($0, .forged) == 0 })
        #expect(world.nodes[0].got.contains { $0.publisher == world.nodes[1].identity.id })
        #expect(world.nodes[0].got.contains { $0.publisher == world.nodes[0].identity.id })
    }

    @Test("300 subscribers over HyParView: nothing missed, with and without loss; half die")
    func overMembership() {
        let world = TopicsWorld.joined(300, seed: 6)
        _ = world.broadcast(3) { _ in 0 }
        let calm = world.broadcast(20) { _ in 0 }
        print("over HyParView", calm)
        #expect(calm.missed == 0)
        #expect(calm.doubled == 0)
        #expect(calm.redundancy < 0.2)
        #expect(calm.lastHopMax <= 15)
        world.loss = 10
        let lossy = world.broadcast(20, settle: .seconds(60)) { _ in 0 }
        print("with 10 % loss", lossy)
        #expect(lossy.missed == 0)
        world.loss = 0
        for i in 1..<300 where i % 2 == 1 { world.kill(i) }
        world.run(for: .seconds(30))
        #expect(world.reachable(from: 0).count == world.live.count)
        let healing = world.broadcast(3) { _ in 0 }
        print("after half died", healing)
        #expect(healing.missed == 0)
        let healed = world.broadcast(20) { _ in 0 }
        print("healed", healed)
        #expect(healed.missed == 0)
        #expect(healed.redundancy < 0.2)
    }

    @Test("a publisher that does not subscribe is heard, stays for a while, and leaves")
    func lingering() {
        let world = TopicsWorld.joined(5, seed: 7, settle: .seconds(20))
        let publisher = world.addNode()
        let first = world.publish(publisher)
        #expect(!world.isSubscribed(publisher))
        world.run(for: .seconds(10))
        for i in 0..<5 { #expect(world.nodes[i].got == [first]) }
        #expect(!world.providers.contains(publisher))
        let second = world.publish(publisher)
        world.run(for: .seconds(25))
        #expect(world.topicCount(publisher) == 1)
        world.run(for: .seconds(10))
        #expect(world.topicCount(publisher) == 0)
        for i in 0..<5 {
            #expect(world.nodes[i].got == [first, second])
            #expect(!world.neighbours(i).contains(5))
        }
        // Its numbers go on rising.
        let third = world.publish(publisher)
        world.run(for: .seconds(10))
        #expect(third.sequence > second.sequence)
        #expect(world.nodes[0].got == [first, second, third])
        #expect(world.nodes[publisher].events.allSatisfy { $0 == .wantsPeers(Self.topic) })
    }

    @Test("posts that nobody was there to hear are told to their publisher")
    func unheard() {
        let world = TopicsWorld(seed: 8)
        let publisher = world.addNode()
        world.publish(publisher)
        world.publish(publisher)
        world.run(for: .seconds(60))
        #expect(world.topicCount(publisher) == 0)
        #expect(world.nodes[publisher].events.contains(.unheard(Self.topic, posts: 2)))

        let alone = world.addNode()
        world.subscribe(alone)
        let post = world.publish(alone)
        world.run(for: .seconds(60))
        #expect(world.nodes[alone].got == [post], "it hears itself")
        #expect(world.nodes[alone].events.contains(.unheard(Self.topic, posts: 1)))
        #expect(world.isSubscribed(alone), "and is told while it subscribes")
    }

    @Test("local subscribers of a topic have options and backlogs of their own")
    func severalSubscribers() throws {
        let world = TopicsWorld(seed: 18)
        let node = world.addNode()
        var given: [SubscriberID: Int] = [:]
        func act(_ body: (TopicsNode, inout PeerBook, inout TopicsOutbox) throws -> Void) rethrows {
            var out = TopicsOutbox()
            try body(world.nodes[node], &world.book, &out)
            for event in out.events {
                if case .message(_, let subscriber, _, _, _) = event {
                    given[subscriber, default: 0] += 1
                }
            }
        }
        func subscribe(_ number: UInt64, ordered: Bool = false) throws {
            try act { node, book, out in
                var options = SubscriptionOptions()
                options.ordered = ordered
                try node.topics.subscribe(
                    Self.topic, options, as: SubscriberID(number: number), at: world.now,
                    book: &book, into: &out)
            }
        }
        try subscribe(1)
        try subscribe(2, ordered: true)
        #expect(throws: TopicFailure.alreadySubscribed) { try subscribe(2) }
        let ahead = world.configuration.deliveredAheadMax
        for _ in 0..<ahead + 10 {
            try act { node, book, out in
                _ = try node.topics.publish(
                    Self.topic, [1], identity: node.identity, at: world.now, book: &book,
                    into: &out)
            }
            act { node, _, out in
                node.topics.consumed(
                    Self.topic, count: 1, by: SubscriberID(number: 2), into: &out)
            }
        }
        #expect(given[SubscriberID(number: 1)] == ahead)
        #expect(given[SubscriberID(number: 2)] == ahead + 10)
        act { node, _, out in
            node.topics.unsubscribe(
                Self.topic, as: SubscriberID(number: 1), at: world.now, into: &out)
        }
        #expect(world.isSubscribed(node))
        for number in 3..<66 as Range<UInt64> { try subscribe(number) }
        #expect(throws: TopicFailure.tooManySubscribers) { try subscribe(66) }
    }

    @Test("who subscribes gets what is published from then on, or on demand what is remembered")
    func catchingUp() {
        let world = TopicsWorld.joined(3, seed: 9, settle: .seconds(10))
        let old = world.publish(0)
        world.run(for: .seconds(5))
        let late = world.addNode()
        world.subscribe(late)
        let curious = world.addNode()
        var options = SubscriptionOptions()
        options.catchesUp = true
        world.subscribe(curious, options)
        world.run(for: .seconds(20))
        let new = world.publish(0)
        world.run(for: .seconds(20))
        #expect(world.nodes[late].got == [new])
        #expect(world.nodes[curious].got == [old, new])
    }

    @Test("who unsubscribes says goodbye and gets nothing more; other topics are not touched")
    func unsubscribing() {
        let world = TopicsWorld.joined(4, seed: 10, settle: .seconds(10))
        let other = TopicID(name: "sport")!
        for i in 0..<4 { world.subscribe(i, SubscriptionOptions(), other) }
        world.run(for: .seconds(10))
        world.act(2) { node, _, out in
            node.topics.unsubscribe(Self.topic, at: world.now, into: &out)
        }
        #expect(!world.isSubscribed(2))
        world.run(for: .seconds(2))
        for i in [0, 1, 3] {
            #expect(!world.neighbours(i).contains(2))
        }
        let post = world.publish(0)
        let sport = world.publish(0, [9], other)
        world.run(for: .seconds(10))
        #expect(world.nodes[2].got == [sport])
        #expect(Set(world.nodes[1].got) == [post, sport])
    }

    @Test("two swarms of one topic that do not know of each other merge")
    func merging() {
        let world = TopicsWorld(seed: 11)
        for i in 0..<12 {
            world.addNode()
            world.subscribe(i)
            // The second half cannot find the first one's records.
            world.run(for: .milliseconds(500))
            if i == 5 { world.providers = [] }
        }
        world.providers = Array(0..<12)
        #expect(world.reachable(from: 0).count < 12)
        world.run(for: .seconds(60))
        #expect(world.reachable(from: 0).count == 12)
        let figures = world.broadcast(5) { $0 }
        #expect(figures.missed == 0)
    }

    @Test("the same seed gives the same messages")
    func determinism() {
        func run() -> [Int] {
            let world = TopicsWorld.joined(30, seed: 12, settle: .seconds(10))
            world.loss = 5
            let figures = world.broadcast(5) { $0 }
            return [world.messages, world.bytes, world.posts, figures.missed]
        }
        #expect(run() == run())
    }

    @Test("what cannot be published or subscribed is refused")
    func refusals() {
        let world = TopicsWorld(seed: 13)
        world.configuration.swarmsMax = 2
        world.configuration.publishesBurst = 3
        let i = world.addNode()
        func attempt(_ topic: String, _ payload: Int) -> TopicFailure? {
            var failure: TopicFailure?
            world.act(i) { node, book, out in
                do throws(TopicFailure) {
                    try node.topics.publish(
                        TopicID(name: topic)!, Array(repeating: 0, count: payload),
                        identity: node.identity, at: world.now, book: &book, into: &out)
                } catch { failure = error }
            }
            return failure
        }
        #expect(attempt("a", 1_024) == nil)
        #expect(attempt("a", 1_025) == .payloadTooLarge)
        #expect(attempt("b", 0) == nil)
        #expect(attempt("c", 0) == .tooManyTopics)
        #expect([attempt("a", 1), attempt("a", 1), attempt("a", 1)] == [nil, nil, .tooFast])
        world.subscribe(i, SubscriptionOptions(), TopicID(name: "a")!)
        world.act(i) { node, book, out in
            #expect(throws: TopicFailure.alreadySubscribed) {
                try node.topics.subscribe(
                    TopicID(name: "a")!, at: world.now, book: &book, into: &out)
            }
        }
    }
}
