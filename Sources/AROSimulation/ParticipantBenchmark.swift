/// How many participants fit, and how fast they go: a world of messages in which nodes join through
/// one of them within a minute (5,000 a second where they are more), settle for another, then gossip
/// with nothing to do, and then look keys up, evenly within a minute. Processor time and memory are the process's own.

import ARONode
import AROPrimitives
import AROWire
import Foundation

public struct ParticipantBenchmark: Sendable, CustomStringConvertible {
    public struct Options: Sendable {
        /// At least 2.
        public var nodes: Int
        /// For random keys, from random nodes.
        public var lookups = 10_000
        /// Virtual time for which the network is left to itself.
        public var gossip = Duration.seconds(60)
        public var configuration = Configuration.simulated
        public var seed: UInt64 = 1

        public init(nodes: Int) { self.nodes = nodes }
    }

    /// A part of a run.
    public struct Phase: Sendable {
        public var events: UInt64
        /// Processor seconds: other work on the machine does not count.
        public var seconds: Double
        /// By what the process has grown in memory since the start, at the end of the phase, for
        /// each node; nil where the system does not tell.
        public var bytesPerNode: Int?

        public var eventsPerSecond: Double { Double(events) / max(seconds, 1e-9) }

        fileprivate var text: String {
            let memory = bytesPerNode.map { String(format: "%.1f kB a node", Double($0) / 1e3) }
            return String(
                format: "%.0f k events/s (%.1f M in %.1f s), ",
                eventsPerSecond / 1e3, Double(events) / 1e6, seconds)
                + (memory ?? "memory not known")
        }
    }

    public let options: Options
    public private(set) var joining = Phase(events: 0, seconds: 0)
    public private(set) var gossiping = Phase(events: 0, seconds: 0)
    public private(set) var lookingUp = Phase(events: 0, seconds: 0)
    public private(set) var joined = 0
    public private(set) var lookupsFound = 0
    /// Mean peers asked in a row.
    public private(set) var hops = 0.0
    /// The process in memory at the end, bytes; nil where the system does not tell.
    public private(set) var residentByteCount: Int?
    public private(set) var weights: [WeightOfPart] = []
    public private(set) var trace = TraceHash()

    public var description: String {
        let memory = residentByteCount.map { String(format: "%.0f MB", Double($0) / 1e6) }
        var lines = [
            "participants, \(options.nodes) nodes: \(joined) joined, "
                + "\(lookupsFound) of \(options.lookups) look-ups, "
                + String(format: "%.2f hops, ", hops) + (memory ?? "memory not known"),
            "  joining:    \(joining.text)",
            "  gossiping:  \(gossiping.text)",
            "  looking up: \(lookingUp.text)",
            "  trace \(trace)",
        ]
        for weight in weights {
            let bytes = Double(weight.byteCount) / Double(options.nodes)
            lines.append(String(format: "  %9.0f bytes a node: ", bytes) + weight.part)
        }
        return lines.joined(separator: "\n")
    }

    public init(_ options: Options) {
        self.options = options
        let before = ResidentMemory.now
        var model = NetworkModel()
        model.roundTrip = .uniform(.milliseconds(20), .milliseconds(100))
        var world = World.ofMessages(
            seed: options.seed, network: model, configuration: options.configuration)
        var chance = world.seeds.generator("benchmark")
        joining = measure(&world, before) { $0.join(&$1, &chance) }
        gossiping = measure(&world, before) { _, world in
            let end = world.now + options.gossip
            while world.advance(to: end) != nil {}
        }
        lookingUp = measure(&world, before) { $0.lookUp(in: &$1, &chance) }
        residentByteCount = ResidentMemory.now
        weights = world.weights
        trace = world.trace
    }

    /// A minute, or what lets no more than so many nodes begin in a second.
    private var joinSpan: Duration {
        max(.seconds(60), .seconds(Int64(options.nodes / Self.joinsPerSecondMax)))
    }

    private static let joinsPerSecondMax = 5_000
    private static let settling = Duration.seconds(60)
    private static let lookupSpan = Duration.seconds(60)

    private mutating func join(_ world: inout World<MessageNode>, _ chance: inout Generator) {
        joined = 1
        world.addNode()
        for i in 1..<options.nodes {
            let at = Instant.origin + joinSpan * Int64(i) / Int64(options.nodes)
            while let happening = world.advance(to: at) { note(happening) }
            let node = world.addNode()
            _ = world.request(.join([world.address(of: chance.below(i))]), of: node)
        }
        let settled = world.now + Self.settling
        while let happening = world.advance(to: settled) { note(happening) }
    }

    private mutating func note(_ happening: Happening) {
        if case .reply(_, _, .joined(let peers)) = happening, peers > 0 { joined += 1 }
    }

    private mutating func lookUp(
        in world: inout World<MessageNode>, _ chance: inout Generator
    ) {
        let start = world.now
        var asked = 0
        func watch(_ world: inout World<MessageNode>, until limit: Instant) {
            while lookupsFound < options.lookups, let happening = world.advance(to: limit) {
                guard case .reply(_, _, .closest(let peers, let report)) = happening else {
                    continue
                }
                if !peers.isEmpty { lookupsFound += 1 }
                asked += report.hops
            }
        }
        for i in 0..<options.lookups {
            watch(&world, until: start + Self.lookupSpan * Int64(i) / Int64(options.lookups))
            let key = DHTKey(bits: chance.bits256())
            _ = world.request(.lookup(key), of: chance.below(world.nodeCount))
        }
        watch(&world, until: world.now + .seconds(30))
        hops = Double(asked) / Double(max(1, lookupsFound))
    }

    private mutating func measure(
        _ world: inout World<MessageNode>, _ before: Int?,
        _ body: (inout Self, inout World<MessageNode>) -> Void
    ) -> Phase {
        let (events, seconds) = (world.counters.events, Self.processorSeconds)
        body(&self, &world)
        return Phase(
            events: world.counters.events - events, seconds: Self.processorSeconds - seconds,
            bytesPerNode: before.flatMap { before in
                ResidentMemory.now.map { max(0, $0 - before) / options.nodes }
            })
    }

    private static var processorSeconds: Double {
        var time = timespec()
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
    }
}
