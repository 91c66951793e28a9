import AROPrimitives
import AROWire
import Foundation
import Testing

@testable import AROOverlay

@Suite("Network coordinates")
struct VivaldiTests {
    typealias Duration = AROPrimitives.Duration

    /// Round-trip times between cloud regions in milliseconds; 0 where none was published.
    static let regions: [[Float]] = {
        let file = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
            .appending(path: "../../../Simulations/data/region-rtt-ms.csv")
        guard let text = try? String(contentsOf: file, encoding: .utf8) else { return [] }
        let rows = text.split(separator: "\n").map {
            $0.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
        }
        let names = Array(rows[0].dropFirst())
        var table = Array(
            repeating: [Float](repeating: 0, count: names.count), count: names.count)
        for row in rows.dropFirst() {
            guard let a = names.firstIndex(of: row[0]) else { continue }
            for b in names.indices where a != b {
                guard let time = Float(row[b + 1]) else { continue }
                table[a][b] = time
                if table[b][a] == 0 { table[b][a] = time }
            }
        }
        for i in names.indices { table[i][i] = 1 }
        return table
    }()

    /// Nodes in regions, each behind an access link of its own.
    struct World {
        var nodes: [Vivaldi] = []
        var region: [Int] = []
        var access: [Float] = []
        var generator: Generator
        var now = Instant.origin
        /// Nodes that lie: what they say, and by how much they delay their acks.
        var liars: [Int: (Coordinate, Duration)] = [:]

        init(count: Int, seed: UInt64, configuration: VivaldiConfiguration = .init()) {
            generator = Generator(seed: seed)
            for _ in 0..<count {
                nodes.append(
                    Vivaldi(configuration: configuration, generator: generator.fork("vivaldi")))
                region.append(generator.below(VivaldiTests.regions.count))
                access.append([0.5, 1, 2, 5, 10][generator.below(5)])
            }
        }

        /// Milliseconds without jitter; nil for an unknown pair.
        func base(_ a: Int, _ b: Int) -> Float? {
            let time = VivaldiTests.regions[region[a]][region[b]]
            return time == 0 ? nil : time + access[a] + access[b]
        }

        /// One measurement in twenty met a queue.
        mutating func measure(_ a: Int, _ b: Int) {
            guard a != b, var time = base(a, b) else { return }
            time += time * 0.05 * Float(generator.unit())
            if generator.chance(1, in: 20) { time += Float(generator.below(300)) }
            var said = nodes[b].coordinate
            if let (lie, delay) = liars[b] {
                said = lie
                time += Float(delay.milliseconds)
            }
            nodes[a].measured(
                .nanoseconds(Int64(time * 1e6)), to: PeerHandle(index: UInt32(b)), at: said, at: now
            )
        }

        /// Each node measures `each` peers by round, of those that `peers` names or of all.
        mutating func run(rounds: Int, peers: [[Int]] = []) {
            for _ in 0..<rounds {
                now += .seconds(5)
                for a in nodes.indices {
                    guard !peers.isEmpty else {
                        measure(a, generator.below(nodes.count))
                        continue
                    }
                    guard !peers[a].isEmpty else { continue }
                    measure(a, peers[a][generator.below(peers[a].count)])
                }
            }
        }

        mutating func neighbours(_ degree: Int) -> [[Int]] {
            var links = Array(repeating: [Int](), count: nodes.count)
            for a in nodes.indices {
                // Some regions have hardly any published pair.
                for _ in 0..<degree * 10 where links[a].count < degree {
                    let b = generator.below(nodes.count)
                    if b != a, !links[a].contains(b), base(a, b) != nil { links[a].append(b) }
                }
            }
            return links
        }

        /// Relative errors of predictions between honest nodes, sorted.
        mutating func errors() -> [Float] {
            var errors: [Float] = []
            for _ in 0..<4_000 {
                let (a, b) = (generator.below(nodes.count), generator.below(nodes.count))
                guard a != b, liars[a] == nil, liars[b] == nil, let time = base(a, b) else {
                    continue
                }
                let predicted = Coordinate.predict(
                    from: nodes[a].coordinate, to: nodes[b].coordinate)
                errors.append((Float(predicted.milliseconds) - time).magnitude / time)
            }
            return errors.sorted()
        }
    }

