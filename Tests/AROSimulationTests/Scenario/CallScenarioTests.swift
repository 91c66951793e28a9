import AROPrimitives
import Testing

@testable import AROSimulation

private func scenario(_ more: String, fidelity: String = "messages") throws -> Scenario {
    try Scenario(
        yaml: """
            aro_scenario: 1
            name: calls
            fidelity: \(fidelity)
            duration: 60s
            nodes:
              - {group: callers, count: 10}
              - {group: servers, count: 2, serves: {model: chat, slots: [1, 2], token: 10ms, tokens: 20}}
            join: {over: 2s}
            network: {rtt: {constant: 40ms}}
            \(more)
            """, file: "calls.yaml")
}

extension Report {
    fileprivate subscript(name: String) -> Double? {
        metrics.first { $0.name == name }?.value
    }
}

@Suite struct CallScenarios {
    @Test(arguments: ["messages", "datagrams"])
    func `calls are answered by who serves, after the prompt's time at the soonest`(
        _ fidelity: String
    ) throws {
        let report = try scenario(
            "workload: [{call: {}, at: 20s, over: 20s, times: 40, arrivals: poisson}]",
            fidelity: fidelity
        ).play(clock: { 0 }).report
        #expect(report["calls"] == 40)
        #expect(report["call_success_rate"] == 1)
        #expect(report["requests_unfinished"] == 0)
        // 100 ms for the prompt, and a round trip.
        let median: Double = try #require(report["first_token_p50"])
        #expect(median >= 0.139)
        let whole: Double = try #require(report["call_latency_mean"])
        let first: Double = try #require(report["first_token_mean"])
        #expect(whole > first)
    }

    @Test func `a model that nobody serves fails with a reason`() throws {
        let report = try scenario(
            "workload: [{call: {model: other, deadline: 5s}, at: 20s, times: 3}]"
        ).play(clock: { 0 }).report
        #expect(report["call_success_rate"] == 0)
        #expect(report["requests_unfinished"] == 0)
        #expect(report.failures.contains { $0.hasPrefix("call failed 3x") })
    }

    @Test func `who comes back serves again`() throws {
        let report = try scenario(
            """
            workload: [{call: {deadline: 20s}, at: 40s, over: 5s, times: 10}]
            faults: [{at: 20s, restart: {count: 2, of: servers}, for: 5s}]
            """
        ).play(clock: { 0 }).report
        #expect(report["call_success_rate"] == 1)
    }

    @Test func `what is written reads back the same`() throws {
        let first = try scenario(
            "workload: [{call: {from: callers, deadline: 5s}, at: 9s, over: 3s, times: 2, "
                + "arrivals: poisson}]")
        let again = try Scenario(yaml: first.resolved, file: "again.yaml")
        #expect(again.groups[1].serves == first.groups[1].serves)
        #expect(again.workload == first.workload)
        #expect(again.workload[0].isPoisson)
    }

    @Test(arguments: [
        ("serves: {slots: 0}", "slots"), ("serves: {token: 0s}", "token"),
        ("serves: {speed: 3}", "speed"), ("serves: {model: ''}", "model"),
        ("serves: {slots: []}", "slots"),
    ])
    func `an impossible server names its key`(_ text: String, _ key: String) {
        #expect {
            _ = try Scenario(
                yaml: """
                    aro_scenario: 1
                    name: wrong
                    duration: 1s
                    nodes: [{count: 2, \(text)}]
                    """, file: "wrong.yaml")
        } throws: { error in
            "\(error)".contains("wrong.yaml:4") && "\(error)".contains(key)
        }
    }
}
