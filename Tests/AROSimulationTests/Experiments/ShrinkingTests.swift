import AROPrimitives
import Testing

@testable import AROSimulation

private func scenario() throws -> Scenario {
    try Scenario(
        yaml: """
            aro_scenario: 1
            name: shrink
            duration: 10m
            nodes: [{group: core, count: 10}, {group: peers, count: 990}]
            workload:
              - {publish: {}, at: 1m, times: 100}
              - {lookup: {}, at: 2m, over: 5m, times: 1000}
            faults:
              - {at: 1m, kill: 10%}
              - {at: 2m, pause: 10%, for: 1m}
              - {at: 3m, partition: {shares: [50%]}, for: 1m}
              - {at: 4m, restart: 10%, for: 1m}
              - {every: 30s, from: 1m, until: 9m, isolate: {count: 3}, for: 10s}
              - {at: 5m, loss: 10%, for: 1m}
            expect: [lookup.success_rate == 1, events > 0]
            """, file: "shrink.yaml")
}

private let failure = Failure(crash: "planted")

/// A run that would fail with a pause and a loss, among seven nodes at least, two minutes at least.
private func isPlanted(_ scenario: Scenario) -> Bool {
    let hasPause = scenario.faults.contains { if case .pause = $0.kind { true } else { false } }
    let hasLoss = scenario.faults.contains { if case .loss = $0.kind { true } else { false } }
    return hasPause && hasLoss && scenario.nodeCount >= 7 && scenario.duration >= .minutes(2)
}

@Suite struct ShrinkingScenarios {
    private func shrunk(atOnce: Int) throws -> (Scenario, runs: Int) {
        var shrinking = Shrinking(try scenario(), failing: failure) { scenarios in
            scenarios.map { isPlanted($0) ? failure : nil }
        }
        shrinking.run(atOnce: atOnce)
        return (shrinking.scenario, shrinking.runs)
    }

    @Test func `what does not matter goes, what matters stays`() throws {
        let (small, runs) = try shrunk(atOnce: 1)
        #expect(isPlanted(small))
        #expect(small.nodeCount == 7)
        #expect(small.faults.count == 2)
        #expect(small.workload.isEmpty)
        #expect(small.expect.isEmpty, "a crash needs no expectation")
        #expect(runs < 500)
    }

    @Test func `how many runs go at once changes nothing`() throws {
        let one = try shrunk(atOnce: 1).0
        #expect(try shrunk(atOnce: 2).0 == one)
        #expect(try shrunk(atOnce: 5).0 == one)
    }

    @Test func `a failure that reads the same without faults is another`() throws {
        // Fails with a kill, but also when it ends before a minute: joins are unfinished then.
        func fails(_ scenario: Scenario) -> Bool {
            scenario.duration < .minutes(1)
                || scenario.faults.contains { if case .kill = $0.kind { true } else { false } }
        }
        var shrinking = Shrinking(try scenario(), failing: failure) { scenarios in
            scenarios.map { fails($0) ? failure : nil }
        }
        shrinking.run()
        #expect(shrinking.scenario.faults.count == 1)
        #expect(shrinking.scenario.duration >= .minutes(1))
    }

    @Test func `an end that comes early ends what would come later`() throws {
        let short = try scenario().cut(to: .minutes(3))
        #expect(short.duration == .minutes(3))
        #expect(short.faults.count == 3)
        #expect(short.faults.allSatisfy { $0.at + ($0.kind.span ?? .zero) <= .minutes(3) })
        #expect(short.workload.count == 2)
        let again = try Scenario(yaml: short.resolved, file: "resolved")
        #expect(again == short, "what was cut can be written and read")
    }

    @Test(arguments: 1...40) func `every random fault can be written and read`(seed: Int) throws {
        var base = try scenario()
        base.faults = []
        let swarmed = base.swarmed(seed: UInt64(seed))
        #expect((1...8).contains(swarmed.faults.count))
        #expect(swarmed.faults.allSatisfy { $0.at >= .seconds(150) && $0.at <= .minutes(6) })
        #expect(swarmed.faults.allSatisfy { $0.at + ($0.kind.span ?? .zero) <= .seconds(361) })
        #expect(try Scenario(yaml: swarmed.resolved, file: "seed \(seed)") == swarmed)
        #expect(base.swarmed(seed: UInt64(seed)) == swarmed)
    }

    @Test func `a run that ends too soon does not fail as one whose requests all ended`() throws {
        func failure(after seconds: String) throws -> Failure? {
            let scenario = try Scenario(
                yaml: """
                    aro_scenario: 1
                    name: cut
                    duration: \(seconds)
                    nodes: [{count: 4}]
                    join: {over: 1s}
                    network: {rtt: {constant: 40ms}}
                    workload: [{find: {}, at: 3s}]
                    expect: [joins == 0]
                    """, file: "cut.yaml")
            return Failure(scenario.play(clock: { 0 }).report)
        }
        let cut = try #require(try failure(after: "3001ms"))
        let whole = try #require(try failure(after: "5s"))
        #expect(cut.text == whole.text)
        #expect(cut.isCut && !whole.isCut)
        #expect(cut != whole)
    }
}
