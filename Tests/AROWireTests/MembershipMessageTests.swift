import AROCrypto
import AROPrimitives
import Testing

@testable import AROWire

@Suite("Membership's messages")
struct MembershipMessageTests {
    private static let v4 = SocketAddress(ipv4: 0xc633_6401, port: 4001)
    private static let v6 = SocketAddress(high: 0x2001_0db8 << 32, low: 7, port: 4001)

    private static func contact(_ number: UInt64, _ addresses: [SocketAddress] = [v4]) -> Contact {
        Contact(id: PeerID(key: Bits256(number, 2, 3, 4)), addresses: addresses)
    }

    static var samples: [MembershipMessage] {
        let contacts = (0..<8).map { contact($0, $0 % 2 == 0 ? [v4] : [v6, v4]) }
        var bodies: [MembershipMessage.Body] = [
            .join(addresses: []), .join(addresses: [v4, v6]),
            .forwardJoin(contact(1), hopsLeft: 6), .forwardJoin(contact(2, [v6]), hopsLeft: 0),
            .neighbourReply(accepted: true, contacts), .neighbourReply(accepted: false, []),
            .shuffle(
                MembershipShuffle(
                    hopsLeft: 10, number: 0xdead_beef, origin: contact(3).id,
                    addresses: [], contacts: [])),
            .shuffle(
                MembershipShuffle(
                    hopsLeft: 0, number: 1, origin: contact(3).id, addresses: [v6, v4],
                    contacts: contacts)),
            .shuffleReply(number: 5, []), .shuffleReply(number: 6, contacts),
        ]
        bodies += MembershipPriority.allCases.map { .neighbour($0) }
        bodies += MembershipDisconnect.allCases.map { .disconnect($0) }
        let swarm = SwarmID(bits: Bits256(9, 8, 7, 6))
        return bodies.flatMap {
            [MembershipMessage(swarm: nil, $0), MembershipMessage(swarm: swarm, $0)]
        }
    }

    private func decode(_ bytes: [UInt8]) -> Result<MembershipMessage, DecodingFailure> {
        do throws(DecodingFailure) {
            return .success(try MembershipMessage(decoding: bytes.span.bytes))
        } catch { return .failure(error) }
    }

    @Test("every message reads back as it was written, and may open a session")
    func roundTrip() {
        for message in Self.samples {
            let bytes = message.bytes
            #expect(decode(bytes) == .success(message))
            #expect(bytes.count <= WireLimits.firstMessageMax)
            #expect(bytes[0] & 0xf0 == MessageFamily.membership.rawValue)
            #expect(bytes[0] & 0x0f < 8, "the rest of the family is the failure detector's")
        }
    }

    @Test("the longest shuffle that a node sends may open a session")
    func longest() {
        let contacts = (0..<8).map { Self.contact($0, [Self.v6, Self.v6]) }
        let shuffle = MembershipShuffle(
            hopsLeft: 6, number: 1, origin: contacts[0].id, addresses: [Self.v6, Self.v6],
            contacts: contacts)
        let message = MembershipMessage(
            swarm: SwarmID(bits: Bits256(1, 1, 1, 1)), .shuffle(shuffle))
        #expect(message.bytes.count <= WireLimits.firstMessageMax)
    }

    @Test("the layout is the one documented")
    func layout() {
        let id = Self.contact(9).id.key.bytes
        let address: [UInt8] = [4, 198, 51, 100, 1, 0x0f, 0xa1]
        func bytes(_ body: MembershipMessage.Body) -> [UInt8] {
            MembershipMessage(swarm: nil, body).bytes
        }
        #expect(bytes(.join(addresses: [Self.v4])) == [0x20, 0, 1] + address)
        #expect(
            bytes(.forwardJoin(Self.contact(9), hopsLeft: 6))
                == [0x21, 0, 6] + id + [1] + address)
        #expect(bytes(.neighbour(.high)) == [0x22, 0, 1])
        #expect(bytes(.neighbourReply(accepted: true, [])) == [0x23, 0, 1, 0])
        #expect(bytes(.disconnect(.leaving)) == [0x24, 0, 2])
        let shuffle = MembershipShuffle(
            hopsLeft: 5, number: 0x0102_0304, origin: Self.contact(9).id,
            addresses: [Self.v4], contacts: [Self.contact(9)])
        let expected: [UInt8] = [0x25, 0, 5, 1, 2, 3, 4] + id + [1] + address
        #expect(bytes(.shuffle(shuffle)) == expected + [1] + id + [1] + address)
        #expect(bytes(.shuffleReply(number: 7, [])) == [0x26, 0, 0, 0, 0, 7, 0])
        let swarm = SwarmID(bits: Bits256(0, 0, 0, 5))
        #expect(
            MembershipMessage(swarm: swarm, .neighbour(.low)).bytes
                == [0x22, 1] + Array(repeating: 0, count: 31) + [5, 0])
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

    @Test("oversized messages, unknown kinds, scopes and flags are refused")
    func refusals() {
        #expect(
            decode(Array(repeating: 0x20, count: WireLimits.messageMax + 1))
                == .failure(.outOfBounds))
        #expect(decode([]) == .failure(.truncated))
        #expect(decode([0x27, 0, 0]) == .failure(.unknown))
        #expect(decode([0x22, 2, 0]) == .failure(.unknown))
        #expect(decode([0x22, 0, 2]) == .failure(.unknown))
        #expect(decode([0x23, 0, 2]) == .failure(.unknown))
        #expect(decode([0x24, 0, 3]) == .failure(.unknown))
        #expect(decode([0x20, 0, 5]) == .failure(.outOfBounds))
        #expect(decode([0x21, 0, 11]) == .failure(.outOfBounds))
        #expect(decode([0x26, 0, 0, 0, 0, 0, 9]) == .failure(.outOfBounds))
        let id: [UInt8] = Array(repeating: 7, count: 32)
        #expect(decode([0x21, 0, 1] + id + [0]) == .failure(.outOfBounds))
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
        let seed: UInt64 = 98
        var generator = Generator(seed: seed)
        var read = 0
        for _ in 0..<20_000 {
            var bytes = (0..<generator.below(120)).map { _ in UInt8(generator.below(256)) }
            if bytes.count > 2 {
                bytes[0] = 0x20 + UInt8(generator.below(8))
                bytes[1] &= 1
                bytes[2] &= 3
                if generator.chance(1, in: 2) { bytes.removeLast(bytes.count - 3) }
            }
            guard case .success(let message) = decode(bytes) else { continue }
            read += 1
            #expect(message.bytes == bytes, "seed \(seed)")
        }
        #expect(read > 0)
    }
}
