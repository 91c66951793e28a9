/// What a run measures, under the names that the literature uses. Durations stream into HDR
/// histograms (Tene), three significant digits, so a run keeps no list of samples.

import AROPrimitives
import Histogram

/// How a metric is to be read.
public enum MetricUnit: String, Sendable {
    case count, number, share, duration, bytes
}

/// A metric of a finished run. Durations are in seconds, shares from 0 to 1.
public struct Metric: Hashable, Sendable {
    public var name: String
    public var unit: MetricUnit
    public var value: Double

    public init(_ name: String, _ unit: MetricUnit, _ value: Double) {
        (self.name, self.unit, self.value) = (name, unit, value)
    }
}

/// The distribution of a duration.
struct Spread {
    /// Microseconds.
    private(set) var histogram = Histogram<UInt64>(numberOfSignificantValueDigits: .three)

    static let parts = ["p50", "p90", "p99", "max", "mean"]

    mutating func record(_ span: Duration) {
        histogram.record(UInt64(max(0, span.nanoseconds / 1_000)))
    }

    var count: UInt64 { histogram.totalCount }

    /// The five numbers of ``parts``, where anything was recorded.
    func metrics(_ name: String) -> [Metric] {
        guard count > 0 else { return [] }
        let values = [
            Double(histogram.valueAtPercentile(50)), Double(histogram.valueAtPercentile(90)),
            Double(histogram.valueAtPercentile(99)), Double(histogram.max), histogram.mean,
        ]
        return zip(Self.parts, values).map { Metric("\(name)_\($0)", .duration, $1 / 1e6) }
    }

    /// The buckets: value in milliseconds, count, share at or below.
    var csv: String {
        var out = "value_ms,count,share_at_or_below\n"
        for bucket in histogram.recordedValues() {
            let share = Double(bucket.totalCountToThisValue) / Double(max(1, count))
            out += "\(Double(bucket.value) / 1e3),\(bucket.count),\(share)\n"
        }
        return out
    }
}

/// The names that an expectation may use.
enum MetricCatalogue {
    private static let spreads = [
        "join_latency", "publish_latency", "lookup_latency", "time_to_first_provider",
        "find_latency",
        "fetch_latency", "call_latency", "first_token", "delivery_latency", "first_detection",
        "detection", "full_dissemination",
    ]

    private static let plain: [(String, MetricUnit)] = [
        ("joins", .count), ("join_success_rate", .share), ("join_attempts", .number),
        ("publishes", .count), ("publish_success_rate", .share), ("publish_holders", .number),
        ("lookups", .count), ("lookup_success_rate", .share), ("providers_per_lookup", .number),
        ("lookup_hops_mean", .number), ("lookup_hops_max", .number), ("lookup_rpcs", .number),
        ("fetches", .count), ("fetch_success_rate", .share),
        ("calls", .count), ("call_success_rate", .share), ("call_interruptions", .count),
        ("finds", .count), ("find_success_rate", .share), ("departures", .count),
        ("hostile_table_share", .share), ("victim_table_share", .share),
        ("neighbourhood_share", .share), ("forged_accepted", .count), ("nat_drops", .count),
        ("seeder_share", .share), ("disjoint_paths_form", .share), ("find_to_form", .number),
        ("datagrams_per_node", .number), ("bytes_per_node", .bytes),
        ("datagrams_per_node_per_second", .number), ("datagrams_sent", .count),
        ("datagrams_lost", .count), ("queue_drops", .count), ("oversized_drops", .count),
        ("partition_drops", .count), ("unreachable_drops", .count), ("table_fill", .number),
        ("nodes_running", .count), ("bytes_per_node_per_second", .bytes), ("deliveries", .count),
        ("messages_kademlia", .count), ("messages_membership", .count),
        ("messages_announcement", .count), ("messages_topic", .count),
        ("requests_skipped", .count), ("requests_unfinished", .count), ("events", .count),
        ("epidemic_takeoff_fN", .share), ("epidemic_reach_fN", .share),
        ("epidemic_reach_error_fN", .share), ("epidemic_last_hop_fN", .number),
        ("epidemic_reach_error_max", .share),
        ("broadcasts", .count), ("broadcast_reliability_mean", .share),
        ("broadcast_reliability_min", .share), ("broadcast_missed", .count),
        ("broadcast_rmr", .number), ("broadcast_ldh_mean", .number), ("broadcast_ldh_max", .number),
        ("sN_reliability_mean", .share), ("sN_reliability_min", .share), ("sN_missed", .count),
        ("sN_rmr", .number), ("sN_ldh_mean", .number), ("sN_ldh_max", .number),
        ("settled_datagrams_per_node_per_second", .number),
        ("settled_bytes_per_node_per_second", .bytes),
        ("settled_bytes_kademlia", .bytes), ("settled_bytes_membership", .bytes),
        ("settled_bytes_announcement", .bytes), ("settled_bytes_topic", .bytes),
        ("settled_bytes_other", .bytes),
        ("detections", .count), ("undetected_deaths", .count), ("false_positives", .count),
        ("false_positives_of_steady", .count),
        ("symmetric_share", .share), ("clustering_coefficient", .number),
        ("average_path_length", .number), ("largest_component", .share),
        ("isolated_nodes", .count), ("in_degree_mean", .number), ("in_degree_max", .count),
        ("view_accuracy", .share), ("members_known", .share), ("members_stale", .share),
        ("knowing_all", .share), ("coordinate_error_p50", .share), ("coordinate_error_p90", .share),
        ("honest_members_known", .share), ("hostile_members_share", .share),
        ("state_bytes_mean", .bytes), ("state_bytes_max", .bytes),
    ]

