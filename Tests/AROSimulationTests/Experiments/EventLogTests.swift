import AROPrimitives
import Testing

@testable import AROSimulation

private func played(_ fidelity: String, log: EventLog) throws -> Report {
    try Scenario(
        yaml: """
            aro_scenario: 1
            name: log
            fidelity: \(fidelity)
            duration: 15s
            nodes: [{count: 4}]
            join: {over: 1s}
            network: {rtt: {constant: 40ms}}
            workload: [{publish: {}, at: 5s}, {lookup: {}, at: 10s, times: 3}]
            """, file: "log.yaml"
    ).play(clock: { 0 }, log: log).report
}

@Suite struct EventLogs {
    @Test(arguments: ["datagrams", "messages"])
    func `every cause comes before its effect, where it was sent`(fidelity: String) throws {
        let log = EventLog()
        let report = try played(fidelity, log: log)
        #expect(log.entries.count >= report.events)
        #expect(log.entries.map(\.number) == Array(1...UInt64(log.entries.count)))
        var withCause = 0
        for entry in log.entries {
            guard let number = entry.cause, let cause = log[number] else { continue }
            withCause += 1
            #expect(cause.number < entry.number && cause.at <= entry.at)
            if let sender = entry.sender { #expect(cause.node == sender) }
            if entry.kind == "timer" || entry.kind == "disk" { #expect(cause.node == entry.node) }
        }
        #expect(withCause * 10 > log.entries.count * 8)
    }

    @Test func `the path of a lookup leads over its peers and back`() throws {
        let log = EventLog()
        _ = try played("messages", log: log)
        let request = try #require(log.answers.last { $0.text.contains("searched") })
        let path = log.path(ofRequest: request.request)
        #expect(path.last?.number == request.event)
        #expect(path.last?.node == request.node)
        #expect(zip(path, path.dropFirst()).allSatisfy { $0.0.number == $0.1.cause })
    }

    @Test func `watching changes nothing`() throws {
        let watched = try played("messages", log: EventLog())
        let some = try played("messages", log: EventLog(events: 10..<20, node: 1))
        #expect(watched.trace == some.trace)
        let log = EventLog(events: 10..<20)
        _ = try played("messages", log: log)
        #expect(log.entries.map(\.number) == Array(10..<20))
    }

    @Test func `checkpoints are bounded and even`() {
        var checkpoints = Checkpoints()
        for events in 1...UInt64(100_000) where events == checkpoints.next {
            checkpoints.note(events, .seconds(Int64(events)), TraceHash())
        }
        #expect(checkpoints.rows.count < Checkpoints.countMax)
        #expect(checkpoints.rows.count >= Checkpoints.countMax / 4)
        let numbers = checkpoints.rows.map(\.events)
        #expect(zip(numbers, numbers.dropFirst()).allSatisfy { $1 - $0 == checkpoints.interval })
    }

    @Test func `the first difference lies between two checkpoints`() throws {
        func list(_ numbers: [UInt64], differsFrom: UInt64) -> [Checkpoint] {
            numbers.map { number in
                let digits = number < differsFrom ? "0000000000000001" : "0000000000000002"
                return Checkpoint(events: number, at: .zero, trace: TraceHash(digits)!)
            }
        }
        let a = list([1, 2, 3, 4, 5, 6, 7, 8], differsFrom: 100)
        #expect(Checkpoint.firstDifference(a, list([2, 4, 6, 8], differsFrom: 5)) == 4..<6)
        #expect(Checkpoint.firstDifference(a, list([2, 4, 6, 8], differsFrom: 1)) == 0..<2)
        #expect(Checkpoint.firstDifference(a, list([2, 4, 6, 8], differsFrom: 9)) == nil)
        #expect(Checkpoint.firstDifference(a, []) == nil)
    }
}
