import AROPrimitives
import Testing

@testable import AROSimulation

private func scenario(_ group: String, rtt: String = "regions: azure", more: String = "") throws
    -> Scenario
{
    try Scenario(
        yaml: """
            aro_scenario: 1
            name: groups
            fidelity: messages
            duration: 5m
            nodes:
              - {group: core, count: 2}
              - {group: peers, count: 10, \(group)}
            network: {rtt: {\(rtt)}}
            \(more)
            """, file: "groups.yaml",
        open: { name in
            switch name {
            case "c.csv": "x,y,height\n0,0,1\n3,4,1\n"
            case "bad.csv": "x,y\n1,2\n3\n"
            case "t.csv": "node,up_s,down_s\n0,10,60\n"
            default: nil
            }
        })
}

@Suite struct GroupOptions {
    @Test func `every option is written as it is read`() throws {
        for text in [
            "access: mobile, nat: usual", "access: {up: 1Mbit, loss: 0.5%}",
            "nat: {shares: {full-cone: 10%, symmetric: 12.5%}, timeout: [30s, 90s]}",
            "conduct: {drop: 10%, delay: 5ms, lie: 50%, sybil: on}", "conduct: replay",
            "conduct: {eclipse: {of: core, bits: 4}, misroute: 20%, forge: 1%}",
            "join: {at: 10s, schedule: flash-crowd, over: 30s}",
            "regions: {West Europe: 60%, East US: 40%}", "regions: [West Europe]",
        ] {
            let first = try scenario(text)
            #expect(try Scenario(yaml: first.resolved, file: "again") == first, "\(first.resolved)")
        }
    }

    @Test func `churn, paths and steps are written as they are read`() throws {
        let first = try scenario(
            "join: {schedule: poisson, over: 10s}",
            more: """
                dht: {paths: 4}
                churn: [{of: peers, sessions: {weibull: {shape: 0.59, median: 22m}}, gaps: {exponential: {median: 3m}},
                         from: 1m, until: 4m, goodbye: 30%}]
                workload:
                  - {lookup: {of: live}, at: 1m, over: 1m, times: 3}
                  - {find: {from: core, of: peers}, at: 1m}
                  - {fetch: {from: peers}, at: 30s, upon: join}
                """)
        #expect(try Scenario(yaml: first.resolved, file: "again") == first, "\(first.resolved)")
    }

    @Test func `coordinates give round trips`() throws {
        let found = try scenario("access: datacentre", rtt: "coordinates: c.csv")
        guard case .coordinates(let table) = found.network.roundTrip else {
            Issue.record("no coordinates")
            return
        }
        #expect(table.roundTrip(0, 1) == .milliseconds(7))
    }

    @Test(arguments: [
        ("access: dsl", "'dsl' is none of datacentre, residential, mobile"),
        ("nat: {shares: {symetric: 10%}}", "did you mean 'symmetric'?"),
        ("nat: {shares: {symmetric: 60%, restricted: 60%}}", "more than the whole"),
        ("nat: {shares: {}, timeout: [90s, 30s]}", "no times from low to high"),
        ("nat: {timeout: [1s, 2s]}", "'shares' is missing"),
        ("nat: usual, conduct: sybil", "not with 'sybil'"),
        ("regions: {West Europ: 100%}", "did you mean 'West Europe'?"),
        ("regions: {West Europe: 60%}", "the shares are not the whole"),
        ("join: {schedule: one-by-one}", "'one-by-one' is none of"),
        ("join: {at: 6m}", "more than 5m"),
    ])
    func `what is wrong in a group is said with its place`(text: String, words: String) {
        do {
            _ = try scenario(text)
            Issue.record("no complaint about \(text)")
        } catch {
            #expect("\(error)".contains(words), "\(error)")
            #expect("\(error)".contains("groups.yaml:7"), "\(error)")
        }
    }

    @Test(arguments: [
        ("rtt: {coordinates: bad.csv}", "network.rtt.coordinates: bad.csv: line 3: 1 fields"),
        ("rtt: {coordinates: none.csv}", "cannot read 'none.csv'"),
        ("rtt: {regions: aws}", "'aws' is none of azure"),
    ])
    func `what is wrong in a table is said with its file and line`(text: String, words: String) {
        do {
            _ = try scenario("access: mobile", rtt: String(text.dropFirst(6).dropLast()))
            Issue.record("no complaint about \(text)")
        } catch {
            #expect("\(error)".contains(words), "\(error)")
        }
    }

    @Test func `the first group is honest and starts at once`() {
        for text in ["conduct: lie", "join: {at: 1s}"] {
            #expect(throws: ScenarioFault.self) {
                try Scenario(
                    yaml: """
                        aro_scenario: 1
                        name: first
                        fidelity: messages
                        duration: 1m
                        nodes: [{group: a, count: 3, \(text)}]
                        """, file: "first.yaml")
            }
        }
    }
}
