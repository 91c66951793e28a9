import AROCrypto
import AROPrimitives
import AROWire
import Testing

@testable import AROOverlay

@Suite("Hostile announcements")
struct HostileAnnouncementTests {
    private func settled(
        _ count: Int, seed: UInt64, _ configuration: AnnouncementConfiguration = .init()
    ) -> AnnouncementWorld {
        let world = AnnouncementWorld(seed: seed, configuration)
        for _ in 0..<count { world.addNode() }
        world.linkAll()
        world.run(for: .seconds(10))
        return world
    }

    private func statement(
        of identity: borrowing Identity, in world: AnnouncementWorld, offer: Offer = Offer(),
        sequence: UInt64? = nil, issued: Duration = .zero, lifetime: Duration = .minutes(30)
    ) -> [UInt8] {
        Announcement(
            offer: offer, sequence: sequence ?? Announcement.sequence(at: world.wallClock),
            issued: world.wallClock + issued, lifetime: lifetime, signedBy: identity
        ).bytes
    }

    @Test("a thousand identities on one address push out no member, and memory stays bounded")
    func flood() {
        var configuration = AnnouncementConfiguration()
        configuration.directoryMax = 64
        let world = settled(50, seed: 1, configuration)
        #expect(world.isComplete)
        var offer = Offer()
        offer.addresses = [SocketAddress(ipv4: 0x7f00_0001, port: 6_666)]
        for _ in 0..<1_000 {
            let identity = Identity(from: &world.entropy)
            world.send(
                .rumour([.statement(statement(of: identity, in: world, offer: offer))]), from: 49,
                to: 0)
        }
        world.run(for: .seconds(30))
        for i in 0..<49 {
            #expect(world.nodes[i].announcements.count <= 64)
            for j in 0..<50 where j != i { #expect(world.knows(i, j)) }
        }
        #expect(world.nodes[0].announcements.dropCount(.full) > 500)
    }

    @Test("what is forged, stale, from the future or run out is dropped and counted")
    func drops() {
        let world = settled(5, seed: 2)
        let identity = Identity(from: &world.entropy)
        let peer = identity.id
        func send(_ bytes: [UInt8], _ drop: AnnouncementDrop) {
            let before = world.nodes[0].announcements.dropCount(drop)
            world.send(.rumour([.statement(bytes)]), from: 1, to: 0)
            #expect(world.nodes[0].announcements.dropCount(drop) == before + 1, "\(drop)")
        }
        let good = statement(of: identity, in: world)
        var forged = good
        forged[good.count - 1] ^= 1
        send(forged, .signature)
        forged = good
        forged[33] ^= 1
        send(forged, .fromFuture)
        send(statement(of: identity, in: world, issued: .minutes(11)), .fromFuture)
        let ahead = Announcement.sequence(at: world.wallClock + .minutes(11))
        send(statement(of: identity, in: world, sequence: ahead), .fromFuture)
        send(statement(of: identity, in: world, issued: .minutes(-31)), .expired)
        send(Array(good.prefix(30)), .malformed)
        send(Array(good.dropLast()), .malformed)
        #expect(world.book.handle(of: peer) == nil)
        world.send(.rumour([.statement(good)]), from: 1, to: 0)
        #expect(world.nodes[0].announcements.count == 5)
        let older = Announcement.sequence(at: world.wallClock) - 1
        send(statement(of: identity, in: world, sequence: older), .stale)
        world.receive([0x39], from: 1, to: 0)
        world.receive(Array(repeating: 0x30, count: 1_181), from: 1, to: 0)
        #expect(world.nodes[0].announcements.dropCount(.malformed) == 4)
    }

    @Test("answers and news that nobody asked for are dropped")
    func unasked() {
        let world = settled(5, seed: 3)
        let identity = Identity(from: &world.entropy)
        let item = AnnouncementItem.statement(statement(of: identity, in: world))
        world.send(.news(exchange: 7, [item]), from: 1, to: 0)
        world.send(
            .answer(AnnouncementAnswer(exchange: 7, covered: .max, items: [item])), from: 1, to: 0)
        #expect(world.nodes[0].announcements.dropCount(.unasked) == 2)
        #expect(world.nodes[0].announcements.count == 4)
    }

    @Test("one loud sender is cut off; others are heard")
    func rates() {
        let world = settled(6, seed: 4)
        let other = Identity(from: &world.entropy)
        let loud = world.nodes[0].announcements.neighbours[0].index
        let quiet = world.nodes[0].announcements.neighbours[1].index
        let forger = Identity(from: &world.entropy)
        var sequence = Announcement.sequence(at: world.wallClock)
        for _ in 0..<700 {
            sequence += 1
            var bytes = statement(of: forger, in: world, sequence: sequence)
            bytes[bytes.count - 3] ^= 1
            world.send(.rumour([.statement(bytes)]), from: Int(loud), to: 0)
        }
        let announcements = world.nodes[0].announcements.dropCount(.messagesOverRate)
        #expect(announcements > 50)
        world.send(
            .rumour([.statement(statement(of: other, in: world))]), from: Int(quiet), to: 0)
        #expect(world.nodes[0].announcements.count == 6)
    }

    @Test("signatures are checked for one sender at a bounded rate")
    func checks() {
        var configuration = AnnouncementConfiguration()
        configuration.checksBurst = 10
        configuration.checksPerSecond = 1
        let world = AnnouncementWorld(seed: 5, configuration)
        world.addNode()
        world.addNode()
        for _ in 0..<30 {
            let identity = Identity(from: &world.entropy)
            world.send(
                .rumour([.statement(statement(of: identity, in: world))]), from: 1, to: 0)
        }
        #expect(world.nodes[0].announcements.count == 10)
        #expect(world.nodes[0].announcements.dropCount(.checksOverRate) == 20)
    }

    @Test(
        "random and mutated messages neither trap nor change what members said",
        arguments: [11, 12] as [UInt64])
    func mutated(seed: UInt64) {
        let world = settled(8, seed: seed)
        var samples: [[UInt8]] = []
        let place = Directory.place(of: world.book.key(world.nodes[2].handle))
        for node in world.nodes {
            if let own = node.announcements.ownAnnouncement {
                samples.append(AnnouncementMessage.rumour([.statement(own.bytes)]).bytes)
                samples.append(AnnouncementMessage.news(exchange: 1, [.statement(own.bytes)]).bytes)
            }
        }
        let entries = [AnnouncementEntry(place: place, mark: AnnouncementMark(bits: 7))]
        for room in [0, 1, 8] as [UInt8] {
            samples.append(
                AnnouncementMessage.digest(
                    AnnouncementDigest(
                        exchange: 3, room: room, from: 0, to: .max, entries: entries)
                ).bytes)
        }
        samples.append(
            AnnouncementMessage.answer(
                AnnouncementAnswer(
                    exchange: 4, covered: .max, wanted: [place], listed: entries,
                    items: [.obituary(place: place, sequence: 9)])
            ).bytes)
        samples.append(AnnouncementMessage.want(exchange: 2, [place]).bytes)
        for step in 0..<3_000 {
            var bytes = samples[world.generator.below(samples.count)]
            for _ in 0...world.generator.below(4) {
                bytes[world.generator.below(bytes.count)] = UInt8(world.generator.below(256))
            }
            if step % 7 == 0 { bytes.removeLast(world.generator.below(bytes.count)) }
            let to = world.generator.below(8)
            let from = (to + 1 + world.generator.below(7)) % 8
            world.receive(bytes, from: from, to: to)
            if step % 100 == 0 { world.run(for: .milliseconds(500)) }
        }
        world.run(for: .minutes(2))
        #expect(world.isComplete, "seed \(seed)")
        #expect(world.largestMessage <= WireLimits.messageMax)
        #expect(world.nodes[0].announcements.list.count == 7)
    }
}
