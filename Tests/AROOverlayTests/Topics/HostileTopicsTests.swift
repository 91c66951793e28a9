import AROCrypto
import AROPrimitives
import AROWire
import Testing

@testable import AROOverlay

@Suite("Topics under hostile neighbours")
struct HostileTopicsTests {
    private static let topic = TopicsWorld.topic

    /// Three subscribers in a row, 0 - 1 - 2; the first one is to misbehave.
    private func line() -> TopicsWorld {
        let world = TopicsWorld(seed: 21, signs: true)
        for i in 0..<4 {
            world.addNode()
            world.subscribe(i)
        }
        world.providers = []
        world.connect(0, 1)
        world.connect(1, 2)
        world.run(for: .seconds(20))
        return world
    }

    private func post(
        _ world: TopicsWorld, by i: Int, sequence: UInt64 = 5, age: Duration = .zero
    ) -> [UInt8] {
        let post = TopicPost(
            topic: Self.topic, payload: [1, 2, 3],
            sequence: TopicPost.firstSequence(at: world.wallClock) + sequence,
            issued: world.wallClock + (.zero - age), signedBy: world.nodes[i].identity)
        return TopicMessage.post(Self.topic, post, TopicPostPath(hops: 0)).bytes
    }

    @Test("a mutated post is neither delivered nor forwarded, and who insists is left and kept out")
    func forged() {
        let world = line()
        for bit in [34 * 8, 67 * 8, 80 * 8, 100 * 8, 146 * 8] {
            var bytes = post(world, by: 0, sequence: UInt64(bit))
            bytes[bit / 8] ^= 1
            world.inject(bytes, from: 0, to: 1)
        }
        world.run(for: .seconds(5))
        #expect(world.drops(1, .forged) + world.drops(1, .fromFuture) >= 3)
        #expect(world.drops(1, .banned) >= 1)
        #expect(world.nodes[1].got.isEmpty && world.nodes[2].got.isEmpty)
        #expect(world.nodes[1].events.contains(.misbehaved(Self.topic, world.nodes[0].handle)))
    }

