/// The seam of congestion control: RFC 9002 tells what happened, an algorithm answers with a
/// window.
///
/// An enum and not a protocol, so that a session holds its algorithm inline and a call is a
/// switch. A model-based algorithm (in the manner of BBR) is one more case; it would also answer
/// with a pacing rate of its own, which is why ``pacingRate(roundTrip:)`` is asked here.

import AROPrimitives

/// What one ACK said, in sum.
struct AckedBytes {
    /// Bytes newly acknowledged that were sent after the last congestion event began.
    var bytes: Int
    /// The round trip measured by this ACK; nil if it gave no sample.
    var roundTrip: Duration?
    /// The highest packet number that this ACK settled, and the number that will be sent next.
    var largest: UInt64
    var nextNumber: UInt64
    /// Whether the sender had not used the whole window (RFC 9002 §7.8).
    var isApplicationLimited: Bool
}

enum Congestion {
    case cubic(Cubic)

    init(_ configuration: TransportConfiguration, datagram: Int) {
        self = .cubic(Cubic(configuration, datagram: datagram))
    }

    /// Bytes that may be in flight.
    var window: Int {
        switch self {
        case .cubic(let cubic): cubic.window
        }
    }

    /// Bytes per second to be sent; RFC 9002 §7.7: a little more than a window per round trip, and
    /// twice in slow start, where the window doubles on the way.
    func pacingRate(roundTrip: Duration) -> Double {
        switch self {
        case .cubic(let cubic):
            let gain = cubic.isInSlowStart ? 2.0 : 1.25
            return gain * Double(cubic.window) / max(roundTrip.seconds, 1e-6)
        }
    }

    mutating func acknowledged(_ acked: AckedBytes, smoothed: Duration, at now: Instant) {
        switch self {
        case .cubic(var cubic):
            cubic.acknowledged(acked, smoothed: smoothed, at: now)
            self = .cubic(cubic)
        }
    }

    /// A packet was lost, the first of a new congestion event.
    mutating func congested(at now: Instant) {
        switch self {
        case .cubic(var cubic):
            cubic.congested()
            self = .cubic(cubic)
        }
    }

    /// Nothing got through for so long that the path must be taken for a new one (RFC 9002 §7.6).
    mutating func collapsed() {
        switch self {
        case .cubic(var cubic):
            cubic.collapsed()
            self = .cubic(cubic)
        }
    }

    /// The path now takes datagrams of another size.
    mutating func datagramChanged(to size: Int) {
        switch self {
        case .cubic(var cubic):
            cubic.datagramChanged(to: size)
            self = .cubic(cubic)
        }
    }
}
