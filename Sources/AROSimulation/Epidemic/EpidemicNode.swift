/// The infect-and-die epidemic: who hears a broadcast for the first time tells it to `f` others
/// drawn evenly from all nodes, and never again. Its reach among many nodes is known in closed form
/// (Kermack and McKendrick 1927), the root of r = 1 - e^(-f r), so it calibrates the engine:
/// agenda, links and chance.

import ARONode
import AROPrimitives

/// What one broadcast did so far.
struct EpidemicBroadcast: Hashable, Sendable {
    var number: UInt32 = 0
    var reached = 0
    var copies = 0
    var lastHop = 0
}

/// Where all nodes note what they hear.
final class EpidemicNotes {
    var current = EpidemicBroadcast()
}

struct EpidemicNode: ~Copyable, Inhabitant {
    private var chance: Generator
    private let number: Int
    private let nodes: Int
    private let notes: EpidemicNotes
    /// The last broadcast that it told on.
    private var heard: UInt32 = 0

    init(_ birth: Birth, nodes: Int, notes: EpidemicNotes) {
        chance = Generator(seed: birth.chanceSeed)
        (number, self.nodes, self.notes) = (birth.node, nodes, notes)
    }

    /// A broadcast's packet: number 4 bytes, fan-out 1, hop 1.
    static func packet(_ broadcast: UInt32, fanout: Int, hop: Int) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.appendU32(broadcast)
        bytes.append(UInt8(fanout))
        bytes.append(UInt8(min(hop, 255)))
        return bytes
    }

    var nextDeadline: Wake? { nil }

    mutating func handle(_ input: borrowing Input, at now: Instant, into outbox: inout Outbox) {
        switch input {
        case .datagram(let bytes, _): heard(bytes, into: &outbox)
        default: break
        }
    }

    private mutating func heard(_ bytes: RawSpan, into outbox: inout Outbox) {
        var reader = ByteReader(bytes)
        guard let broadcast = try? reader.u32(), let fanout = try? reader.u8(),
            let hop = try? reader.u8(), broadcast == notes.current.number, heard != broadcast
        else { return }
        heard = broadcast
        notes.current.reached += 1
        notes.current.copies += Int(fanout)
        notes.current.lastHop = max(notes.current.lastHop, Int(hop))
        let packet = Self.packet(broadcast, fanout: Int(fanout), hop: Int(hop) + 1)
        for _ in 0..<fanout {
            outbox.packets.append(packet.span.bytes, to: Addressing.own(another(), moves: 0))
        }
    }

    mutating func flush(at now: Instant, into outbox: inout Outbox) {}

    /// Anyone but ourselves.
    private mutating func another() -> Int {
        let drawn = chance.below(nodes - 1)
        return drawn < number ? drawn : drawn + 1
    }
}
