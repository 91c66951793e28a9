/// The frame codec: every frame comes back as it was written, and nothing that a stranger sends
/// does more than throw.

import AROPrimitives
import Testing

@testable import AROWire

/// A frame as plain values, which `#expect` can hold.
private enum Plain: Equatable {
    case padding(Int)
    case ping
    case ack(delay: UInt64, [Range<UInt64>])
    case numbers(String, [UInt64])
    case stream(UInt64, UInt64, [UInt8], isLast: Bool)
    case close(UInt64, [UInt8])
    case datagram([UInt8])

    init(_ frame: borrowing Frame) {
        switch frame {
        case .padding(let count): self = .padding(count)
        case .ping: self = .ping
        case .ack(let ack):
            var list: [Range<UInt64>] = []
            var ranges = ack.ranges()
            while let range = ranges.nextRange() { list.append(range) }
            self = .ack(delay: ack.delayMicroseconds, list)
        case .resetStream(let id, let code, let size): self = .numbers("reset", [id, code, size])
        case .stopSending(let id, let code): self = .numbers("stop", [id, code])
        case .stream(let id, let offset, let bytes, let isLast):
            self = .stream(id, offset, bytes.array, isLast: isLast)
        case .maxData(let limit): self = .numbers("data", [limit])
        case .maxStreamData(let id, let limit): self = .numbers("stream data", [id, limit])
        case .maxStreams(let count): self = .numbers("streams", [count])
        case .pathChallenge(let token): self = .numbers("challenge", [token])
        case .pathResponse(let token): self = .numbers("response", [token])
        case .close(let code, let text): self = .close(code, text.array)
        case .datagram(let bytes): self = .datagram(bytes.array)
        }
    }

    static func all(_ bytes: [UInt8]) throws(DecodingFailure) -> [Plain] {
        var reader = ByteReader(bytes.span.bytes)
        var list: [Plain] = []
        while !reader.isAtEnd { list.append(Plain(try reader.frame())) }
        return list
    }
}

private func written(_ capacity: Int = 1_400, _ body: (inout FrameWriter) -> Void) -> [UInt8] {
    var bytes = [UInt8](repeating: 0xee, count: capacity)
    var count = 0
    bytes.withUnsafeMutableBytes {
        var writer = FrameWriter($0)
        body(&writer)
        count = writer.count
    }
    return Array(bytes[..<count])
}

private func varint(_ values: UInt64...) -> [UInt8] {
    var bytes: [UInt8] = []
    for value in values { bytes.appendVarint(value) }
    return bytes
}

private func rangeSet(_ ranges: [Range<UInt64>]) -> RangeSet {
    var set = RangeSet()
    for range in ranges { set.insert(range) }
    return set
}

/// One of each, with numbers of every length.
private func oneOfEach() -> [UInt8] {
    written { writer in
        _ = writer.ack(
            rangeSet([0..<5, 9..<10, 100..<20_000]), floor: 0, limit: 8, delayMicroseconds: 70_000)
        _ = writer.ping()
        _ = writer.numbers(FrameType.resetStream, 3, 70_000, 1 << 40)
        _ = writer.numbers(FrameType.stopSending, 64, 0)
        _ = writer.numbers(FrameType.maxData, WireLimits.varintMax)
        _ = writer.numbers(FrameType.maxStreamData, 16_384, 1 << 30)
        _ = writer.numbers(FrameType.maxStreams, 63)
        _ = writer.path(FrameType.pathChallenge, .max)
        _ = writer.path(FrameType.pathResponse, 1)
        _ = writer.close(code: 10, text: [UInt8]("because".utf8))
        [UInt8](repeating: 7, count: 300).withUnsafeBytes { _ = writer.datagram($0) }
        writer.stream(8, offset: 1 << 33, length: 100, isLast: true)
            .copyBytes(from: [UInt8](repeating: 9, count: 100))
        _ = writer.stream(9, offset: 0, length: 0, isLast: false)
    }
}

