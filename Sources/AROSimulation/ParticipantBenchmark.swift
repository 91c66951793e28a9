/// How many participants fit, and how fast they go: a world of messages in which nodes join through
/// one of them within a minute and then look keys up. Processor time and memory are the process's
/// own.

import ARONode
import AROPrimitives
import AROWire
import Foundation

public struct ParticipantBenchmark: Sendable, CustomStringConvertible {
    public let nodes: Int
    public let events: UInt64
    /// Processor seconds: other work on the machine does not count.
    public let seconds: Double
    /// What the process has grown by in memory, for each node, bytes; nil where the system does not
    /// tell.
    public let bytesPerNode: Int?
    public let joined: Int
    public let lookups: Int
    public let lookupsFound: Int
    /// Mean peers asked in a row.
    public let hops: Double

    public var eventsPerSecond: Double { Double(events) / max(seconds, 1e-9) }

    public var description: String {
        let rate = String(format: "%.0f", eventsPerSecond / 1e3)
        let memory = bytesPerNode.map { String(format: "%.1f kB a node", Double($0) / 1e3) }
        return "participants, \(nodes) nodes: \(rate) k events/s, "
            + "\(memory ?? "memory not known"), \(joined) joined, "
            + "\(lookupsFound) of \(lookups) look-ups, "
            + String(format: "%.2f hops, %.1f s", hops, seconds)
    }

    /// - Parameters:
    ///   - nodes: at least 2.
    ///   - lookups: for random keys, from random nodes, after all have joined.
    public init(nodes: Int, lookups: Int = 1_000, seed: UInt64 = 1) {
        let memoryBefore = Self.residentByteCount
        let start = Self.processorSeconds
        var model = NetworkModel()
        model.roundTrip = .uniform(.milliseconds(20), .milliseconds(100))
        var world = World.ofMessages(seed: seed, network: model)
        var chance = world.seeds.generator("benchmark")
        var joined = 0
        func note(_ happening: Happening) {
            if case .reply(_, _, .joined(let peers)) = happening, peers > 0 { joined += 1 }
        }
        world.addNode()
        for i in 1..<nodes {
            let at = Instant.origin + Self.joinSpan * Int64(i) / Int64(nodes)
            while let happening = world.advance(to: at) { note(happening) }
            let node = world.addNode()
            _ = world.request(.join([world.address(of: chance.below(i))]), of: node)
        }
        let settled = world.now + Self.joinSpan
        while let happening = world.advance(to: settled) { note(happening) }
        let outcome = Self.lookUp(lookups, in: &world, &chance)
        self.nodes = nodes
        self.joined = joined + 1
        self.lookups = lookups
        (lookupsFound, hops) = outcome
        events = world.counters.events
        seconds = Self.processorSeconds - start
        bytesPerNode = memoryBefore.flatMap { before in
            Self.residentByteCount.map { max(0, $0 - before) / nodes }
        }
    }

    private static let joinSpan = Duration.seconds(60)

    private static func lookUp(
        _ count: Int, in world: inout World<MessageNode>, _ chance: inout Generator
    ) -> (found: Int, hops: Double) {
        for _ in 0..<count {
            let key = DHTKey(bits: chance.bits256())
            _ = world.request(.lookup(key), of: chance.below(world.nodeCount))
        }
        var (found, hops) = (0, 0)
        let limit = world.now + .seconds(30)
        while let happening = world.advance(to: limit) {
            guard case .reply(_, _, .closest(let peers, let report)) = happening else { continue }
            if !peers.isEmpty { found += 1 }
            hops += report.hops
        }
        return (found, Double(hops) / Double(max(1, found)))
    }

    private static var processorSeconds: Double { Double(clock()) / Double(CLOCKS_PER_SEC) }

    /// The second number of `/proc/self/statm`: pages in memory.
    private static var residentByteCount: Int? {
        guard let text = try? String(contentsOfFile: "/proc/self/statm", encoding: .utf8) else {
            return nil
        }
        let words = text.split(separator: " ")
        return words.count > 1 ? Int(words[1]).map { $0 * Int(getpagesize()) } : nil
    }
}
