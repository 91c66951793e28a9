/// What a run notes while it goes and at its end.

import ARONode
import AROPrimitives

extension ScenarioRun where Resident: ~Copyable {
    mutating func closeWindow() {
        series.append(
            WindowRow(
                end: world.now - .origin,
                running: (0..<world.nodeCount).reduce(0) { $0 + (world.isRunning($1) ? 1 : 0) },
                counters: world.counters, joined: tally.join.successes,
                published: tally.publish.successes, lookups: tally.lookup.count,
                found: tally.lookup.successes, fetched: tally.fetch.successes))
    }

    /// Asks every running node how full its table is. After the end: not part of the trace.
    mutating func sampleTables() {
        tally.traceAtEnd = world.trace
        tally.countersAtEnd = world.counters
        measureGossip()
        attack = hostileMetrics()
        let limit = world.now
        for node in 0..<world.nodeCount where world.isRunning(node) {
            _ = world.request(.status, of: node)
            while let happening = world.advance(to: limit) {
                guard case .reply(_, _, .status(let status)) = happening else { continue }
                tally.tablePeers += UInt64(status.tablePeers)
                tally.tables += 1
            }
        }
    }
}
