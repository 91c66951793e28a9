/// CUBIC (RFC 9438) with HyStart++ (RFC 9406), in bytes.
///
/// Floating point by the four basic operations only, which IEEE 754 fixes to the last bit, so that
/// a simulation gives the same trace everywhere; the cube root is Newton's. Deviations: windows
/// shrink from the congestion window and not from the flight size (§4.6 permits it: the window
/// does not grow while the application leaves it unused), and losses that prove spurious are not
/// undone (§4.9) but widen the reordering threshold instead.

import AROPrimitives

struct Cubic {
    /// RFC 9438 §5: C = 0.4 segments per second cubed; §4.6: β = 0.7; §4.3: α = 3(1-β)/(1+β).
    static let scale = 0.4
    static let decrease = 0.7
    static let renoIncrease = 3 * (1 - decrease) / (1 + decrease)

    private(set) var window: Int
    private(set) var threshold = Int.max
    private var datagram: Int
    private let windowMax: Int

    /// The window before the last decrease (W_max), bytes.
    private var peak = 0.0
    /// The window when the last congestion event began (cwnd_prior).
    private var prior = 0.0
    /// When the cubic passes ``peak``, seconds after the epoch began (K).
    private var timeToPeak = 0.0
    private var epochStart: Instant?
    /// What Reno would have (W_est).
    private var reno = 0.0
    /// Growth below one byte that is yet to be given.
    private var fraction = 0.0
    private var lastAckAt: Instant = .origin
    private var wasApplicationLimited = false

    private var slowStart = HyStart()

    init(_ configuration: TransportConfiguration, datagram: Int) {
        self.datagram = datagram
        windowMax = configuration.congestionWindowMax
        // RFC 9002 §7.2.
        window = min(
            configuration.initialWindowPackets * datagram, max(14_720, 2 * datagram))
    }

    var isInSlowStart: Bool { window < threshold }
    /// RFC 9002 §7.2: two packets.
    private var windowMin: Int { 2 * datagram }

    mutating func acknowledged(_ acked: AckedBytes, smoothed: Duration, at now: Instant) {
        defer { lastAckAt = now }
        if isInSlowStart {
            grewInSlowStart(acked)
        } else {
            avoidCongestion(acked, smoothed: smoothed, at: now)
        }
        window = min(window, windowMax)
    }

    private mutating func grewInSlowStart(_ acked: AckedBytes) {
        let divisor = slowStart.acknowledged(acked)
        if !acked.isApplicationLimited, acked.bytes > 0 {
            let room = threshold == .max ? Int.max : threshold - window
            window += min(max(acked.bytes / divisor, 1), room)
        }
        if slowStart.isOver, threshold == .max {
            // §4.10: leaving slow start without a loss starts the cubic at its plateau.
            threshold = window
            (peak, prior, timeToPeak, epochStart) = (Double(window), Double(window), 0, nil)
        }
    }

    private mutating func avoidCongestion(
        _ acked: AckedBytes, smoothed: Duration, at now: Instant
    ) {
        guard !acked.isApplicationLimited else {
            wasApplicationLimited = true
            return
        }
        // §5.8: time in which the application sent too little does not count.
        if wasApplicationLimited, let start = epochStart { epochStart = start + (now - lastAckAt) }
        wasApplicationLimited = false
        guard acked.bytes > 0 else { return }
        if epochStart == nil { beginEpoch(at: now) }
        grow(by: acked.bytes, elapsed: (now - epochStart!).seconds, roundTrip: smoothed.seconds)
    }

    private mutating func beginEpoch(at now: Instant) {
        epochStart = now
        reno = Double(window)
        if peak < Double(window) { peak = Double(window) }
        timeToPeak = Self.cubeRoot(
            (peak - Double(window)) / (Self.scale * Double(datagram)))
    }

    private mutating func grow(by bytes: Int, elapsed: Double, roundTrip: Double) {
        let now = Double(window)
        // §4.3.
        let alpha = reno >= prior ? 1 : Self.renoIncrease
        reno += alpha * Double(bytes) / now * Double(datagram)
        if cubic(at: elapsed) < reno {
            window = max(window, Int(reno))
            return
        }
        // §4.4, §4.5: towards where the cubic is one round trip later, at most half as much again.
        let target = min(max(cubic(at: elapsed + roundTrip), now), 1.5 * now)
        fraction += (target - now) / now * Double(bytes)
        let whole = Int(fraction)
        window += whole
        fraction -= Double(whole)
    }

    /// W_cubic(t) = C (t - K)³ + W_max (§4.2), bytes.
    func cubic(at elapsed: Double) -> Double {
        let t = elapsed - timeToPeak
        return Self.scale * t * t * t * Double(datagram) + peak
    }

    mutating func congested() {
        let now = Double(window)
        prior = now
        // §4.7, fast convergence: a flow that did not reach its last peak makes room for others.
        peak = now < peak ? now * (1 + Self.decrease) / 2 : now
        window = max(Int(now * Self.decrease), windowMin)
        threshold = window
        epochStart = nil
        slowStart = HyStart()
    }

    mutating func collapsed() {
        window = windowMin
        epochStart = nil
        slowStart = HyStart()
    }

    mutating func datagramChanged(to size: Int) {
        datagram = size
        window = max(window, windowMin)
    }

    /// Newton's method from above; 0 for what is not positive.
    static func cubeRoot(_ value: Double) -> Double {
        guard value > 0 else { return 0 }
        var root = max(value, 1)
        for _ in 0..<200 {
            let next = (2 * root + value / (root * root)) / 3
            guard next < root else { break }
            root = next
        }
        return root
    }
}
