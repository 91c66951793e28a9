import AROCrypto
import AROPrimitives
import AROWire
import Testing

@testable import AROTransport

/// The endpoint's parts, each alone, where possible against a simpler model of the same thing.
@Suite struct PartsTests {
    @Test(arguments: [1, 2, 3] as [UInt64])
    func `the replay window agrees with a set of everything seen`(seed: UInt64) {
        var generator = Generator(seed: seed)
        var window = ReplayWindow()
        var seen: Set<UInt64> = []
        var top: UInt64 = 0
        var disagreements = 0
        for _ in 0..<50_000 {
            // Mostly near the top, now and then a leap ahead or far behind.
            let back = UInt64(generator.below(generator.chance(1, in: 10) ? 5_000 : 200))
            let leap = generator.chance(1, in: 500) ? UInt64(generator.below(10_000)) : 3
            let number = generator.chance(1, in: 2) ? top + leap : top - min(back, top)
            let isInside = number + UInt64(ReplayWindow.packetCount) >= window.expected
            let expected = !seen.contains(number) && isInside
            if window.isNew(number) != expected { disagreements += 1 }
            if expected {
                window.insert(number)
                seen.insert(number)
                top = max(top, number)
            }
        }
        #expect(disagreements == 0, "seed \(seed)")
        #expect(window.expected == top + 1)
    }

    @Test func `a leap over the whole window forgets what was before and nothing else`() {
        var window = ReplayWindow()
        for number in 0..<100 as Range<UInt64> { window.insert(number) }
        window.insert(1_000_000)
        let answers = [0, 99, 1_000_000, 1_000_000 - 1_983, 1_000_000 - 1, 1_000_001].map {
            window.isNew($0)
        }
        #expect(answers == [false, false, false, true, true, true])
        window.insert(1_000_000 - 1_983)
        let again = window.isNew(1_000_000 - 1_983)
        #expect(!again)
    }

    @Test func `packet numbers are restored from their low bits`() {
        #expect(PacketNumber.expand(5, expected: 0) == 5)
        #expect(PacketNumber.expand(0, expected: 0xffff_ffff) == 1 << 32)
        #expect(PacketNumber.expand(0xffff_ffff, expected: 1 << 32) == 0xffff_ffff)
        #expect(PacketNumber.expand(0xffff_ffff, expected: 0) == 0xffff_ffff)
        var generator = Generator(seed: 4)
        for _ in 0..<10_000 {
            let number = generator.next() >> 3
            let distance = UInt64(generator.below(1 << 31 - 1))
            let low = UInt32(truncatingIfNeeded: number)
            #expect(PacketNumber.expand(low, expected: number + distance) == number)
            #expect(PacketNumber.expand(low, expected: number - min(distance, number)) == number)
        }
        // Whatever a stranger writes, nothing overflows.
        for expected in [0, 1, 1 << 62, (1 << 62) - 1, 1 << 31] as [UInt64] {
            for low in [0, 1, .max, 1 << 31] as [UInt32] {
                let number = PacketNumber.expand(low, expected: expected)
                #expect(UInt32(truncatingIfNeeded: number) == low)
            }
        }
    }

    @Test(arguments: [1, 2, 3] as [UInt64])
    func `the deadline queue gives what a sorted list gives`(seed: UInt64) {
        var generator = Generator(seed: seed)
        var queue = DeadlineQueue()
        var model: [UInt32: Int64] = [:]
        var wrong = 0
        for _ in 0..<20_000 {
            let index = UInt32(generator.below(60))
            switch generator.below(4) {
            case 0:
                queue.set(index, to: nil)
                model[index] = nil
            case 1, 2:
                let at = Int64(generator.below(1_000))
                queue.set(index, to: Instant(nanoseconds: at))
                model[index] = at
            default:
                let now = Int64(generator.below(1_000))
                let due = model.filter { $0.value <= now }.min {
                    ($0.value, $0.key) < ($1.value, $1.key)
                }
                if queue.popFirst(until: Instant(nanoseconds: now)) != due?.key { wrong += 1 }
                if let due { model[due.key] = nil }
            }
            if queue.first?.nanoseconds != model.values.min() { wrong += 1 }
        }
        #expect(wrong == 0, "seed \(seed)")
    }

    @Test func `an allowance gives its rate and no more than a second of it at once`() {
        var allowance = Allowance(perSecond: 10, at: .origin)
        var now = Instant.origin
        var taken = 0
        for _ in 0..<50 where allowance.take(at: now) { taken += 1 }
        #expect(taken == 10)
        for _ in 0..<10_000 {
            now += .milliseconds(1)
            if allowance.take(at: now) { taken += 1 }
        }
        #expect((108...110).contains(taken))
        now += .hours(10)
        taken = 0
        for _ in 0..<50 where allowance.take(at: now) { taken += 1 }
        #expect(taken == 10)
    }

