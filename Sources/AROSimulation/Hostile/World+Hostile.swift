/// Hostile nodes in a world: who they are, and what becomes of their packets where the node itself
/// cannot be made to lie because all that leaves it is encrypted.

import AROPrimitives

/// Asked, never iterated.
struct HostileNodes {
    private var rogues: [Int: Rogue] = [:]
    private var seeds: Seeds

    struct Rogue {
        var conduct: Conduct
        var chance: Generator
        /// Packets that it sent lately, with where to.
        var sent: [(bytes: [UInt8], to: SocketAddress)] = []
    }

    /// Packets that a replaying node keeps.
    private static let sentMax = 64

    init(seeds: Seeds) { self.seeds = seeds }

    var isEmpty: Bool { rogues.isEmpty }

    func conduct(of node: Int) -> Conduct? { rogues.isEmpty ? nil : rogues[node]?.conduct }

    mutating func set(_ conduct: Conduct, of node: Int) {
        rogues[node] = Rogue(
            conduct: conduct, chance: seeds.generator("hostile", UInt64(node)))
    }

    /// Chance for one life of a hostile node.
    func chance(of node: Int, life: UInt32) -> Generator {
        seeds.generator("hostile life", UInt64(node), UInt64(life))
    }

    /// What becomes of a packet.
    enum Fate {
        case goes(damagedBit: Int?)
        case vanishes
    }

    mutating func fate(of packet: [UInt8], from node: Int) -> Fate {
        guard var rogue = rogues[node] else { return .goes(damagedBit: nil) }
        defer { rogues[node] = rogue }
        // Handshakes go through: a node that answered nothing would be taken for dead.
        let isData = packet.first.map { $0 & 0x40 != 0 } ?? false
        guard isData else { return .goes(damagedBit: nil) }
        if rogue.conduct.drop.falls(&rogue.chance) { return .vanishes }
        guard rogue.conduct.forge.falls(&rogue.chance) else { return .goes(damagedBit: nil) }
        return .goes(damagedBit: rogue.chance.below(packet.count * 8))
    }

    /// An old packet to be sent once more along with this one; nil for none.
    mutating func replay(
        beside packet: [UInt8], from node: Int, to address: SocketAddress
    ) -> (bytes: [UInt8], to: SocketAddress)? {
        guard var rogue = rogues[node], rogue.conduct.replay != .never else { return nil }
        defer { rogues[node] = rogue }
        let old = rogue.sent.isEmpty ? nil : rogue.sent[rogue.chance.below(rogue.sent.count)]
        if rogue.sent.count < Self.sentMax {
            rogue.sent.append((packet, address))
        } else {
            rogue.sent[rogue.chance.below(rogue.sent.count)] = (packet, address)
        }
        return rogue.conduct.replay.falls(&rogue.chance) ? old : nil
    }
}

extension World where Resident: ~Copyable {
    /// Makes a node hostile, now and in its later lives.
    public mutating func setConduct(_ conduct: Conduct, of node: Int) {
        hostiles.set(conduct, of: node)
        misbehave(node)
    }

    public func isHostile(_ node: Int) -> Bool { hostiles.conduct(of: node) != nil }

    /// Tells an inhabitant that just started what it is.
    mutating func misbehave(_ node: Int) {
        guard let conduct = hostiles.conduct(of: node), let resident = seats[node].resident else {
            return
        }
        resident.pointee.misbehave(
            conduct, chance: hostiles.chance(of: node, life: places[node].epoch))
    }
}
