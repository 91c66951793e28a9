import AROCrypto
import AROPrimitives
import Testing

@testable import AROWire

@Suite("Messages of failure detection")
struct ProbeMessageTests {
    static let coordinate = Coordinate(
        components: SIMD4(1.5, -2, 0, 300), height: 4, error: 0.25)

    private static func contact(_ number: UInt64, v6: Bool = false) -> Contact {
        let v4 = SocketAddress(ipv4: 0xc633_6401, port: 4001)
        let six = SocketAddress(high: 0x2001_0db8 << 32, low: number + 1, port: 4001)
        let other = SocketAddress(high: 0x2001_0db8 << 32, low: number + 2, port: 4001)
        return Contact(
            id: PeerID(key: Bits256(number, 2, 3, 4)), addresses: v6 ? [six, other] : [v4])
    }

    static var samples: [ProbeMessage] {
        let bare = Vitals(incarnation: 7)
        let full = Vitals(
            incarnation: .max, coordinate: coordinate, isNeighbour: true, held: .max,
            neighbours: NeighbourList(
                number: .max, contacts: (0..<6).map { contact($0, v6: true) }))
        let usual = Vitals(
            incarnation: 9, coordinate: .origin, held: 1,
            neighbours: NeighbourList(number: 3, contacts: (0..<4).map { contact($0) }))
        let known = Vitals(incarnation: 9, coordinate: .origin, isNeighbour: true, held: 1)
        let id = PeerID(key: Bits256(9, 8, 7, 6))
        return [
            .ping(Ping(number: 64, vitals: bare)),
            .ping(Ping(number: 65, vitals: full, suspected: 12)),
            .ping(Ping(number: 66, vitals: usual, suspected: 0)),
            .ack(Ack(number: 64, vitals: bare)), .ack(Ack(number: 64, vitals: full)),
            .ack(Ack(number: .max, vitals: usual)), .ping(Ping(number: 67, vitals: known)),
            .ack(
                Ack(
                    number: 67,
                    vitals: Vitals(incarnation: 9, neighbours: NeighbourList(number: 4)))),
            .pingRequest(PingRequest(number: 128, waited: .milliseconds(500), target: id)),
            .vouch(number: 128), .nack(number: 192),
            .suspect(
                Suspicion(number: 256, waited: .seconds(1), suspect: id, incarnation: .max)),
        ]
    }

    private func decode(_ bytes: [UInt8]) -> Result<ProbeMessage, DecodingFailure> {
        do throws(DecodingFailure) {
            return .success(try ProbeMessage(decoding: bytes.span.bytes))
        } catch { return .failure(error) }
    }

    @Test("every message reads back as it was written, and may be the first to a peer")
    func roundTrip() {
        for message in Self.samples {
            let bytes = message.bytes
            #expect(decode(bytes) == .success(message))
            #expect(bytes.count <= WireLimits.firstMessageMax)
            #expect(bytes[0] & 0xf0 == MessageFamily.membership.rawValue)
            #expect(ProbeMessage.claims(bytes[0]))
        }
        #expect(!ProbeMessage.claims(0x20) && !ProbeMessage.claims(0x27))
        #expect(!ProbeMessage.claims(0x30) && !ProbeMessage.claims(0x38))
    }

