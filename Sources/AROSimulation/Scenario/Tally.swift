/// What a run adds up while it goes, and the metrics that come of it.

import AROOverlay
import AROPrimitives
import Histogram

enum RequestKind: String, Sendable {
    case join, publish, lookup, find, fetch, subscribe, broadcast, call
}

/// Requests of one kind.
struct RequestTally {
    var count: UInt64 = 0
    private(set) var successes: UInt64 = 0
    private(set) var latency = Spread()

    mutating func succeeded(after span: Duration) {
        successes += 1
        latency.record(span)
    }

    var successRate: Double { Double(successes) / Double(count) }
}

struct Tally {
    var join = RequestTally()
    var publish = RequestTally()
    var lookup = RequestTally()
    var fetch = RequestTally()
    var find = RequestTally()
    var call = RequestTally()
    /// From a call to the first token of its answer.
    var firstToken = Spread()
    /// Calls whose provider was lost in the middle of the answer; each time counts.
    var interruptions: UInt64 = 0
    var joinAttempts: UInt64 = 0
    /// To the first provider that holds what is wanted.
    var firstProvider = Spread()
    var holders: UInt64 = 0
    var providersFound: UInt64 = 0
    /// Peers asked in a row to come upon the nearest one, of each search for providers.
    private var hops = Histogram<UInt64>(numberOfSignificantValueDigits: .three)
    private var rpcs: UInt64 = 0
    private var searches: UInt64 = 0
    /// Why requests failed, in the order of the first of each kind.
    private(set) var failures: [(kind: RequestKind, reason: String, count: UInt64)] = []
    /// Requests that could not be made: nobody to ask, nothing published.
    private(set) var skipped: UInt64 = 0
    /// Requests without a final reply at the end; they count as failed.
    var unfinished: UInt64 = 0
    var tablePeers: UInt64 = 0
    var tables: UInt64 = 0
    private(set) var window = WindowTally()
    var traceAtEnd = TraceHash()
    var countersAtEnd = WorldCounters()

    mutating func asked(_ kind: RequestKind) {
        switch kind {
        case .join: join.count += 1
        case .publish: publish.count += 1
        case .lookup: lookup.count += 1
        case .fetch: fetch.count += 1
        case .find: find.count += 1
        case .call: call.count += 1
        case .subscribe, .broadcast: break
        }
    }

    /// Who asked has left before the answer came.
    mutating func abandoned(_ kind: RequestKind) {
        switch kind {
        case .join: join.count -= 1
        case .publish: publish.count -= 1
        case .lookup: lookup.count -= 1
        case .fetch: fetch.count -= 1
        case .find: find.count -= 1
        case .call: call.count -= 1
        case .subscribe, .broadcast: break
        }
    }

    /// A lookup or a fetch has ended.
    mutating func ended(_ kind: RequestKind, after span: Duration, succeeded: Bool) {
        window.ended(kind, after: span, succeeded: succeeded)
    }

    /// The metrics of the window that ends now; a new one begins.
    mutating func closeWindow(
        _ counters: WorldCounters, nodes: Int, span: Duration
    ) -> [Metric] {
        let metrics = window.metrics(counters, self, nodes: nodes, span: span)
        window = WindowTally(
            counters: counters, joins: join.successes, publishes: publish.successes)
        return metrics
    }

    mutating func skip() { skipped += 1 }

    mutating func searched(_ report: KademliaReport) {
        searches += 1
        rpcs += UInt64(report.messages)
        hops.record(UInt64(report.hops))
    }

    mutating func failed(_ kind: RequestKind, _ reason: String) {
        if let i = failures.firstIndex(where: { $0.kind == kind && $0.reason == reason }) {
            failures[i].count += 1
        } else if failures.count < Self.failuresMax {
            failures.append((kind, reason, 1))
        }
    }

    /// Kinds of failure that are told apart; a guess, more than anyone reads.
    private static let failuresMax = 32

    /// Every metric that the run has something to say of, in the order of the report.
    func metrics(nodes: Int, span: Duration, drops: NetworkDrops) -> [Metric] {
        requestMetrics + trafficMetrics(nodes: nodes, span: span, drops: drops)
    }

    private var requestMetrics: [Metric] {
        var out = Self.rates("join", "joins", join)
        if join.count > 0 {
            out.append(Metric("join_attempts", .number, mean(joinAttempts, join.count)))
        }
        out += Self.rates("publish", "publishes", publish)
        if publish.count > 0 {
            out.append(Metric("publish_holders", .number, mean(holders, publish.count)))
        }
        out += Self.rates("lookup", "lookups", lookup)
        if lookup.count > 0 {
            out += firstProvider.metrics("time_to_first_provider")
            out.append(Metric("providers_per_lookup", .number, mean(providersFound, lookup.count)))
        }
        out += Self.rates("find", "finds", find)
        if searches > 0 {
            out.append(Metric("lookup_hops_mean", .number, hops.mean))
            out.append(Metric("lookup_hops_max", .number, Double(hops.max)))
            out.append(Metric("lookup_rpcs", .number, mean(rpcs, searches)))
        }
        out += Self.rates("fetch", "fetches", fetch)
        out += Self.rates("call", "calls", call)
        if call.count > 0 {
            out += firstToken.metrics("first_token")
            out.append(Metric("call_interruptions", .count, Double(interruptions)))
        }
        if tables > 0 { out.append(Metric("table_fill", .number, mean(tablePeers, tables))) }
        out.append(Metric("requests_skipped", .count, Double(skipped)))
        out.append(Metric("requests_unfinished", .count, Double(unfinished)))
        return out
    }

    private static func rates(_ name: String, _ plural: String, _ tally: RequestTally) -> [Metric] {
        guard tally.count > 0 else { return [] }
        return [
            Metric(plural, .count, Double(tally.count)),
            Metric("\(name)_success_rate", .share, tally.successRate),
        ] + tally.latency.metrics("\(name)_latency")
    }

    private func trafficMetrics(nodes: Int, span: Duration, drops: NetworkDrops) -> [Metric] {
        let counters = countersAtEnd
        let perNode = mean(counters.datagramsSent, UInt64(nodes))
        return [
            Metric("datagrams_per_node", .number, perNode),
            Metric("datagrams_per_node_per_second", .number, perNode / max(span.seconds, 1e-9)),
            Metric("bytes_per_node", .bytes, mean(counters.bytesSent, UInt64(nodes))),
            Metric("datagrams_sent", .count, Double(counters.datagramsSent)),
            Metric("datagrams_lost", .count, Double(drops.lost)),
            Metric("queue_drops", .count, Double(drops.queueFull)),
            Metric("oversized_drops", .count, Double(drops.tooLarge)),
            Metric("partition_drops", .count, Double(drops.partitioned)),
            Metric("unreachable_drops", .count, Double(drops.nobodyThere)),
            Metric("nat_drops", .count, Double(drops.filtered)),
            Metric("events", .count, Double(counters.events)),
        ]
    }

    private func mean(_ sum: UInt64, _ count: UInt64) -> Double {
        Double(sum) / Double(max(1, count))
    }
}

/// How one lookup or fetch went.
struct Outcome {
    var kind: RequestKind
    var at: Duration
    var node: Int
    var took: Duration
    var providers: Int
    var succeeded: Bool
}
