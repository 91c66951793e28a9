import AROCrypto
import AROPrimitives
import AROWire
import Testing

@testable import AROOverlay

@Suite("Answering others, hostile ones among them")
struct KademliaServingTests {
    private func provider(
        _ world: KademliaWorld, _ node: Int, _ key: DHTKey, addresses: Int = 1,
        issued: Duration = .zero, lifetime: Duration = .hours(24)
    ) -> ProviderRecord {
        let all = (0..<addresses).map {
            SocketAddress(high: 0x2001_0db8 << 32, low: UInt64($0) + 1, port: 4001)
        }
        return ProviderRecord(
            key: key, addresses: all, issued: world.wallClock + issued, lifetime: lifetime,
            signedBy: world.nodes[node].identity)
    }

    private func store(
        _ record: KademliaStore.Record, request: UInt32 = 4
    ) -> [UInt8] {
        KademliaMessage.store(KademliaStore(request: request, serves: true, record: record)).bytes
    }

    private func drops(_ world: KademliaWorld, _ drop: KademliaDrop, node: Int = 0) -> UInt64 {
        world.nodes[node].kademlia.dropCount(drop)
    }

    @Test("forged, expired, future and absurd records are refused and counted by name")
    func refusesRecords() {
        let world = KademliaLookupTests.world(3, seed: 51)
        let key = world.randomKey()
        var forged = provider(world, 1, key)
        forged.key = world.randomKey()
        world.inject(store(.provider(forged)), from: 1, to: 0)
        #expect(drops(world, .recordSignature) == 1)
        world.inject(
            store(.provider(provider(world, 1, key, issued: .hours(-30)))), from: 1, to: 0)
        #expect(drops(world, .recordExpired) == 1)
        world.inject(
            store(.provider(provider(world, 1, key, issued: .hours(2)))), from: 1, to: 0)
        #expect(drops(world, .recordFromFuture) == 1)
        world.inject(
            store(.provider(provider(world, 1, key, lifetime: .hours(25)))), from: 1, to: 0)
        #expect(drops(world, .recordLifetime) == 1)
        let name = NameRecord(
            label: [1], value: [], sequence: 0, expires: world.wallClock + .hours(10_000),
            signedBy: world.nodes[1].identity)
        world.inject(store(.name(name)), from: 1, to: 0)
        #expect(drops(world, .recordLifetime) == 2)
        #expect(world.nodes[0].kademlia.recordCount == 0)
        world.inject(store(.provider(provider(world, 1, key))), from: 1, to: 0)
        #expect(world.nodes[0].kademlia.recordCount == 1)
    }

    @Test("a flood of records from one peer is slowed, bounded and answered with busy")
    func floods() {
        let world = KademliaLookupTests.world(3, seed: 52)
        let configuration = KademliaConfiguration()
        for _ in 0..<(configuration.storesBurst + 200) {
            world.inject(
                store(.provider(provider(world, 1, world.randomKey()))), from: 1, to: 0)
        }
        #expect(drops(world, .storesOverRate) == 200)
        #expect(world.nodes[0].kademlia.recordCount == configuration.storesBurst)
        for _ in 0..<(configuration.asksBurst + 50) {
            let find = KademliaFind(request: 0, serves: true, wanted: .peers, key: world.key(2))
            world.inject(KademliaMessage.find(find).bytes, from: 1, to: 0)
        }
        #expect(drops(world, .asksOverRate) == 50)
    }

    @Test("no answer is larger than a message may be, whatever is held")
    func answerSize() {
        let world = KademliaLookupTests.world(64, seed: 53)
        let key = world.randomKey()
        for author in 1..<64 {
            let handle = world.nodes[author].handle
            world.book.suggest(
                [SocketAddress(high: 0x2001_0db8 << 32, low: UInt64(author), port: 1)], for: handle)
            world.inject(
                store(.provider(provider(world, author, key, addresses: author % 5))),
                from: author, to: 0)
        }
        #expect(world.nodes[0].kademlia.recordCount == 63)
        world.largestMessage = 0
        for wanted in [.peers, .providers, .name, .signOfLife] as [KademliaFind.Wanted] {
            for request in 0..<100 as Range<UInt32> {
                let find = KademliaFind(
                    request: request << 2, serves: true, wanted: wanted, key: key)
                world.inject(KademliaMessage.find(find).bytes, from: 1, to: 0)
            }
        }
        #expect(world.largestMessage <= WireLimits.messageMax)
        #expect(world.largestMessage > 900, "the bound was tried")
    }

