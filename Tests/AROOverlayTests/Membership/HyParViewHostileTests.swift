import AROCrypto
import AROPrimitives
import AROWire
import Testing

@testable import AROOverlay

@Suite("HyParView and hostile peers")
struct HyParViewHostileTests {
    private static func stranger(_ number: UInt64, _ address: SocketAddress) -> Contact {
        Contact(id: PeerID(key: Bits256(0xbad, 0, 0, number)), addresses: [address])
    }

    /// A view with one honest-looking neighbour, node 1, and what it sends.
    private static func victim(neighbours: Int = 1) -> MembershipWorld {
        let world = MembershipWorld(seed: 1)
        world.grow(to: 1 + neighbours)
        world.run(for: .seconds(20))
        return world
    }

    private static func isBounded(_ view: HyParView) -> Bool {
        let c = view.configuration
        var handles = 0
        view.forEachUsedHandle { _ in handles += 1 }
        return view.activeCount <= c.activeMax && view.passive.count <= c.passiveMax
            && view.requests.count <= c.requestsMax + c.lostMax
            && view.partings.count <= c.partingsMax && view.lost.count <= c.lostMax
            && handles <= c.activeMax + c.passiveMax + c.requestsMax + c.partingsMax
                + 2 * c.lostMax + c.allowancesMax + 1
    }

    @Test("made-up newcomers have us turn to few strangers, however many are named")
    func forgedJoins() {
        let world = Self.victim()
        var asked = Set<PeerHandle>()
        for second in 0..<60 {
            for i in 0..<400 {
                let number = UInt64(second * 400 + i)
                let address = SocketAddress(ipv4: 0xc000_0000 + UInt32(number) << 8, port: 9)
                var out = MembershipOutbox()
                world.nodes[0].view.received(
                    MembershipMessage(
                        swarm: nil,
                        .forwardJoin(Self.stranger(number, address), hopsLeft: 0)),
                    from: PeerHandle(index: 1), at: world.now, book: &world.book, into: &out)
                for send in out.sends where send.peer.index > 1 { asked.insert(send.peer) }
            }
            world.run(for: .seconds(1))
        }
        let c = world.configuration
        // And those that fill our own empty places, at the pace of requests.
        let own = 60 * c.requestsMax / 5
        #expect(asked.count <= c.hearsayBurst + 61 * c.hearsayPerSecond + own, "\(asked.count)")
        #expect(asked.count > 0)
        #expect(world.nodes[0].view.dropCount(.overAllowance) > 0)
        #expect(Self.isBounded(world.nodes[0].view))
    }

    @Test("shuffles with made-up origins have us answer few of them")
    func forgedOrigins() {
        let world = Self.victim()
        var answered = 0
        for i in 0..<1_000 as Range<UInt64> {
            let address = SocketAddress(ipv4: 0xc000_0001 + UInt32(i) << 8, port: 9)
            let origin = Self.stranger(i, address)
            var out = MembershipOutbox()
            world.nodes[0].view.received(
                MembershipMessage(
                    swarm: nil,
                    .shuffle(
                        MembershipShuffle(
                            hopsLeft: 1, number: 1, origin: origin.id,
                            addresses: origin.addresses, contacts: []))),
                from: PeerHandle(index: 1), at: world.now, book: &world.book, into: &out)
            answered += out.sends.count { $0.peer.index > 1 }
        }
        #expect(answered > 0 && answered <= world.configuration.hearsayBurst, "\(answered)")
    }

    @Test("one public network gets only so many places in the passive view")
    func oneNetwork() {
        let world = Self.victim()
        var offered: [PeerHandle] = []
        for i in 0..<20 as Range<UInt64> {
            let contact = Self.stranger(i, SocketAddress(ipv4: 0xc633_6400 + UInt32(i), port: 9))
            let handle = world.book.intern(contact.id)
            world.book.suggest(contact.addresses, for: handle)
            offered.append(handle)
        }
        var out = MembershipOutbox()
        world.nodes[0].view.offered(offered, at: world.now, book: &world.book, into: &out)
        let kept = world.nodes[0].view.passive.count { offered.contains($0) }
        #expect(kept == world.configuration.passivePerNetworkMax)
        #expect(world.nodes[0].view.dropCount(.networkFull) > 0)
    }

