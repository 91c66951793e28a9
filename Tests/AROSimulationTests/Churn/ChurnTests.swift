import AROPrimitives
import Foundation
import Testing

@testable import AROSimulation

@Suite struct SpanLaws {
    private func median(_ law: SpanLaw, draws: Int = 20_001) -> (median: Double, mean: Double) {
        var chance = Generator(seed: 11)
        let drawn = (0..<draws).map { _ in law.draw(&chance).seconds }.sorted()
        return (drawn[draws / 2], drawn.reduce(0, +) / Double(draws))
    }

    @Test func `an exponential law has its mean, and its median where that is given`() {
        let (middle, mean) = median(.exponential(mean: .seconds(100)))
        #expect(abs(mean - 100) < 3)
        #expect(abs(middle - 69.3) < 3)
        #expect(abs(median(.exponential(median: .seconds(100))).median - 100) < 4)
    }

    /// Stutzbach and Rejaie's three fits: shape, scale, mean and median in minutes.
    @Test(arguments: [(590, 41.9, 64.0, 22.0), (380, 42.4, 163.0, 16.0), (340, 21.3, 119.0, 7.0)])
    func `a Weibull law has the mean and median of the paper`(
        shape: Int, scale: Double, mean: Double, middle: Double
    ) {
        let law = SpanLaw.weibull(
            shapeThousandths: shape, scale: .milliseconds(Int64(scale * 60_000)))
        let found = median(law, draws: 200_001)
        #expect(abs(found.mean / 60 - mean) / mean < 0.12)
        #expect(abs(found.median / 60 - middle) / middle < 0.07)
    }

    @Test func `a Weibull law can be given by its median`() {
        let law = SpanLaw.weibull(shapeThousandths: 500, median: .minutes(22))
        #expect(abs(median(law).median / 60 - 22) < 1.5)
    }

    @Test func `a fixed and an even law draw what they say`() {
        #expect(median(.fixed(.seconds(3))) == (3, 3))
        let (middle, mean) = median(.uniform(.seconds(10), .seconds(20)))
        #expect(abs(middle - 15) < 0.3 && abs(mean - 15) < 0.3)
    }

    @Test func `the widest laws draw nothing that does not fit`() {
        for shape in [200, 340, 10_000] {
            let law = SpanLaw.weibull(shapeThousandths: shape, scale: .hours(24 * 365))
            var chance = Generator(seed: 3)
            let drawn = (0..<20_000).map { _ in law.draw(&chance) }
            #expect(drawn.allSatisfy { $0 >= .zero && $0 <= SpanLaw.longest })
        }
    }
}

@Suite struct SessionTraces {
    @Test func `sessions are read in the order of the file`() throws {
        let trace = try SessionTrace(
            csv: "node,up_s,down_s\n0,0,813.5\n# a remark\n1,12.25,40\n0,900,\n", nodes: 2)
        #expect(trace.sessions.map(\.node) == [0, 1, 0])
        #expect(trace.sessions[1].up == .milliseconds(12_250))
        #expect(trace.sessions[0].down == .milliseconds(813_500))
        #expect(trace.sessions[2].down == nil)
    }