    @Test("when records crowd contacts out, the answer says so and still leads on")
    func crowded() throws {
        let world = KademliaLookupTests.world(64, seed: 54)
        let key = world.randomKey()
        for author in 1..<40 {
            world.inject(
                store(.provider(provider(world, author, key))), from: author, to: 0)
        }
        var answers: [KademliaAnswer] = []
        var outbox = KademliaOutbox()
        let find = KademliaMessage.find(
            KademliaFind(request: 8, serves: false, wanted: .providers, key: key)
        ).bytes
        world.nodes[0].kademlia.received(
            find.span.bytes, from: world.nodes[1].handle, at: world.now, book: &world.book,
            into: &outbox)
        for send in outbox.sends {
            let bytes = Array(outbox.bytes[send.range])
            if case .answer(let answer) = try KademliaMessage(decoding: bytes.span.bytes) {
                answers.append(answer)
            }
        }
        let answer = try #require(answers.first)
        guard case .providers(let records) = answer.records else {
            Issue.record("no records")
            return
        }
        #expect(records.count >= 4)
        #expect(answer.contacts.count >= 8)
        #expect(answer.contactsLeftOut && answer.recordsLeftOut)
    }

    @Test("answers that nobody asked for, of other peers, or twice, are dropped and counted")
    func unsolicited() {
        let world = KademliaLookupTests.world(4, seed: 55)
        let contact = world.book.contact(world.nodes[3].handle)
        let answer = KademliaMessage.answer(KademliaAnswer(request: 77, contacts: [contact]))
        world.inject(answer.bytes, from: 1, to: 0)
        #expect(drops(world, .unsolicited) == 1)
        let stored = KademliaMessage.stored(KademliaStored(request: 77, status: .held))
        world.inject(stored.bytes, from: 1, to: 0)
        #expect(drops(world, .unsolicited) == 2)
    }

    @Test("garbage is dropped and counted, and never traps")
    func garbage() {
        let world = KademliaLookupTests.world(20, seed: 56)
        let seed: UInt64 = 56
        var generator = Generator(seed: seed)
        _ = world.provide(3, world.randomKey())
        let before = drops(world, .malformed)
        let valid = KademliaMessage.find(
            KademliaFind(request: 4, serves: true, wanted: .providers, key: world.randomKey())
        ).bytes
        for _ in 0..<3_000 {
            var bytes = valid
            for _ in 0..<(1 + generator.below(6)) {
                bytes[generator.below(bytes.count)] = UInt8(generator.below(256))
            }
            if generator.below(3) == 0 { bytes.removeLast(generator.below(bytes.count)) }
            world.inject(bytes, from: 1, to: 0)
        }
        #expect(drops(world, .malformed) > before)
        world.run(for: .seconds(10))
        let ended = world.lookup(0, world.randomKey())
        #expect(ended != nil)
    }

    @Test("records of other keys and other kinds than asked for are not believed")
    func recordsUnasked() throws {
        let world = KademliaLookupTests.world(10, seed: 57)
        let other = world.randomKey()
        let record = provider(world, 4, other)
        for i in 1..<10 {
            world.nodes[i].lies = { _, find in
                KademliaAnswer(request: find.request, records: .providers([record]))
            }
        }
        let ended = try #require(world.search(0, world.randomKey()))
        #expect(ended.outcome == .searched(providers: 0))
        #expect(world.providers.isEmpty)
        #expect(drops(world, .recordUnasked) > 0)
    }

