/// Which packets arrived, and when to say so (RFC 9000 §13.2): after every second packet that
/// wants an ACK, at once where one is missing, else after the announced delay.

import AROPrimitives
import AROWire

struct ReceivedPackets {
    private(set) var numbers = RangeSet()
    /// Packets below were dropped from ``numbers``, or the peer knows that we have them.
    private var forgottenBelow: UInt64 = 0
    private(set) var reportFloor: UInt64 = 0
    private var largestAt: Instant = .origin
    private var largestEliciting: UInt64?
    /// Ack-eliciting packets since the last ACK.
    private(set) var unreported = 0
    private(set) var deadline: Instant?
    private(set) var isDue = false

    private let delay: Duration
    private let every: Int
    private let rangesMax: Int

    init(_ configuration: TransportConfiguration) {
        delay = configuration.ackDelayMax
        every = configuration.ackEvery
        rangesMax = configuration.receivedRangesMax
    }

    /// Whether the packet came before, or is so old that nobody can tell.
    func isKnown(_ number: UInt64) -> Bool {
        number < forgottenBelow || numbers.contains(number)
    }

    mutating func received(_ number: UInt64, isAckEliciting: Bool, at now: Instant) {
        let isInOrder = numbers.last.map { number == $0.upperBound } ?? true
        if numbers.last.map({ number >= $0.upperBound }) ?? true { largestAt = now }
        numbers.insert(number..<number + 1)
        while numbers.count > rangesMax { forgottenBelow = numbers.removeFirst().upperBound }
        // One that was overtaken by an ACK of ours is yet to be reported.
        reportFloor = min(reportFloor, number)
        guard isAckEliciting else { return }
        unreported += 1
        // Out of order: below an ack-eliciting one, or behind a gap (RFC 9000 §13.2.1).
        let overtaken = largestEliciting.map { number < $0 } ?? false
        largestEliciting = max(largestEliciting ?? 0, number)
        if unreported >= every || overtaken || !isInOrder {
            isDue = true
        } else if deadline == nil, !isDue {
            deadline = now + delay
        }
    }

    mutating func deadlinePassed(at now: Instant) {
        guard let due = deadline, due <= now else { return }
        isDue = true
        deadline = nil
    }

    /// How long the largest has waited for its ACK.
    func ackDelay(at now: Instant) -> Duration { max(now - largestAt, .zero) }

    mutating func reported() {
        unreported = 0
        deadline = nil
        isDue = false
    }

    /// The peer has an ACK of ours up to `largest`: later ones need not repeat what is below
    /// (RFC 9000 §13.2.4). The numbers stay, to recognise duplicates.
    mutating func reportArrived(_ largest: UInt64) {
        reportFloor = max(reportFloor, largest + 1)
    }
}
