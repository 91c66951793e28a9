/// How fast the engine is without the node: the agenda alone (the hold model of Vaucher and Duval
/// 1975, in which every event that comes out puts one back at a random later time), and a world
/// whose inhabitants pass tokens on.

import ARONode
import AROPrimitives
import Foundation

public enum EngineBenchmark {
    public struct Result: Sendable {
        public let name: String
        public let eventsPerSecond: Double
    }

    /// - Parameters:
    ///   - pending: events on the agenda at any time.
    ///   - events: how many to run.
    public static func hold(pending: Int, events: Int, seed: UInt64 = 1) -> Result {
        var chance = Generator(seed: seed)
        var agenda = EventQueue<Event>()
        let event = Event(.timer, node: 0, epoch: 0, word: 0)
        for _ in 0..<pending { agenda.push(event, at: Int64(chance.below(1_000_000_000))) }
        var word: UInt64 = 0
        let start = processorSeconds()
        for _ in 0..<events {
            let (time, event) = agenda.pop(until: .max)!
            word &+= event.word
            agenda.push(event, at: time + Int64(chance.below(1_000_000_000)))
        }
        let took = processorSeconds() - start
        precondition(word == 0)
        return Result(name: "agenda, \(pending) pending", eventsPerSecond: Double(events) / took)
    }

    /// Every node sends one token of 64 bytes on to a random node whenever one arrives: the whole
    /// way of a datagram through the world, with a random round-trip time for each pair.
    public static func tokens(nodes: Int, tokens: Int, events: UInt64, seed: UInt64 = 1) -> Result {
        var model = NetworkModel()
        model.roundTrip = .uniform(.milliseconds(20), .milliseconds(100))
        var world = World(seed: seed, network: model) { TokenPasser($0, nodes: nodes) }
        for _ in 0..<nodes { world.addNode() }
        let token = [UInt8](repeating: 7, count: 64)
        for i in 0..<tokens {
            world.inject(token, from: world.address(of: i % nodes), to: i % nodes)
        }
        let start = processorSeconds()
        let before = world.counters.events
        while world.counters.events - before < events {
            _ = world.advance(to: world.now + .milliseconds(10))
        }
        let took = processorSeconds() - start
        let count = Double(world.counters.events - before)
        return Result(
            name: "world, \(nodes) nodes, \(tokens) tokens", eventsPerSecond: count / took)
    }
}

/// Processor time of this process: other work on the machine does not count.
private func processorSeconds() -> Double { Double(clock()) / Double(CLOCKS_PER_SEC) }

private struct TokenPasser: ~Copyable, Inhabitant {
    private var chance: Generator
    private let nodes: Int

    init(_ birth: Birth, nodes: Int) {
        chance = Generator(seed: birth.chanceSeed)
        self.nodes = nodes
    }

    var nextDeadline: Wake? { nil }

    mutating func handle(_ input: borrowing Input, at now: Instant, into outbox: inout Outbox) {
        switch input {
        case .datagram(let bytes, _):
            outbox.packets.append(bytes, to: Addressing.own(chance.below(nodes), moves: 0))
        default: break
        }
    }

    mutating func flush(at now: Instant, into outbox: inout Outbox) {}
}
