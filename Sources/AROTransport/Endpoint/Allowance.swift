/// A token bucket: so many events a second, and as many at once.

import AROPrimitives

struct Allowance: Sendable {
    private let perSecond: Int
    /// Thousandths of a token, so that whole numbers do.
    private var millis: Int
    private var refilledAt: Instant

    /// A bucket that is full.
    init(perSecond: Int, at now: Instant) {
        self.perSecond = perSecond
        millis = perSecond * 1_000
        refilledAt = now
    }

    /// Takes a token; false where none is left.
    mutating func take(at now: Instant) -> Bool {
        let elapsed = min((now - refilledAt).nanoseconds, 1_000_000_000)
        let earned = Int(elapsed) * perSecond / 1_000_000
        if earned > 0 {
            millis = min(millis + earned, perSecond * 1_000)
            refilledAt = now
        }
        guard millis >= 1_000 else { return false }
        millis -= 1_000
        return true
    }
}
