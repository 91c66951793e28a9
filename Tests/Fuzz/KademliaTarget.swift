/// A node of the overlay among thirty peers that are all the fuzzer: they ask, store, answer what they
/// were asked with anything at all, come, go and are silent.

import AROCrypto
import AROOverlay
import AROPrimitives
import AROWire

struct KademliaTarget: ~Copyable {
    private static let peerCount = 30
    private var input: FuzzInput
    private var kademlia: Kademlia
    private let identity: Identity
    private var book = PeerBook()
    private var out = KademliaOutbox()
    private var now = Instant.origin + .seconds(1_000)
    private var peers: [PeerHandle] = []
    private var operations: [OperationID] = []
    /// Requests that were sent: to whom, and the bytes behind the number.
    private var asked: [(peer: PeerHandle, number: UInt32)] = []
    private var configuration = KademliaConfiguration()

    private static let wallClock = UnixTime(seconds: 1_800_000_000)

    static func run(_ bytes: [UInt8]) {
        var target = KademliaTarget(FuzzInput(bytes))
        target.run()
    }

    private init(_ input: FuzzInput) {
        self.input = input
        configuration.recordsMax = 16
        configuration.recordsPerKeyMax = 3
        configuration.recordsPerAuthorMax = 6
        configuration.ratesMax = 4
        configuration.k = 4
        configuration.lookupAskedMax = 12
        configuration.lookupCandidatesMax = 24
        configuration.operationsMax = 4
        configuration.publicationsMax = 4
        identity = Identity(seed: SecretKey(copying: [UInt8](repeating: 9, count: 32)))
        kademlia = Kademlia(
            configuration: configuration, local: identity.id, generator: Generator(seed: 1),
            at: now, wallClock: Self.wallClock)
        kademlia.addresses = [SocketAddress(ipv4: 0x0102_0304, port: 1)]
        for i in 0..<Self.peerCount {
            let peer = book.intern(PeerID(key: Bits256(UInt64(i) << 56, 1, 2, 3)))
            book.heard(
                peer, at: SocketAddress(ipv4: 0x0505_0000 + UInt32(i) << 8, port: 4_001))
            peers.append(peer)
        }
    }

    private mutating func run() {
        for peer in peers.prefix(6) { connect(peer) }
        var steps = 0
        while !input.isAtEnd, steps < 200 {
            steps += 1
            step()
            drain()
            checkBounds()
        }
    }

    private mutating func step() {
        let peer = peers[input.below(peers.count)]
        switch input.below(12) {
        case 0: connect(peer)
        case 1: receive(input.run(1_180), from: peer)
        case 2: receive(find(), from: peer)
        case 3: receive(store(), from: peer)
        case 4, 5, 6: answer()
        case 7, 8: passTime()
        case 9:
            let isGone = input.flag()
            if isGone {
                kademlia.peerGone(peer, at: now, book: &book, into: &out)
            } else {
                kademlia.peerUnreachable(peer, at: now, book: &book, into: &out)
            }
        case 10: startOperation()
        default:
            kademlia.providerFailed(book.id(peer), key: key())
            if let id = operations.popLast() { kademlia.cancel(id, at: now) }
        }
    }

    private mutating func connect(_ peer: PeerHandle) {
        kademlia.peerConnected(
            peer, serves: true, roundTrip: .nanoseconds(1 << Int64(input.below(40))), at: now,
            book: &book, into: &out)
    }

    private mutating func receive(_ bytes: [UInt8], from peer: PeerHandle) {
        kademlia.received(bytes.span.bytes, from: peer, at: now, book: &book, into: &out)
    }

    private mutating func key() -> DHTKey {
        DHTKey(bits: Bits256(UInt64(input.byte()) << 56, 0, 0, 0))
    }

    private mutating func passTime() {
        now += .nanoseconds(1 << Int64(input.below(44)))
        // Spurious calls are allowed, and one must not ask for another at once for ever.
        var rounds = 0
        repeat {
            kademlia.deadlinePassed(at: now, book: &book, identity: identity, into: &out)
            rounds += 1
            check(rounds < 1_000, "deadlines come to rest")
        } while kademlia.nextDeadline.map { $0 <= now } ?? false
        if input.flag() {
            let time = UnixTime(seconds: Int64(input.number() >> 24))
            kademlia.wallClockRead(time, at: now)
        }
    }

