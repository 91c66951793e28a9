/// RFC 9002 §5 and the timing of acknowledgements.

import AROPrimitives
import Testing

@testable import AROTransport

@Suite struct RoundTripTests {
    @Test("The first sample sets everything, later ones are smoothed")
    func smoothing() {
        var estimate = RoundTrip(initial: .milliseconds(333))
        #expect(!estimate.isMeasured)
        estimate.sampled(.milliseconds(100), ackDelay: .milliseconds(20))
        #expect(estimate.smoothed == .milliseconds(100))
        #expect(estimate.variance == .milliseconds(50))
        estimate.sampled(.milliseconds(180), ackDelay: .zero)
        // 7/8 × 100 + 1/8 × 180; 3/4 × 50 + 1/4 × 80.
        #expect(estimate.smoothed == .milliseconds(110))
        #expect(estimate.variance == .nanoseconds(57_500_000))
        #expect(estimate.minimum == .milliseconds(100))
    }

    @Test("The peer's delay is taken off unless that falls below the minimum")
    func ackDelay() {
        var estimate = RoundTrip(initial: .milliseconds(333))
        estimate.sampled(.milliseconds(100), ackDelay: .zero)
        estimate.sampled(.milliseconds(125), ackDelay: .milliseconds(25))
        #expect(estimate.smoothed == .milliseconds(100))
        estimate.sampled(.milliseconds(108), ackDelay: .milliseconds(25))
        #expect(estimate.smoothed == .milliseconds(101))
    }

    @Test("An acknowledgement held back for a year overflows nothing")
    func absurd() {
        var estimate = RoundTrip(initial: .milliseconds(333))
        estimate.sampled(.hours(9_000), ackDelay: .zero)
        estimate.sampled(.milliseconds(1), ackDelay: .zero)
        #expect(estimate.probeTimeout(ackDelay: .seconds(1)) < .minutes(10))
    }

    @Test("The probe timeout is the smoothed time, four variances and the peer's delay")
    func probeTimeout() {
        var estimate = RoundTrip(initial: .milliseconds(333))
        estimate.sampled(.milliseconds(100), ackDelay: .zero)
        #expect(estimate.probeTimeout(ackDelay: .milliseconds(25)) == .milliseconds(325))
    }
}

@Suite struct ReceivedPacketsTests {
    private func state() -> ReceivedPackets { ReceivedPackets(TransportConfiguration()) }
    private let now = Instant.origin

    @Test("Every second packet is acknowledged at once, a lone one after the delay")
    func everySecond() {
        var received = state()
        received.received(0, isAckEliciting: true, at: now)
        #expect(!received.isDue)
        #expect(received.deadline == now + .milliseconds(25))
        received.received(1, isAckEliciting: true, at: now)
        #expect(received.isDue)
        received.reported()
        #expect(!received.isDue)
        #expect(received.deadline == nil)
        received.received(2, isAckEliciting: true, at: now)
        received.deadlinePassed(at: now + .milliseconds(25))
        #expect(received.isDue)
        #expect(received.deadline == nil)
    }

    @Test("A gap and a straggler are acknowledged at once")
    func reordering() {
        var received = state()
        received.received(0, isAckEliciting: true, at: now)
        received.reported()
        received.received(2, isAckEliciting: true, at: now)
        #expect(received.isDue)
        received.reported()
        received.received(1, isAckEliciting: true, at: now)
        #expect(received.isDue)
    }

    @Test("Packets that want no acknowledgement get none")
    func silent() {
        var received = state()
        for number in 0..<50 {
            received.received(UInt64(number * 2), isAckEliciting: false, at: now)
        }
        #expect(!received.isDue)
        #expect(received.deadline == nil)
        #expect(received.unreported == 0)
    }

    @Test("Ranges are bounded, and what was forgotten counts as known")
    func bounded() {
        var received = state()
        for number in 0..<10_000 {
            received.received(UInt64(number * 2), isAckEliciting: true, at: now)
        }
        #expect(received.numbers.count == TransportConfiguration().receivedRangesMax)
        #expect(received.isKnown(1))
        #expect(received.isKnown(19_998))
        #expect(!received.isKnown(19_997))
    }

    @Test("A straggler below what the peer knows is reported all the same")
    func straggler() {
        var received = state()
        for number in [0, 1, 2, 4, 5] as [UInt64] {
            received.received(number, isAckEliciting: true, at: now)
        }
        received.reportArrived(5)
        #expect(received.reportFloor == 6)
        received.received(3, isAckEliciting: true, at: now)
        #expect(received.reportFloor <= 3)
    }
}
