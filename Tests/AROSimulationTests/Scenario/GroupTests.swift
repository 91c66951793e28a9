import ARONode
import AROOverlay
import AROPrimitives
import Testing

@testable import AROSimulation

private func scenario(_ text: String, fidelity: String = "datagrams") throws -> Scenario {
    try Scenario(
        yaml: """
            aro_scenario: 1
            name: groups
            fidelity: \(fidelity)
            duration: 1m
            \(text)
            """, file: "groups.yaml")
}

@Suite struct Groups {
    @Test func `shares of a population come out whole`() throws {
        let text = "population: 1000\nnodes: [{group: a, share: 33.3%}, {group: b, share: 33.3%}, "
        let plan = try scenario(text + "{group: c, share: 33.4%}, {group: d, count: 5}]")
        #expect(plan.groups.map(\.count) == [333, 333, 334, 5])
        for population in 1...50 {
            let plan = try scenario(
                "population: \(population)\nnodes: [{group: a, share: 70%}, {group: b, share: 30%}]"
            )
            #expect(plan.nodeCount == population)
        }
        #expect(try Scenario(yaml: plan.resolved, file: "resolved") == plan)
    }

    @Test(arguments: [("0%", 0), ("20%", 198), ("100%", 990)])
    func `a group takes what the shares of others leave`(share: String, count: Int) throws {
        let plan = try scenario(
            "population: 990\nnodes: [{group: core, count: 10}, {group: a, share: rest}, "
                + "{group: b, share: \(share)}]")
        #expect(plan.groups.map(\.count) == [10, 990 - count, count])
        #expect(try Scenario(yaml: plan.resolved, file: "resolved") == plan)
    }

    @Test func `a group has its own configuration over everybody's`() throws {
        let plan = try scenario(
            """
            config: {kademlia.k: 16, gossip.topics.tree.rememberedFor: 2m}
            nodes:
              - {group: a, count: 1}
              - {group: b, count: 1, config: {kademlia.k: 8, servesDHT: off}}
            """)
        let cohorts = Cohorts(plan)
        cohorts.groupOf = [0, 1]
        #expect(cohorts.configuration(of: 0).kademlia.k == 16)
        #expect(cohorts.configuration(of: 0).servesDHT)
        #expect(cohorts.configuration(of: 1).kademlia.k == 8)
        #expect(!cohorts.configuration(of: 1).servesDHT)
        #expect(cohorts.configuration(of: 1).gossip.topics.tree.rememberedFor == .minutes(2))
        #expect(try Scenario(yaml: plan.resolved, file: "resolved") == plan)
    }

    @Test(arguments: [
        ("nodes: [{share: 5%}]", "a share of what?"),
        ("population: 9\nnodes: [{share: 5%, count: 3}]", "one of count, share"),
        ("nodes: [{group: a}]", "'count' is missing"),
        ("nodes: [{share: rest}]", "a share of what?"),
        (
            "population: 9\nnodes: [{group: a, share: rest}, {group: b, share: rest}]",
            "takes the rest already"
        ),
        ("config: {kademlia.kk: 3}\nnodes: [{count: 1}]", "did you mean 'kademlia.k'?"),
        ("config: {kademlia.k: 3s}\nnodes: [{count: 1}]", "no number"),
        ("config: {kademlia.requestLifetime: 3}\nnodes: [{count: 1}]", "with a unit"),
        ("config: {servesDHT: maybe}\nnodes: [{count: 1}]", "none of on, off"),
    ])
    func `what is wrong with a group is said`(text: String, words: String) {
        do {
            _ = try scenario(text)
            Issue.record("no complaint")
        } catch {
            #expect("\(error)".contains(words), "\(error)")
        }
    }

    @Test func `a group of messages has no transport of its own`() {
        #expect(throws: ScenarioFault.self) {
            try scenario(
                "nodes: [{count: 1, config: {transport.ackEvery: 3}}]", fidelity: "messages")
        }
    }

    /// Every number of the configuration that a scenario could set, by reflection.
    private func names(of value: Any, _ prefix: String = "") -> [String] {
        Mirror(reflecting: value).children.flatMap { child -> [String] in
            guard let label = child.label else { return [] }
            switch child.value {
            case is Int, is Int64, is UInt64, is Bool, is Float, is Duration:
                return [prefix + label]
            default:
                guard "\(type(of: child.value))".hasSuffix("Configuration") else { return [] }
                return names(of: child.value, prefix + label + ".")
            }
        }
    }

    @Test func `every number of the node's configuration can be set`() {
        let known = ConfigurationKey.all.map(\.name)
        #expect(Set(known).count == known.count)
        // What simulations alone may change is no key.
        let names = names(of: Configuration()).filter { !$0.hasSuffix(".signs") }
        #expect(names.sorted() == known.sorted())
    }
}