    @Test(arguments: [
        ("", "no sessions"), ("node,up_s,down_s\n", "no sessions"),
        ("node,up,down\n0,1,2\n", "line 1: 'node,up_s,down_s' is wanted"),
        ("node,up_s,down_s\n0,1,2\n0,5,7", "line 3 has no end: the file is cut off"),
        ("node,up_s,down_s\n0,1,2\n0,5\n", "line 3: 2 fields"),
        ("node,up_s,down_s\n0,1,2,3\n", "line 2: 4 fields"),
        ("node,up_s,down_s\n3,1,2\n", "line 2, node: '3' is no node from 0 to 2"),
        ("node,up_s,down_s\n-1,1,2\n", "line 2, node: '-1'"),
        ("node,up_s,down_s\nx,1,2\n", "line 2, node: 'x'"),
        ("node,up_s,down_s\n0,,2\n", "line 2, up_s: ''"),
        ("node,up_s,down_s\n0,1,1h\n", "line 2, down_s: '1h'"),
        ("node,up_s,down_s\n0,5,5\n", "line 2: down_s is not after up_s"),
        ("node,up_s,down_s\n0,5,9\n1,0,1\n0,8,12\n", "line 4: node 0 is up already"),
        ("node,up_s,down_s\n0,5,\n0,8,12\n", "line 3: node 0 is up already"),
        ("node,up_s,down_s\n0,99999999999999,\n", "line 2, up_s"),
    ])
    func `what is wrong is said with its line`(text: String, words: String) {
        do throws(SessionTrace.Failure) {
            _ = try SessionTrace(csv: text, nodes: 3)
            Issue.record("no complaint about \(text)")
        } catch {
            #expect("\(error)".contains(words), "\(error)")
        }
    }

    @Test func `a trace that is cut anywhere is refused or is a shorter whole one`() throws {
        let text = "node,up_s,down_s\n0,0,813.5\n1,12.25,40\n0,900,\n"
        for length in 0..<text.count {
            let part = String(text.prefix(length))
            guard let trace = try? SessionTrace(csv: part, nodes: 2) else { continue }
            #expect(part.hasSuffix("\n"))
            #expect(trace.sessions.count < 3)
        }
    }
}

@Suite struct ArrivalTimes {
    private func times(_ schedule: Scenario.JoinPlan.Schedule) -> [Double] {
        var plan = Scenario.JoinPlan()
        (plan.schedule, plan.over, plan.at) = (schedule, .seconds(100), .seconds(50))
        var arrivals = Arrivals(plan, count: 1_000, chance: Generator(seed: 9))
        return (0..<1_000).map { _ in arrivals.next()!.seconds - 50 }
    }

    @Test func `Poisson arrivals come at the mean rate with the law's spread`() {
        let times = times(.poisson)
        #expect(times == times.sorted())
        #expect(abs(times.last! - 100) < 12)
        let gaps = zip(times.dropFirst(), times).map { $0 - $1 }
        #expect(abs(Double(gaps.count { $0 < 0.0693 }) / 999 - 0.5) < 0.05)
    }

    @Test func `a flash crowd thins out within its span`() {
        let times = times(.flashCrowd)
        #expect(times.allSatisfy { (0...100).contains($0) })
        // Four decays in the span: the first quarter brings 1 - 1/e of all, nearly.
        #expect(abs(times.count { $0 < 25 } - 644) < 50)
        #expect(times.contains { $0 > 75 })
    }
}

private func scenario(_ churn: String, more: String = "") throws -> Scenario {
    try Scenario(
        yaml: """
            aro_scenario: 1
            name: churn
            fidelity: messages
            duration: 2m
            nodes:
              - {group: core, count: 2}
              - {group: peers, count: 12}
            join: {over: 5s}
            network: {rtt: {constant: 40ms}}
            churn: [\(churn)]
            \(more)
            """, file: "churn.yaml",
        open: { name in
            switch name {
            case "t.csv": "node,up_s,down_s\n0,10,40\n1,20,\n0,50,80\n"
            case "cut.csv": "node,up_s,down_s\n0,10,60\n1,2"
            default: nil
            }
        })
}

@Suite struct ChurnInRuns {
    private func running(_ churn: String) throws -> (rows: [Int], departures: Double?) {
        var run = ScenarioRun<MessageNode>(try scenario(churn))
        run.run()
        let departures = run.crowdMetrics.first { $0.name == "departures" }
        return (run.series.map(\.running), departures?.value)
    }