    private func median(_ errors: [Float]) -> Float { errors[errors.count / 2] }

    @Test("between cloud regions the median relative error is at most 0.15")
    func regionErrors() throws {
        try #require(Self.regions.count == 50)
        var world = World(count: 200, seed: 1)
        for rounds in [30, 60, 150] {
            world.run(rounds: rounds)
            let errors = world.errors()
            print(
                "vivaldi after \(world.now.nanoseconds / 5_000_000_000) samples each: median",
                "\(median(errors)), p90 \(errors[errors.count * 9 / 10])")
        }
        #expect(median(world.errors()) <= 0.15)
        var fixed = World(count: 200, seed: 2)
        for degree in [5, 8, 16, 32] {
            fixed = World(count: 200, seed: 2)
            let links = fixed.neighbours(degree)
            fixed.run(rounds: 300, peers: links)
            print("vivaldi with \(degree) fixed peers: median \(median(fixed.errors()))")
        }
        #expect(median(fixed.errors()) <= 0.15)
    }

    @Test("five fixed peers suffice where thirty others were met once and are remembered")
    func remembered() throws {
        try #require(!Self.regions.isEmpty)
        var world = World(count: 200, seed: 8)
        let (met, fixed) = (world.neighbours(30), world.neighbours(5))
        for a in met.indices { for b in met[a] { world.measure(a, b) } }
        var forgetful = world
        forgetful.run(rounds: 300, peers: fixed)
        for _ in 0..<300 {
            world.run(rounds: 1, peers: fixed)
            for a in world.nodes.indices {
                guard let peer = world.nodes[a].nextRemembered(at: world.now) else { continue }
                let place = world.nodes[Int(peer.index)].coordinate
                world.nodes[a].recalled(peer, at: place)
            }
        }
        let (with, without) = (median(world.errors()), median(forgetful.errors()))
        print("vivaldi with 5 fixed peers, 30 remembered: median \(with), forgotten: \(without)")
        #expect(with <= 0.15)
        #expect(with < without)
        let later = world.now + VivaldiConfiguration().rememberedFor + .seconds(1)
        #expect(world.nodes[0].nextRemembered(at: later) == nil)
        let before = world.nodes[0].coordinate
        world.nodes[0].recalled(PeerHandle(index: 9_999), at: .origin)
        #expect(world.nodes[0].coordinate == before, "never measured")
    }

    @Test("the error estimate falls as predictions get good")
    func estimates() throws {
        try #require(!Self.regions.isEmpty)
        var world = World(count: 100, seed: 3)
        #expect(world.nodes[0].coordinate == .origin)
        world.run(rounds: 200)
        let estimates = world.nodes.map(\.coordinate.error).sorted()
        #expect(estimates[50] < 0.3)
    }

    @Test("a tenth of liars hardly worsens what honest nodes predict of each other")
    func liars() throws {
        try #require(!Self.regions.isEmpty)
        var world = World(count: 200, seed: 4)
        world.run(rounds: 200)
        let before = median(world.errors())
        let lies: [Coordinate] = [
            Coordinate(components: SIMD4(10_000, 0, 0, 0), height: 0.01, error: 0.01),
            Coordinate(components: .zero, height: 10_000, error: 0.01),
            Coordinate(components: SIMD4(0, -3_000, 0, 9_000), height: 1, error: 0.01),
        ]
        for i in 0..<20 { world.liars[i * 10] = (lies[i % 3], .milliseconds(Int64(i) * 150)) }
        world.run(rounds: 300)
        let after = median(world.errors())
        print("vivaldi with a tenth of liars: median error \(before) before, \(after) after")
        #expect(after <= 0.3)
        world.liars = [:]
        world.run(rounds: 100)
        #expect(median(world.errors()) <= 0.15, "recovered")
    }

