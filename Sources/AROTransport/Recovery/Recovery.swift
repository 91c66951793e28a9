/// Loss recovery of one packet number space (RFC 9002): what is in flight, what was acknowledged,
/// what is lost, when to probe. Frames to be sent again are left in ``lostFrames`` and frames that
/// arrived in ``ackedFrames`` for the connection to drain.
///
/// Work per ACK is proportional to what it settles: acknowledged numbers are kept as ranges, so
/// that ranges repeated by every ACK cost one look-up, and the search for losses starts at the
/// first packet not settled. Deviation: the packet threshold grows, up to a bound, with reordering
/// that was taken for loss (§6.1.1 allows it).

import AROPrimitives
import AROWire

struct Recovery {
    private(set) var roundTrip: RoundTrip
    private(set) var congestion: Congestion
    private(set) var pacer: Pacer
    private(set) var mtu: PathMTU
    private(set) var sent = SentPackets()
    /// Bytes of ack-eliciting packets neither acknowledged nor lost.
    private(set) var bytesInFlight = 0
    private var elicitingInFlight = 0

    /// What the last fact settled, in the order of sending. The connection drains them.
    var ackedFrames: [SentFrame] = []
    var lostFrames: [SentFrame] = []

    private(set) var lostPackets: UInt64 = 0
    private(set) var spuriousLosses: UInt64 = 0
    private(set) var bytesAcked: UInt64 = 0

    private let peerAckDelay: Duration
    private let peerDatagramMax: Int
    private let packetThresholdMax: UInt64
    private let probeTimeoutMax: Duration
    private let blackHoleProbeTimeouts: Int

    /// Numbers acknowledged at or above the ring's front.
    private var acked = RangeSet()
    private var largestAcked: UInt64?
    /// Packets below are settled.
    private var unsettledFrom: UInt64 = 0
    private var packetThreshold: UInt64
    private var recoveryStart: Instant?
    private var firstSampleAt: Instant?
    /// Packets below went over another path: they say nothing of this one and fill no window of it.
    private var pathFrom: UInt64 = 0

    private var lossTime: Instant?
    private var lastElicitingAt: Instant = .origin
    private(set) var probeTimeouts = 0
    /// Packets that may go now in spite of a full window (§6.2.4).
    var probesDue = 0
    /// Whether the last round of writing ended for lack of data and not of window.
    var isApplicationLimited = false

    init(_ configuration: TransportConfiguration, peer: TransportParameters, at now: Instant) {
        packetThresholdMax = UInt64(configuration.packetThresholdMax)
        probeTimeoutMax = configuration.probeTimeoutMax
        blackHoleProbeTimeouts = configuration.blackHoleProbeTimeouts
        peerAckDelay = peer.ackDelay
        peerDatagramMax = peer.datagramMax
        packetThreshold = UInt64(configuration.packetThreshold)
        roundTrip = RoundTrip(initial: configuration.initialRoundTrip)
        mtu = PathMTU(configuration, peerMax: peer.datagramMax)
        congestion = Congestion(configuration, datagram: WireLimits.datagramFloor)
        pacer = Pacer(configuration, datagram: WireLimits.datagramFloor, at: now)
    }

    /// The path is another now: nothing known about the old one holds (RFC 9000 §9.4).
    mutating func pathChanged(_ configuration: TransportConfiguration, at now: Instant) {
        roundTrip = RoundTrip(initial: configuration.initialRoundTrip)
        mtu = PathMTU(configuration, peerMax: peerDatagramMax)
        congestion = Congestion(configuration, datagram: mtu.current)
        pacer = Pacer(configuration, datagram: mtu.current, at: now)
        (recoveryStart, firstSampleAt, probeTimeouts) = (now, nil, 0)
        pathFrom = sent.end
        bytesInFlight = 0
    }

    /// A round trip that the handshake measured.
    mutating func sampled(roundTrip sample: Duration, at now: Instant) {
        roundTrip.sampled(sample, ackDelay: .zero)
        if firstSampleAt == nil { firstSampleAt = now }
    }

    // MARK: Sending

    /// Whether the window takes one more datagram of `size`.
    func windowTakes(_ size: Int) -> Bool { bytesInFlight + size <= congestion.window }

    mutating func pacerAllows(_ size: Int, at now: Instant) -> Bool {
        pacer.allows(
            size, rate: congestion.pacingRate(roundTrip: roundTrip.smoothed), at: now)
    }

    func pacerDeadline(_ size: Int) -> Instant {
        pacer.deadline(size, rate: congestion.pacingRate(roundTrip: roundTrip.smoothed))
    }

