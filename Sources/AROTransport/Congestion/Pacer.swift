/// Pacing (RFC 9002 §7.7) by a token bucket that fills at the congestion controller's rate.
///
/// A bucket holds the ten packets of an initial window, and at high rates a quantum of time's
/// worth, bounded. Once it is empty it waits for half of that, so that at high rates packets leave
/// in bursts that few segmented sends take, and at low rates one by one.

import AROPrimitives

struct Pacer {
    private var tokens: Double
    private var filledAt: Instant
    private let burstPacketsMax: Int
    private let quantum: Double
    private static let burstPacketsMin = 10

    init(_ configuration: TransportConfiguration, datagram: Int, at now: Instant) {
        burstPacketsMax = configuration.pacingBurstPacketsMax
        quantum = configuration.pacingQuantum.seconds
        tokens = Double(Self.burstPacketsMin * datagram)
        filledAt = now
    }

    private func capacity(rate: Double, datagram: Int) -> Double {
        min(
            max(rate * quantum, Double(Self.burstPacketsMin * datagram)),
            Double(burstPacketsMax * datagram))
    }

    /// Whether a datagram may go now; `rate` is in bytes per second.
    mutating func allows(_ datagram: Int, rate: Double, at now: Instant) -> Bool {
        let capacity = capacity(rate: rate, datagram: datagram)
        tokens = min(tokens + rate * (now - filledAt).seconds, capacity)
        filledAt = now
        return tokens >= Double(datagram)
    }

    mutating func sent(_ bytes: Int) { tokens -= Double(bytes) }

    /// When to go on after ``allows(_:rate:at:)`` said no.
    func deadline(_ datagram: Int, rate: Double) -> Instant {
        let burst = min(rate * quantum, Double(burstPacketsMax * datagram)) / 2
        let missing = max(burst, Double(datagram)) - tokens
        let wait = min(max(missing / max(rate, 1), 0), 1)
        return filledAt + .nanoseconds(Int64(wait * 1e9) + 1_000)
    }
}
