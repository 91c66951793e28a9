/// The median of the last three round-trip times of each peer, so that a packet that waited in some
/// queue moves nobody (Ledlie, Gardner and Seltzer, *Network Coordinates in the Wild*, 2007, §4.2;
/// serf keeps three as well).

import AROPrimitives

struct LatencyFilter: Sendable {
    private struct Row: Sendable {
        var peer: PeerHandle
        var count: UInt8 = 0
        var samples = SIMD3<Float>.zero
        /// When the peer was last measured, and when its median was last let through.
        var measured: Instant
        var passed: Instant?

        /// Of two samples the lower: queues only add.
        var median: Float {
            let (a, b, c) = (samples[0], samples[1], samples[2])
            switch count {
            case 1: return a
            case 2: return min(a, b)
            default: return max(min(a, b), min(max(a, b), c))
            }
        }
    }

    private var rows: [Row] = []
    private var turn = 0

    /// Takes a sample in milliseconds. Returns the peer's median, nil where the last one was let
    /// through less than `interval` ago.
    mutating func measured(
        _ sample: Float, of peer: PeerHandle, at now: Instant, limit: Int, interval: Duration
    ) -> Float? {
        let i = row(of: peer, at: now, limit: limit)
        rows[i].samples = SIMD3(sample, rows[i].samples[0], rows[i].samples[1])
        rows[i].count = min(rows[i].count + 1, 3)
        rows[i].measured = now
        if let passed = rows[i].passed, now - passed < interval { return nil }
        rows[i].passed = now
        return rows[i].median
    }

    /// Each remembered peer in turn, but for those not measured for longer than `time`.
    mutating func next(at now: Instant, measuredWithin time: Duration) -> PeerHandle? {
        for _ in rows.indices {
            turn = turn + 1 < rows.count ? turn + 1 : 0
            if now - rows[turn].measured <= time { return rows[turn].peer }
        }
        return nil
    }

    /// Milliseconds.
    func median(of peer: PeerHandle) -> Float? {
        rows.first { $0.peer == peer }?.median
    }

    mutating func forget(_ peer: PeerHandle) { rows.removeAll { $0.peer == peer } }

    func forEachHandle(_ body: (PeerHandle) -> Void) {
        for row in rows { body(row.peer) }
    }

    private mutating func row(of peer: PeerHandle, at now: Instant, limit: Int) -> Int {
        if let i = rows.firstIndex(where: { $0.peer == peer }) { return i }
        let row = Row(peer: peer, measured: now)
        guard rows.count >= max(limit, 1),
            let oldest = rows.indices.min(by: { rows[$0].measured < rows[$1].measured })
        else {
            rows.append(row)
            return rows.count - 1
        }
        rows[oldest] = row
        return oldest
    }
}
