/// Round-trip time estimation (RFC 9002 §5).

import AROPrimitives

struct RoundTrip {
    private(set) var latest: Duration
    private(set) var smoothed: Duration
    private(set) var variance: Duration
    private(set) var minimum: Duration
    /// Whether anything was measured; before, ``smoothed`` is the configured guess.
    private(set) var isMeasured = false

    /// The timer granularity, RFC 9002 §6.1.2: 1 ms.
    static let granularity: Duration = .milliseconds(1)
    /// Samples above count as this: a peer may hold an ACK back for a day, and the multiples of
    /// that must not overflow. A guess: no path that is of use takes longer.
    static let sampleMax: Duration = .seconds(60)

    init(initial: Duration) {
        (latest, smoothed, variance, minimum) = (initial, initial, initial / 2, initial)
    }

    /// - Parameter ackDelay: how long the peer says it held the ACK back, already bounded.
    mutating func sampled(_ sample: Duration, ackDelay: Duration) {
        latest = min(max(sample, .microseconds(1)), Self.sampleMax)
        guard isMeasured else {
            isMeasured = true
            (smoothed, variance, minimum) = (latest, latest / 2, latest)
            return
        }
        minimum = min(minimum, latest)
        let adjusted = latest >= minimum + ackDelay ? latest - ackDelay : latest
        let deviation = smoothed > adjusted ? smoothed - adjusted : adjusted - smoothed
        variance = (variance * 3 + deviation) / 4
        smoothed = (smoothed * 7 + adjusted) / 8
    }

    /// After persistent congestion the path may be another (RFC 9002 §5.2).
    mutating func forgetMinimum() { minimum = latest }

    /// The probe timeout without backoff (RFC 9002 §6.2.1).
    func probeTimeout(ackDelay: Duration) -> Duration {
        smoothed + max(variance * 4, Self.granularity) + ackDelay
    }

    /// The time threshold of loss (RFC 9002 §6.1.2).
    var lossDelay: Duration { max(max(latest, smoothed) * 9 / 8, Self.granularity) }
}
