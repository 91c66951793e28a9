/// RFC 9002 §6 and §7.6 on bare packet numbers.

import AROPrimitives
import AROWire
import Testing

@testable import AROTransport

/// A sender without a peer: ACKs are made up.
private struct Sender {
    var recovery: Recovery
    var now = Instant.origin + .seconds(1)
    var number: UInt64 = 0

    init(_ configuration: TransportConfiguration = TransportConfiguration()) {
        recovery = Recovery(configuration, peer: TransportParameters(configuration), at: now)
    }

    mutating func send(_ count: Int = 1, size: Int = 1_200, isAckEliciting: Bool = true) {
        for _ in 0..<count {
            let frame = SentFrame(
                kind: .stream, length: UInt32(size), stream: 0, offset: number * 2_000)
            recovery.packetSent(
                number, size: size, isAckEliciting: isAckEliciting, frames: [frame], at: now)
            number += 1
        }
    }

    mutating func acknowledge(_ ranges: Range<UInt64>..., delay: UInt64 = 0) throws(Violation) {
        var set = AROPrimitives.RangeSet()
        for range in ranges { set.insert(range) }
        var bytes = [UInt8](repeating: 0, count: 1_000)
        bytes.withUnsafeMutableBytes {
            var writer = FrameWriter($0)
            _ = writer.ack(set, floor: 0, limit: 100, delayMicroseconds: delay)
        }
        var reader = ByteReader(bytes.span.bytes)
        guard case .ack(let ack)? = try? reader.frame() else { return }
        recovery.ackedFrames.removeAll()
        recovery.lostFrames.removeAll()
        try recovery.acknowledged(ack, at: now)
    }

    var lost: [UInt64] { recovery.lostFrames.map { $0.offset / 2_000 } }
    var acked: [UInt64] { recovery.ackedFrames.map { $0.offset / 2_000 } }
}

@Suite struct RecoveryTests {
    @Test("Three packets overtaken make a loss")
    func packetThreshold() throws {
        var sender = Sender()
        sender.send(4)
        sender.now += .milliseconds(100)
        try sender.acknowledge(1..<3)
        #expect(sender.lost == [])
        try sender.acknowledge(1..<4)
        #expect(sender.lost == [0])
        #expect(sender.recovery.bytesInFlight == 0)
    }

    @Test("9/8 of a round trip after a later packet arrived make a loss")
    func timeThreshold() throws {
        var sender = Sender()
        sender.send(2)
        sender.now += .milliseconds(80)
        try sender.acknowledge(1..<2)
        #expect(sender.lost == [])
        let deadline = try #require(sender.recovery.deadline)
        #expect(deadline == .origin + .seconds(1) + .milliseconds(90))
        sender.recovery.deadlinePassed(at: deadline - .nanoseconds(1))
        #expect(sender.lost == [])
        sender.recovery.deadlinePassed(at: deadline)
        #expect(sender.lost == [0])
        #expect(sender.recovery.deadline == nil)
    }

    @Test("Probe timeouts double up to the bound, and an ACK takes them back")
    func backoff() throws {
        var sender = Sender()
        sender.send()
        sender.now += .milliseconds(100)
        try sender.acknowledge(0..<1)
        sender.send(3)
        var waits: [Duration] = []
        for _ in 0..<8 {
            let deadline = try #require(sender.recovery.deadline)
            waits.append(deadline - sender.now)
            sender.now = deadline
            sender.recovery.deadlinePassed(at: sender.now)
            #expect(sender.recovery.probesDue == 2)
        }
        // 100 + 4 × 50 + 25 ms.
        #expect(waits[0] == .milliseconds(325))
        #expect(waits[1] == .milliseconds(650))
        #expect(waits[2] == .milliseconds(1_300))
        #expect(waits[7] == .seconds(10))
        #expect(sender.recovery.lostPackets == 0)
        // The two oldest are to be sent again.
        #expect(Set(sender.lost) == [1, 2])
        try sender.acknowledge(1..<4)
        #expect(sender.recovery.probeTimeouts == 0)
        #expect(sender.recovery.deadline == nil)
    }

