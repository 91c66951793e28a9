import ARONode
import AROPrimitives
import AROWire
import Testing

@testable import AROSimulation

@Suite struct Conspiracies {
    @Test func `the nearest members are those that a look through all finds`() {
        var chance = Generator(seed: 4)
        var all = Conspiracy()
        for i in 0..<500 {
            all.add(PeerHandle(index: UInt32(i)), key: DHTKey(bits: chance.bits256()))
        }
        var overlap = 0
        for _ in 0..<100 {
            let key = DHTKey(bits: chance.bits256())
            let wanted = all.members.sorted { $0.key.distance(to: key) < $1.key.distance(to: key) }
                .prefix(20).map(\.peer)
            overlap += all.nearest(to: key, 20).count { wanted.contains($0) }
        }
        #expect(overlap > 1_900)
    }

    @Test func `an empty one has nobody to name, and nobody is in it twice`() {
        var chance = Generator(seed: 4)
        var all = Conspiracy()
        let key = DHTKey(bits: chance.bits256())
        #expect(all.nearest(to: key, 20).isEmpty)
        for _ in 0..<3 { all.add(PeerHandle(index: 1), key: key) }
        #expect(all.members.count == 1)
    }
}

@Suite struct HostileMessages {
    private func altered(_ set: (inout Conduct) -> Void, _ message: [UInt8]) -> [[UInt8]] {
        var conduct = Conduct()
        set(&conduct)
        let hostility = Hostility(conduct, chance: Generator(seed: 1))
        return (0..<200).flatMap { _ in hostility.alter(message.span.bytes) }
    }

    private static let post = [UInt8(0x40)] + [UInt8](repeating: 0, count: 199)

    @Test func `are dropped by their share`() {
        let left = altered({ $0.drop = .percent(50) }, Self.post)
        #expect(abs(left.count - 100) < 30)
        #expect(left.allSatisfy { $0 == Self.post })
    }

    @Test func `are forged in what is signed, and only there`() {
        let forged = altered({ $0.forge = .always }, Self.post)
        #expect(forged.allSatisfy { $0 != Self.post && $0.prefix(100) == Self.post.prefix(100) })
        let ping = [UInt8(0x28)] + [UInt8](repeating: 0, count: 60)
        #expect(altered({ $0.forge = .always }, ping).allSatisfy { $0 == ping })
    }

    @Test func `come again`() {
        #expect(altered({ $0.replay = .always }, Self.post).count == 399)
    }
}

private func scenario(_ conduct: String, fidelity: String = "messages", more: String = "") throws
    -> Scenario
{
    try Scenario(
        yaml: """
            aro_scenario: 1
            name: hostile
            fidelity: \(fidelity)
            duration: 30s
            nodes:
              - {group: honest, count: \(fidelity == "messages" ? 20 : 8)}
              - {group: rogues, count: \(fidelity == "messages" ? 6 : 3), conduct: \(conduct)}
            join: {over: 5s}
            network: {rtt: {constant: 40ms}}
            \(more)
            """, file: "hostile.yaml")
}

private let work = """
    workload:
      - {publish: {from: honest}, at: 9s, over: 5s, times: 5}
      - {find: {from: honest, of: honest}, at: 15s, over: 8s, times: 20}
      - {lookup: {from: honest}, at: 15s, over: 8s, times: 20}
    """

@Suite struct HostileNodesInRuns {
    @Test(arguments: [
        "lie", "{misroute: 100%, delay: 300ms}", "{drop: 50%, forge: 50%, replay: 50%}",
    ])
    func `do not keep honest nodes from finding each other`(conduct: String) throws {
        var run = ScenarioRun<MessageNode>(try scenario(conduct, more: work))
        run.run()
        #expect(run.tally.find.successRate > 0.9, "\(conduct)")
        #expect(run.tally.lookup.successRate > 0.9, "\(conduct)")
        #expect(run.hostileNodes.count == 6)
        let share = run.attack.first { $0.name == "hostile_table_share" }
        #expect(share != nil)
    }

    @Test func `of one address do not push honest members out of full directories`() throws {
        let full =
            "config: {gossip.announcements.directoryMax: 22, gossip.announcements.perHostMax: 2}"
        let report = try scenario("sybil", more: full).play(clock: { 0 }).report
        #expect(report["honest_members_known"]?.value == 1)
        let share = try #require(report["hostile_members_share"]?.value)
        #expect(share > 0.05 && share < 0.2, "there is room for three of six")
        let most = try #require(report["state_bytes_max"]?.value)
        #expect(try most >= #require(report["state_bytes_mean"]?.value))
    }

