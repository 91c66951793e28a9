import AROPrimitives
import Testing

@testable import AROSimulation

private func scenario(_ more: String, nodes: Int = 1_000) throws -> Scenario {
    try Scenario(
        yaml: """
            aro_scenario: 1
            name: epidemic
            protocol: epidemic
            nodes: [{count: \(nodes)}]
            network: {rtt: {uniform: [20ms, 100ms]}}
            \(more)
            """, file: "e.yaml")
}

private func played(_ more: String) throws -> Report {
    try scenario(more).play(clock: { 0 }).report
}

@Suite struct Epidemics {
    @Test func `the closed form has the values of the literature`() {
        let known: [(Double, Double)] = [
            (2, 0.7968), (3, 0.9405), (4, 0.9802), (5, 0.9930), (10, 0.99995),
        ]
        for (fanout, reach) in known {
            #expect(abs(Epidemic.reach(fanout: fanout) - reach) < 0.0001)
        }
        #expect(Epidemic.reach(fanout: 1) == 0)
        #expect(Epidemic.reach(fanout: 0.5) == 0)
    }

    @Test func `broadcasts reach what the closed form says`() throws {
        let report = try played(
            """
            epidemic: {fanouts: [1, 3, 6], broadcasts: 20, every: 5s}
            expect: [epidemic.reach_error_max <= 1%, epidemic.takeoff.f6 == 100%]
            """)
        #expect(report.passed, "\(report)")
        #expect(report.metrics.contains { $0.name == "epidemic_takeoff_f1" && $0.value == 0 })
    }

    @Test func `loss is as good as a smaller fan-out`() throws {
        var lossy = try scenario(
            """
            epidemic: {fanouts: [4], broadcasts: 20, every: 5s}
            expect: [epidemic.reach.f4 <= 95.5%, epidemic.reach_error_max <= 1%]
            """)
        lossy.network.loss = .independent(.percent(25))
        let report = lossy.play(clock: { 0 }).report
        #expect(report.passed, "\(report)")
    }

    @Test func `the run repeats itself from its seed and writes back as it was read`() throws {
        let first = try scenario("epidemic: {fanouts: [2], broadcasts: 3, every: 4s}", nodes: 50)
        let a = first.play(clock: { 0 })
        let b = try Scenario(yaml: first.resolved, file: "again").play(clock: { 0 })
        #expect(a.report.trace == b.report.trace)
        #expect(a.files.map(\.name).contains("broadcasts.csv"))
        #expect(a.files.last?.text.split(separator: "\n").count == 4)
    }

    @Test(arguments: [
        ("", "'epidemic' is missing"),
        ("epidemic: {fanouts: [0]}", "is no number from 1"),
        ("epidemic: {fanouts: [2]}\nduration: 5s", "not with 'protocol: epidemic'"),
        ("epidemic: {fanouts: [2]}\nworkload: []", "not with 'protocol: epidemic'"),
    ])
    func `what does not go with it is refused`(text: String, words: String) {
        do {
            _ = try scenario(text)
            Issue.record("no complaint")
        } catch { #expect("\(error)".contains(words), "\(error)") }
    }
}
