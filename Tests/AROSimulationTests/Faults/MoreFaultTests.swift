import ARONode
import AROPrimitives
import Testing

@testable import AROSimulation

private func scenario(_ faults: String, more: String = "", fidelity: String = "messages") throws
    -> Scenario
{
    try Scenario(
        yaml: """
            aro_scenario: 1
            name: faults
            fidelity: \(fidelity)
            duration: 40s
            nodes:
              - {group: core, count: 2}
              - {group: peers, count: \(fidelity == "messages" ? 14 : 6)}
            join: {over: 5s}
            network: {rtt: {constant: 40ms}}
            faults: [\(faults)]
            \(more)
            """, file: "faults.yaml")
}

private let work = """
    workload:
      - {publish: {}, at: 8s, over: 2s, times: 10}
      - {lookup: {}, at: 12s, over: 18s, times: 40}
    """

@Suite struct PartitionModes {
    @Test func `divide as they say`() {
        var chance = Generator(seed: 8)
        var sizes = Set<Int>()
        for _ in 0..<200 { sizes.insert(PartitionMode.uniformSize.side(of: 10, &chance).count) }
        #expect(sizes == Set(1...9))
        let coins = (0..<200).map { _ in PartitionMode.uniformPartition.side(of: 10, &chance).count
        }
        #expect(abs(coins.reduce(0, +) - 1_000) < 100)
        let alone = (0..<200).map { _ in PartitionMode.isolateOne.side(of: 10, &chance) }
        #expect(alone.allSatisfy { $0.count == 1 } && Set(alone.map { $0[0] }).count == 10)
        #expect(PartitionMode.none.side(of: 10, &chance).isEmpty)
        #expect(PartitionMode.uniformSize.side(of: 1, &chance).isEmpty)
    }

    @Test(arguments: PartitionMode.allCases)
    func `cut something, but for none, and heal`(mode: PartitionMode) throws {
        for symmetric in ["yes", "no"] {
            var run = ScenarioRun<MessageNode>(
                try scenario(
                    "{at: 14s, partition: {mode: \(mode.rawValue), symmetric: \(symmetric)}, for: 6s}",
                    more: work))
            run.run()
            #expect((run.world.drops.partitioned > 0) == (mode != .none), "\(mode) \(symmetric)")
            #expect(run.tally.lookup.successes >= 25)
        }
    }
}

@Suite struct RecurringFaults {
    @Test func `happen as often as their law says, each for a drawn while`() throws {
        let plan = try scenario(
            """
            {every: {exponential: 1500ms}, from: 10s, until: 40s, clog: {links: 5%},
              for: {uniform: [1s, 3s]}}
            """)
        var chance = Generator(seed: 1)
        let all = plan.faults[0].occurrences(&chance)
        #expect((10...32).contains(all.count))
        #expect(all.allSatisfy { $0.at > .seconds(10) && $0.at <= .seconds(40) })
        #expect(all.map(\.at) == all.map(\.at).sorted())
        #expect(
            all.allSatisfy { $0.kind.span! >= .seconds(1) && $0.kind.span! <= .seconds(3) })
        #expect(Set(all.map { $0.kind.span! }).count > 5)
    }

    @Test func `one that does not recur happens once, when it is written`() throws {
        let plan = try scenario("{at: 7s, pause: {count: 3}, for: 2s}")
        var chance = Generator(seed: 1)
        let all = plan.faults[0].occurrences(&chance)
        #expect(all.count == 1 && all[0].at == .seconds(7) && all[0].kind.span == .seconds(2))
    }

    @Test(arguments: [
        ("{every: 1s, at: 2s, kill: 10%}", "one of at, every"),
        ("{at: 2s, until: 5s, kill: 10%}", "it takes 'every'"),
        ("{every: 1s, from: 9s, until: 5s, kill: 10%}", "until is before from"),
        ("{every: 0s, kill: 10%}", "less than 1ms"),
        ("{at: 1s, partition: {mode: halves}, for: 1s}", "'halves' is none of"),
        ("{at: 1s, partition: {mode: none, of: peers}, for: 1s}", "one of shares, of, mode"),
        ("{at: 1s, partition: {symmetric: no}, for: 1s}", "one of shares, of, mode"),
        ("{at: 1s, clog: {links: 10}, for: 1s}", "'10' is no share"),
        ("{at: 1s, clog: {links: 1%, count: 1}, for: 1s}", "one of links, share, count"),
        ("{at: 1s, clog: 10%}", "'for' is missing"),
        ("{at: 1s, swizzle-clog: 10%, for: 1s}", "'over' is missing"),
        ("{at: 1s, kill: 10%, over: 1s}", "'kill' happens at once"),
        ("{at: 1s, skew: {count: 1, ppm: 200000}, for: 1s}", "no number from -100000"),
        ("{at: 1s, skew: {count: 1, offset: 5}, for: 1s}", "'5' is no time"),
        ("{at: 1s, disk: {count: 1, mode: ful}, for: 1s}", "did you mean 'full'?"),
        ("{at: 1s, disk: {count: 1, mode: corrupt}, for: 1s}", "'blocks' is missing"),
        ("{at: 1s, swizle-clog: 10%, for: 1s}", "did you mean 'swizzle-clog'?"),
    ])
    func `what is wrong in the file is said with its place`(text: String, words: String) {
        do {
            _ = try scenario(text)
            Issue.record("no complaint about \(text)")
        } catch {
            #expect("\(error)".contains(words), "\(error)")
            #expect("\(error)".contains("faults.yaml:10"), "\(error)")
        }
    }

    @Test func `every kind is written as it is read`() throws {
        let first = try scenario(
            """
            {at: 1s, partition: {mode: uniform-size, symmetric: no}, for: 3s},
            {every: {weibull: {shape: 0.5, scale: 2s}}, from: 1s, clog: {links: 1%}, for: {exponential: 1s}},
            {at: 2s, clog: {count: 2, of: peers}, for: 1s},
            {at: 3s, swizzle-clog: 30%, over: 4s, for: 2s},
            {at: 4s, skew: {share: 5%, ppm: -200, offset: -90s}, for: 9s},
            {at: 5s, disk: {count: 1, mode: corrupt, blocks: 12.5%}, for: 1s},
            {at: 5s, disk: {count: 1, mode: slow, delay: 50ms}, for: 1s},
            {at: 5s, disk: {count: 1, mode: full}, for: 1s},
            {every: {lognormal: {median: 2s, sigma: 0.75}}, restart: 10%, for: {uniform: [1s, 2s]}},
            {every: 10s, disk: {count: 1, mode: forgetful}, for: 1s}
            """)
        let again = try Scenario(yaml: first.resolved, file: "resolved")
        #expect(again == first, "\(first.resolved)")
    }
}