    @Test("stale and future posts, strangers, unknown topics and oversized messages are dropped")
    func refused() {
        let world = line()
        world.inject(post(world, by: 0, age: .minutes(16)), from: 0, to: 1)
        world.inject(post(world, by: 0, age: .minutes(-11)), from: 0, to: 1)
        world.inject(post(world, by: 3), from: 3, to: 1)
        let elsewhere = TopicMessage.prune(TopicID(name: "elsewhere")!).bytes
        world.inject(elsewhere, from: 0, to: 1)
        world.inject(Array(repeating: 0x40, count: 1_181), from: 0, to: 1)
        world.inject([0x40, 1, 2], from: 0, to: 1)
        let drops = [
            TopicDrop.stale, .fromFuture, .stranger, .unknownTopic, .oversized, .malformed,
        ]
        for drop in drops { #expect(world.drops(1, drop) == 1, "\(drop.name)") }
        #expect(world.nodes[1].got.isEmpty)
    }

    @Test("a replayed post is delivered once, now and much later")
    func replay() {
        let world = line()
        let bytes = post(world, by: 0)
        for _ in 0..<5 { world.inject(bytes, from: 0, to: 1) }
        world.run(for: .minutes(3))
        world.inject(bytes, from: 0, to: 1)
        world.inject(bytes, from: 2, to: 1)
        world.run(for: .seconds(5))
        #expect(world.nodes[1].got.count == 1)
        #expect(world.nodes[2].got.count == 1)
        #expect(world.tree(1).log.count == 0)
    }

    @Test("floods of announcements, requests and digests leave memory and traffic bounded")
    func floods() {
        let world = line()
        var generator = Generator(seed: 22)
        let before = world.messages
        for round in 0..<300 {
            let publisher = PeerID(key: generator.bits256())
            var haves: [TopicHave] = []
            for k: UInt64 in 0..<100 {
                let name = TopicPostName(publisher: publisher, sequence: k * 3)
                haves.append(TopicHave(name, hops: 1))
            }
            let message: TopicMessage =
                switch round % 3 {
                case 0: .have(Self.topic, haves, settled: round % 2 == 0)
                case 1: .graft(Self.topic, haves.map { $0.post }, pushes: true)
                default:
                    .digest(
                        Self.topic,
                        TopicDigest(
                            isAnswer: false, leavesOut: false, horizon: .seconds(60),
                            states: [.init(publisher: publisher, base: 1 << 62, span: 1_024)]))
                }
            world.inject(message.bytes, from: 0, to: 1)
        }
        let tree = world.tree(1)
        #expect(tree.missing.count <= tree.configuration.missingPerNeighbourMax)
        #expect(tree.publishers.rows.count == 0)
        world.run(for: .minutes(2))
        #expect(world.tree(1).missing.count == 0)
        #expect(world.messages - before < 2_000)
        #expect(world.drops(1, .missingFull) > 0 && world.drops(1, .givenUp) > 0)
        #expect(world.nodes[1].missed == 0, "made-up posts are not told as lost")
        let honest = world.publish(2)
        world.run(for: .seconds(10))
        #expect(world.nodes[1].got == [honest])
    }

    @Test("what is remembered is bounded by count, bytes, age and publishers")
    func memory() {
        var configuration = PlumtreeConfiguration()
        (configuration.rememberedMax, configuration.rememberedBytesMax) = (10, 1_000)
        var log = PostLog()
        var publishers = Publishers()
        for k: UInt64 in 0..<500 {
            let name = TopicPostName(publisher: PeerID(key: Bits256(k, 0, 0, 0)), sequence: k)
            log.append(
                RememberedPost(
                    name: name, hops: 0, source: nil, at: .origin,
                    bytes: Array(repeating: 0, count: k < 250 ? 10 : 300)), configuration)
            #expect(log.count <= 10 && log.byteCount <= 1_000)
            _ = publishers.saw(name, at: .origin + .seconds(Int64(k)), limit: 20)
            #expect(publishers.rows.count <= 20)
        }
        log.removeAll(before: .origin)
        #expect(log.count == 0 && log.byteCount == 0)
        let last = TopicPostName(publisher: publishers[19].id, sequence: publishers[19].first)
        let isLastSeen = publishers.hasSeen(last)
        #expect(isLastSeen)
    }

    @Test("random and mutated messages from neighbours never trap, and posts still pass")
    func random() {
        let seed: UInt64 = 23
        let world = line()
        var generator = Generator(seed: seed)
        var seen: [[UInt8]] = []
        world.tap = { _, _, bytes in if seen.count < 200 { seen.append(bytes) } }
        for _ in 0..<10 {
            world.publish(2)
            world.run(for: .seconds(1))
        }
        world.tap = nil
        for k in 0..<4_000 {
            var bytes = seen[generator.below(seen.count)]
            for _ in 0...generator.below(4) where bytes.count > 40 {
                bytes[
                    k % 3 == 0
                        ? generator.below(bytes.count) : 33 + generator.below(bytes.count - 33)] =
                    UInt8(generator.below(256))
            }
            if generator.chance(1, in: 5) { bytes.removeLast(generator.below(bytes.count)) }
            world.inject(bytes, from: generator.below(4), to: 1)
            if k % 200 == 0 { world.run(for: .seconds(1)) }
        }
        world.run(for: .seconds(60))
        #expect(world.nodes[1].got.count == Set(world.nodes[1].got).count, "seed \(seed)")
        #expect(world.tree(1).missing.count == 0)
    }

    @Test("windows of numbers: random orders, each number once")
    func windows() {
        for seed: UInt64 in 1...30 {
            var generator = Generator(seed: seed)
            var window = SequenceWindow(base: 50)
            var seen = Set<UInt64>()
            for _ in 0..<2_000 {
                let number =
                    window.base + UInt64(generator.below(generator.chance(1, in: 50) ? 3_000 : 90))
                let base = window.base
                let isNew = window.insert(number)
                #expect(isNew == seen.insert(number).inserted, "seed \(seed)")
                #expect(window.contains(number) && window.base >= base)
                #expect(window.end > number && window.end - window.base <= SequenceWindow.width)
            }
            #expect(!window.contains(window.base) && !window.insert(window.base &- 1))
        }
    }
}
