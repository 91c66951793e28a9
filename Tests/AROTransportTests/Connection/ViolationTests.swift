/// What a peer may not do ends its connection with the right code, and traps nothing.

import AROPrimitives
import AROWire
import Testing

@testable import AROTransport

@Suite struct ViolationTests {
    private let streamWindow = TransportConfiguration().streamWindow
    private let connectionWindow = TransportConfiguration().connectionWindow

    @Test("Data beyond the stream's credit")
    func streamCredit() {
        #expect(Pair().attack(Crafted.stream(0, at: streamWindow - 1, [1])) == nil)
        let violation = Pair().attack(Crafted.stream(0, at: streamWindow, [1]))
        #expect(violation?.code == .flowControl)
        let far = Pair().attack(Crafted.stream(0, at: (1 << 62) - 2, [1]))
        #expect(far?.code == .flowControl)
    }

    @Test("Data beyond the connection's credit, spread over streams")
    func connectionCredit() {
        let pair = Pair()
        let streams = connectionWindow / streamWindow
        for i in 0..<streams {
            #expect(pair.attack(Crafted.stream(i * 2, at: streamWindow - 1, [1])) == nil)
        }
        #expect(pair.attack(Crafted.stream(streams * 2, at: 0, [1]))?.code == .flowControl)
    }

    @Test("A reset's final size counts as data")
    func resetCredit() {
        #expect(Pair().attack(Crafted.reset(0, size: streamWindow + 1))?.code == .flowControl)
        let pair = Pair()
        #expect(pair.attack(Crafted.reset(0, size: (1 << 62) - 1))?.code == .flowControl)
    }

    @Test("Streams that end in two places")
    func finalSize() {
        let end = Crafted.stream(0, at: 0, [1, 2, 3], isLast: true)
        #expect(Pair().attack(end, Crafted.stream(0, at: 3, [4]))?.code == .finalSize)
        #expect(Pair().attack(end, Crafted.stream(0, at: 0, [1], isLast: true))?.code == .finalSize)
        #expect(Pair().attack(end, Crafted.stream(0, at: 4, [], isLast: true))?.code == .finalSize)
        let data = Crafted.stream(0, at: 9, [1])
        #expect(
            Pair().attack(data, Crafted.stream(0, at: 4, [1], isLast: true))?.code == .finalSize)
        #expect(Pair().attack(data, Crafted.reset(0, size: 9))?.code == .finalSize)
        let pair = Pair()
        pair.readsAll = false
        #expect(pair.attack(end, Crafted.reset(0, size: 4))?.code == .finalSize)
        #expect(Pair().attack(end, end, end) == nil)
    }

    @Test("More streams than allowed, and streams that we should have opened")
    func streamLimit() {
        let limit = UInt64(TransportConfiguration().streamsMax)
        #expect(Pair().attack(Crafted.stream((limit - 1) * 2, at: 0, [1])) == nil)
        #expect(Pair().attack(Crafted.stream(limit * 2, at: 0, [1]))?.code == .streamLimit)
        #expect(Pair().attack(Crafted.stop((1 << 62) - 2))?.code == .streamLimit)
        #expect(Pair().attack(Crafted.stream(1, at: 0, [1]))?.code == .streamState)
        #expect(
            Pair().attack(Crafted.numbers(FrameType.maxStreamData, 5, 9))?.code == .streamState)
    }

    @Test("Acknowledgements of packets that were not sent")
    func ackUnsent() {
        #expect(
            Pair().attack(Crafted.numbers(FrameType.ack, 0, 0, 0, 0))?.code == .protocolViolation)
        #expect(
            Pair().attack(Crafted.numbers(FrameType.ack, (1 << 62) - 1, 0, 0, (1 << 62) - 1))?.code
                == .protocolViolation)
    }

    @Test("An ACK with every range that a packet holds, none of which exist any more")
    func hugeAck() {
        let pair = Pair()
        for _ in 0..<3 {
            _ = pair.offer(patterned(200_000))
            pair.run(for: .seconds(1))
        }
        var frame = Crafted.numbers(FrameType.ack, 400, 0, 199, 0)
        for _ in 0..<199 { frame += [0, 0] }
        // Addressed to a, which has sent more than 400 packets; all are settled or known.
        pair.receive(frame, number: 5_000_000, at: .a)
        #expect(pair.violations.isEmpty)
        _ = pair.offer(patterned(10_000))
        pair.run(for: .seconds(2))
        #expect(pair.finished[1].count == 4)
    }

    @Test("Malformed frames and empty packets")
    func malformed() {
        #expect(Pair().attack([0x03])?.code == .frameEncoding)
        #expect(Pair().attack([0x08, 0, 0, 9, 1])?.code == .frameEncoding)
        #expect(Pair().attack([])?.code == .protocolViolation)
    }

    @Test("A violation closes the connection, and the peer is told why")
    func told() {
        let pair = Pair()
        let violation = pair.attack(Crafted.stream(1, at: 0, [1]))
        #expect(violation?.code == .streamState)
        pair.run(for: .seconds(1))
        #expect(
            pair.events[0] == [
                .closed(code: .streamState, text: [UInt8]((violation?.reason ?? "").utf8))
            ])
        #expect(pair.b.nextDeadline == nil)
        #expect(pair.a.nextDeadline == nil)
        #expect(!pair.send([1], from: .b))
        #expect(pair.attack([0x01]) == nil)
    }

    @Test("Frames for streams that are over are ignored")
    func late() {
        let pair = Pair()
        _ = pair.offer(patterned(10))
        pair.run(for: .seconds(1))
        #expect(pair.answer([1], on: 0))
        pair.run(for: .seconds(1))
        #expect(pair.b.statistics.streamsOpen == 0)
        #expect(pair.attack(Crafted.stream(0, at: 1 << 40, [1])) == nil)
        #expect(pair.attack(Crafted.reset(0, size: 3), Crafted.stop(0)) == nil)
        #expect(pair.b.statistics.streamsOpen == 0)
    }

    @Test("Random frames are taken or refused, never more", arguments: [1, 2, 3] as [UInt64])
    func random(seed: UInt64) {
        var generator = Generator(seed: seed)
        let types: [UInt8] = [0, 1, 2, 4, 5, 8, 9, 0x10, 0x11, 0x12, 0x1a, 0x1b, 0x31]
        for _ in 0..<60 {
            let pair = Pair()
            pair.readsAll = generator.chance(1, in: 2)
            for _ in 0..<60 where pair.violations.isEmpty {
                var packet: [UInt8] = []
                for _ in 0...generator.below(5) {
                    packet.append(types[generator.below(types.count)])
                    for _ in 0..<generator.below(5) {
                        packet.appendVarint(generator.next() >> UInt64(2 + generator.below(62)))
                    }
                }
                _ = pair.attack(packet)
                pair.run(for: .milliseconds(20))
            }
            #expect(pair.b.statistics.receiveBufferBytes <= 2 * Int(connectionWindow))
        }
    }

    @Test("Genuine packets with flipped bits are taken or refused", arguments: [1, 2] as [UInt64])
    func flipped(seed: UInt64) {
        var generator = Generator(seed: seed)
        for _ in 0..<20 {
            let pair = Pair(seed: seed)
            pair.corruption = 20
            _ = pair.offer(patterned(100_000))
            for i in 0..<10 { _ = pair.send([UInt8(i)], from: .b) }
            pair.generator = generator.fork("flips")
            pair.run(for: .seconds(5))
            #expect(pair.a.statistics.bytesInFlight >= 0)
        }
    }
}
