/// What a run notes while it goes and at its end. Nothing here leaves a mark in the trace before the
/// trace is taken.

import ARONode
import AROPrimitives

/// Metrics at one moment.
struct Sample {
    var at: Duration
    var metrics: [Metric]
}

/// One window of the series.
struct WindowRow {
    var end: Duration
    var running: Int
    /// Since the start.
    var joined: UInt64
    var metrics: [Metric]
}

/// A fault, or the end of one.
struct FaultRow {
    var at: Duration
    var text: String
}

extension ScenarioRun where Resident: ~Copyable {
    private var elapsed: Duration { world.now - .origin }

    mutating func closeWindow() {
        let running = (0..<world.nodeCount).reduce(0) { $0 + (world.isRunning($1) ? 1 : 0) }
        let span = elapsed - (series.last?.end ?? .zero)
        var metrics = [Metric("nodes_running", .count, Double(running))]
        metrics += tally.closeWindow(world.counters, nodes: running, span: span)
        metrics += gossip.closeWindow()
        if scenario.watchesState {
            var draws = world.seeds.generator("window measures", UInt64(series.count))
            metrics += Resident.gossipMetrics(of: world, &draws)
        }
        series.append(
            WindowRow(
                end: elapsed, running: running, joined: tally.join.successes, metrics: metrics))
    }

    mutating func noteFault(_ text: String) {
        lastFaultAt = elapsed
        if faultRows.count < Self.faultRowsMax {
            faultRows.append(FaultRow(at: elapsed, text: text))
        }
    }

    /// Rows of `faults.csv`; a guess, more than a slow node's thousands of pauses are worth.
    private static var faultRowsMax: Int { 100_000 }

    /// Every metric as of now.
    func metricsNow() -> [Metric] {
        var tally = tally
        tally.countersAtEnd = world.counters
        tally.unfinished = UInt64(requests.count)
        return tally.metrics(nodes: world.nodeCount, span: elapsed, drops: world.drops)
            + messageMetrics + finishedGossip().metrics
    }

    /// Every metric of a finished run.
    var metricsAtEnd: [Metric] {
        tally.metrics(nodes: world.nodeCount, span: reached, drops: world.drops)
            + messageMetrics + gossip.metrics + attack + crowdMetrics
    }

    /// What the nodes that run have sent in this life, by family.
    private var messageMetrics: [Metric] {
        var sum = MessageTally()
        for node in 0..<world.nodeCount {
            if let sent = world.withResident(node, { $0.messagesSent }) { sum += sent }
        }
        return [
            Metric("messages_kademlia", .count, Double(sum.kademlia)),
            Metric("messages_membership", .count, Double(sum.membership)),
            Metric("messages_announcement", .count, Double(sum.announcement)),
            Metric("messages_topic", .count, Double(sum.topic)),
        ]
    }

    mutating func takeGraph() {
        guard let graph = Resident.overlayGraph(of: world) else { return }
        graphs.append(
            GraphSnapshot(
                at: elapsed, graph: graph, groups: groupOf.map { scenario.groups[$0].name }))
    }

    /// Asks every running node how full its table is. After the end: not part of the trace.
    mutating func sampleTables() {
        tally.traceAtEnd = world.trace
        tally.countersAtEnd = world.counters
        checkpointsAtEnd = world.checkpoints.rows
        gossip = finishedGossip()
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