    @Test func `the ledger takes each timestamp once, in order`() {
        var ledger = InitiationLedger(configuration: EndpointConfiguration(), startedAt: 100)
        let (key, other) = (Bits256(1, 0, 0, 0), Bits256(2, 0, 0, 0))
        let now = Instant.origin
        func verdict(_ time: UInt64, _ key: Bits256, _ isChallenged: Bool = false)
            -> InitiationLedger.Verdict
        {
            ledger.verdict(on: time, of: key, isChallenged: isChallenged, at: now, wall: 1_000)
        }
        #expect(verdict(100, key) == .mustBeChallenged)
        #expect(verdict(101, key) == .fresh)
        _ = ledger.record(150, of: key, isChallenged: false, at: now, wall: 1_000)
        #expect(verdict(150, key) == .mustBeChallenged)
        #expect(verdict(151, key) == .fresh)
        #expect(verdict(140, other) == .fresh)
        #expect(verdict(120, key, true) == .fresh)
        _ = ledger.record(120, of: key, isChallenged: true, at: now, wall: 1_000)
        #expect(verdict(120, key, true) == .replayed)
        #expect(verdict(119, key, true) == .replayed)
        #expect(verdict(121, key, true) == .fresh)
        // What was challenged out of turn lets nothing old in.
        #expect(verdict(130, key) == .mustBeChallenged)
        #expect(verdict(.max, other) == .mustBeChallenged)
    }

    @Test func `a forgotten peer whose cookie may live has all cookies revoked`() {
        var configuration = EndpointConfiguration()
        configuration.timestampsMax = 1
        var ledger = InitiationLedger(configuration: configuration, startedAt: 0)
        func record(_ key: UInt64, _ isChallenged: Bool, _ seconds: Int64) -> Bool {
            ledger.record(
                5, of: Bits256(key, 0, 0, 0), isChallenged: isChallenged,
                at: .origin + .seconds(seconds), wall: 1_000)
        }
        #expect(!record(1, true, 0))
        #expect(record(2, false, 1))
        #expect(!record(3, true, 2))
        #expect(!record(4, false, 100))
        #expect(ledger.count == 1)
    }

    private var introduction: Introduction {
        Introduction(
            peer: PeerID(key: Bits256(1, 2, 3, 4)), epoch: 5,
            resetToken: ResetToken(high: 6, low: 7),
            timestamp: 8, parameters: TransportParameters(TransportConfiguration()))
    }

    @Test func `handshake payloads are read as they were written, and no prefix of them`() throws {
        var bytes: [UInt8] = []
        let initiation = InitiationPayload(introduction: introduction, message: [1, 2, 3])
        initiation.encode(into: &bytes)
        let least = bytes.count
        bytes += [0, 0, 0]
        let read = try InitiationPayload(bytes.span.bytes)
        #expect(read == initiation)
        for count in 0..<least {
            let cut = Array(bytes.prefix(count))
            #expect(throws: DecodingFailure.self) { _ = try InitiationPayload(cut.span.bytes) }
        }
        let dirty = bytes + [1]
        #expect(throws: DecodingFailure.notCanonical) {
            _ = try InitiationPayload(dirty.span.bytes)
        }

        let response = ResponsePayload(
            introduction: introduction, connection: ConnectionID(9),
            observed: SocketAddress(ipv4: 0x0102_0304, port: 5))
        var out: [UInt8] = []
        response.encode(into: &out)
        let whole = out
        var reader = ByteReader(whole.span.bytes)
        let back = try ResponsePayload(reading: &reader)
        let isAtEnd = reader.isAtEnd
        #expect(back == response && isAtEnd)
        for count in whole.indices {
            let cut = Array(whole.prefix(count))
            #expect(throws: DecodingFailure.self) {
                var reader = ByteReader(cut.span.bytes)
                _ = try ResponsePayload(reading: &reader)
            }
        }
        // The bounds that the packet sizes rest on.
        let overhead =
            AROWire.Packet.responseHeader + NoiseHandshake.Pattern.ik.overhead(1)
        #expect(whole.count + overhead < 260)
    }

    @Test func `the largest first message fits the smallest path`() {
        let world = TestWorld()
        let (a, b) = (world.add(), world.add())
        world.run(for: .seconds(1))
        let message = world.bytes(WireLimits.firstMessageMax)
        world.connect(a, to: b, first: message)
        world.run(for: .seconds(1))
        #expect(b.messages == [message])
        let size = world.sent[0].bytes.count
        #expect(size <= WireLimits.datagramFloor)
        // A larger one goes behind the handshake.
        let larger = world.bytes(WireLimits.messageMax)
        let c = world.add()
        world.connect(c, to: b, first: larger)
        world.run(for: .seconds(2))
        #expect(b.messages.last == larger)
    }

    @Test func `short notices and versions are read whole or not at all`() throws {
        let notice = ShortNotice(cookie: Cookie(high: 1, low: 2), to: ConnectionID(3))
        let bytes = notice.bytes
        #expect(try ShortNotice(bytes.span.bytes) == notice)
        #expect(bytes.count == AROWire.Packet.cookieByteCount)
        let versions = VersionsPacket(id: ConnectionID(3), versions: [1, 2, 3])
        let text = versions.bytes
        #expect(try VersionsPacket(text.span.bytes) == versions)
        for whole in [bytes, text] {
            for count in whole.indices {
                let cut = Array(whole.prefix(count))
                #expect(throws: DecodingFailure.self) { _ = try ShortNotice(cut.span.bytes) }
                #expect(throws: DecodingFailure.self) { _ = try VersionsPacket(cut.span.bytes) }
            }
            let longer = whole + [0]
            #expect(throws: DecodingFailure.self) { _ = try ShortNotice(longer.span.bytes) }
            #expect(throws: DecodingFailure.self) { _ = try VersionsPacket(longer.span.bytes) }
        }
        let none = [UInt8](text.prefix(9)) + [0]
        #expect(throws: DecodingFailure.outOfBounds) { _ = try VersionsPacket(none.span.bytes) }
    }
}