    @Test("a crowd from one public network takes two places, not all")
    func crowd() {
        let world = Self.victim(neighbours: 5)
        let honest = world.neighbours(of: 0)
        #expect(honest.count == 5)
        for i in 0..<50 as Range<UInt64> {
            let contact = Self.stranger(i, SocketAddress(ipv4: 0xc633_6400 + UInt32(i), port: 9))
            let handle = world.book.intern(contact.id)
            world.book.heard(handle, at: contact.addresses[0])
            var out = MembershipOutbox()
            world.nodes[0].view.received(
                MembershipMessage(swarm: nil, .neighbour(.high)), from: handle, at: world.now,
                book: &world.book, into: &out)
        }
        let left = world.neighbours(of: 0).count { honest.contains($0) }
        #expect(left == 3)
    }

    @Test("what only neighbours send is dropped from others, and answered at a bounded rate")
    func strangers() {
        let world = Self.victim()
        let stranger = world.addNode()
        var answers = 0
        for _ in 0..<1_000 {
            var out = MembershipOutbox()
            world.nodes[0].view.received(
                MembershipMessage(
                    swarm: nil,
                    .forwardJoin(
                        Self.stranger(1, SocketAddress(ipv4: 0x0a01_0101, port: 9)),
                        hopsLeft: 3)),
                from: PeerHandle(index: UInt32(stranger)), at: world.now, book: &world.book,
                into: &out)
            answers += out.sends.count
        }
        #expect(answers > 0 && answers <= world.configuration.allowanceBurst / 64)
        #expect(world.nodes[0].view.dropCount(.notNeighbour) > 0)
    }

    @Test("a reply to a shuffle that was never sent is dropped")
    func unsolicited() {
        let world = Self.victim()
        var out = MembershipOutbox()
        let contact = Self.stranger(7, SocketAddress(ipv4: 0x0a01_0101, port: 9))
        world.nodes[0].view.received(
            MembershipMessage(swarm: nil, .shuffleReply(number: 1, [contact])),
            from: PeerHandle(index: 1), at: world.now, book: &world.book, into: &out)
        #expect(world.nodes[0].view.dropCount(.unsolicited) == 1)
        #expect(world.book.handle(of: contact.id) == nil)
    }

    @Test("loopback addresses are not believed from elsewhere")
    func loopback() {
        let world = Self.victim()
        var out = MembershipOutbox()
        let contact = Self.stranger(7, SocketAddress(ipv4: 0x7f00_0001, port: 9))
        world.nodes[0].view.received(
            MembershipMessage(swarm: nil, .forwardJoin(contact, hopsLeft: 0)),
            from: PeerHandle(index: 1), at: world.now, book: &world.book, into: &out)
        #expect(world.nodes[0].view.dropCount(.contactUnusable) == 1)
        #expect(world.book.handle(of: contact.id) == nil)
    }

    @Test("random and mutated messages never trap nor grow a view; what remains is whole again")
    func mutated() {
        let seed: UInt64 = 11
        let world = MembershipWorld(seed: seed)
        world.grow(to: 60)
        world.run(for: .seconds(30))
        world.mutate = { bytes, generator in
            guard generator.chance(1, in: 4) else { return }
            for _ in 0...generator.below(3) {
                bytes[generator.below(bytes.count)] = UInt8(generator.below(256))
            }
            if generator.chance(1, in: 20) { bytes.removeLast(generator.below(bytes.count)) }
        }
        for round in 0..<60 {
            world.run(for: .seconds(2))
            let speaker = world.generator.below(60)
            if round % 5 == 0 { world.join(speaker, through: [world.generator.below(60)]) }
            for node in world.nodes {
                if !Self.isBounded(node.view) { Issue.record("not bounded, seed \(seed)") }
            }
        }
        #expect(world.undecodable > 0)
        world.mutate = nil
        world.run(for: .minutes(10))
        #expect(world.isConnected, "seed \(seed)")
        #expect(world.oneSided.isEmpty, "seed \(seed)")
    }