@Suite struct FaultsInRuns {
    private func played(_ faults: String, fidelity: String = "messages") throws -> Tally {
        let plan = try scenario(faults, more: work, fidelity: fidelity)
        if fidelity == "messages" {
            var run = ScenarioRun<MessageNode>(plan)
            run.run()
            return run.tally
        }
        var run = ScenarioRun<Node>(plan)
        run.run()
        return run.tally
    }

    private static let all = [
        "{at: 14s, clog: {links: 20%}, for: 3s}", "{at: 18s, swizzle-clog: 40%, over: 3s, for: 1s}",
        "{at: 11s, skew: {share: 50%, ppm: -100000, offset: 30s}, for: 20s}",
        "{at: 11s, disk: {share: 50%, mode: slow, delay: 100ms}, for: 20s}",
    ]

    @Test(arguments: all)
    func `look-ups get through`(fault: String) throws {
        #expect(try played(fault).lookup.successRate >= 0.9, "\(fault)")
    }

    @Test func `look-ups get through all of them in a world of datagrams`() throws {
        let tally = try played(Self.all.joined(separator: ", "), fidelity: "datagrams")
        #expect(tally.lookup.successRate >= 0.9)
    }

    @Test func `a clog changes what comes when`() throws {
        let (with, without) = (try played("{at: 13s, clog: 50%, for: 15s}"), try played(""))
        let slow = with.lookup.latency.metrics("x")[2].value
        #expect(slow > 2 * without.lookup.latency.metrics("x")[2].value)
    }
}

@Suite struct LocalClocksTests {
    @Test func `a fast clock shows more, and its deadlines come sooner`() {
        var clock = LocalClock()
        clock.set(partsPerMillion: 100, offset: .seconds(3), at: .origin + .seconds(10))
        let now = Instant.origin + .seconds(10_010)
        #expect(clock.time(at: now) == .origin + .milliseconds(10_011_000))
        #expect(clock.moment(of: .origin + .milliseconds(10_011_000)) <= now)
        #expect(clock.offset == .seconds(3))
    }

    @Test func `a deadline's moment is the first at which the clock shows it`() {
        var chance = Generator(seed: 6)
        for rate in [-100_000, -77, 0, 1, 200, 99_999] {
            var clock = LocalClock()
            clock.set(partsPerMillion: Int64(rate), offset: .zero, at: .origin + .seconds(5))
            for _ in 0..<200 {
                let time = Instant.origin + .seconds(5) + .nanoseconds(Int64(chance.below(1 << 40)))
                let moment = clock.moment(of: time)
                #expect(clock.time(at: moment) >= time)
                #expect(clock.time(at: moment - .nanoseconds(2)) < time)
            }
        }
    }

    @Test func `another rate begins without a jump`() {
        var clock = LocalClock()
        clock.set(partsPerMillion: 50_000, offset: .zero, at: .origin)
        let now = Instant.origin + .seconds(100)
        let shown = clock.time(at: now)
        clock.set(partsPerMillion: 0, offset: .zero, at: now)
        #expect(clock.time(at: now) == shown)
        #expect(clock.time(at: now + .seconds(1)) == shown + .seconds(1))
    }

    @Test func `a node with a fast clock wakes more often and tells another time of day`() {
        var world = World.ofGossipers(2, seed: 1)
        world.skew(1, partsPerMillion: 100_000, offset: .hours(1))
        world.introduceEveryone()
        world.run(for: .seconds(130))
        let wakes = [0, 1].map { node in world.withResident(node) { $0.wakes.count }! }
        #expect(abs(wakes[0] - 1_300) < 5 && abs(wakes[1] - 1_430) < 5, "\(wakes)")
        let times = [0, 1].map { node in world.withResident(node) { $0.wallClocks.last! }! }
        #expect(abs((times[1] - times[0]).seconds - 3_612) < 3)
    }
}
