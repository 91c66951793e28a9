import AROPrimitives
import Foundation
import Testing

@testable import AROSimulation

private let small = """
    aro_scenario: 1
    name: small
    duration: 10s
    nodes:
      - {group: peers, count: 10}
    """

private func scenario(_ more: String = "", set: [(String, String)] = []) throws -> Scenario {
    try Scenario(
        yaml: small + "\n" + more, file: "test.yaml",
        settings: set.map { Scenario.Setting($0, $1) },
        open: { $0 == "m.csv" ? "Source,a,b\na,,10\nb,10,\n" : nil })
}

private func complaint(_ more: String, set: [(String, String)] = []) -> String {
    do {
        _ = try scenario(more, set: set)
        return "no complaint"
    } catch {
        return "\(error)"
    }
}

@Suite struct ScenarioReading {
    @Test func `defaults fill what is not written`() throws {
        let found = try scenario()
        #expect(found.name == "small")
        #expect(found.seed == 1)
        #expect(found.nodeCount == 10)
        #expect(found.network == NetworkModel())
        #expect(found.join == Scenario.JoinPlan())
    }

    @Test func `every part of the network is read`() throws {
        let found = try scenario(
            """
            network:
              rtt: {uniform: [20ms, 100ms]}
              spread: {lognormal: {sigma: 0.1}}
              jitter: {lognormal: {median: 1.5ms, sigma: 0.5}}
              loss: {bursts: {mean: 1%, length: 3}}
              duplicate: 0.1%
              reorder: 2%
              reorder_by: 7ms
              damage: 0.01%
              mtu: 1280B
            """
        ).network
        #expect(found.roundTrip == .uniform(.milliseconds(20), .milliseconds(100)))
        #expect(found.spread?.sigmaThousandths == 100)
        #expect(found.jitter?.median == .microseconds(1_500))
        #expect(found.loss == .bursts(mean: .percent(1), length: 3))
        #expect(found.duplicate.partsPerMillion == 1_000)
        #expect(found.reorderDelayMax == .milliseconds(7))
        #expect(found.damage.partsPerMillion == 100)
        #expect(found.mtu == 1_280)
    }

    @Test func `groups have access links and regions`() throws {
        let found = try Scenario(
            yaml: """
                aro_scenario: 1
                name: groups
                duration: 1m
                network: {rtt: {matrix: m.csv}}
                nodes:
                  - {group: home, count: 5, access: {down: 50Mbit, up: 20Mbit, delay: 10ms}, regions: [b]}
                  - {group: cloud, count: 3}
                """, file: "test.yaml", open: { _ in "Source,a,b\na,,10\nb,10,\n" })
        #expect(found.groups[0].link.down == 50_000_000)
        #expect(found.groups[0].link.upQueueByteCountMax == 250_000)
        #expect(found.groups[0].regions == [1])
        #expect(found.nodeCount == 8)
    }

