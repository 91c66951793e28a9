/// Hostile groups in a run: where their nodes live, as whom, and what they got hold of in the end.

import ARONode
import AROPrimitives
import AROWire

extension ScenarioRun where Resident: ~Copyable {
    /// The one host of a group of sybils: 20.0.0.0 and up, which no honest node has.
    private func sybilAddress(_ group: Int) -> SocketAddress {
        let member = groupOf.count { $0 == group }
        return SocketAddress(
            ipv4: 20 << 24 | UInt32(group) << 8 | 1, port: UInt16(1_024 + member % 64_000))
    }

    /// Adds a node of a group to the world.
    mutating func addNode(_ g: Int, joins: Bool) -> Int {
        let group = scenario.groups[g]
        var traits = world.seeds.generator("traits", UInt64(world.nodeCount))
        let hostility = group.hostility
        let region = drawRegion(group)
        let link = group.access?.draw(&traits) ?? group.link
        let identity = hostility?.eclipse.map { minedIdentity($0) }
        let node = world.addNode(
            link: link, region: region,
            address: hostility?.isSybil == true ? sybilAddress(g) : nil, identity: identity,
            // Bootstraps are reachable by all, as real ones must be.
            nat: joins ? group.nat?.draw(&traits) : nil)
        if let hostility {
            world.setConduct(hostility.conduct, of: node)
            hostileNodes.append(node)
        }
        return node
    }

    private func minedIdentity(_ eclipse: Scenario.Eclipse) -> Bits256 {
        Mining.seed(
            near: victimKey(eclipse)!, bits: eclipse.bits, of: world.nodeCount, world.seeds)
    }

    func victim(_ eclipse: Scenario.Eclipse) -> Int? {
        groupOf.firstIndex { scenario.groups[$0].name == eclipse.of }
    }

    private func victimKey(_ eclipse: Scenario.Eclipse) -> DHTKey? {
        victim(eclipse).flatMap { world.withResident($0) { DHTKey(peer: $0.id) } }
    }

    /// Whether a node of the group can start now: who wants to surround somebody waits for him.
    func canStart(_ g: Int) -> Bool {
        guard let eclipse = scenario.groups[g].hostility?.eclipse else { return true }
        return victimKey(eclipse) != nil
    }

    // MARK: The end

    /// What hostile nodes hold of the tables of honest ones, and of their victims'.
    mutating func hostileMetrics() -> [Metric] {
        guard !hostileNodes.isEmpty else { return disjointPathMetrics }
        var draws = world.seeds.generator("hostile measures")
        var honest = (0..<world.nodeCount).filter { world.isRunning($0) && !world.isHostile($0) }
        draws.shuffle(&honest)
        var out: [Metric] = []
        if let share = captured(Array(honest.prefix(Self.tablesLookedAt))) {
            out.append(Metric("hostile_table_share", .share, share))
        }
        for eclipse in scenario.groups.compactMap({ $0.hostility?.eclipse }).prefix(1) {
            guard let victim = victim(eclipse), let key = victimKey(eclipse) else { continue }
            if let share = captured([victim]) {
                out.append(Metric("victim_table_share", .share, share))
            }
            out.append(Metric("neighbourhood_share", .share, neighbourhood(of: key, victim)))
        }
        out.append(Metric("forged_accepted", .count, Double(gossip.forged)))
        return out + disjointPathMetrics
    }

    /// Tables that are looked at: enough for a mean within a few per cent.
    private static var tablesLookedAt: Int { 64 }

    /// Of all contacts of these nodes the share that is hostile; nil where nobody can look.
    private func captured(_ nodes: [Int]) -> Double? {
        var (hostile, all) = (0, 0)
        for node in nodes {
            guard let table = Resident.table(of: node, in: world) else { return nil }
            all += table.count
            hostile += table.count { world.isHostile($0) }
        }
        return Double(hostile) / Double(max(1, all))
    }

    /// Of the twenty running nodes nearest to a key, but for its owner, the share that is hostile.
    private func neighbourhood(of key: DHTKey, _ owner: Int) -> Double {
        let ranked = (0..<world.nodeCount).compactMap { node -> (Bits256, Int)? in
            guard node != owner, world.isRunning(node) else { return nil }
            return world.withResident(node) { (DHTKey(peer: $0.id).distance(to: key), node) }
        }.sorted { $0.0 < $1.0 }
        let near = ranked.prefix(20)
        return Double(near.count { world.isHostile($0.1) }) / Double(max(1, near.count))
    }
}
