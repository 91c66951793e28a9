/// Finding how large datagrams may be (DPLPMTUD, RFC 8899): probes of PING and PADDING whose loss
/// is no sign of congestion, and a fall to the floor when everything large vanishes.
///
/// First the size that nearly every path takes (1,452), then the configured maximum at once, and
/// only if that fails a bisection between. Every probe is tried three times.

import AROPrimitives
import AROWire

struct PathMTU {
    /// The largest datagram known to arrive.
    private(set) var current = WireLimits.datagramFloor
    /// The size that nearly every path takes: Ethernet's 1,500 less IPv6 and UDP headers.
    static let common = 1_452

    private let largest: Int
    private let probesMax: Int
    private let granularity: Int
    private let raiseInterval: Duration
    private let blackHolePackets: Int

    /// The smallest size that did not arrive; the maximum plus one at the start.
    private var refused: Int
    /// The size on the way or to be sent next; nil when the search is over.
    private var probe: Int?
    private var isProbeInFlight = false
    private var attempts = 0
    private var raiseAt: Instant?
    /// Large packets lost since one was acknowledged, and when the first of them was sent.
    private var largeLost = 0
    private var largeLostSince: Instant = .origin

    init(_ configuration: TransportConfiguration, peerMax: Int) {
        largest = max(min(configuration.datagramMax, peerMax), WireLimits.datagramFloor)
        probesMax = configuration.mtuProbesMax
        granularity = configuration.mtuGranularity
        raiseInterval = configuration.mtuRaiseInterval
        blackHolePackets = configuration.blackHolePackets
        refused = largest + 1
        probe = Self.firstProbe(largest)
    }

    private static func firstProbe(_ largest: Int) -> Int? {
        largest > WireLimits.datagramFloor ? min(common, largest) : nil
    }

    /// The size of the probe that is to be sent now; nil for none.
    var dueProbe: Int? { isProbeInFlight ? nil : probe }

    mutating func probeSent() { isProbeInFlight = true }

    mutating func probeAcknowledged(size: Int, at now: Instant) {
        isProbeInFlight = false
        attempts = 0
        largeLost = 0
        current = max(current, size)
        chooseNext(at: now)
    }

    mutating func probeLost(size: Int, at now: Instant) {
        isProbeInFlight = false
        guard size == probe else { return }
        attempts += 1
        guard attempts >= probesMax else { return }
        attempts = 0
        refused = size
        chooseNext(at: now)
    }

    private mutating func chooseNext(at now: Instant) {
        if current + granularity >= refused || current >= largest {
            probe = nil
            raiseAt = current < largest ? now + raiseInterval : nil
        } else if refused > largest {
            probe = largest
        } else {
            probe = (current + refused) / 2
        }
    }

    /// A packet above the floor arrived.
    mutating func acknowledged(size: Int) {
        if size > WireLimits.datagramFloor { largeLost = 0 }
    }

    /// Returns whether this loss makes a black hole: many large packets in a row, sent over more
    /// than `span`, because a queue that overflows drops rows too, but not for that long.
    mutating func lost(size: Int, sentAt: Instant, span: Duration) -> Bool {
        guard size > WireLimits.datagramFloor, current > WireLimits.datagramFloor else {
            return false
        }
        if largeLost == 0 { largeLostSince = sentAt }
        largeLost += 1
        return largeLost >= blackHolePackets && sentAt - largeLostSince > span
    }

    /// Falls to the floor and searches again from there.
    mutating func fellIntoBlackHole() {
        largeLost = 0
        current = WireLimits.datagramFloor
        restart()
    }

    /// RFC 8899 §5.1.1: after some minutes, tries again what did not arrive.
    mutating func raiseIfDue(at now: Instant) {
        guard let due = raiseAt, due <= now else { return }
        restart()
    }

    private mutating func restart() {
        refused = largest + 1
        raiseAt = nil
        attempts = 0
        isProbeInFlight = false
        let first = Self.firstProbe(largest)
        probe = first.map { $0 > current ? $0 : largest }
    }
}