    @Test(arguments: [
        ("netwrk: {}", "test.yaml:6: unknown key 'netwrk'; did you mean 'network'?"),
        ("network: {los: 10%}", "test.yaml:6: unknown key 'network.los'; did you mean 'loss'?"),
        ("network: {loss: 0.1}", "test.yaml:6: network.loss: '0.1' is no share"),
        ("network: {loss: 101%}", "network.loss: '101%' is no share"),
        ("network: {rtt: {constant: 50}}", "'50' is no time; write it with a unit"),
        ("network: {rtt: {uniform: [9ms, 5ms]}}", "the first is greater than the second"),
        ("network: {rtt: {matrix: none.csv}}", "cannot read 'none.csv'"),
        ("network:\n  mtu: 1500", "test.yaml:7: network.mtu: '1500' is no size"),
        ("seed: -1", "seed: '-1' is no number"),
        ("seed: [1]", "seed: one value is wanted here"),
        ("join: {schedule: unifrm}", "did you mean 'uniform'?"),
        ("join: {bootstrap: 11}", "'11' is no number from 1 to 10"),
        ("workload: [{publish: {}}]", "'at' is missing"),
        (
            "workload: [{at: 1s}]",
            "one of publish, lookup, find, fetch, subscribe, broadcast, call is wanted"
        ),
        ("workload: [{publish: {}, lookup: {}, at: 1s}]", "one of publish, lookup, find"),
        ("workload: [{publish: {size: 2GiB}, at: 1s}]", "more than 1GiB"),
        ("workload: [{lookup: {from: nobody}, at: 1s}]", "'nobody' is none of random, peers"),
        ("workload: [{lookup: {from: peers}, at: 11s}]", "more than 10s"),
        ("faults: [{at: 1s, kill: 50%, for: 1s}]", "for"),
        ("faults: [{at: 1s, partition: 50%}]", "'for' is missing"),
        ("expect: [lookup.sucess_rate == 1]", "did you mean 'lookup_success_rate'?"),
        ("expect: [lookup.latency.p50 <= 300]", "'300' is no duration"),
        ("expect: [lookups = 3]", "'=' is none of"),
        ("expect: [lookups]", "write it as METRIC <= VALUE"),
        ("expect: [[1]]", "always, sometimes, eventually"),
        ("name: again", "test.yaml"),
        ("x: [", "not YAML"),
    ])
    func `what is wrong is said with its place`(text: String, words: String) {
        let found = complaint(text)
        #expect(found.contains(words), "\(found)")
        #expect(found.contains("test.yaml"), "\(found)")
    }

    @Test func `a file that is no scenario is refused`() {
        for text in ["", "[]", "a", "aro_scenario: 2", "aro_scenario: 1", "- a\n- b", "\u{0}"] {
            #expect(throws: ScenarioFault.self, "\(text)") {
                try Scenario(yaml: text, file: "x")
            }
        }
        #expect(complaint("", set: [("nodes", "[]")]).contains("0 nodes"))
        let twice = [("nodes", "[{group: a, count: 1}, {group: a, count: 1}]")]
        #expect(complaint("", set: twice).contains("two groups are called 'a'"))
    }

    @Test func `settings of the command line win, and are checked alike`() throws {
        let found = try scenario(
            set: [("network.loss", "20%"), ("nodes.0.count", "7"), ("seed", "9")])
        #expect(found.network.loss == .independent(.percent(20)))
        #expect(found.nodeCount == 7)
        #expect(found.seed == 9)
        #expect(complaint("", set: [("network.los", "1%")]).contains("did you mean 'loss'?"))
        #expect(complaint("", set: [("nodes.3.count", "1")]).contains("is no place in a list of 1"))
        #expect(complaint("", set: [("name.x", "1")]).contains("nothing below"))
        #expect(complaint("", set: [("", "1")]).contains("an empty key"))
    }

    @Test func `names of the configuration have dots of their own`() throws {
        let found = try scenario(
            "config: {kademlia.k: 16}",
            set: [
                ("config.kademlia.k", "8"), ("config.gossip.membership.activeMax", "7"),
                ("nodes.0.config.kademlia.alpha", "2"),
            ])
        #expect(found.configuration.kademlia.k == 8)
        #expect(found.configuration.gossip.membership.activeMax == 7)
        #expect(found.configuration(of: found.groups[0]).kademlia.alpha == 2)
        #expect(complaint("", set: [("config.kademlia.kk", "8")]).contains("'kademlia.k'"))
    }

    @Test func `the resolved scenario reads back as the same scenario`() throws {
        let first = try scenario(
            """
            seed: 77
            network:
              rtt: {matrix: m.csv}
              spread: {lognormal: {sigma: 0.125}}
              jitter: {lognormal: {median: 900us, sigma: 1}}
              loss: {bursts: {mean: 12.3456%, length: 7}}
              duplicate: 0.0001%
            disk: {latency: 3ms, rate: 1MB}
            join: {bootstrap: 3, schedule: all-at-once, over: 1500ms}
            workload:
              - {publish: {size: 100B, from: peers}, at: 1s, over: 2s, times: 5}
              - {lookup: {}, at: 5s, times: 3}
              - {fetch: {}, at: 6s}
            faults:
              - {at: 4s, kill: 25%}
              - {at: 5s, stop: {share: 5%, of: peers}}
              - {at: 6s, partition: 50%, for: 2s}
              - {at: 7s, move: 10%}
              - {at: 8s, loss: {gilbert_elliott: {to_bad: 1%, to_good: 50%, in_good: 0.1%, in_bad: 90%}}, for: 1s}
            measure: {window: 500ms}
            expect: ["lookup.latency.p99 <= 1.5s", lookups == 3, bytes.per.node < 1MB]
            """)
        let again = try Scenario(
            yaml: first.resolved, file: "resolved", open: { _ in "Source,a,b\na,,10\nb,10,\n" })
        #expect(again == first, "\(first.resolved)")
    }
}