    /// Of windows, beside spreads and state.
    private static let perWindow = [
        "nodes_running", "joins", "publishes", "lookups", "lookup_success_rate", "fetches",
        "fetch_success_rate", "calls", "call_success_rate", "datagrams_per_node_per_second",
        "bytes_per_node_per_second",
        "events", "deliveries", "detections", "false_positives",
    ]
    private static let perWindowSpreads = [
        "lookup_latency", "fetch_latency", "call_latency", "delivery_latency",
    ]

    /// What only who sees into all nodes can tell.
    private static let state = [
        "symmetric_share", "clustering_coefficient", "average_path_length", "largest_component",
        "isolated_nodes", "in_degree_mean", "in_degree_max", "view_accuracy", "members_known",
        "members_stale", "knowing_all", "coordinate_error_p50", "coordinate_error_p90",
        "honest_members_known", "hostile_members_share", "state_bytes_mean", "state_bytes_max",
    ]

    /// What metrics of one's own node type are called, so that expectations know them.
    private static let ownPrefix = "own_"

    static func isState(_ name: String) -> Bool {
        state.contains(name) || name.hasPrefix(ownPrefix)
    }

    /// Metrics that each window of a series may have.
    static var windowNames: [String] {
        perWindow + perWindowSpreads.flatMap { name in Spread.parts.map { "\(name)_\($0)" } }
            + state
    }

    static func isOfWindows(_ name: String) -> Bool {
        windowNames.contains(name) || name.hasPrefix(ownPrefix)
    }

    static let units: [(name: String, unit: MetricUnit)] =
        plain.map { ($0.0, $0.1) }
        + spreads.flatMap { name in Spread.parts.map { ("\(name)_\($0)", .duration) } }

    static var names: [String] { units.map(\.name) }

    static func unit(of name: String) -> MetricUnit? {
        if name.hasPrefix(ownPrefix) { return .number }
        return units.first { $0.name == name || $0.name == general(name) }?.unit
    }

    /// `epidemic_reach_f7` goes by the name `epidemic_reach_fN`, `s2_rmr` by `sN_rmr`.
    private static func general(_ name: String) -> String {
        if name.hasPrefix("s"), let end = name.firstIndex(of: "_"),
            name[name.index(after: name.startIndex)..<end].allSatisfy(\.isNumber),
            name.index(after: name.startIndex) < end
        {
            return "sN" + name[end...]
        }
        let digits = name.reversed().prefix { $0.isASCII && $0.isNumber }.count
        let stem = name.dropLast(digits)
        return digits > 0 && stem.hasSuffix("_f") ? stem + "N" : name
    }
}