    @Test func `that only lie are held against the closed form of disjoint paths`() throws {
        let report = try scenario("lie", more: "dht: {paths: 4}\n" + work).play(clock: { 0 }).report
        let form = try #require(report["disjoint_paths_form"]?.value)
        // 6 of the 25 others lie, and 26 nodes are 1.07 hops.
        #expect(abs(form - 0.995) < 0.003, "\(form)")
        let found = try #require(report["find_success_rate"]?.value)
        #expect(report["find_to_form"]?.value == found / form)
        let others = try scenario("{lie: 50%}", more: work).play(clock: { 0 }).report
        #expect(others["disjoint_paths_form"] == nil)
    }

    @Test(arguments: [
        (0.0, 3.0, 1, 1.0), (0.2, 3, 1, 0.512), (0.2, 3, 3, 0.8838), (0.2, 3, 8, 0.9968),
        (1, 1, 8, 0),
    ])
    func `leave a path honest with this chance`(
        liars: Double, hops: Double, paths: Int, chance: Double
    ) {
        let form = DisjointPaths.success(liars: liars, hops: hops, paths: paths)
        #expect(abs(form - chance) < 0.0001, "\(form)")
        #expect(DisjointPaths.hops(nodes: 20, k: 20) == 1)
        #expect(abs(DisjointPaths.hops(nodes: 10_000, k: 20) - 2.69) < 0.01)
    }

    @Test func `do not keep them in a world of datagrams either`() throws {
        let conduct = "{drop: 30%, forge: 20%, replay: 30%, delay: 100ms}"
        var run = ScenarioRun<Node>(try scenario(conduct, fidelity: "datagrams", more: work))
        run.run()
        #expect(run.tally.find.successRate > 0.9)
        #expect(run.tally.lookup.successRate > 0.9)
    }

    @Test func `no forged post is delivered`() throws {
        var run = ScenarioRun<MessageNode>(
            try scenario(
                "forge",
                more: """
                    workload:
                      - {subscribe: {}, at: 9s}
                      - {broadcast: {senders: random}, at: 15s, over: 10s, times: 20}
                    """))
        run.run()
        #expect(run.gossip.forged == 0)
        #expect(run.gossip.broadcasts.count == 20)
    }

    @Test func `sybils share one host and are held to the caps of one network`() throws {
        var run = ScenarioRun<MessageNode>(try scenario("sybil", more: work))
        run.run()
        let hosts = run.hostileNodes.map { run.world.address(of: $0).hostDescription }
        #expect(Set(hosts).count == 1)
        let share = run.attack.first { $0.name == "hostile_table_share" }?.value ?? 1
        // Three contacts of a table are of one network, at most.
        #expect(share <= 0.15, "\(share)")
    }

    @Test func `identities of an eclipse lie near the victim's`() throws {
        var run = ScenarioRun<MessageNode>(
            try scenario("{lie: 100%, eclipse: {of: honest, bits: 6}}"))
        run.run()
        let keys = (0..<26).map { node in
            run.world.withResident(node) { DHTKey(peer: $0.id) }!
        }
        let isNear = run.hostileNodes.allSatisfy { keys[$0].commonPrefixLength(with: keys[0]) >= 6 }
        #expect(isNear)
        let share = run.attack.first { $0.name == "neighbourhood_share" }?.value
        #expect(share == 0.3)
        #expect(run.attack.contains { $0.name == "victim_table_share" })
    }

    @Test func `the same seed gives the same run`() throws {
        func trace(_ seed: UInt64) throws -> TraceHash {
            var plan = try scenario("{lie: 50%, replay: 20%, forge: 10%, drop: 5%}", more: work)
            plan.seed = seed
            var run = ScenarioRun<MessageNode>(plan)
            run.run()
            return run.world.trace
        }
        #expect(try trace(1) == trace(1))
        #expect(try trace(1) != trace(2))
    }

    @Test(arguments: [
        ("liar", "messages", "did you mean 'lie'?"),
        ("lie", "datagrams", "take 'fidelity: messages'"),
        ("{lie: 0.5}", "messages", "'0.5' is no share"),
        ("{eclipse: {of: rogues, bits: 4}}", "messages", "a group above this one"),
        ("{eclipse: {of: honest, bits: 21}}", "messages", "no number from 0 to 20"),
        ("{eclips: 1}", "messages", "did you mean 'eclipse'?"),
    ])
    func `what is wrong in the file is said with its place`(
        text: String, fidelity: String, words: String
    ) {
        do {
            _ = try scenario(text, fidelity: fidelity)
            Issue.record("no complaint about \(text)")
        } catch {
            #expect("\(error)".contains(words), "\(error)")
            #expect("\(error)".contains("hostile.yaml:7"), "\(error)")
        }
    }
}
