import ARONode
import AROPrimitives
import Testing

@testable import AROSimulation

/// 24 nodes, all joined after ten seconds; a row of the series each second.
private func scenario(_ more: String, fidelity: String = "messages") throws -> Scenario {
    try Scenario(
        yaml: """
            aro_scenario: 1
            name: faults
            fidelity: \(fidelity)
            duration: 40s
            nodes:
              - {group: core, count: 4}
              - {group: peers, count: 20}
            join: {over: 5s}
            network: {rtt: {constant: 40ms}}
            \(more)
            """, file: "faults.yaml")
}

private func played(_ more: String) throws -> (rows: [WindowRow], tally: Tally, drops: NetworkDrops)
{
    var run = ScenarioRun<MessageNode>(try scenario(more))
    run.run()
    return (run.series, run.tally, run.world.drops)
}

@Suite struct Faults {
    @Test(arguments: ["datagrams", "messages"])
    func `kill ends the given share of a group and nobody else`(fidelity: String) throws {
        let text = "faults: [{at: 15s, kill: {share: 80%, of: peers}}]"
        let plan = try scenario(text, fidelity: fidelity)
        func check<R: ScenarioNode & ~Copyable>(_ run: consuming ScenarioRun<R>) -> [Bool] {
            run.run()
            return (0..<24).map { run.world.isDown($0) }
        }
        let down =
            fidelity == "messages"
            ? check(ScenarioRun<MessageNode>(plan)) : check(ScenarioRun<Node>(plan))
        #expect(down.count { $0 } == 16)
    }

    @Test func `who is drawn follows from the seed, evenly`() throws {
        var hits = [Int](repeating: 0, count: 24)
        for seed in 1...40 {
            var plan = try scenario("faults: [{at: 15s, kill: {count: 5}}]")
            plan.seed = UInt64(seed)
            plan.duration = .seconds(16)
            var run = ScenarioRun<MessageNode>(plan)
            run.run()
            for node in 0..<24 where run.world.isDown(node) { hits[node] += 1 }
        }
        #expect(hits[0] == 0, "the bootstrap is spared")
        #expect(hits.reduce(0, +) == 200)
        // 40 draws of 5 in 23: 8.7 on average, standard deviation 2.6.
        #expect(hits.dropFirst().allSatisfy { (1...19).contains($0) }, "\(hits)")
    }

    @Test func `restarted nodes are down for a while and join again`() throws {
        let (rows, tally, _) = try played(
            "faults: [{at: 15s, restart: {count: 6, of: peers}, for: 5s}]")
        #expect(rows[13].running == 24)
        #expect(rows[16].running == 18)
        #expect(rows[22].running == 24)
        #expect(tally.join.count == 29)
        #expect(tally.join.successes == 29)
    }

    @Test func `paused nodes go on when their time is up, after the last of several pauses`() throws
    {
        let (rows, _, _) = try played(
            """
            faults:
              - {at: 14500ms, pause: {share: 100%, of: peers}, for: 5s}
              - {at: 17500ms, pause: {share: 100%, of: core}, for: 10s}
            """)
        #expect(rows[13].running == 24)
        #expect(rows[15].running == 4)
        #expect(rows[18].running == 1, "the bootstrap is spared")
        #expect(rows[20].running == 21)
        #expect(rows[28].running == 24)
    }

    @Test func `slow nodes stand still again and again, each in its own rhythm`() throws {
        let (rows, _, _) = try played(
            "faults: [{at: 15s, slow: {count: 10, delay: 1s, every: 2s}, for: 20s}]")
        let during = rows[16...33].map(\.running)
        #expect(during.allSatisfy { (14...24).contains($0) })
        #expect(during.contains { $0 < 22 })
        #expect(Set(during).count > 1 || during[0] != 14, "not all at once")
        #expect(rows[36].running == 24)
    }

    @Test func `isolated nodes reach nobody until they are connected again`() throws {
        let (_, tally, drops) = try played(
            """
            faults: [{at: 15s, isolate: {count: 3}, for: 10s}]
            workload:
              - {publish: {}, at: 16s, over: 8s, times: 40}
              - {lookup: {}, at: 36s, times: 10}
            """)
        #expect(drops.partitioned > 10)
        #expect(tally.lookup.successes == 10)
    }