@Suite struct FrameTests {
    @Test("Every frame is read as it was written")
    func roundTrip() throws {
        #expect(
            try Plain.all(oneOfEach()) == [
                .ack(delay: 70_000, [100..<20_000, 9..<10, 0..<5]), .ping,
                .numbers("reset", [3, 70_000, 1 << 40]), .numbers("stop", [64, 0]),
                .numbers("data", [(1 << 62) - 1]), .numbers("stream data", [16_384, 1 << 30]),
                .numbers("streams", [63]), .numbers("challenge", [.max]),
                .numbers("response", [1]), .close(10, [UInt8]("because".utf8)),
                .datagram([UInt8](repeating: 7, count: 300)),
                .stream(8, 1 << 33, [UInt8](repeating: 9, count: 100), isLast: true),
                .stream(9, 0, [], isLast: false),
            ])
    }

    @Test("The bytes are those of the layout at the top of Frame.swift")
    func layout() {
        #expect(written { _ = $0.numbers(FrameType.maxData, 16_383) } == [0x10, 0x7f, 0xff])
        let stream = written {
            $0.stream(4, offset: 64, length: 2, isLast: true).copyBytes(from: [0xaa, 0xbb])
        }
        #expect(stream == [0x09, 4, 0x40, 64, 2, 0xaa, 0xbb])
        let ack = written {
            _ = $0.ack(rangeSet([1..<3, 6..<9]), floor: 0, limit: 9, delayMicroseconds: 5)
        }
        // Largest 8, delay 5, one more range, 3 packets; gap 3..<6, 2 packets.
        #expect(ack == [0x02, 8, 5, 1, 2, 2, 1])
    }

    @Test("A row of zeros is one PADDING")
    func padding() throws {
        #expect(try Plain.all([1, 0, 0, 0, 1]) == [.ping, .padding(3), .ping])
        #expect(written(5) { $0.padToEnd() } == [0, 0, 0, 0, 0])
    }

    @Test("A packet cut anywhere throws or gives fewer frames")
    func truncated() throws {
        let bytes = oneOfEach()
        let whole = try Plain.all(bytes).count
        for end in 0..<bytes.count {
            let cut = Array(bytes[..<end])
            let count = (try? Plain.all(cut))?.count ?? 0
            #expect(count < whole)
        }
    }

    @Test("A frame that does not fit leaves no trace")
    func full() {
        for capacity in 0..<12 {
            let bytes = written(capacity) { writer in
                let text = [UInt8](repeating: 65, count: 20)
                let fitted = [
                    writer.close(code: 1, text: text),
                    text.withUnsafeBytes { writer.datagram($0) },
                    writer.numbers(FrameType.resetStream, 1 << 40, 1, 1 << 30),
                    capacity < 9 && writer.path(FrameType.pathChallenge, 1),
                ]
                #expect(fitted == [false, false, false, false])
            }
            #expect(bytes.isEmpty)
        }
    }

    @Test("What fits into a STREAM frame is right to the byte", arguments: [0, 1, 4_000_000_000])
    func streamCapacity(offset: UInt64) throws {
        for capacity in [3, 20, 68, 69, 70, 71, 72, 100, 1_400, 16_390, 16_395, 16_400, 60_000] {
            var length = 0
            var left = 0
            let bytes = written(capacity) { writer in
                length = writer.streamCapacity(77, offset: offset)
                guard length >= 0 else { return }
                _ = writer.stream(77, offset: offset, length: length, isLast: false)
                left = writer.remaining
            }
            // At most the bytes of one wider length field stay unused.
            #expect(left <= 2)
            guard length >= 0 else { continue }
            let frames = try Plain.all(bytes)
            #expect(frames.count == 1)
        }
    }

    @Test("An ACK names the highest ranges, as many as allowed and as fit")
    func ackBounds() throws {
        let set = rangeSet((0..<100).map { $0 * 10..<$0 * 10 + 3 })
        let limited = acked(set, limit: 4)
        #expect(limited.largest == 992)
        #expect(
            try Plain.all(limited.bytes) == [
                .ack(delay: 0, [990..<993, 980..<983, 970..<973, 960..<963])
            ])
        let small = acked(set, limit: 100, capacity: 20)
        #expect(small.largest == 992)
        #expect(small.bytes.count <= 20)
        #expect(try Plain.all(small.bytes).count == 1)
        let floored = acked(set, limit: 100, floor: 975)
        #expect(try Plain.all(floored.bytes) == [.ack(delay: 0, [990..<993, 980..<983])])
        let none = acked(set, limit: 9, capacity: 4)
        #expect(none.largest == nil)
        #expect(none.bytes.isEmpty)
    }

    private func acked(
        _ set: AROPrimitives.RangeSet, limit: Int, floor: UInt64 = 0, capacity: Int = 1_400
    ) -> (bytes: [UInt8], largest: UInt64?) {
        var largest: UInt64?
        let bytes = written(capacity) {
            largest = $0.ack(set, floor: floor, limit: limit, delayMicroseconds: 0)
        }
        return (bytes, largest)
    }

    @Test(
        "Malformed frames are refused",
        arguments: [
            ([0x03], DecodingFailure.unknown),
            ([0xff], .unknown),
            ([0x40, 0x01], .unknown),  // a type in two bytes
            ([0x10, 0x40, 0x01], .notCanonical),  // 1 in two bytes
            ([0x02] + varint(5, 0, 0, 6), .outOfBounds),  // below packet 0
            ([0x02] + varint(10, 0, 1, 2, 7, 0), .outOfBounds),  // a gap below packet 0
            ([0x02] + varint(10, 0, 1, 2, 2, 7), .outOfBounds),  // a range below packet 0
            ([0x02] + varint(10, 0, 40, 2, 0, 0), .outOfBounds),  // more ranges than bytes
            ([0x02] + varint(10, 0, 2, 0, 0, 0, 0), .truncated),
            ([0x08] + varint(0, 0, 5) + [1, 2], .outOfBounds),
            ([0x08] + varint(0, (1 << 62) - 1, 1) + [1], .outOfBounds),
            ([0x31] + varint(9) + [1], .outOfBounds),
            ([0x1c] + varint(0, 129), .outOfBounds),
            ([0x1a, 1, 2, 3], .truncated),
        ])
    func malformed(bytes: [UInt8], failure: DecodingFailure) {
        #expect(throws: failure) { try Plain.all(bytes) }
    }

    @Test("Random and bit-flipped bytes never trap", arguments: [1, 2, 3] as [UInt64])
    func random(seed: UInt64) {
        var generator = Generator(seed: seed)
        let good = oneOfEach()
        for _ in 0..<3_000 {
            var bytes = good
            for _ in 0...generator.below(4) {
                bytes[generator.below(bytes.count)] ^= 1 << UInt8(generator.below(8))
            }
            _ = try? Plain.all(bytes)
            let noise = (0..<generator.below(60)).map { _ in
                UInt8(truncatingIfNeeded: generator.next() >> UInt64(generator.below(60)))
            }
            _ = try? Plain.all(noise)
        }
    }
}
