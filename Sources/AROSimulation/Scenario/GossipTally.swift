/// What a run adds up of broadcasts and of failures found: reliability, RMR and LDH as Plumtree's
/// authors define them (*Epidemic Broadcast Trees*, 2007, §4.1), detection times and false positives
/// as Lifeguard's (2017, §5).

import AROPrimitives

/// Nodes, one bit each.
struct NodeSet {
    private var words: [UInt64] = []
    private(set) var count = 0

    func contains(_ node: Int) -> Bool {
        node / 64 < words.count && words[node / 64] >> UInt64(node % 64) & 1 == 1
    }

    /// Whether the node was not in it.
    mutating func insert(_ node: Int) -> Bool {
        while words.count <= node / 64 { words.append(0) }
        guard !contains(node) else { return false }
        words[node / 64] |= 1 << UInt64(node % 64)
        count += 1
        return true
    }
}

/// One post on its way.
struct Broadcast {
    /// Which of the workload's broadcast steps, from 1.
    var step: Int
    var at: Instant
    /// Who was subscribed when it was posted, the sender included.
    var audience: NodeSet
    var reached = NodeSet()
    var lastHop = 0
}

struct GossipTally {
    var broadcasts: [Broadcast] = []
    private(set) var subscribers = NodeSet()
    /// Of the steps with one sender.
    var sender: Int?
    var deliveries = Spread()
    /// Where traffic at rest begins to count.
    var measuredFrom: (at: Duration, counters: WorldCounters, wire: WireBytes?)?
    private(set) var metrics: [Metric] = []
    /// How every broadcast came out.
    private(set) var rows: [BroadcastRow] = []
    private var window = (deliveries: Spread(), detections: UInt64(0), falsePositives: 0)

    private var endedAt: [Int: Instant] = [:]
    private var wasPaused = NodeSet()
    /// By node that ended: the first verdict and the last one, and how many.
    private var verdicts: [Int: (first: Instant, last: Instant, count: Int)] = [:]
    private(set) var detections = Spread()
    /// Posts that arrived otherwise than they were sent.
    var forged = 0
    private var falsePositives = 0
    private var falsePositivesOfSteady = 0

    // MARK: Facts

    mutating func subscribed(_ node: Int) -> Bool { subscribers.insert(node) }

    mutating func ended(_ node: Int, at now: Instant) { endedAt[node] = now }

    /// What was found of its former life counts no more.
    mutating func cameBack(_ node: Int) {
        endedAt[node] = nil
        verdicts[node] = nil
    }

    mutating func paused(_ node: Int) { _ = wasPaused.insert(node) }

    /// Somebody holds a node for failed.
    mutating func heldForFailed(_ node: Int, at now: Instant) {
        guard let end = endedAt[node] else {
            falsePositives += 1
            if !wasPaused.contains(node) { falsePositivesOfSteady += 1 }
            return
        }
        detections.record(now - end)
        let known = verdicts[node]
        verdicts[node] = (known?.first ?? now, now, (known?.count ?? 0) + 1)
    }

    mutating func delivered(_ number: Int, to node: Int, hops: Int, at now: Instant) {
        guard broadcasts.indices.contains(number), broadcasts[number].reached.insert(node) else {
            return
        }
        deliveries.record(now - broadcasts[number].at)
        window.deliveries.record(now - broadcasts[number].at)
        broadcasts[number].lastHop = max(broadcasts[number].lastHop, hops)
    }

    /// What was delivered and found since the last time.
    mutating func closeWindow() -> [Metric] {
        let delivered = window.deliveries
        let found = detections.count - window.detections
        let wrong = falsePositives - window.falsePositives
        window = (Spread(), detections.count, falsePositives)
        guard !broadcasts.isEmpty || found > 0 || wrong > 0 else { return [] }
        return [
            Metric("deliveries", .count, Double(delivered.count)),
            Metric("detections", .count, Double(found)),
            Metric("false_positives", .count, Double(wrong)),
        ] + delivered.metrics("delivery_latency")
    }

    // MARK: The end

