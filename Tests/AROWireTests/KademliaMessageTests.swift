import AROCrypto
import AROPrimitives
import Testing

@testable import AROWire

@Suite("Kademlia's messages")
struct KademliaMessageTests {
    private static func contact(_ number: UInt64, v6: Bool = false) -> Contact {
        let v4 = SocketAddress(ipv4: 0xc633_6401, port: 4001)
        let six = SocketAddress(high: 0x2001_0db8 << 32, low: number + 1, port: 4001)
        return Contact(
            id: PeerID(key: Bits256(number, 2, 3, 4)), addresses: v6 ? [v4, six] : [v4])
    }

    static var samples: [KademliaMessage] {
        let key = DHTKey(bits: Bits256(1, 2, 3, 4))
        let provider = RecordTests.provider()
        var wanted: [KademliaFind.Wanted] = [.signOfLife, .peers, .providers, .name]
        wanted.append(.provider(provider.provider))
        var out = wanted.map {
            KademliaMessage.find(
                KademliaFind(request: 0xdead_bee0, serves: true, wanted: $0, key: key))
        }
        out.append(.answer(KademliaAnswer(request: 4)))
        let contacts = (0..<20).map { contact($0, v6: $0 % 5 == 0) }
        out.append(.answer(KademliaAnswer(request: 8, contacts: contacts)))
        out.append(
            .answer(
                KademliaAnswer(
                    request: 12,
                    records: .providers([provider, RecordTests.provider(by: 5)]),
                    contacts: Array(contacts.prefix(8)), contactsLeftOut: true,
                    recordsLeftOut: true)))
        out.append(.answer(KademliaAnswer(request: 16, records: .name(RecordTests.name()))))
        out.append(
            .store(KademliaStore(request: 20, serves: false, record: .provider(provider))))
        out.append(
            .store(KademliaStore(request: 24, serves: true, record: .name(RecordTests.name()))))
        for status in KademliaStored.Status.allCases {
            out.append(.stored(KademliaStored(request: 28, status: status)))
        }
        return out
    }

    private func decode(_ bytes: [UInt8]) -> Result<KademliaMessage, DecodingFailure> {
        do throws(DecodingFailure) {
            return .success(try KademliaMessage(decoding: bytes.span.bytes))
        } catch { return .failure(error) }
    }

    @Test("every message reads back as it was written, within a datagram")
    func roundTrip() {
        for message in Self.samples {
            let bytes = message.bytes
            #expect(decode(bytes) == .success(message))
            #expect(bytes.count <= WireLimits.messageMax)
            #expect(bytes[0] & 0xf0 == MessageFamily.kademlia.rawValue)
        }
    }

    @Test("the layout is the one documented")
    func layout() {
        let find = KademliaMessage.find(
            KademliaFind(
                request: 0x0102_0304, serves: true, wanted: .peers,
                key: DHTKey(bits: Bits256(0, 0, 0, 0xff))))
        let expected: [UInt8] =
            [0x10, 1, 2, 3, 4, 1, 1] + Array(repeating: 0, count: 31) + [0xff]
        #expect(find.bytes == expected)
        let stored = KademliaMessage.stored(KademliaStored(request: 5, status: .busy))
        #expect(stored.bytes == [0x13, 0, 0, 0, 5, 4])
        let answer = KademliaMessage.answer(
            KademliaAnswer(request: 0, contacts: [Self.contact(9)], contactsLeftOut: true))
        let id = PeerID(key: Bits256(9, 2, 3, 4)).key.bytes
        #expect(
            answer.bytes
                == [0x11, 0, 0, 0, 0, 1, 0, 1] + id + [1, 4, 198, 51, 100, 1, 0x0f, 0xa1])
    }

    @Test("requests ride in the first packet of a handshake")
    func firstMessages() {
        for message in Self.samples {
            switch message {
            case .find, .store: #expect(message.bytes.count <= WireLimits.firstMessageMax)
            case .answer, .stored: break
            }
        }
        let identity = RecordTests.identity(1)
        let longest = NameRecord(
            label: Array(repeating: 1, count: 63), value: Array(repeating: 2, count: 128),
            sequence: .max, expires: RecordTests.now, signedBy: identity)
        let store = KademliaMessage.store(
            KademliaStore(request: 0, serves: true, record: .name(longest)))
        #expect(store.bytes.count <= WireLimits.firstMessageMax)
        #expect(decode(store.bytes) == .success(store))
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

    @Test("oversized messages, unknown kinds, flags, families and addresses are refused")
    func refusals() {
        #expect(
            decode(Array(repeating: 0x10, count: WireLimits.messageMax + 1))
                == .failure(.outOfBounds))
        #expect(decode([]) == .failure(.truncated))
        #expect(decode([0x14, 0, 0, 0, 0]) == .failure(.unknown))
        #expect(decode([0x13, 0, 0, 0, 0, 6]) == .failure(.unknown))
        #expect(decode([0x11, 0, 0, 0, 0, 4, 0, 0]) == .failure(.unknown))
        #expect(decode([0x11, 0, 0, 0, 0, 0, 1, 0]) == .failure(.unknown))
        #expect(decode([0x11, 0, 0, 0, 0, 0, 0, 21]) == .failure(.outOfBounds))
        let header: [UInt8] = [0x11, 0, 0, 0, 0, 0, 0, 1] + Array(repeating: 7, count: 32)
        #expect(decode(header + [0]) == .failure(.outOfBounds))
        #expect(decode(header + [1, 5]) == .failure(.unknown))
        #expect(decode(header + [1, 4, 0, 0, 0, 0, 0, 1]) == .failure(.outOfBounds))
        #expect(decode(header + [1, 4, 224, 0, 0, 1, 0, 1]) == .failure(.outOfBounds))
        let mapped: [UInt8] = Array(repeating: 0, count: 10) + [0xff, 0xff, 1, 2, 3, 4, 0, 1]
        #expect(decode(header + [1, 6] + mapped) == .failure(.notCanonical))
        #expect(decode(header + [5]) == .failure(.outOfBounds))
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
        let seed: UInt64 = 99
        var generator = Generator(seed: seed)
        var read = 0
        for _ in 0..<20_000 {
            var bytes = (0..<generator.below(200)).map { _ in UInt8(generator.below(256)) }
            if bytes.count > 8 {
                // Half of them begin like a message, to get further.
                bytes[0] = 0x10 + UInt8(generator.below(4))
                bytes[5] &= 1
                bytes[6] &= 3
            }
            guard case .success(let message) = decode(bytes) else { continue }
            read += 1
            #expect(message.bytes == bytes, "seed \(seed)")
        }
        #expect(read >= 0)
    }
}
