import AROPrimitives
import Testing

@testable import AROSimulation

private func scenario(_ more: String) throws -> Scenario {
    try Scenario(
        yaml: """
            aro_scenario: 1
            name: gossip
            fidelity: messages
            duration: 60s
            nodes: [{group: peers, count: 24}]
            join: {over: 5s}
            network: {rtt: {constant: 40ms}}
            \(more)
            """, file: "gossip.yaml")
}

private func played(_ more: String) throws -> Report {
    try scenario(more).play(clock: { 0 }).report
}

extension Report {
    fileprivate subscript(name: String) -> Double? {
        metrics.first { $0.name == name }?.value
    }
}

@Suite struct GossipScenarios {
    @Test func `posts reach every subscriber, and each of their steps is measured by itself`()
        throws
    {
        let report = try played(
            """
            workload:
              - {subscribe: {}, at: 8s, over: 2s}
              - {broadcast: {senders: one}, at: 30s, over: 5s, times: 5}
              - {broadcast: {size: 100B}, at: 40s, over: 5s, times: 10}
            """)
        #expect(report["broadcasts"] == 15)
        #expect(report["s1_reliability_min"] == 1)
        #expect(report["s2_reliability_min"] == 1)
        #expect(report["broadcast_missed"] == 0)
        // Nobody is reached without a copy, over at least one hop and at most as many as nodes.
        #expect(try #require(report["s2_rmr"]) >= 0)
        #expect((1...23).contains(try #require(report["s2_ldh_max"])))
        #expect(try #require(report["delivery_latency_max"]) >= 0.02)
    }

    @Test func `who does not subscribe is no part of the audience`() throws {
        let plan = try scenario(
            """
            workload:
              - {subscribe: {share: 50%}, at: 8s, over: 2s}
              - {broadcast: {}, at: 30s}
            """)
        var run = ScenarioRun<MessageNode>(plan)
        run.run()
        let broadcast = try #require(run.gossip.broadcasts.first)
        #expect(broadcast.audience.count == 12)
        #expect(broadcast.reached.count == 12)
    }

    @Test func `deaths are found and counted, and nobody else is held for dead`() throws {
        let report = try played(
            """
            faults: [{at: 30s, kill: {count: 3}}]
            measure: {members: on, from: 20s}
            """)
        #expect(report["undetected_deaths"] == 0)
        #expect(report["false_positives"] == 0)
        #expect(try #require(report["detections"]) >= 3)
        #expect(try #require(report["first_detection_max"]) < 30)
        #expect(report["members_stale"] == 0)
        #expect(report["members_known"] == 1)
        #expect(try #require(report["settled_datagrams_per_node_per_second"]) > 0)
    }

    @Test func `a resolved scenario reads as itself`() throws {
        let scenario = try Scenario(
            yaml: """
                aro_scenario: 1
                name: gossip
                fidelity: messages
                duration: 60s
                nodes: [{count: 24}]
                gossip: {lifeguard: off}
                workload:
                  - {subscribe: {share: 40%}, at: 8s, over: 2s}
                  - {broadcast: {size: 100B, senders: one}, at: 30s, over: 5s, times: 5}
                measure: {members: on, from: 20s}
                expect: [s1.rmr < 1, undetected_deaths == 0]
                """, file: "gossip.yaml")
        #expect(!scenario.hasLifeguard)
        #expect(scenario.watchesMembers)
        let again = try Scenario(yaml: scenario.resolved, file: "resolved.yaml")
        #expect(again.resolved == scenario.resolved)
        #expect(again.workload == scenario.workload)
    }

    @Test(arguments: ["{size: 3B}", "{size: 2KiB}", "{senders: two}", "{sizes: 1B}"])
    func `an impossible post is a fault`(post: String) {
        #expect(throws: ScenarioFault.self) {
            try played("workload: [{broadcast: \(post), at: 10s}]")
        }
    }
}
