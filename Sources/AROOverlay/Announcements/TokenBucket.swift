/// A token bucket: so many at once, and then one in each interval.

import AROPrimitives

struct TokenBucket: Sendable {
    private var tokens: Int
    /// Up to when tokens were given back.
    private var at: Instant

    init(full burst: Int, at now: Instant) { (tokens, at) = (burst, now) }

    mutating func take(interval: Duration, burst: Int, at now: Instant) -> Bool {
        refill(interval, burst, now)
        guard tokens > 0 else { return false }
        tokens -= 1
        return true
    }

    mutating func take(perSecond: Int, burst: Int, at now: Instant) -> Bool {
        take(
            interval: Duration(nanoseconds: 1_000_000_000 / Int64(max(perSecond, 1))),
            burst: burst, at: now)
    }

    /// When the next token may be taken; `now` where there is one.
    mutating func next(interval: Duration, burst: Int, at now: Instant) -> Instant {
        refill(interval, burst, now)
        return tokens > 0 ? now : at + interval
    }

    private mutating func refill(_ interval: Duration, _ burst: Int, _ now: Instant) {
        let passed = (now - at).nanoseconds
        guard passed >= interval.nanoseconds else { return }
        let count = passed / max(interval.nanoseconds, 1)
        if Int64(tokens) + count >= Int64(burst) {
            (tokens, at) = (burst, now)
        } else {
            tokens += Int(count)
            at += interval * count
        }
    }
}
