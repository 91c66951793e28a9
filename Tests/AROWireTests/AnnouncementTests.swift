import AROCrypto
import AROPrimitives
import Testing

@testable import AROWire

@Suite("Announcements on the wire")
struct AnnouncementTests {
    static let now = RecordTests.now

    static func fullOffer(models: Int = 3) -> Offer {
        var offer = Offer()
        offer.addresses = [
            SocketAddress(ipv4: 0xc633_6401, port: 4001),
            SocketAddress(high: 0x2001_0db8 << 32, low: 1, port: 4001),
        ]
        offer.nat = .endpointIndependent
        offer.coordinate = Coordinate(components: [1, -2, 3, 4], height: 5, error: 0.5)
        offer.storage = StorageOffer(offeredBytes: 1 << 40, freeBytes: 1 << 39)
        offer.bandwidth = MeasuredBandwidth(up: 1_250_000, down: 12_500_000)
        offer.models = (0..<models).map {
            ModelOffer(
                name: "llama-\($0)", contextTokens: 131_072, inputPrice: 150_000,
                outputPrice: 600_000, slotsFree: 2, slots: 4, queued: 7,
                firstTokenMilliseconds: 180)
        }
        offer.software = "aro 0.3.0"
        offer.servesDHT = true
        return offer
    }

    static func announcement(
        _ offer: Offer = fullOffer(), leaving: Bool = false, sequence: UInt64? = nil
    ) -> Announcement {
        Announcement(
            offer: offer, isLeaving: leaving, sequence: sequence ?? Announcement.sequence(at: now),
            issued: now, lifetime: .minutes(30), signedBy: RecordTests.identity(1))
    }

    private func decode(_ bytes: [UInt8]) -> Result<Announcement, DecodingFailure> {
        do throws(DecodingFailure) {
            return .success(try Announcement(decoding: bytes.span.bytes))
        } catch { return .failure(error) }
    }

    private func decodeMessage(
        _ bytes: [UInt8]
    ) -> Result<AnnouncementMessage, DecodingFailure> {
        do throws(DecodingFailure) {
            return .success(try AnnouncementMessage(decoding: bytes.span.bytes))
        } catch { return .failure(error) }
    }

    private func failure(_ announcement: Announcement, at time: UnixTime) -> RecordFailure? {
        do throws(RecordFailure) {
            try announcement.verify(at: time)
            return nil
        } catch { return error }
    }

    @Test("a statement reads back as it was written, and verifies")
    func roundTrip() {
        for offer in [Offer(), Self.fullOffer(), Self.fullOffer(models: 8)] {
            for leaving in [false, true] {
                let announcement = Self.announcement(offer, leaving: leaving)
                #expect(announcement.offer == offer)
                #expect(decode(announcement.bytes) == .success(announcement))
                #expect(failure(announcement, at: Self.now) == nil)
                #expect(announcement.bytes.count <= Announcement.byteCountMax)
            }
        }
        #expect(Self.announcement(Offer()).bytes.count == 118)
    }

    @Test("the layout is the one documented")
    func layout() {
        var offer = Offer()
        offer.servesDHT = true
        offer.storage = StorageOffer(offeredBytes: 300, freeBytes: 5)
        offer.software = "a"
        let bytes = Self.announcement(offer, sequence: 9).bytes
        let peer = RecordTests.identity(1).id.key.bytes
        #expect(Array(bytes[0..<32]) == peer)
        #expect(Array(bytes[32..<40]) == [0, 0, 0, 0, 0, 0, 0, 9])
        #expect(Array(bytes[48..<54]) == [0, 0, 7, 8, 0, 11])
        let fields: [UInt8] = [1, 1, 2, 5, 3, 0x41, 0x2c, 5, 8, 1, 0x61]
        #expect(Array(bytes[54..<(54 + 11)]) == fields)
        #expect(bytes.count == 54 + 11 + 64)
    }

    @Test("what does not fit is left out: long texts, many models, absurd numbers")
    func bounds() {
        var offer = Self.fullOffer(models: 0)
        let long = String(repeating: "x", count: 61)
        offer.models = (0..<12).map {
            ModelOffer(
                name: long + "\($0 + 100)", contextTokens: .max, inputPrice: 1 << 40,
                outputPrice: 1 << 40, slotsFree: 9, slots: 999, queued: 999,
                firstTokenMilliseconds: 65_535)
        }
        offer.models.append(ModelOffer(name: ""))
        offer.addresses = Array(repeating: SocketAddress(high: 1, low: 1, port: 1), count: 9)
        offer.software = String(repeating: "y", count: 32)
        offer.storage = StorageOffer(offeredBytes: .max, freeBytes: .max)
        let announcement = Self.announcement(offer)
        #expect(announcement.bytes.count <= Announcement.byteCountMax)
        #expect((4...8).contains(announcement.offer.models.count))
        #expect(announcement.offer.addresses.count == 4)
        #expect(decode(announcement.bytes) == .success(announcement))
        #expect(failure(announcement, at: Self.now) == nil)
    }