    @Test func `a partition into shares cuts every pair of parts and heals`() throws {
        let plan = try scenario(
            """
            faults: [{at: 10s, partition: {shares: [50%, 50%]}, for: 25s}]
            workload:
              - {publish: {}, at: 11s, times: 10}
              - {lookup: {}, at: 28s, over: 2s, times: 100}
            """)
        var run = ScenarioRun<MessageNode>(plan)
        run.run()
        #expect(run.world.drops.partitioned > 100)
        let found = run.outcomes.count { $0.succeeded }
        #expect((20..<80).contains(found), "half of the askers are on the publisher's side")
    }

    @Test func `an earlier partition does not heal a later one`() throws {
        let plan = try scenario(
            """
            faults:
              - {at: 10s, partition: {shares: [50%]}, for: 10s}
              - {at: 15s, partition: {of: core}, for: 20s}
            workload: [{publish: {}, at: 24s, over: 10s, times: 20}]
            """)
        var run = ScenarioRun<MessageNode>(plan)
        run.run()
        let before = run.world.drops.partitioned
        #expect(before > 0)
        var shorter = plan
        shorter.faults.removeLast()
        var other = ScenarioRun<MessageNode>(shorter)
        other.run()
        #expect(other.world.drops.partitioned < before)
    }

    @Test func `nodes join one by one, in order, through one contact`() throws {
        var plan = try scenario("")
        plan.join.schedule = .oneByOne
        plan.join.over = .seconds(12)
        plan.window = .milliseconds(100)
        var run = ScenarioRun<MessageNode>(plan)
        run.run()
        #expect(run.tally.join.successes == 23)
        // The bootstrap, who has joined, and at most one more.
        #expect(run.series.allSatisfy { $0.running <= Int($0.joined) + 2 })
        let half = run.series.first { $0.running == 12 }
        #expect(half.map { $0.end >= .seconds(5) } == true, "spread over the span")
    }

    @Test(arguments: [
        ("{at: 1s, kill: {share: 10%, count: 3}}", "one of share, count is wanted"),
        ("{at: 1s, kill: {count: 3}, for: 2s}", "for"),
        ("{at: 1s, pause: 10%}", "'for' is missing"),
        ("{at: 1s, slow: {count: 1, delay: 2s, every: 1s}, for: 9s}", "not longer than the delay"),
        ("{at: 1s, slow: {count: 1, every: 1s}, for: 9s}", "'delay' is missing"),
        ("{at: 1s, stall: {count: 1, lasting: [2s], apart: [1s, 2s]}, for: 9s}", "two times"),
        (
            "{at: 1s, stall: {count: 1, lasting: [2s, 1s], apart: [1s, 2s]}, for: 9s}",
            "not greater than the second"
        ),
        ("{at: 1s, partition: {shares: [60%, 50%]}, for: 9s}", "at most the whole"),
        ("{at: 1s, partition: {shares: []}, for: 9s}", "at most the whole"),
        ("{at: 1s, partition: {of: random}, for: 9s}", "a group is wanted"),
        ("{at: 1s, partition: {of: coer}, for: 9s}", "did you mean 'core'?"),
        ("{at: 1s, isolte: 10%}", "did you mean 'isolate'?"),
    ])
    func `what is wrong with a fault is said`(text: String, words: String) {
        do {
            _ = try scenario("faults: [\(text)]")
            Issue.record("no complaint")
        } catch {
            #expect("\(error)".contains(words), "\(error)")
        }
    }

    @Test func `every fault reads back as it was written`() throws {
        let first = try scenario(
            """
            faults:
              - {at: 1s, kill: {count: 3, of: peers}}
              - {at: 2s, restart: 10%, for: 3s}
              - {at: 2s, restart: {count: 1}}
              - {at: 3s, pause: {share: 5%, of: core}, for: 1s}
              - {at: 4s, slow: {count: 4, delay: 128ms, every: 1s}, for: 9s}
              - {at: 4s, stall: {count: 4, lasting: [128ms, 2s], apart: [1ms, 1s]}, for: 9s}
              - {at: 5s, isolate: {count: 1}, for: 2s}
              - {at: 6s, partition: {shares: [50%, 40%]}, for: 2s}
              - {at: 7s, partition: {of: core}, for: 2s}
            """)
        let again = try Scenario(yaml: first.resolved, file: "resolved")
        #expect(again == first, "\(first.resolved)")
    }
}
