/// Well-formed inputs of the targets whose input is a format: random bytes alone seldom get past the
/// first length. Targets whose input is a row of decisions need none.

import AROContent
import AROCrypto
import AROPrimitives
import AROTransport
import AROWire

extension Target {
    var seeds: [[UInt8]] {
        switch self {
        case .cid: [Seeds.cid.bytes, Array(Seeds.cid.description.utf8), [36] + Seeds.cid.bytes]
        case .texts:
            [
                "127.0.0.1:4001", "[::1]:4001", "[fe80::1:2.3.4.5]:1",
                Seeds.identity().id.description,
                "00ff", "mzxw6",
            ].map { Array($0.utf8) }
        case .packet: Seeds.packets
        case .handshake: Seeds.handshakes
        case .frames: Seeds.frames
        case .kademlia: Seeds.messages.map(\.bytes)
        case .records: Seeds.records
        case .exchangeRequests: Seeds.requests
        case .exchangeAnswers: Seeds.answers
        case .membership: Seeds.membership.map(\.bytes)
        case .probes: Seeds.probes.map(\.bytes)
        case .announcements: Seeds.announcements
        case .topics: Seeds.topics.map(\.bytes)
        case .block: Seeds.blocks
        case .attestation: [Seeds.attestation().bytes]
        case .proof: [Proof(attestation: Seeds.attestation()).bytes]
        case .ranges, .walk, .connection, .transport, .overlay, .gossip, .serving, .fetch: []
        case .callerMessages: Seeds.callerMessages
        case .providerMessages: Seeds.providerMessages
        case .receipts: [Seeds.receipt.bytes, Seeds.voucher.bytes]
        case .inference: []
        }
    }
}

enum Seeds {
    static let cid = CID(.raw, hashing: [UInt8](repeating: 7, count: 10).span.bytes)
    private static let address = SocketAddress(ipv4: 0x0a00_0001, port: 4_001)
    private static let address6 = SocketAddress(high: 0xfd00_0000_0000_0000, low: 1, port: 4_001)

    static func identity() -> Identity {
        Identity(seed: SecretKey(copying: [UInt8](repeating: 1, count: 32)))
    }

    static var packets: [[UInt8]] {
        [
            InitiationHeader(type: .initiationIK, source: ConnectionID(1)).bytes,
            ShortNotice(cookie: Cookie(high: 1, low: 2), to: ConnectionID(1)).bytes,
            VersionsPacket(id: ConnectionID(1), versions: [1, 2]).bytes,
        ]
    }

    static var handshakes: [[UInt8]] {
        var parameters: [UInt8] = [0]
        TransportParameters(TransportConfiguration()).encode(into: &parameters)
        var introduction = [UInt8](repeating: 5, count: 32 + 8 + 16 + 8)
        introduction.appendLengthPrefixed(Array(parameters.dropFirst()))
        let response = [UInt8](repeating: 6, count: 8 + 18)
        return [
            parameters, [1] + introduction + [3, 1, 2, 3, 0, 0], [2] + introduction + response,
            [3] + introduction,
        ]
    }

    static var frames: [[UInt8]] {
        [
            [0x00, 0x00, 0x01], [0x02, 0x20, 0x05, 0x02, 0x01, 0x00, 0x01, 0x03, 0x02],
            [0x04, 0, 1, 2, 0x05, 3, 4], [0x08, 1, 2, 3, 9, 9, 9, 0x09, 1, 5, 1, 8],
            [0x10, 0x40, 0x80, 0x11, 1, 2, 0x12, 3],
            [0x1a, 1, 2, 3, 4, 5, 6, 7, 8, 0x1b, 1, 2, 3, 4, 5, 6, 7, 8],
            [0x1c, 3, 2, 65, 66], [0x31, 3, 1, 2, 3],
        ]
    }

    private static var provider: ProviderRecord {
        ProviderRecord(
            key: DHTKey(bits: .zero), addresses: [address, address6],
            issued: UnixTime(seconds: 1_799_999_990), lifetime: .hours(1), signedBy: identity())
    }

    private static var name: NameRecord {
        NameRecord(
            label: [1, 2], value: cid.bytes, sequence: 3,
            expires: UnixTime(seconds: 1_800_000_100), signedBy: identity())
    }

    static var messages: [KademliaMessage] {
        let key = DHTKey(bits: .zero)
        let contact = Contact(id: identity().id, addresses: [address, address6])
        return [
            .find(KademliaFind(request: 4, serves: true, wanted: .providers, key: key)),
            .find(
                KademliaFind(
                    request: 4, serves: false, wanted: .provider(identity().id), key: key)),
            .answer(
                KademliaAnswer(
                    request: 8, records: .providers([provider, provider]), contacts: [contact])),
            .answer(KademliaAnswer(request: 8, records: .name(name), contactsLeftOut: true)),
            .store(KademliaStore(request: 12, serves: true, record: .provider(provider))),
            .store(KademliaStore(request: 12, serves: false, record: .name(name))),
            .stored(KademliaStored(request: 16, status: .full)),
        ]
    }

    static var records: [[UInt8]] {
        var first: [UInt8] = []
        provider.appendBody(to: &first)
        var second: [UInt8] = []
        name.append(to: &second)
        return [first, second]
    }

    static var requests: [[UInt8]] {
        var out: [UInt8] = [16]
        out.append(.want([cid, cid]))
        out.append(.have([cid]))
        out.append(.attestations(cid))
        out.append(.cancel(3))
        return [out]
    }

    static var answers: [[UInt8]] {
        var out: [UInt8] = [16, 200, 0]
        out.append(.block([1, 2, 3]))
        out.append(.missing)
        out.append(.haveMap([0x80]))
        out.append(.attestations([attestation().bytes]))
        out.append(.cancelled)
        out.append(.refused(.busy))
        return [out]
    }

    static func attestation() -> Attestation {
        guard
            let attestation = try? Attestation(
                root: cid, byteCount: 10, name: "name", mediaType: "text/plain",
                issued: UnixTime(seconds: 1), by: identity())
        else { fatalError("a well-formed statement can be signed") }
        return attestation
    }

    static var blocks: [[UInt8]] {
        var found: [[UInt8]] = []
        for choice in UInt8(0)..<8 {
            let decisions = (0..<96).map { choice &* 31 &+ UInt8($0) &* 7 }
            var input = FuzzInput(decisions)
            let forest = Forest(&input, blocksMax: 24)
            for cid in forest.order where cid.codec == .dagPB {
                found.append([0] + (forest.blocks[cid] ?? []))
            }
        }
        return found
    }
}
