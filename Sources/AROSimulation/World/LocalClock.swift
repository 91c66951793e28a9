/// A node's own clock where it is not the world's: it runs faster or slower by parts per million
/// and its time of day is off. A node with a skewed clock gets its own time with each input, and its
/// deadlines are taken back to the world's.

import AROPrimitives

struct LocalClock {
    private var partsPerMillion: Int64 = 0
    private var worldBase = Instant.origin
    private var localBase = Instant.origin
    /// What its time of day is ahead of the world's.
    private(set) var offset = Duration.zero

    private static let million = Int128(1_000_000)

    /// Runs at another rate from now on, without a jump.
    mutating func set(partsPerMillion: Int64, offset: Duration, at now: Instant) {
        precondition(abs(partsPerMillion) < 1_000_000, "a clock runs forward")
        (localBase, worldBase) = (time(at: now), now)
        (self.partsPerMillion, self.offset) = (partsPerMillion, offset)
    }

    /// What it shows at a moment of the world.
    func time(at now: Instant) -> Instant {
        let span = Int128((now - worldBase).nanoseconds)
        let local = span * (Self.million + Int128(partsPerMillion)) / Self.million
        return localBase + .nanoseconds(Int64(clamping: local))
    }

    /// The first moment of the world at which it shows `time` or more.
    func moment(of time: Instant) -> Instant {
        guard time > localBase else { return worldBase }
        let span = Int128(time.nanoseconds) - Int128(localBase.nanoseconds)
        let rate = Self.million + Int128(partsPerMillion)
        let world = Int128(worldBase.nanoseconds) + (span * Self.million + rate - 1) / rate
        return Instant(nanoseconds: Int64(clamping: world))
    }
}

/// The clocks that are off. Asked, never iterated.
struct LocalClocks {
    private var clocks: [Int: LocalClock] = [:]

    mutating func set(
        _ node: Int, partsPerMillion: Int64, offset: Duration, at now: Instant
    ) {
        clocks[node, default: LocalClock()].set(
            partsPerMillion: partsPerMillion, offset: offset, at: now)
    }

    func time(of node: Int, at now: Instant) -> Instant {
        clocks.isEmpty ? now : clocks[node]?.time(at: now) ?? now
    }

    func moment(of time: Instant, on node: Int) -> Instant {
        clocks.isEmpty ? time : clocks[node]?.moment(of: time) ?? time
    }

    func offset(of node: Int) -> Duration { clocks.isEmpty ? .zero : clocks[node]?.offset ?? .zero }
}
