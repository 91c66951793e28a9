/// Lifeguard's local health multiplier (§IV.A): how far we trust ourselves. 0 is healthy; at n every
/// interval and timeout is n + 1 times as long.
///
/// The paper raises it for a failed probe, a missing nack, and a suspicion of ourselves, and lowers
/// it for a successful probe. Here a deadline that was met late raises it too, which says the same
/// sooner; and a neighbour's probe that finds us well lowers it, as only one end of a link probes.

import AROPrimitives

struct LocalHealth: Sendable {
    private(set) var score = 0
    /// When it last changed, or would have risen if it could.
    private var changed = Instant.origin

    var scale: Int64 { Int64(score) + 1 }

    mutating func worsened(by amount: Int, atMost limit: Int, at now: Instant) {
        score = max(score, min(score + max(amount, 0), limit))
        changed = now
    }

    mutating func improved(at now: Instant) {
        guard score > 0 else { return }
        score -= 1
        changed = now
    }

    /// A neighbour that probes us has no complaint: a good sign once in `period`.
    mutating func wasWell(_ period: Duration, at now: Instant) {
        if now - changed >= period { improved(at: now) }
    }
}