    @Test("a provider whose record was forged is not found, honest ones beside it are")
    func forgedProvider() throws {
        let world = KademliaLookupTests.world(30, seed: 58)
        let key = world.randomKey()
        _ = world.provide(2, key)
        var forged = provider(world, 5, key)
        forged.provider = world.nodes[6].identity.id
        let record = forged
        for i in stride(from: 9, to: 30, by: 2) {
            world.nodes[i].lies = { _, find in
                KademliaAnswer(request: find.request, records: .providers([record]))
            }
        }
        let ended = try #require(world.search(0, key, limit: 50))
        #expect(ended.outcome == .searched(providers: 1))
        #expect(world.providers.map(\.record.provider) == [world.nodes[2].identity.id])
    }

    @Test("loopback and private addresses are neither told to the outside nor believed from there")
    func reach() {
        let loopback = SocketAddress("127.0.0.1:1")!
        let home = SocketAddress("192.168.1.2:1")!
        let public4 = SocketAddress("198.51.100.1:1")!
        let all = [loopback, home, public4]
        #expect(Reach(public4).usable(all, limit: 4) == [public4])
        #expect(Reach(home).usable(all, limit: 4) == [home, public4])
        #expect(Reach(loopback).usable(all, limit: 4) == AddressList(all))
        #expect(Reach(loopback).usable(all, limit: 2) == [loopback, home])
    }

    @Test("every handle that is needed is named to whoever sweeps the book")
    func sweeping() throws {
        let world = KademliaLookupTests.world(40, seed: 59)
        var used: Set<PeerHandle> = []
        _ = world.act(0) { node, book, out in
            node.kademlia.startLookup(world.randomKey(), at: world.now, book: &book, into: &out)
        }
        world.nodes[0].kademlia.forEachUsedHandle { used.insert($0) }
        let tables = (1..<40).filter {
            world.nodes[0].kademlia.isInTable(world.nodes[$0].handle, book: world.book)
        }
        #expect(!tables.isEmpty)
        for i in tables { #expect(used.contains(world.nodes[i].handle)) }
        #expect(used.count >= tables.count)
    }
}

@Suite("A look-up by itself")
struct LookupTests {
    private struct Bench: ~Copyable {
        var book = PeerBook()
        var peers: [PeerHandle] = []
        var configuration = KademliaConfiguration()

        /// Peer `i` stands at distance `i + 1` of the target, which is zero.
        init(_ count: Int) {
            for i in 0..<count {
                let key = DHTKey(bits: Bits256(UInt64(i) + 1, 0, 0, 0))
                let handle = book.intern(PeerID(key: Bits256(UInt64(i), 1, 1, 1)), key: key)
                book.heard(handle, at: SocketAddress(ipv4: 0x0a00_0001, port: 1))
                peers.append(handle)
            }
        }

        func lookup(_ start: Range<Int>, paths: Int) -> Lookup {
            Lookup(
                target: DHTKey(bits: .zero), paths: paths,
                start: peers[start].map { Lookup.Start(peer: $0) }, configuration, book)
        }
    }

    private func drain(_ lookup: inout Lookup) -> [PeerHandle] {
        var asked: [PeerHandle] = []
        while case .ask(let peer) = lookup.next() { asked.append(peer) }
        return asked
    }

    @Test("asks alpha at once, and another for each that is late")
    func races() {
        let bench = Bench(30)
        var lookup = bench.lookup(0..<20, paths: 1)
        let first = drain(&lookup)
        #expect(first == Array(bench.peers[0..<3]))
        lookup.late(first[1])
        let second = drain(&lookup)
        #expect(second == [bench.peers[3]])
        let isReading = lookup.answered(first[1]) != nil
        #expect(isReading, "the late answer counts")
        let isReadAgain = lookup.answered(first[1]) != nil
        #expect(!isReadAgain)
    }

    @Test("once answers bring nothing nearer, all of the k nearest are asked at once")
    func sweeps() {
        let bench = Bench(30)
        var lookup = bench.lookup(0..<20, paths: 1)
        for peer in drain(&lookup) {
            if let reading = lookup.answered(peer) { lookup.finished(reading) }
        }
        let rest = drain(&lookup)
        #expect(rest.count == 17)
    }

