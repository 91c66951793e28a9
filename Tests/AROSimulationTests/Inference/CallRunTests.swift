import AROPrimitives
import Testing

@testable import AROSimulation

/// Runs of calls, small: their sizes are those of `aro-sim calls`.
@Suite("Calls of models in a world") struct CallRunTests {
    private func play(_ policy: CallPolicy, deaths: Int = 0, seed: UInt64 = 3) -> CallReport {
        var scenario = CallScenario()
        (scenario.seed, scenario.nodes, scenario.providers) = (seed, 40, 8)
        (scenario.policy, scenario.deathsPercent) = (policy, deaths)
        (scenario.span, scenario.warmUp) = (.seconds(12), .seconds(2))
        scenario.roundTrip = .regions(.azure)
        var run = CallRun(scenario)
        return run.run()
    }

    @Test("every policy answers, the same calls are made, and a seed says all")
    func policies() {
        let reports = CallPolicy.allCases.map { play($0) }
        for report in reports {
            #expect(report.lost == 0, "\(report)")
            #expect(report.completed + report.failed == report.calls, "\(report)")
            #expect(report.calls == reports[0].calls && report.calls > 20, "\(report)")
            #expect(report.all.prompt > .zero && report.p95 >= report.p50, "\(report)")
        }
        #expect(play(.node) == reports[0])
        #expect(play(.node, seed: 4).trace != reports[0].trace)
    }

    @Test("when providers die, calls complete or fail with a reason")
    func deaths() {
        let report = play(.node, deaths: 25)
        #expect(report.lost == 0 && report.completed + report.failed == report.calls, "\(report)")
        #expect(report.failed == 0 || !report.reasons.isEmpty, "\(report)")
    }
}