@Suite struct Quantities {
    @Test func `units are read exactly`() {
        #expect(Quantity.duration("1.5s") == .milliseconds(1_500))
        #expect(Quantity.duration("100 ms") == .milliseconds(100))
        #expect(Quantity.duration("2h") == .hours(2))
        #expect(Quantity.duration("0") == .zero)
        #expect(Quantity.duration("0.1ns") == nil)
        #expect(Quantity.byteCount("1.5KiB") == 1_536)
        #expect(Quantity.bitRate("1_000kbit") == 1_000_000)
        #expect(Quantity.chance("0.0001%")?.partsPerMillion == 1)
    }

    @Test(arguments: [
        "", "s", "1", "1.s", ".5s", "1..2s", "-1s", "1e3s", "1 x", "99999999999999999999s", "９s",
        "9223372036854775807s",
    ])
    func `other words are no time`(text: String) {
        #expect(Quantity.duration(text) == nil)
    }

    @Test(arguments: [Int64(0), 1, 999, 1_000, 60_000_000_000, 3_600_000_000_001])
    func `a time is written as it is read`(nanoseconds: Int64) {
        let span = Duration.nanoseconds(nanoseconds)
        #expect(Quantity.duration(Quantity.text(span)) == span)
    }

    @Test func `a near word is found and a far one is not`() {
        #expect(nearest(to: "los", among: ["loss", "rtt"]) == "loss")
        #expect(nearest(to: "xyzzy", among: ["loss", "duplicate"]) == nil)
    }
}

@Suite struct Expectations {
    @Test(arguments: [
        ("lookups == 3", true), ("lookups < 3", false), ("lookups <= 3", true),
        ("lookups > 2", true), ("lookups >= 4", false), ("lookup.success_rate >= 99.5%", true),
        ("lookup.success_rate == 1", true), ("lookup_latency_p50 < 100ms", false),
        ("lookup_latency_p50 <= 100ms", true), ("fetches == 0", false),
    ])
    func `are judged by the metric`(text: String, holds: Bool) throws {
        let metrics = [
            Metric("lookups", .count, 3), Metric("lookup_success_rate", .share, 1),
            Metric("lookup_latency_p50", .duration, 0.1),
        ]
        #expect(try Expectation(text).judge(Evidence(atEnd: metrics)).holds == holds)
    }
}

@Suite struct Spreads {
    @Test func `the parts of a distribution are those of its samples`() {
        var spread = Spread()
        for i in 1...1_000 { spread.record(.milliseconds(Int64(i))) }
        let values = spread.metrics("x").map(\.value)
        let wanted = [0.5, 0.9, 0.99, 1, 0.5005]
        for (found, wanted) in zip(values, wanted) { #expect(abs(found - wanted) < 0.002) }
        #expect(Spread().metrics("x").isEmpty)
    }
}