    @Test("the layout is the one documented")
    func layout() {
        #expect(ProbeMessage.vouch(number: 0x0102_0304).bytes == [0x2b, 1, 2, 3, 4])
        #expect(ProbeMessage.nack(number: 1).bytes == [0x2c, 0, 0, 0, 1])
        let ping = ProbeMessage.ping(
            Ping(number: 5, vitals: Vitals(incarnation: 6), suspected: 7))
        #expect(
            ping.bytes == [0x28, 0, 0, 0, 5, 2, 0, 0, 0, 0, 0, 0, 0, 6, 0, 0, 0, 0] + [
                0, 0, 0, 0, 0, 0, 0, 7,
            ])
        let ack = ProbeMessage.ack(
            Ack(number: 5, vitals: Vitals(incarnation: 6, coordinate: Self.coordinate, held: 258)))
        #expect(
            ack.bytes == [0x29, 0, 0, 0, 5, 1, 0, 0, 0, 0, 0, 0, 0, 6, 0, 0, 1, 2]
                + [0x3f, 0xc0, 0, 0, 0xc0, 0, 0, 0, 0, 0, 0, 0, 0x43, 0x96, 0, 0]
                + [0x40, 0x80, 0, 0, 0x3e, 0x80, 0, 0])
        let key = Bits256(0, 0, 0, 1)
        let address = SocketAddress(ipv4: 0x0102_0304, port: 258)
        let list = NeighbourList(
            number: 9, contacts: [Contact(id: PeerID(key: key), addresses: [address])])
        let telling = ProbeMessage.ping(
            Ping(
                number: 5,
                vitals: Vitals(incarnation: 6, isNeighbour: true, neighbours: list)))
        #expect(
            telling.bytes == [0x28, 0, 0, 0, 5, 12, 0, 0, 0, 0, 0, 0, 0, 6, 0, 0, 0, 0]
                + [0, 0, 0, 9, 1] + key.bytes + [1, 4, 1, 2, 3, 4, 1, 2])
        let request = ProbeMessage.pingRequest(
            PingRequest(number: 1, waited: .milliseconds(258), target: PeerID(key: key)))
        #expect(request.bytes == [0x2a, 0, 0, 0, 1, 1, 2] + key.bytes)
        let suspicion = ProbeMessage.suspect(
            Suspicion(number: 1, waited: .hours(1), suspect: PeerID(key: key), incarnation: 3))
        #expect(
            suspicion.bytes
                == [0x2d, 0, 0, 0, 1, 0xff, 0xff] + key.bytes + [0, 0, 0, 0, 0, 0, 0, 3])
    }

    @Test("what is over the bounds, and who cannot be reached, is not told")
    func bounds() {
        let many = (0..<9).map { Self.contact($0, v6: true) }
        let nowhere = Contact(id: PeerID(key: .zero), addresses: [])
        let list = NeighbourList(number: 1, contacts: [nowhere] + many)
        #expect(list.contacts == Array(many.prefix(6)))
    }

    @Test("a message that is cut short anywhere is refused, as is one with more behind it")
    func truncated() {
        for message in Self.samples {
            let bytes = message.bytes
            for count in 0..<bytes.count {
                #expect(throws: DecodingFailure.self) {
                    try decode(Array(bytes.prefix(count))).get()
                }
            }
            #expect(decode(bytes + [0]) == .failure(.trailingBytes))
        }
    }

    @Test(
        "unknown kinds and flags, too many neighbours or addresses, and huge messages are refused")
    func refusals() {
        // Incarnation and held.
        let rest: [UInt8] = [0, 0, 0, 0, 0, 0, 0, 6, 0, 0, 0, 0]
        let list: [UInt8] = [0, 0, 0, 1]
        #expect(decode([]) == .failure(.truncated))
        #expect(decode([0x2e, 0, 0, 0, 0]) == .failure(.unknown))
        #expect(decode([0x27, 0, 0, 0, 0]) == .failure(.unknown))
        #expect(decode([0x28, 0, 0, 0, 5, 16] + rest) == .failure(.unknown))
        #expect(decode([0x29, 0, 0, 0, 5, 2] + rest) == .failure(.unknown), "a ping's flag")
        #expect(decode([0x29, 0, 0, 0, 5, 4] + rest + list + [7]) == .failure(.outOfBounds))
        #expect(
            decode([0x29, 0, 0, 0, 5, 4] + rest + [0, 0, 0, 0, 0]) == .failure(.outOfBounds))
        let address: [UInt8] = [4, 1, 2, 3, 4, 0, 1]
        let three = Bits256.zero.bytes + [3] + address + address + address
        #expect(
            decode([0x29, 0, 0, 0, 5, 4] + rest + list + [1] + three)
                == .failure(.outOfBounds))
        #expect(
            decode(Array(repeating: 0x28, count: WireLimits.messageMax + 1))
                == .failure(.outOfBounds))
    }

    @Test("a bit-flipped message is refused, or reads as what its bytes say")
    func bitFlips() {
        for message in Self.samples {
            let bytes = message.bytes
            for bit in 0..<(bytes.count * 8) {
                var flipped = bytes
                flipped[bit / 8] ^= 1 << UInt8(bit % 8)
                guard case .success(let read) = decode(flipped) else { continue }
                #expect(read.bytes == flipped, "one encoding each, bit \(bit)")
                #expect(read != message)
            }
        }
    }

    @Test("random bytes never trap, and what is read is written the same")
    func randomBytes() {
        let seed: UInt64 = 41
        var generator = Generator(seed: seed)
        for _ in 0..<20_000 {
            var bytes = (0..<generator.below(80)).map { _ in UInt8(generator.below(256)) }
            if !bytes.isEmpty { bytes[0] = 0x28 + UInt8(generator.below(8)) }
            if case .success(let read) = decode(bytes) {
                #expect(read.bytes == bytes, "seed \(seed)")
            }
        }
    }

    // MARK: Coordinates

    private func ack(with words: [UInt32]) -> [UInt8] {
        var bytes: [UInt8] = [0x29, 0, 0, 0, 5, 1, 0, 0, 0, 0, 0, 0, 0, 6, 0, 0, 0, 0]
        for word in words { bytes.appendU32(word) }
        return bytes
    }

    @Test("numbers that are none, infinite, out of bounds or negative zero are refused")
    func hostileNumbers() {
        let good: [UInt32] = [0, 0, 0, 0, Float(1).bitPattern, Float(0.5).bitPattern]
        #expect((try? decode(ack(with: good)).get()) != nil)
        let never: [Float] = [
            .nan, .signalingNaN, .infinity, -.infinity, 10_001, -.greatestFiniteMagnitude,
        ]
        for place in 0..<6 {
            for number in never {
                var words = good
                words[place] = number.bitPattern
                #expect(decode(ack(with: words)) == .failure(.outOfBounds), "\(number) at \(place)")
            }
        }
        for place in 0..<4 {
            var words = good
            words[place] = Float(-0.0).bitPattern
            #expect(decode(ack(with: words)) == .failure(.notCanonical))
        }
        for place in 4..<6 {
            for number in [0, -0.0, -1, 0.001] as [Float] {
                var words = good
                words[place] = number.bitPattern
                #expect(decode(ack(with: words)) == .failure(.outOfBounds))
            }
        }
    }

    @Test("a coordinate is brought within its bounds, whatever it is made of")
    func boundedCoordinates() {
        let wild = Coordinate(
            components: SIMD4(.nan, .infinity, -.infinity, -0.0), height: .nan, error: -3)
        #expect(
            wild
                == Coordinate(
                    components: SIMD4(0, 10_000, -10_000, 0), height: 0.01, error: 0.01))
        #expect(wild.components[3].sign == .plus)
        let message = ProbeMessage.ack(
            Ack(number: 0, vitals: Vitals(incarnation: 0, coordinate: wild)))
        #expect(decode(message.bytes) == .success(message))
    }

    @Test("a prediction is the distance over ground and both heights, the same from either end")
    func predictions() {
        let a = Coordinate(components: SIMD4(0, 3, 0, 0), height: 1, error: 1)
        let b = Coordinate(components: SIMD4(4, 0, 0, 0), height: 2, error: 1)
        #expect(Coordinate.predict(from: a, to: b) == .milliseconds(8))
        #expect(Coordinate.predict(from: b, to: a) == .milliseconds(8))
        let far = Coordinate(
            components: SIMD4(repeating: 10_000), height: 10_000, error: 1)
        let other = Coordinate(
            components: SIMD4(repeating: -10_000), height: 10_000, error: 1)
        let longest = Coordinate.predict(from: far, to: other)
        #expect(longest >= .milliseconds(59_999) && longest <= .milliseconds(60_001))
    }
}