    /// A packet left: its datagram has `size` bytes.
    mutating func packetSent(
        _ number: UInt64, size: Int, isAckEliciting: Bool, isMTUProbe: Bool = false,
        frames: [SentFrame], at now: Instant
    ) {
        sent.append(
            SentPacket(
                sentAt: now, size: UInt32(size), frameCount: UInt16(frames.count),
                state: .outstanding, isAckEliciting: isAckEliciting, isMTUProbe: isMTUProbe),
            number: number, frames: frames)
        guard isAckEliciting else {
            // The ACK-only packets of a mere receiver are never acknowledged: do not pile them up.
            if elicitingInFlight == 0 { removeSettled(at: now) }
            return
        }
        if isMTUProbe { mtu.probeSent() }
        bytesInFlight += size
        elicitingInFlight += 1
        lastElicitingAt = now
        if probesDue > 0 { probesDue -= 1 }
        pacer.sent(size)
    }

    // MARK: Acknowledgements

    /// Throws when the peer acknowledges what was never sent.
    mutating func acknowledged(_ ack: AckFrame, at now: Instant) throws(Violation) {
        guard ack.largest < sent.end, sent.count > 0 || largestAcked != nil else {
            throw Violation(.protocolViolation, "ACK of a packet that was not sent")
        }
        var tally = Tally()
        var ranges = ack.ranges()
        while let range = ranges.nextRange() {
            guard range.upperBound > sent.base else { break }
            try acknowledge(max(range.lowerBound, sent.base)..<range.upperBound, &tally, at: now)
        }
        guard tally.packets > 0 else { return }
        largestAcked = max(largestAcked ?? 0, ack.largest)
        let sample = sampleRoundTrip(ack, tally, at: now)
        if tally.isEliciting {
            probeTimeouts = 0
            probesDue = 0
        }
        // What arrived before a congestion event does not grow the window that the event left.
        let sawCongestion = detectLosses(at: now)
        congestion.acknowledged(
            AckedBytes(
                bytes: sawCongestion ? 0 : tally.windowBytes, roundTrip: sample,
                largest: ack.largest,
                nextNumber: sent.end, isApplicationLimited: isApplicationLimited),
            smoothed: roundTrip.smoothed, at: now)
        removeSettled(at: now)
    }

    /// What one ACK settled.
    private struct Tally {
        var packets = 0
        var windowBytes = 0
        var isEliciting = false
        var largest: UInt64 = 0
        var largestSentAt: Instant = .origin
    }

    private mutating func acknowledge(
        _ range: Range<UInt64>, _ tally: inout Tally, at now: Instant
    ) throws(Violation) {
        var number = range.lowerBound
        var i = acked.index(endingAfter: number)
        while number < range.upperBound {
            if i < acked.count, acked[i].lowerBound <= number {
                number = acked[i].upperBound
                i += 1
                continue
            }
            let gapEnd = i < acked.count ? acked[i].lowerBound : range.upperBound
            while number < min(gapEnd, range.upperBound) {
                try acknowledge(number, &tally, at: now)
                number += 1
            }
        }
        acked.insert(range)
    }

    private mutating func acknowledge(
        _ number: UInt64, _ tally: inout Tally, at now: Instant
    ) throws(Violation) {
        let packet = sent[number]
        if packet.state == .skipped {
            throw Violation(.protocolViolation, "ACK of a packet that was not sent")
        }
        if tally.packets == 0 || number > tally.largest {
            (tally.largest, tally.largestSentAt) = (number, packet.sentAt)
        }
        tally.packets += 1
        tally.isEliciting = tally.isEliciting || packet.isAckEliciting
        if packet.isInFlight {
            leftFlight(number, packet)
            bytesAcked += UInt64(packet.size)
            if recoveryStart.map({ packet.sentAt > $0 }) ?? true {
                tally.windowBytes += Int(packet.size)
            }
        } else if packet.state == .lost, packet.isAckEliciting {
            foundSpurious(number)
        }
        sent[number].state = .acknowledged
        sent.copyFrames(of: number, to: &ackedFrames)
        guard number >= pathFrom else { return }
        if packet.isMTUProbe {
            mtu.probeAcknowledged(size: Int(packet.size), at: now)
            congestion.datagramChanged(to: mtu.current)
        } else {
            mtu.acknowledged(size: Int(packet.size))
        }
    }

    private mutating func leftFlight(_ number: UInt64, _ packet: SentPacket) {
        if number >= pathFrom { bytesInFlight -= Int(packet.size) }
        elicitingInFlight -= 1
    }

    /// What was taken for lost had only been overtaken: be more patient.
    private mutating func foundSpurious(_ number: UInt64) {
        spuriousLosses += 1
        let distance = (largestAcked ?? number) &- number &+ 1
        guard largestAcked ?? 0 > number else { return }
        packetThreshold = max(
            packetThreshold, min(distance, packetThresholdMax))
    }

    private mutating func sampleRoundTrip(
        _ ack: borrowing AckFrame, _ tally: Tally, at now: Instant
    ) -> Duration? {
        guard tally.largest == ack.largest, tally.isEliciting, ack.largest >= pathFrom
        else { return nil }
        let micros = min(ack.delayMicroseconds, UInt64(peerAckDelay.nanoseconds / 1_000))
        roundTrip.sampled(now - tally.largestSentAt, ackDelay: .microseconds(Int64(micros)))
        if firstSampleAt == nil { firstSampleAt = now }
        return roundTrip.latest
    }