    @Test("fields of later versions are carried and stay signed")
    func laterFields() {
        let later: [UInt8] = [9, 2, 0xaa, 0xbb, 200, 0]
        let announcement = Announcement(
            offer: Self.fullOffer(), isLeaving: false, later: later, sequence: 5,
            issued: Self.now, lifetime: .minutes(1), signedBy: RecordTests.identity(1))
        let bytes = announcement.bytes
        #expect(decode(bytes) == .success(announcement))
        guard case .success(let read) = decode(bytes) else { return }
        #expect(read.bytes == bytes)
        #expect(failure(read, at: Self.now) == nil)
    }

    @Test("dates and sequences from the future, the past or out of bounds are refused")
    func dates() {
        let announcement = Self.announcement()
        #expect(failure(announcement, at: Self.now + .minutes(30)) == .expired)
        #expect(failure(announcement, at: Self.now + .minutes(-11)) == .fromFuture)
        #expect(failure(announcement, at: Self.now + .minutes(-9)) == nil)
        let ahead = Announcement.sequence(at: Self.now + .minutes(11))
        #expect(failure(Self.announcement(sequence: ahead), at: Self.now) == .fromFuture)
        #expect(failure(Self.announcement(sequence: .max), at: Self.now) == .fromFuture)
        let long = Announcement(
            offer: Offer(), sequence: 1, issued: Self.now, lifetime: .hours(99),
            signedBy: RecordTests.identity(1))
        #expect(long.lifetimeSeconds == 24 * 3_600)
    }

