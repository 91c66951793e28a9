/// What happened within one window of the series.

import AROPrimitives

struct WindowTally {
    /// As they were when the window began.
    var counters = WorldCounters()
    var joins: UInt64 = 0
    var publishes: UInt64 = 0
    private var lookups = RequestTally()
    private var fetches = RequestTally()
    private var finds = RequestTally()
    private var calls = RequestTally()

    init(counters: WorldCounters = WorldCounters(), joins: UInt64 = 0, publishes: UInt64 = 0) {
        (self.counters, self.joins, self.publishes) = (counters, joins, publishes)
    }

    mutating func ended(_ kind: RequestKind, after span: Duration, succeeded: Bool) {
        switch kind {
        case .lookup: lookups.ended(after: span, succeeded: succeeded)
        case .fetch: fetches.ended(after: span, succeeded: succeeded)
        case .find: finds.ended(after: span, succeeded: succeeded)
        case .call: calls.ended(after: span, succeeded: succeeded)
        default: break
        }
    }

    /// Of requests those that ended in the window.
    func metrics(
        _ now: WorldCounters, _ sums: Tally, nodes: Int, span: Duration
    ) -> [Metric] {
        let nodeSeconds = max(1e-9, Double(max(1, nodes)) * span.seconds)
        return [
            Metric("joins", .count, Double(sums.join.successes - joins)),
            Metric("publishes", .count, Double(sums.publish.successes - publishes)),
        ] + Self.metrics("lookup", "lookups", lookups) + Self.metrics("fetch", "fetches", fetches)
            + Self.metrics("find", "finds", finds) + Self.metrics("call", "calls", calls)
            + [
                Metric(
                    "datagrams_per_node_per_second", .number,
                    Double(now.datagramsSent - counters.datagramsSent) / nodeSeconds),
                Metric(
                    "bytes_per_node_per_second", .bytes,
                    Double(now.bytesSent - counters.bytesSent) / nodeSeconds),
                Metric("events", .count, Double(now.events - counters.events)),
            ]
    }

    private static func metrics(
        _ name: String, _ plural: String, _ tally: RequestTally
    ) -> [Metric] {
        guard tally.count > 0 else { return [] }
        return [
            Metric(plural, .count, Double(tally.count)),
            Metric("\(name)_success_rate", .share, tally.successRate),
        ] + tally.latency.metrics("\(name)_latency")
    }
}

extension RequestTally {
    fileprivate mutating func ended(after span: Duration, succeeded isRight: Bool) {
        count += 1
        if isRight { succeeded(after: span) }
    }
}
