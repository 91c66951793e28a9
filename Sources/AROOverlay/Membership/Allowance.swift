/// How much others may have a node do: token buckets.

import AROPrimitives

/// One bucket: so much at once, and then so much each second.
struct Bucket: Sendable {
    private var tokens: UInt32
    private var filledAt: Instant

    init(full burst: Int, at now: Instant) {
        tokens = UInt32(clamping: burst)
        filledAt = now
    }

    mutating func take(_ cost: Int, burst: Int, perSecond: Int, at now: Instant) -> Bool {
        refill(burst: burst, perSecond: perSecond, at: now)
        guard tokens >= cost else { return false }
        tokens -= UInt32(cost)
        return true
    }

    mutating func isFull(burst: Int, perSecond: Int, at now: Instant) -> Bool {
        refill(burst: burst, perSecond: perSecond, at: now)
        return tokens >= burst
    }

    private mutating func refill(burst: Int, perSecond: Int, at now: Instant) {
        let passed = (now - filledAt).nanoseconds / 1_000_000_000
        guard passed > 0 else { return }
        filledAt += .seconds(passed)
        let gained = Int(min(passed, Int64(burst))) * perSecond
        tokens = UInt32(clamping: min(Int(tokens) + gained, burst))
    }
}

/// The buckets of the peers that spoke lately, in a bounded list. Where it is full, peers whose
/// bucket has filled up are forgotten, as a new entry says the same of them; if there is none, the
/// one that came first is.
struct Allowances: Sendable {
    private var rows: [(peer: PeerHandle, bucket: Bucket)] = []

    mutating func take(
        _ cost: Int, from peer: PeerHandle, at now: Instant,
        _ configuration: MembershipConfiguration
    ) -> Bool {
        let i = rows.firstIndex { $0.peer == peer } ?? add(peer, at: now, configuration)
        return rows[i].bucket.take(
            cost, burst: configuration.allowanceBurst,
            perSecond: configuration.allowancePerSecond, at: now)
    }

    /// Forgets the peers that may do again what a new one may.
    mutating func forgetIdle(at now: Instant, _ configuration: MembershipConfiguration) {
        for i in rows.indices.reversed() {
            let isIdle = rows[i].bucket.isFull(
                burst: configuration.allowanceBurst,
                perSecond: configuration.allowancePerSecond, at: now)
            if isIdle { rows.remove(at: i) }
        }
    }

    var heapByteCount: Int { rows.heapByteCount }

    func forEachHandle(_ body: (PeerHandle) -> Void) {
        for row in rows { body(row.peer) }
    }

    private mutating func add(
        _ peer: PeerHandle, at now: Instant, _ configuration: MembershipConfiguration
    ) -> Int {
        if rows.count >= configuration.allowancesMax {
            forgetIdle(at: now, configuration)
            if rows.count >= configuration.allowancesMax { rows.removeFirst() }
        }
        rows.append((peer, Bucket(full: configuration.allowanceBurst, at: now)))
        return rows.count - 1
    }
}