    /// Everything that can happen to a view, in any order and number.
    @Test("whatever happens, a view stays bounded and does not ask to be called for nothing")
    func anything() {
        for seed in 20..<26 as Range<UInt64> { anything(seed: seed) }
    }

    private func anything(seed: UInt64) {
        var chance = Generator(seed: seed)
        var book = PeerBook()
        var peers: [Contact] = []
        for i in 0..<60 as Range<UInt64> {
            let host = chance.chance(1, in: 2) ? 0x0a00_0000 : 0xc633_6400 as UInt32
            peers.append(Self.stranger(i, SocketAddress(ipv4: host + UInt32(i), port: 9)))
            book.heard(book.intern(peers[Int(i)].id), at: peers[Int(i)].addresses[0])
        }
        var now = Instant.origin
        var view = HyParView(
            local: peers[0].id, swarm: nil, generator: Generator(seed: seed), at: now)
        for _ in 0..<3_000 {
            now += chance.between(.zero, chance.chance(1, in: 20) ? .minutes(2) : .seconds(1))
            var out = MembershipOutbox()
            let peer = PeerHandle(index: UInt32(chance.below(60)))
            switch chance.below(40) {
            case 0: view.join(through: [peer], at: now, book: &book, into: &out)
            case 1: view.peerUnreachable(peer, at: now, book: &book, into: &out)
            case 2: view.neighbourFailed(peer, at: now, book: &book, into: &out)
            case 3: view.peerGone(peer, at: now, book: &book, into: &out)
            case 4: view.offered([peer, peer], at: now, book: &book, into: &out)
            case 5 where chance.chance(1, in: 10): view.leave(into: &out)
            case 6: _ = view.spokeAsNeighbour(peer, at: now, into: &out)
            case 7:
                view.neighboursListed(
                    by: peer, includingUs: chance.chance(1, in: 2), at: now, book: &book,
                    into: &out)
            default:
                view.received(
                    MembershipMessage(swarm: nil, Self.body(&chance, peers)), from: peer,
                    at: now, book: &book, into: &out)
            }
            var calls = 0
            while let next = view.nextDeadline, next <= now, calls < 8 {
                view.deadlinePassed(at: now, book: &book, into: &out)
                calls += 1
            }
            let spins = calls == 8
            if spins || !Self.isBounded(view) || view.isNeighbour(PeerHandle(index: 0)) {
                Issue.record("seed \(seed), spins: \(spins)")
                return
            }
        }
    }

    private static func body(
        _ chance: inout Generator, _ peers: [Contact]
    ) -> MembershipMessage.Body {
        func some(_ count: Int) -> [Contact] {
            (0..<count).map { _ in peers[chance.below(peers.count)] }
        }
        switch chance.below(7) {
        case 0: return .join(addresses: [])
        case 1: return .forwardJoin(some(1)[0], hopsLeft: chance.below(11))
        case 2: return .neighbour(chance.chance(1, in: 2) ? .low : .high)
        case 3: return .neighbourReply(accepted: chance.chance(1, in: 2), some(chance.below(9)))
        case 4: return .disconnect(MembershipDisconnect(rawValue: UInt8(chance.below(3)))!)
        case 5:
            let origin = some(1)[0]
            return .shuffle(
                MembershipShuffle(
                    hopsLeft: chance.below(11), number: 0, origin: origin.id,
                    addresses: origin.addresses, contacts: some(chance.below(9))))
        default: return .shuffleReply(number: 0, some(chance.below(9)))
        }
    }
}