    @Test("Persistent congestion shrinks the window to two packets")
    func persistentCongestion() throws {
        var sender = Sender()
        sender.send()
        sender.now += .milliseconds(100)
        try sender.acknowledge(0..<1)
        for _ in 0..<8 {
            sender.send()
            sender.now += .milliseconds(200)
        }
        sender.send()
        sender.now += .milliseconds(100)
        // 1...8 lost over 1.4 s: more than three probe timeouts of 325 ms.
        try sender.acknowledge(9..<10)
        #expect(sender.recovery.congestion.window == 2 * WireLimits.datagramFloor)
    }

    @Test("The same losses with one arrival between are no persistent congestion")
    func interruptedLoss() throws {
        var sender = Sender()
        sender.send()
        sender.now += .milliseconds(100)
        try sender.acknowledge(0..<1)
        for _ in 0..<8 {
            sender.send()
            sender.now += .milliseconds(150)
        }
        sender.send()
        sender.now += .milliseconds(100)
        try sender.acknowledge(4..<5, 9..<10)
        #expect(sender.recovery.congestion.window > 2 * WireLimits.datagramFloor)
    }

    @Test("Losses of one round trip are one congestion event")
    func oneEvent() throws {
        var sender = Sender()
        sender.send(10)
        let before = sender.recovery.congestion.window
        sender.now += .milliseconds(50)
        try sender.acknowledge(4..<5)
        let after = sender.recovery.congestion.window
        #expect(after == Int(Double(before) * 0.7))
        try sender.acknowledge(4..<5, 9..<10)
        #expect(sender.recovery.congestion.window == after)
        #expect(sender.recovery.lostPackets >= 6)
    }

    @Test("An ACK of what was not sent, or of a number left out, is a violation")
    func optimisticAck() throws {
        var sender = Sender()
        sender.send(3)
        #expect(throws: Violation.self) { try sender.acknowledge(0..<4) }
        sender.number += 1
        sender.send(2)
        #expect(throws: Violation.self) { try sender.acknowledge(0..<6) }
        var fresh = Sender()
        #expect(throws: Violation.self) { try fresh.acknowledge(0..<1) }
    }

    @Test("A loss that was reordering makes the sender more patient, up to a bound")
    func spurious() throws {
        var sender = Sender()
        sender.send(12)
        sender.now += .milliseconds(50)
        try sender.acknowledge(8..<10)
        #expect(sender.lost.contains(0))
        try sender.acknowledge(0..<10)
        #expect(sender.recovery.spuriousLosses > 0)
        #expect(Set(sender.acked).isSuperset(of: [0, 1]))
        let next = sender.number
        sender.send(9)
        try sender.acknowledge(next + 8..<next + 9)
        #expect(sender.lost.filter { $0 >= next } == [])
    }

    @Test("Records of ACK-only packets do not pile up")
    func bounded() {
        var sender = Sender()
        for _ in 0..<10_000 {
            sender.send(isAckEliciting: false)
            sender.now += .milliseconds(1)
        }
        #expect(sender.recovery.sent.count == 0)
    }

    @Test(
        "Whatever is acknowledged or lost, nothing stays in flight",
        arguments: [1, 2, 3, 4, 5] as [UInt64])
    func random(seed: UInt64) throws {
        var generator = Generator(seed: seed)
        var sender = Sender()
        for _ in 0..<400 {
            sender.send(1 + generator.below(20), isAckEliciting: !generator.chance(1, in: 5))
            sender.now += .milliseconds(Int64(generator.below(60)))
            let high = sender.number - UInt64(generator.below(5))
            let low = high - min(high, 1 + UInt64(generator.below(30)))
            try? sender.acknowledge(low..<high)
            sender.recovery.deadlinePassed(at: sender.now)
            #expect(sender.recovery.bytesInFlight >= 0)
            #expect(sender.recovery.sent.count < 2_000)
        }
        sender.now += .milliseconds(50)
        try sender.acknowledge(0..<sender.number)
        #expect(sender.recovery.bytesInFlight == 0, "seed \(seed)")
        sender.now += .seconds(10)
        sender.send()
        try sender.acknowledge(sender.number - 1..<sender.number)
        #expect(sender.recovery.sent.count == 0, "seed \(seed)")
    }
}