    private mutating func startOperation() {
        let key = key()
        let id: OperationID
        switch input.below(6) {
        case 0:
            id = kademlia.startLookup(
                key, paths: 1 + input.below(8), at: now, book: &book, into: &out)
        case 1: id = kademlia.startProviderSearch(key, limit: 3, at: now, book: &book, into: &out)
        case 2:
            id = kademlia.resolveName(
                of: identity.id, label: input.run(70), at: now, book: &book, into: &out)
        case 3:
            id = kademlia.provide(key, at: now, book: &book, identity: identity, into: &out)
        case 4:
            id = kademlia.publishName(
                label: [1], value: input.run(140), sequence: input.number(),
                lifetime: .nanoseconds(Int64(input.number())), at: now, book: &book,
                identity: identity, into: &out)
        default: id = kademlia.join(at: now, book: &book, into: &out)
        }
        operations.append(id)
    }

    // MARK: What peers say

    private mutating func find() -> [UInt8] {
        let wanted: [KademliaFind.Wanted] = [
            .signOfLife, .peers, .providers, .name, .provider(identity.id),
        ]
        let find = KademliaFind(
            request: UInt32(truncatingIfNeeded: input.number()), serves: input.flag(),
            wanted: wanted[input.below(wanted.count)], key: key())
        return KademliaMessage.find(find).bytes
    }

    /// An author of the fuzzer: its signatures are good.
    private mutating func author() -> Identity {
        Identity(seed: SecretKey(copying: [UInt8](repeating: 1 + input.byte() % 8, count: 32)))
    }

    private mutating func providerRecord(_ key: DHTKey) -> ProviderRecord {
        let author = author()
        let addresses = (0..<input.below(5)).map {
            SocketAddress(ipv4: 0x0900_0000 + UInt32($0), port: 1)
        }
        return ProviderRecord(
            key: key, addresses: addresses,
            issued: UnixTime(seconds: 1_800_000_000 - Int64(input.number() & 0xfffff)),
            lifetime: .seconds(Int64(1 + input.number() & 0x1ffff)), signedBy: author)
    }

    private mutating func nameRecord() -> NameRecord {
        let author = author()
        return NameRecord(
            label: [1], value: input.run(40), sequence: input.number(),
            expires: UnixTime(seconds: 1_800_000_000 + Int64(input.number() & 0xfffff)),
            signedBy: author)
    }

    private mutating func store() -> [UInt8] {
        let record: KademliaStore.Record =
            input.flag() ? .provider(providerRecord(key())) : .name(nameRecord())
        return KademliaMessage.store(
            KademliaStore(
                request: UInt32(truncatingIfNeeded: input.number()), serves: input.flag(),
                record: record)
        ).bytes
    }

    /// Answers one of the requests that were sent.
    private mutating func answer() {
        guard !asked.isEmpty else { return }
        let (peer, number) = asked[input.below(asked.count)]
        switch input.below(4) {
        case 0:
            var out: [UInt8] = [0x11]
            out.appendU32(number)
            receive(out + input.run(1_100), from: peer)
        case 1:
            let statuses = KademliaStored.Status.allCases
            let stored = KademliaStored(
                request: number, status: statuses[input.below(statuses.count)])
            receive(KademliaMessage.stored(stored).bytes, from: peer)
        default: receive(KademliaMessage.answer(named(number)).bytes, from: peer)
        }
    }

    private mutating func named(_ number: UInt32) -> KademliaAnswer {
        var answer = KademliaAnswer(request: number)
        switch input.below(3) {
        case 0: break
        case 1:
            let key = key()
            answer.records = .providers([providerRecord(key), providerRecord(key)])
        default: answer.records = .name(nameRecord())
        }
        for _ in 0..<input.below(8) {
            let isOurs = input.byte() == 0
            let id =
                isOurs ? identity.id : PeerID(key: Bits256(input.number(), input.number(), 0, 0))
            answer.contacts.append(
                Contact(
                    id: id,
                    addresses: [SocketAddress(ipv4: 1 + UInt32(input.byte()) << 24, port: 7)]))
        }
        return answer
    }

    // MARK: What comes out

    private mutating func drain() {
        for send in out.sends {
            let bytes = Array(out.bytes[send.range])
            check(bytes.count <= WireLimits.messageMax, "a message of \(bytes.count) bytes")
            guard let message = try? KademliaMessage(decoding: bytes.span.bytes) else {
                return check(false, "our messages decode: \(bytes)")
            }
            switch message {
            case .find(let find): asked.append((send.peer, find.request))
            case .store(let store): asked.append((send.peer, store.request))
            case .answer, .stored: break
            }
        }
        if asked.count > 32 { asked.removeFirst(asked.count - 32) }
        out.removeAll()
    }

    private func checkBounds() {
        check(kademlia.recordCount <= 16, "records: \(kademlia.recordCount)")
        check(kademlia.operationCount <= 4 + 2, "operations: \(kademlia.operationCount)")
        check(kademlia.publicationCount <= 4, "publications: \(kademlia.publicationCount)")
        check(book.count < 5_000, "the book: \(book.count)")
    }
}
