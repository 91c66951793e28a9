import AROPrimitives
import AROSimulation
import Testing

/// Nodes that stay, and several faults of which one alone shows the bug.
private func scenario(nodes: Int, seconds: Int = 16) throws -> Scenario {
    try Scenario(
        yaml: """
            aro_scenario: 1
            name: forgetful
            duration: \(seconds)s
            nodes: [{count: \(nodes)}]
            join: {over: 2s}
            network: {rtt: {constant: 40ms}, loss: 1%}
            workload: [{publish: {}, at: 4s, times: 2}, {lookup: {}, at: 12s, times: 2}]
            faults:
              - {at: 5s, pause: 10%, for: 1s}
              - {at: 6s, loss: 5%, for: 1s}
              - {at: 7s, restart: 40%, for: 1s}
              - {at: 9s, isolate: {count: 1}, for: 500ms}
              - {at: 9500ms, move: {count: 1}}
            expect:
              - always: own_deaf_nodes == 0
              - join.success_rate == 1
            """, file: "forgetful.yaml")
}

@Suite struct Variants {
    @Test func `one's own checker sees what one's own variant does`() throws {
        let report = playForgetful(try scenario(nodes: 5))
        let deaf = try #require(report.outcomes.first)
        #expect(!deaf.holds)
        #expect(
            [.seconds(8), .seconds(9)].contains(deaf.at),
            "the nodes come back at 8 s; the window ends then, or a second later")
        #expect(report["own_deaf_nodes"]?.value == 2)
        #expect(report.scenario.play(clock: { 0 }).report["join_success_rate"]?.value == 1)
    }

    @Test func `a planted bug comes down to two nodes and one fault`() throws {
        let failing = try scenario(nodes: 6, seconds: 12)
        let failure = try #require(Failure(playForgetful(failing)))
        var shrinking = Shrinking(failing, failing: failure) { scenarios in
            scenarios.map { Failure(playForgetful($0)) }
        }
        shrinking.run()
        let small = shrinking.scenario
        #expect(small.nodeCount == 2)
        #expect(small.faults.count == 1)
        #expect(small.workload.isEmpty)
        guard case .restart = small.faults.first?.kind else {
            Issue.record("\(small.faults)")
            return
        }
        #expect(Failure(playForgetful(small)) == failure)
    }
}
