/// Waiting longer after each failure, with jitter, so that nodes that lost the same peer do not all
/// come back at once.

import AROPrimitives

struct Backoff: Sendable {
    /// The first wait. A guess: a peer that restarts is back in about that time.
    static let first = Duration.seconds(1)
    /// The longest wait. A guess: a minute is what an operator is ready to wait for.
    static let longest = Duration.seconds(60)

    private var next = Self.first

    /// The wait before the next try: the step, more or less a quarter of it.
    mutating func wait(using generator: inout some RandomNumberGenerator) -> Duration {
        let step = next.nanoseconds
        next = Duration(nanoseconds: min(step * 2, Self.longest.nanoseconds))
        return Duration(nanoseconds: .random(in: step * 3 / 4...step * 5 / 4, using: &generator))
    }

    mutating func reset() { next = Self.first }
}