    private mutating func removeSettled(at now: Instant) {
        sent.removeSettled(lostBefore: now - roundTrip.smoothed * 3)
        acked.removeBelow(sent.base)
    }

    // MARK: Loss

    /// Declares lost what is too old or too far behind (§6.1). Returns whether a congestion event
    /// began.
    @discardableResult
    private mutating func detectLosses(at now: Instant) -> Bool {
        lossTime = nil
        guard let largestAcked else { return false }
        let delay = roundTrip.lossDelay
        var losses = Losses()
        var number = max(unsettledFrom, sent.base)
        var isSettled = true
        while number < largestAcked {
            let packet = sent[number]
            if packet.isInFlight {
                if packet.sentAt + delay <= now || largestAcked - number >= packetThreshold {
                    lose(number, packet, &losses, at: now)
                } else {
                    lossTime = earliest(lossTime, packet.sentAt + delay)
                    isSettled = false
                }
            } else if packet.state == .acknowledged {
                losses.runStart = nil
            }
            number += 1
            if isSettled { unsettledFrom = number }
        }
        guard let lastSent = losses.lastSentAt else { return false }
        return congested(losses, lastSent: lastSent, at: now)
    }

    private struct Losses {
        /// When the newest lost packet was sent, probes aside.
        var lastSentAt: Instant?
        /// When the first of a row of losses was sent, and the longest row's span.
        var runStart: Instant?
        var longestRun: Duration = .zero
    }

    private mutating func lose(
        _ number: UInt64, _ packet: SentPacket, _ losses: inout Losses, at now: Instant
    ) {
        leftFlight(number, packet)
        sent[number].state = .lost
        sent.copyFrames(of: number, to: &lostFrames)
        guard !packet.isMTUProbe else {
            if number >= pathFrom { mtu.probeLost(size: Int(packet.size), at: now) }
            return
        }
        lostPackets += 1
        losses.lastSentAt = packet.sentAt
        if losses.runStart == nil { losses.runStart = packet.sentAt }
        losses.longestRun = max(losses.longestRun, packet.sentAt - losses.runStart!)
        guard number >= pathFrom else { return }
        let span = roundTrip.smoothed * 2
        if mtu.lost(size: Int(packet.size), sentAt: packet.sentAt, span: span) {
            fellIntoBlackHole()
        }
    }

    private mutating func congested(
        _ losses: Losses, lastSent: Instant, at now: Instant
    ) -> Bool {
        let isNew = recoveryStart.map({ lastSent > $0 }) ?? true
        if isNew {
            recoveryStart = now
            congestion.congested(at: now)
        }
        // §7.6: everything over three probe timeouts was lost, after a first sample.
        let span = roundTrip.probeTimeout(ackDelay: peerAckDelay) * 3
        guard losses.longestRun >= span, let first = firstSampleAt, first < lastSent else {
            return isNew
        }
        recoveryStart = nil
        congestion.collapsed()
        roundTrip.forgetMinimum()
        return true
    }

    private mutating func fellIntoBlackHole() {
        mtu.fellIntoBlackHole()
        congestion.datagramChanged(to: mtu.current)
    }

    // MARK: Timers

    /// When the next loss or probe timeout is; nil when nothing is in flight.
    var deadline: Instant? {
        if let lossTime { return lossTime }
        guard elicitingInFlight > 0 else { return nil }
        return lastElicitingAt + probeTimeout
    }

    /// §6.2.1, doubled for every one in a row, up to a bound.
    var probeTimeout: Duration {
        let once = roundTrip.probeTimeout(ackDelay: peerAckDelay)
        return min(once * (1 << Int64(min(probeTimeouts, 16))), max(once, probeTimeoutMax))
    }

    mutating func deadlinePassed(at now: Instant) {
        mtu.raiseIfDue(at: now)
        guard let deadline, deadline <= now else { return }
        if lossTime != nil {
            detectLosses(at: now)
            removeSettled(at: now)
        } else {
            probeTimedOut(at: now)
        }
    }

    /// §6.2.4: two probes, which carry again what the oldest packets carried. Nothing is lost yet.
    private mutating func probeTimedOut(at now: Instant) {
        probeTimeouts += 1
        probesDue = 2
        // From now on, and not from the last packet, so that an owner that may not send does not
        // spin.
        lastElicitingAt = now
        if probeTimeouts >= blackHoleProbeTimeouts,
            mtu.current > WireLimits.datagramFloor
        {
            fellIntoBlackHole()
        }
        var number = max(unsettledFrom, sent.base)
        var left = probesDue
        while number < sent.end, left > 0 {
            if sent[number].isInFlight, !sent[number].isMTUProbe {
                sent.copyFrames(of: number, to: &lostFrames)
                left -= 1
            }
            number += 1
        }
    }
}
