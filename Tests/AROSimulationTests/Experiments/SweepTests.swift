import AROPrimitives
import Testing

@testable import AROSimulation

private func scenario(_ sweep: String) throws -> Scenario {
    try Scenario(
        yaml: """
            aro_scenario: 1
            name: sweep
            duration: 1m
            nodes: [{count: 10}]
            sweep: \(sweep)
            """, file: "sweep.yaml")
}

@Suite struct Sweeps {
    @Test func `every combination comes once, the seed changing fastest`() throws {
        let sweep = try scenario("{network.loss: [0%, 10%], nodes.0.count: [5, 7], seeds: 1..3}")
            .sweep
        #expect(sweep.pointCount == 12)
        let points = sweep.points
        #expect(points.count == 12)
        #expect(points.map(\.number) == Array(0..<12))
        #expect(Set(points.map { $0.values + ["\($0.seed!)"] }).count == 12)
        #expect(points[1].values == ["0%", "5"])
        #expect(points[1].seed == 2)
        #expect(points[11].values == ["10%", "7"])
    }

    @Test func `a point is a scenario`() throws {
        let text = "aro_scenario: 1\nname: a\nduration: 1m\nnodes: [{count: 3}]\n"
        let base = try Scenario(
            yaml: text + "sweep: {network.loss: [3%], seeds: [9]}", file: "a")
        let point = try #require(base.sweep.points.first)
        let one = try Scenario(yaml: text, file: "a", settings: point.settings)
        #expect(one.seed == 9)
        #expect(one.network.loss == .independent(Chance(partsPerMillion: 30_000)))
    }

    @Test(arguments: [
        ("{}", "keys with lists"), ("[]", "keys with lists"), ("{network.loss: 3%}", "a list"),
        ("{network.loss: []}", "no value"), ("{network.loss: [1%, 1%]}", "twice"),
        ("{seeds: 5..2}", "no range"), ("{seeds: 1..9999999}", "no range"), ("{seeds: []}", "one"),
        ("{a: [1, 2, 3], seeds: 1..50000}", "more than 100000 runs"),
    ])
    func `an impossible sweep is refused with words`(text: String, words: String) throws {
        do {
            _ = try scenario(text)
            Issue.record("no complaint")
        } catch {
            #expect("\(error)".contains(words), "\(error)")
            #expect("\(error)".contains("sweep.yaml:5"), "\(error)")
        }
    }

    @Test func `means have Student's intervals`() {
        #expect(Student.mean([3]).halfWidth == nil)
        #expect(Student.mean([4, 4, 4]) == (4, 0))
        // Mean 3, standard deviation 1.5811, t(4) 2.776: 2.776 * 1.5811 / sqrt(5).
        let (mean, half) = Student.mean([1, 2, 3, 4, 5])
        #expect(mean == 3)
        #expect(abs((half ?? 0) - 1.963) < 0.001)
        for n in 1...500 {
            #expect(Student.quantile(degreesOfFreedom: n) >= 1.96)
            #expect(
                Student.quantile(degreesOfFreedom: n + 1) <= Student.quantile(degreesOfFreedom: n))
        }
    }

    @Test func `tables are put together in the order of the sweep`() throws {
        func run(_ point: Int, _ value: String, _ seed: UInt64, _ number: Double) -> SweepRun {
            SweepRun(
                point: point, values: [value], seed: seed, passed: true,
                traceHash: "00000000000000ff", events: 7,
                metrics: [.init(name: "lookup_hops_mean", unit: "number", value: number)])
        }
        let table = SweepTable(
            [Sweep.Axis(path: "network.loss")],
            [run(3, "5%", 2, 4), run(0, "1%", 1, 1), run(2, "5%", 1, 2), run(1, "1%", 2, 3)])
        #expect(table.means.map(\.mean) == [2, 3])
        let files = table.files
        #expect(
            files[0].text.split(separator: "\n")[1]
                == "0,1%,1,1,7,0x00000000000000ff,lookup_hops_mean,number,1.0")
        let means = try #require(ResultTable(csv: files[1].text))
        #expect(means.columns[0] == "network.loss")
        #expect(means.rows.count == 2)
    }
}