    /// - Parameters:
    ///   - live: who runs, by node.
    ///   - copies: of each post, how often it was sent.
    ///   - others: what was measured elsewhere.
    mutating func finish(
        live: [Bool], copies: [UInt64], watches: Bool, span: Duration, counters: WorldCounters,
        wire: WireBytes? = nil, others: [Metric]
    ) {
        metrics = broadcastMetrics(live, copies)
        if watches { metrics += detectionMetrics }
        if let start = measuredFrom {
            let nodeSeconds = Double(max(1, live.count { $0 })) * (span - start.at).seconds
            let perNode = 1 / max(1e-9, nodeSeconds)
            let packets = counters.datagramsSent - start.counters.datagramsSent
            let bytes = counters.bytesSent - start.counters.bytesSent
            metrics += [
                Metric(
                    "settled_datagrams_per_node_per_second", .number, Double(packets) * perNode),
                Metric("settled_bytes_per_node_per_second", .bytes, Double(bytes) * perNode),
            ]
            if let before = start.wire, let now = wire {
                metrics += (now - before).metrics(perNode)
            }
        }
        metrics += others
    }

    private mutating func broadcastMetrics(_ live: [Bool], _ copies: [UInt64]) -> [Metric] {
        guard !broadcasts.isEmpty else { return [] }
        rows = broadcasts.enumerated().map { number, broadcast in
            let wanted = live.indices.filter { live[$0] && broadcast.audience.contains($0) }
            return BroadcastRow(
                step: broadcast.step, at: broadcast.at - .origin, wanted: wanted.count,
                reached: wanted.count { broadcast.reached.contains($0) },
                deliveries: broadcast.reached.count,
                copies: number < copies.count ? copies[number] : 0, lastHop: broadcast.lastHop)
        }
        var out = [Metric("broadcasts", .count, Double(rows.count))]
        out += BroadcastRow.metrics("broadcast", rows)
        for step in 1...rows.reduce(1, { max($0, $1.step) }) {
            out += BroadcastRow.metrics("s\(step)", rows.filter { $0.step == step })
        }
        out += deliveries.metrics("delivery_latency")
        guard copies.isEmpty else { return out }
        // Nobody counted copies and hops.
        return out.filter { !$0.name.contains("_rmr") && !$0.name.contains("_ldh") }
    }

    private var detectionMetrics: [Metric] {
        var (first, full) = (Spread(), Spread())
        var undetected = 0
        for (node, end) in endedAt.sorted(by: { $0.key < $1.key }) {
            guard let found = verdicts[node] else {
                undetected += 1
                continue
            }
            first.record(found.first - end)
            full.record(found.last - end)
        }
        return first.metrics("first_detection") + detections.metrics("detection")
            + full.metrics("full_dissemination") + [
                Metric("detections", .count, Double(detections.count)),
                Metric("undetected_deaths", .count, Double(undetected)),
                Metric("false_positives", .count, Double(falsePositives)),
                Metric("false_positives_of_steady", .count, Double(falsePositivesOfSteady)),
            ]
    }
}

/// A finished broadcast, as far as it counts: who ended before the run did does not.
struct BroadcastRow {
    var step: Int
    var at: Duration
    var wanted, reached: Int
    /// To everybody, also those who ended later; with the sender.
    var deliveries: Int
    var copies: UInt64
    var lastHop: Int

    var reliability: Double { Double(reached) / Double(max(1, wanted)) }

    static func metrics(_ name: String, _ rows: [BroadcastRow]) -> [Metric] {
        guard !rows.isEmpty else { return [] }
        let count = Double(rows.count)
        let copies = rows.reduce(0.0) { $0 + Double($1.copies) }
        let needed = rows.reduce(0.0) { $0 + Double(max(0, $1.deliveries - 1)) }
        return [
            Metric(
                "\(name)_reliability_mean", .share,
                rows.reduce(0.0) { $0 + $1.reliability } / count),
            Metric(
                "\(name)_reliability_min", .share, rows.reduce(1.0) { min($0, $1.reliability) }),
            Metric(
                "\(name)_missed", .count, rows.reduce(0.0) { $0 + Double($1.wanted - $1.reached) }),
            Metric("\(name)_rmr", .number, copies / max(1, needed) - 1),
            Metric(
                "\(name)_ldh_mean", .number, rows.reduce(0.0) { $0 + Double($1.lastHop) } / count),
            Metric(
                "\(name)_ldh_max", .number, rows.reduce(0.0) { max($0, Double($1.lastHop)) }),
        ]
    }
}
