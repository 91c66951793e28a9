import AROPrimitives
import Testing

@testable import AROSimulation

private func scenario(_ expect: String, more: String = "") throws -> Scenario {
    try Scenario(
        yaml: """
            aro_scenario: 1
            name: expect
            duration: 1m
            nodes: [{count: 3}]
            \(more)
            expect: [\(expect)]
            """, file: "expect.yaml")
}

/// One window a second, with so many nodes.
private func judge(_ expect: String, _ nodes: [Double], lastFault: Duration? = nil) throws -> Bool {
    let windows = nodes.enumerated().map { i, count in
        WindowRow(
            end: .seconds(Int64(i + 1)), running: Int(count), joined: 0,
            metrics: count < 0 ? [] : [Metric("nodes_running", .count, count)])
    }
    let evidence = Evidence(atEnd: [], windows: windows, lastFaultAt: lastFault)
    return try #require(try scenario(expect).expect.first).judge(evidence).holds
}

@Suite struct ExpectationsOverTime {
    @Test(
        arguments: [
            ("{always: nodes_running >= 2}", [3, 2, 3], true),
            ("{always: nodes_running >= 2}", [3, 1, 3], false),
            ("{always: nodes_running >= 2}", [3, -1, 3], true),
            ("{always: nodes_running >= 2}", [-1, -1], false),
            ("{always: nodes_running >= 2, from: 2s}", [0, 2, 3], true),
            ("{always: nodes_running >= 2, from: 2s, until: 2s}", [0, 2, 0], true),
            ("{sometimes: nodes_running == 1}", [3, 1, 3], true),
            ("{sometimes: nodes_running == 1}", [3, 2, 3], false),
            ("{eventually: nodes_running == 3, within: 2s, after: 1s}", [3, 1, 3], true),
            ("{eventually: nodes_running == 3, within: 1s, after: 2s}", [0, 1, 1, 3], false),
            ("{eventually: nodes_running == 3}", [0, 1, 1, 3], true),
        ] as [(String, [Double], Bool)])
    func `windows decide`(text: String, nodes: [Double], holds: Bool) throws {
        #expect(try judge(text, nodes) == holds)
    }

    @Test func `the last fault starts the clock`() throws {
        let text = "{eventually: nodes_running == 3, within: 2s, after: last-fault}"
        #expect(try judge(text, [3, 1, 1, 1, 3], lastFault: .seconds(3)))
        #expect(try !judge(text, [3, 1, 1, 1, 3], lastFault: .seconds(2)))
    }

    @Test func `they read back as they were written`() throws {
        let first = try scenario(
            "{always: nodes_running > 1, from: 2s, until: 9s}, {sometimes: lookups > 1}, "
                + "{eventually: largest_component == 100%, within: 5s, after: last-fault}, "
                + "{eventually: lookups > 1, within: 5s, after: 3s}, joins == 2")
        #expect(try Scenario(yaml: first.resolved, file: "resolved") == first)
        #expect(first.watchesState)
    }

    @Test(arguments: [
        ("{always: table_fill > 1}", "known at the end only"),
        ("{allways: lookups > 1}", "did you mean 'always'?"),
        ("{always: lookups > 1, sometimes: lookups > 1}", "one of"),
        ("{always: lookups > 1, within: 2s}", "'within' does not belong here"),
        ("{sometimes: lookups > 1, from: 2s}", "'from' does not belong here"),
        ("{eventually: lookups > 1, within: 2}", "write it with a unit"),
        ("{eventually: lookups > 1, after: last-falt}", "no time"),
        ("{always: lokups > 1}", "did you mean 'lookups'?"),
    ])
    func `what is wrong is said`(text: String, words: String) {
        do {
            _ = try scenario(text)
            Issue.record("no complaint")
        } catch {
            #expect("\(error)".contains(words), "\(error)")
            #expect("\(error)".contains("expect.yaml:6"), "\(error)")
        }
    }
}