    @Test("no sample moves a settled node far")
    func boundedSteps() throws {
        try #require(!Self.regions.isEmpty)
        var world = World(count: 50, seed: 5)
        world.run(rounds: 200)
        var node = world.nodes[7]
        let before = node.coordinate
        let wild = Coordinate(components: SIMD4(repeating: 10_000), height: 0.01, error: 0.01)
        var at = world.now
        for i in 0..<3 as Range<Int64> {
            at += .seconds(10)
            node.measured(.seconds(10 - i), to: PeerHandle(index: 9_999), at: wild, at: at)
        }
        let moved = (node.coordinate.components - before.components).length
        #expect(moved > 0 && moved < 150)
        #expect((node.coordinate.height - before.height).magnitude < 150)
        let again = node.coordinate
        node.measured(.seconds(1), to: PeerHandle(index: 9_999), at: wild, at: at)
        #expect(node.coordinate == again, "one peer moves us once a second")
        node.measured(.seconds(11), to: PeerHandle(index: 1), at: wild, at: at)
        node.measured(.zero, to: PeerHandle(index: 1), at: wild, at: at)
        node.measured(.nanoseconds(-5), to: PeerHandle(index: 1), at: wild, at: at)
        #expect(node.coordinate == again, "no such round trip")
    }

    @Test("one late packet moves nobody, by the median of three")
    func medianFilter() {
        var filter = LatencyFilter()
        var at = Instant.origin
        func sample(_ time: Float, of peer: UInt32 = 1) -> Float? {
            at += .seconds(1)
            return filter.measured(
                time, of: PeerHandle(index: peer), at: at, limit: 4, interval: .seconds(1))
        }
        #expect(sample(10) == 10)
        #expect(sample(12) == 10)
        #expect(sample(900) == 12)
        #expect(sample(11) == 12)
        #expect(sample(11) == 11)
        #expect(
            filter.measured(
                1, of: PeerHandle(index: 1), at: at, limit: 4, interval: .seconds(1)) == nil)
    }

    @Test("the filter remembers a bounded number of peers, the latest ones")
    func boundedFilter() {
        var vivaldi = Vivaldi(generator: Generator(seed: 1))
        for i in 0..<1_000 as Range<UInt32> {
            vivaldi.measured(
                .milliseconds(10), to: PeerHandle(index: i), at: .origin,
                at: .origin + .seconds(Int64(i)))
        }
        var held: [UInt32] = []
        vivaldi.forEachUsedHandle { held.append($0.index) }
        #expect(held.count == VivaldiConfiguration().peersMax)
        #expect(held.allSatisfy { $0 >= 1_000 - 64 })
        vivaldi.forget(PeerHandle(index: 999))
        held = []
        vivaldi.forEachUsedHandle { held.append($0.index) }
        #expect(!held.contains(999))
    }

    @Test("random coordinates and times keep ours finite and within its bounds")
    func wildSamples() {
        let seed: UInt64 = 6
        var generator = Generator(seed: seed)
        var vivaldi = Vivaldi(generator: generator.fork("vivaldi"))
        for i in 0..<20_000 as Range<Int64> {
            func number() -> Float {
                Float(bitPattern: UInt32(truncatingIfNeeded: generator.next()))
            }
            let wild = Coordinate(
                components: SIMD4(number(), number(), number(), number()), height: number(),
                error: number())
            vivaldi.measured(
                .nanoseconds(Int64(truncatingIfNeeded: generator.next() >> 30)),
                to: PeerHandle(index: UInt32(generator.below(100))), at: wild,
                at: .origin + .seconds(i))
            let own = vivaldi.coordinate
            let message = ProbeMessage.ack(
                Ack(number: 0, vitals: Vitals(incarnation: 0, coordinate: own)))
            let bytes = message.bytes
            guard (try? ProbeMessage(decoding: bytes.span.bytes)) == message else {
                Issue.record("seed \(seed), sample \(i): \(own)")
                return
            }
        }
    }
}