    @Test func `nodes come and go by their laws, and bootstraps stay`() throws {
        let (rows, departures) = try running(
            "{of: peers, sessions: {exponential: 15s}, gaps: {exponential: 15s}, from: 20s}")
        #expect(rows[18] == 14)
        // Half of twelve, with a standard deviation of 1.7, and two that stay.
        let later = rows[50...].reduce(0, +) / rows[50...].count
        #expect((5...11).contains(later), "\(later)")
        // About 100 s / 30 s a node.
        #expect(abs(departures! - 43) < 20)
    }

    @Test func `after the last departure all come back`() throws {
        let (rows, _) = try running(
            "{of: peers, sessions: 20s, gaps: {uniform: [5s, 9s]}, until: 90s, goodbye: 100%}")
        #expect(rows[20...85].contains { $0 < 14 })
        #expect(rows.last == 14)
    }

    @Test func `a trace says who runs when`() throws {
        let (rows, departures) = try running("{of: peers, trace: t.csv}")
        #expect([15, 25, 45, 60, 90].map { rows[$0] } == [3, 4, 3, 4, 3])
        #expect(departures == 2)
    }

    @Test func `who left before the answer came counts neither as success nor as failure`() throws {
        var run = ScenarioRun<MessageNode>(
            try scenario(
                "{of: peers, sessions: {exponential: 5s}, gaps: {exponential: 5s}, from: 20s}",
                more: "workload: [{find: {}, at: 30s, over: 80s, times: 200}]"))
        run.run()
        #expect((100...200).contains(run.tally.find.count))
        #expect(run.tally.unfinished < 20)
    }

    @Test func `the same seed gives the same comings and goings`() throws {
        func trace() throws -> TraceHash {
            var run = ScenarioRun<MessageNode>(
                try scenario(
                    "{of: peers, sessions: {weibull: {shape: 0.5, median: 20s}}, gaps: 9s}"))
            run.run()
            return run.world.trace
        }
        #expect(try trace() == trace())
    }

    @Test func `gaps follow the law of sessions where nothing is said`() throws {
        let plan = try scenario("{of: peers, sessions: {exponential: 15s}}").churn[0]
        #expect(
            plan.rhythm
                == .drawn(
                    sessions: .exponential(mean: .seconds(15)),
                    gaps: .exponential(mean: .seconds(15))))
    }

    @Test(arguments: [
        ("{sessions: 1m, gaps: 1m}", "'of' is missing"),
        ("{of: peer, sessions: 1m, gaps: 1m}", "did you mean 'peers'?"),
        ("{of: peers, gaps: 1m}", "'sessions' is missing"),
        ("{of: peers, sessions: 0s, gaps: 1m}", "churn.0.sessions: less than 1ms"),
        ("{of: peers, sessions: 60, gaps: 1m}", "'60' is no time"),
        ("{of: peers, sessions: {weibul: {}}, gaps: 1m}", "did you mean 'weibull'?"),
        ("{of: peers, sessions: {weibull: {shape: 0.1, scale: 1m}}, gaps: 1m}", "from 0.200 to"),
        ("{of: peers, sessions: {weibull: {shape: 1}}, gaps: 1m}", "one of scale, median"),
        ("{of: peers, sessions: {uniform: [2m, 1m]}, gaps: 1m}", "greater than the second"),
        ("{of: peers, trace: cut.csv}", "cut.csv: line 3 has no end: the file is cut off"),
        ("{of: peers, trace: none.csv}", "cannot read 'none.csv'"),
        ("{of: peers, trace: t.csv, gaps: 1m}", "churn.0.gaps: the trace says when"),
        ("{of: core, trace: t.csv}", "bootstraps run from the start"),
        ("{of: peers, sessions: 1m, gaps: 1m}, {of: peers, sessions: 1m, gaps: 1m}", "already"),
    ])
    func `what is wrong in the file is said with its place`(text: String, words: String) {
        do {
            _ = try scenario(text)
            Issue.record("no complaint about \(text)")
        } catch {
            #expect("\(error)".contains(words), "\(error)")
            #expect("\(error)".contains("churn.yaml:10"), "\(error)")
        }
    }
}
