/// How much each peer may ask and store per time: token buckets, in a bounded table sorted by peer.
///
/// When the table would grow, peers whose buckets have filled up again are forgotten, as a new entry
/// says the same of them; if it is full then, the one that was silent longest is.

import AROPrimitives

struct AskingRates: Sendable {
    private struct Row: Sendable {
        var peer: PeerHandle
        var asks: UInt16
        var stores: UInt16
        var at: Instant
    }

    private var rows: [Row] = []
    /// Rows at which those that say nothing are forgotten: most peers ask once.
    private var sweepAt = 16

    mutating func allowsAsk(
        by peer: PeerHandle, at now: Instant, _ configuration: KademliaConfiguration
    ) -> Bool {
        let i = refilled(peer, at: now, configuration)
        guard rows[i].asks > 0 else { return false }
        rows[i].asks -= 1
        return true
    }

    mutating func allowsStore(
        by peer: PeerHandle, at now: Instant, _ configuration: KademliaConfiguration
    ) -> Bool {
        let i = refilled(peer, at: now, configuration)
        guard rows[i].stores > 0 else { return false }
        rows[i].stores -= 1
        return true
    }

    var heapByteCount: Int { rows.heapByteCount }

    func forEachHandle(_ body: (PeerHandle) -> Void) {
        for row in rows { body(row.peer) }
    }

    /// The peer's row, with what whole seconds have given back.
    private mutating func refilled(
        _ peer: PeerHandle, at now: Instant, _ configuration: KademliaConfiguration
    ) -> Int {
        let i = position(of: peer)
        guard i < rows.count, rows[i].peer == peer else {
            return add(peer, at: now, configuration)
        }
        let passed = Int((now - rows[i].at).nanoseconds / 1_000_000_000)
        guard passed > 0 else { return i }
        rows[i].at += .seconds(Int64(passed))
        func filled(_ tokens: UInt16, _ rate: Int, _ burst: Int) -> UInt16 {
            UInt16(min(Int(tokens) + min(passed, 65_535) * rate, burst, 65_535))
        }
        rows[i].asks = filled(
            rows[i].asks, configuration.asksPerSecond, configuration.asksBurst)
        rows[i].stores = filled(
            rows[i].stores, configuration.storesPerSecond, configuration.storesBurst)
        return i
    }

    private mutating func add(
        _ peer: PeerHandle, at now: Instant, _ configuration: KademliaConfiguration
    ) -> Int {
        if rows.count >= min(sweepAt, configuration.ratesMax) { makeRoom(at: now, configuration) }
        let row = Row(
            peer: peer, asks: UInt16(min(configuration.asksBurst, 65_535)),
            stores: UInt16(min(configuration.storesBurst, 65_535)), at: now)
        let i = position(of: peer)
        rows.insert(row, at: i)
        return i
    }

    private mutating func makeRoom(at now: Instant, _ configuration: KademliaConfiguration) {
        let refill = Int64(
            max(
                configuration.asksBurst / max(configuration.asksPerSecond, 1),
                configuration.storesBurst / max(configuration.storesPerSecond, 1)) + 1)
        rows.removeAll { now - $0.at > .seconds(refill) }
        sweepAt = max(16, rows.count * 2)
        guard rows.count >= configuration.ratesMax,
            let silent = rows.indices.min(by: { rows[$0].at < rows[$1].at })
        else { return }
        rows.remove(at: silent)
    }

    private func position(of peer: PeerHandle) -> Int {
        rows.partitionPoint { $0.peer < peer }
    }
}