    @Test("no peer is asked on two paths, and each path has its own")
    func disjoint() {
        let bench = Bench(60)
        var lookup = bench.lookup(0..<20, paths: 4)
        var asked: [PeerHandle] = []
        while true {
            let now = drain(&lookup)
            guard !now.isEmpty else { break }
            asked += now
            for peer in now {
                guard let reading = lookup.answered(peer) else { continue }
                // Everyone names everyone.
                for other in bench.peers {
                    let key = bench.book.key(other)
                    if lookup.admits(key, network: 0, from: reading) {
                        lookup.named(
                            other, key: key, network: 0, roundTrip: .unmeasured, by: reading)
                    }
                }
                lookup.finished(reading)
            }
        }
        #expect(Set(asked).count == asked.count)
        let isFinished = lookup.next() == .finished
        #expect(isFinished)
        #expect(lookup.closest(20) == Array(bench.peers[0..<20]))
    }

    @Test("candidates are bounded, as are those of one network")
    func bounds() {
        var bench = Bench(400)
        bench.configuration.lookupCandidatesMax = 50
        var lookup = bench.lookup(200..<220, paths: 1)
        let first = drain(&lookup)[0]
        let reading = lookup.answered(first)!
        var admitted = 0
        for i in 0..<10 {
            let key = bench.book.key(bench.peers[i])
            guard lookup.admits(key, network: 77, from: reading) else { continue }
            admitted += 1
            lookup.named(
                bench.peers[i], key: key, network: 77, roundTrip: .unmeasured, by: reading)
        }
        #expect(admitted == bench.configuration.lookupPerNetworkMax)
        for i in 10..<200 {
            let key = bench.book.key(bench.peers[i])
            guard lookup.admits(key, network: 0, from: reading) else { continue }
            lookup.named(bench.peers[i], key: key, network: 0, roundTrip: .unmeasured, by: reading)
        }
        #expect(lookup.candidates.count <= 50)
        // What is farther than the one who names it, and not among the k nearest, is not wanted.
        let far = bench.book.key(bench.peers[399])
        let isWanted = lookup.admits(far, network: 0, from: reading)
        #expect(!isWanted)
    }

    @Test("a nearer contact is let in though all places are taken and the farthest has answered")
    func nearerThanFull() {
        var bench = Bench(400)
        bench.configuration.lookupCandidatesMax = 50
        var lookup = bench.lookup(397..<400, paths: 1)
        var asked = drain(&lookup)
        var next = 340
        while let peer = asked.popLast() {
            guard let reading = lookup.answered(peer) else { continue }
            for i in next..<min(next + 19, 397) {
                let key = bench.book.key(bench.peers[i])
                guard lookup.admits(key, network: 0, from: reading) else { continue }
                lookup.named(
                    bench.peers[i], key: key, network: 0, roundTrip: .unmeasured, by: reading)
            }
            next += 19
        }
        let last = drain(&lookup)[0]
        let reading = lookup.answered(last)!
        #expect(lookup.candidates.count == 50)
        for i in 0..<30 {
            let key = bench.book.key(bench.peers[i])
            let isLetIn = lookup.admits(key, network: 0, from: reading)
            #expect(isLetIn, "the \(i)th nearest")
            lookup.named(bench.peers[i], key: key, network: 0, roundTrip: .unmeasured, by: reading)
            #expect(lookup.candidates.count == 50)
        }
        let nearest = lookup.candidates.prefix(30).map(\.handle)
        #expect(nearest == Array(bench.peers[0..<30]))
    }

    @Test("nobody answered yet: suspended peers are waited for, lost ones are not")
    func waitsForFirst() {
        let bench = Bench(3)
        var lookup = bench.lookup(0..<3, paths: 1)
        for peer in drain(&lookup) { lookup.suspended(peer) }
        var step = lookup.next()
        #expect(step == .wait)
        for peer in bench.peers { lookup.failed(peer) }
        step = lookup.next()
        #expect(step == .finished)
    }
}