    @Test("a bit-flipped statement is refused or does not verify")
    func bitFlips() {
        let bytes = Self.announcement().bytes
        for bit in 0..<(bytes.count * 8) {
            var flipped = bytes
            flipped[bit / 8] ^= 1 << UInt8(bit % 8)
            guard case .success(let read) = decode(flipped) else { continue }
            #expect(read.bytes == flipped, "one encoding each, bit \(bit)")
            #expect(failure(read, at: Self.now) != nil, "bit \(bit)")
        }
        for count in 0..<bytes.count {
            #expect(throws: DecodingFailure.self) {
                try decode(Array(bytes.prefix(count))).get()
            }
        }
        #expect(decode(bytes + [0]) == .failure(.trailingBytes))
    }

    @Test("fields out of order, twice, empty or out of bounds are refused")
    func fields() {
        func fields(_ bytes: [UInt8]) -> DecodingFailure? {
            do throws(DecodingFailure) {
                _ = try AnnouncementFields(decoding: bytes.span.bytes)
                return nil
            } catch { return error }
        }
        #expect(fields([]) == nil)
        #expect(fields([1, 1, 1]) == nil)
        #expect(fields([0, 0]) == .notCanonical)
        #expect(fields([1, 1, 1, 1, 1, 1]) == .notCanonical)
        #expect(fields([3, 1, 1, 1, 1, 1]) == .notCanonical)
        #expect(fields([1, 1, 0]) == .unknown)
        #expect(fields([1, 1, 4]) == .unknown)
        #expect(fields([1, 2, 1, 1]) == .trailingBytes)
        #expect(fields([2, 1, 0]) == .notCanonical)
        #expect(fields([3, 1, 0]) == .notCanonical)
        #expect(fields([3, 1, 9]) == .unknown)
        #expect(fields([4, 2, 0, 0]) == .truncated)
        #expect(fields([5, 2, 1, 2]) == .outOfBounds)
        #expect(fields([5, 2, 0, 0]) == .notCanonical)
        #expect(fields([6, 2, 0, 0]) == .notCanonical)
        #expect(fields([7, 1, 0]) == .outOfBounds)
        #expect(fields([7, 10, 1, 1, 0xff, 0, 0, 0, 0, 0, 0, 0]) == .outOfBounds)
        let model: [UInt8] = [1, 0x61, 0, 0, 0, 0, 0, 0, 0]
        #expect(fields([7, 10, 1] + model) == nil)
        #expect(fields([7, 19, 2] + model + model) == .notCanonical)
        #expect(fields([7, 10, 1, 1, 0x61, 0, 0, 0, 2, 1, 0, 0]) == .outOfBounds)
        #expect(fields([8, 0]) == .outOfBounds)
        #expect(fields([9, 5, 1]) == .truncated)
    }

    // MARK: Messages

    static var samples: [AnnouncementMessage] {
        let item = AnnouncementItem.statement(announcement().bytes)
        let obituary = AnnouncementItem.obituary(place: 3, sequence: 4)
        let entries = (0..<60 as Range<UInt64>).map {
            AnnouncementEntry(place: $0, mark: AnnouncementMark(sequence: $0, isEnded: $0 % 2 == 0))
        }
        return [
            .rumour([item, obituary]), .news(exchange: 5, [item]),
            .digest(AnnouncementDigest(exchange: 1, room: 8, from: 0, to: 60, entries: entries)),
            .digest(AnnouncementDigest(exchange: 1, room: 0, from: 9, to: .max, entries: [])),
            .answer(AnnouncementAnswer(exchange: 2, covered: 7)),
            .answer(
                AnnouncementAnswer(
                    exchange: 2, covered: .max, wanted: Array(0..<60),
                    listed: Array(entries.prefix(40)), items: [obituary])),
            .want(exchange: 4, [1, 2, 3]),
        ]
    }

    @Test("every message reads back as it was written, within a datagram")
    func messages() {
        for message in Self.samples {
            let bytes = message.bytes
            #expect(decodeMessage(bytes) == .success(message))
            #expect(bytes.count <= WireLimits.messageMax)
            #expect(bytes[0] & 0xf0 == MessageFamily.announcement.rawValue)
            if case .answer(let answer) = message { #expect(answer.byteCount == bytes.count) }
            for bit in 0..<(bytes.count * 8) {
                var flipped = bytes
                flipped[bit / 8] ^= 1 << UInt8(bit % 8)
                guard case .success(let read) = decodeMessage(flipped) else { continue }
                #expect(read.bytes == flipped)
            }
        }
    }

    @Test("what may come first to a stranger rides in the first packet of a handshake")
    func firstMessages() {
        let digest = Self.samples[2].bytes
        #expect(digest.count <= WireLimits.firstMessageMax)
        let largest = AnnouncementMessage.rumour(
            [.statement(Array(repeating: 0, count: Announcement.byteCountMax))])
        #expect(largest.bytes.count <= WireLimits.firstMessageMax)
    }

    @Test("malformed messages are refused")
    func refusals() {
        #expect(decodeMessage([]) == .failure(.truncated))
        #expect(decodeMessage([0x35]) == .failure(.unknown))
        #expect(decodeMessage([0x30]) == .failure(.truncated))
        #expect(decodeMessage([0x30, 3]) == .failure(.unknown))
        #expect(decodeMessage([0x30, 1, 0x0f, 0xff]) == .failure(.outOfBounds))
        #expect(decodeMessage([0x33, 0, 0]) == .failure(.outOfBounds))
        #expect(decodeMessage([0x33, 0, 0, 1]) == .failure(.truncated))
        let header: [UInt8] = [0x31, 0, 0, 0]
        let zero = Array(repeating: UInt8(0), count: 8)
        #expect(decodeMessage([0x31, 0, 0, 9] + zero + zero) == .failure(.outOfBounds))
        #expect(decodeMessage(header + zero + zero) != .failure(.outOfBounds))
        #expect(decodeMessage(header + [1] + zero + zero.dropLast()) == .failure(.notCanonical))
        let entry = zero + [0, 0, 0, 0]
        #expect(decodeMessage(header + zero + zero + entry + entry) == .failure(.notCanonical))
        let outside = zero.dropLast() + [9, 0, 0, 0, 0]
        #expect(decodeMessage(header + zero + zero + outside) == .failure(.outOfBounds))
        #expect(
            decodeMessage(Array(repeating: 0x30, count: WireLimits.messageMax + 1))
                == .failure(.outOfBounds))
    }

    @Test("marks compare by serial number arithmetic")
    func marks() {
        func mark(_ sequence: UInt64, _ isEnded: Bool = false) -> AnnouncementMark {
            AnnouncementMark(sequence: sequence, isEnded: isEnded)
        }
        #expect(mark(5).isNewer(than: mark(4)))
        #expect(!mark(4).isNewer(than: mark(5)))
        #expect(!mark(5, true).isNewer(than: mark(5)))
        #expect(mark(5, true).hasSameSequence(as: mark(5)))
        #expect(mark(1 << 31).isNewer(than: mark((1 << 31) - 1)))
        #expect(mark(1 << 40 | 7).isNewer(than: mark(1 << 40 | 6)))
    }

    @Test("random bytes never trap, and what is read is written the same")
    func randomBytes() {
        let seed: UInt64 = 41
        var generator = Generator(seed: seed)
        let samples = Self.samples.map(\.bytes)
        for _ in 0..<20_000 {
            var bytes = samples[generator.below(samples.count)]
            for _ in 0...generator.below(6) {
                bytes[generator.below(bytes.count)] = UInt8(generator.below(256))
            }
            bytes.removeLast(generator.below(bytes.count / 2))
            guard case .success(let message) = decodeMessage(bytes) else { continue }
            #expect(message.bytes == bytes, "seed \(seed)")
        }
    }
}
