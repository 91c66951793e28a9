import AROPrimitives
import AROWire
import Testing

@testable import AROOverlay

@Suite("Failure detection among liars")
struct HostileProbeTests {
    private func settled(seed: UInt64) -> FailureWorld {
        let world = FailureWorld(count: 20, seed: seed)
        world.run(for: .seconds(20))
        return world
    }

    private func suspicion(of world: FailureWorld, _ i: Int, number: UInt32 = 64) -> ProbeMessage {
        .suspect(
            Suspicion(
                number: number, waited: .zero, suspect: world.id(i), incarnation: .max))
    }

    @Test("forged suspicions make us look, and harm nobody")
    func forgedSuspicions() {
        let world = settled(seed: 1)
        let victim = world.members[0].neighbours[0]
        let accomplices = world.members[victim].neighbours.filter { $0 != 0 }
        for round in 0..<600 as Range<UInt32> {
            for liar in accomplices {
                world.inject(suspicion(of: world, victim, number: round << 6), from: liar, to: 0)
            }
            world.run(for: .milliseconds(50))
        }
        #expect(world.verdicts.isEmpty && world.losses.isEmpty)
        #expect(world.suspicions.isEmpty)
        #expect(
            world.members[0].detector.incarnation(of: world.handle(victim)) == UInt64(victim) + 1)
        #expect(world.roundTrips.filter { $0.by == 0 && $0.of == victim }.count < 200)
    }

    @Test("who is not a neighbour of the suspect confirms nothing")
    func strangersConfirmNothing() {
        let world = settled(seed: 2)
        let victim = world.members[0].neighbours[0]
        let strangers = (1..<20).filter {
            $0 != victim && !world.members[victim].neighbours.contains($0)
        }
        for stranger in strangers {
            world.inject(suspicion(of: world, victim), from: stranger, to: 0)
        }
        #expect(world.members[0].detector.dropCount(.notCoWatcher) == UInt64(strangers.count))
        let unwatched = (1..<20).first { !world.members[0].neighbours.contains($0) }!
        world.inject(suspicion(of: world, unwatched), from: victim, to: 0)
        #expect(world.members[0].detector.dropCount(.notWatched) == 1)
        world.run(for: .seconds(10))
        #expect(world.verdicts.isEmpty)
    }

    @Test("vouching for the dead buys them three probes, and no obituary afterwards")
    func falseVouching() {
        let world = settled(seed: 3)
        let dead = world.members[0].neighbours[0]
        world.kill(dead)
        let liars = world.members[dead].neighbours.filter { $0 != 0 }
        var vouches = 0
        for _ in 0..<1_200 {
            world.run(for: .milliseconds(50))
            guard
                let p = world.members[0].detector.probes.first(where: {
                    $0.peer == world.handle(dead)
                })
            else { continue }
            for liar in liars {
                world.inject(.vouch(number: p.number), from: liar, to: 0)
            }
            vouches += 1
        }
        #expect(vouches > 0)
        #expect(world.losses.contains { $0.by == 0 && $0.of == dead })
        #expect(!world.verdicts.contains { $0.by == 0 })
        #expect(world.members[0].detector.state(of: world.handle(dead)) == nil)
    }

    @Test("vouches, acks and nacks that nobody asked for are dropped and counted")
    func unasked() {
        let world = settled(seed: 4)
        let before = world.members[0].detector.dropCount(.unasked)
        let peer = world.members[0].neighbours[0]
        world.inject(.vouch(number: 64), from: peer, to: 0)
        world.inject(.nack(number: 64), from: peer, to: 0)
        let high = Vitals(incarnation: .max)
        world.inject(.ack(Ack(number: 64, vitals: high)), from: peer, to: 0)
        #expect(world.members[0].detector.dropCount(.unasked) == before + 3)
        #expect(
            world.members[0].detector.incarnation(of: world.handle(peer)) == UInt64(peer) + 1)
    }

    @Test("floods of pings and requests are answered up to a rate, neighbours before strangers")
    func floods() {
        let world = settled(seed: 5)
        let configuration = FailureConfiguration()
        let peer = world.members[0].neighbours[0]
        let strangers = (1..<20).filter { !world.members[0].neighbours.contains($0) }
        let before = world.members[0].sent
        let ping = ProbeMessage.ping(Ping(number: 64, vitals: Vitals(incarnation: 1)))
        for _ in 0..<500 {
            for stranger in strangers { world.inject(ping, from: stranger, to: 0) }
            world.inject(ping, from: peer, to: 0)
        }
        let answered = world.members[0].sent - before
        #expect(
            answered <= configuration.answersPerSecond + configuration.strangerAnswersPerSecond)
        #expect(answered >= configuration.strangerAnswersPerSecond)
        #expect(world.members[0].detector.dropCount(.tooMany) > 0)
        let other = world.members[0].neighbours[1]
        let sent = world.members[0].sent
        world.inject(ping, from: other, to: 0)
        #expect(world.members[0].sent == sent + 1, "another neighbour is answered still")
    }

    @Test("requests to probe a neighbour do not make more than a few probes")
    func requestFlood() {
        let world = settled(seed: 6)
        let target = world.members[0].neighbours[0]
        let before = world.roundTrips.filter { $0.by == 0 && $0.of == target }.count
        for round in 0..<100 as Range<UInt32> {
            for asker in 1..<20 where asker != target {
                world.inject(
                    .pingRequest(
                        PingRequest(number: round << 6, waited: .zero, target: world.id(target))),
                    from: asker, to: 0)
            }
            world.run(for: .milliseconds(10))
        }
        let probes = world.roundTrips.filter { $0.by == 0 && $0.of == target }.count - before
        #expect(probes >= 1 && probes <= 6)
        #expect(world.members[0].detector.dropCount(.askedAgain) > 0)
    }

    @Test("a neighbour that always suspects us slows us little, and is heard now and then")
    func falseBuddy() {
        let world = settled(seed: 7)
        let liar = world.members[0].neighbours[0]
        for number in 0..<1_200 as Range<UInt32> {
            let ping = Ping(number: number << 6, vitals: Vitals(incarnation: 1), suspected: 1)
            world.inject(.ping(ping), from: liar, to: 0)
            world.run(for: .milliseconds(50))
        }
        let heard = world.selfSuspicions.filter { $0.0 == 0 }.count
        #expect(heard >= 2 && heard <= 13)
        #expect(world.members[0].detector.localHealth <= 3)
        let wrong = Ping(number: 0, vitals: Vitals(incarnation: 1), suspected: .max)
        world.inject(.ping(wrong), from: liar, to: 0)
        #expect(world.members[0].detector.dropCount(.stale) == 1)
    }

    @Test("a neighbour names six others at most, and new ones once a second")
    func namedNeighbours() {
        let world = settled(seed: 8)
        let liar = world.members[0].neighbours[0]
        let before = world.book.count
        for number in 0..<100 as Range<UInt32> {
            let made = (0..<6 as Range<UInt64>).map { i in
                Contact(
                    id: PeerID(key: Bits256(UInt64(number), i, 1, 2)),
                    addresses: [SocketAddress(ipv4: 0x0102_0304, port: 1)])
            }
            let list = NeighbourList(number: number + 1, contacts: made)
            let ping = Ping(
                number: number << 6, vitals: Vitals(incarnation: 1, neighbours: list))
            world.inject(.ping(ping), from: liar, to: 0)
        }
        #expect(world.book.count - before <= 6)
        var used: [PeerHandle] = []
        world.members[0].detector.forEachUsedHandle { used.append($0) }
        #expect(used.count <= 5 * (1 + 6) + 5)
    }

    @Test("memory stays within its bounds under any messages, and nothing traps")
    func fuzz() {
        let seed: UInt64 = 99
        let world = settled(seed: seed)
        var generator = Generator(seed: seed)
        var captured: [[UInt8]] = []
        for i in 0..<20 {
            captured.append(suspicion(of: world, i).bytes)
            captured.append(
                ProbeMessage.pingRequest(
                    PingRequest(number: 64, waited: .seconds(9), target: world.id(i))
                ).bytes)
            captured.append(
                ProbeMessage.ping(
                    Ping(
                        number: 64, vitals: Vitals(incarnation: UInt64(i), coordinate: .origin),
                        suspected: 1)
                ).bytes)
        }
        for round in 0..<20_000 {
            var bytes = captured[generator.below(captured.count)]
            for _ in 0..<generator.below(4) {
                bytes[generator.below(bytes.count)] = UInt8(generator.below(256))
            }
            if generator.chance(1, in: 10) { bytes = Array(bytes.prefix(generator.below(60))) }
            if !bytes.isEmpty, generator.chance(1, in: 5) {
                bytes[0] = 0x28 + UInt8(generator.below(8))
            }
            if generator.chance(1, in: 3), bytes.count >= 5,
                let probe = world.members[0].detector.probes.first
            {
                for i in 0..<4 {
                    bytes[1 + i] = UInt8(truncatingIfNeeded: probe.number >> UInt32(24 - 8 * i))
                }
            }
            world.inject(bytes, from: 1 + generator.below(19), to: 0)
            if round % 20 == 0 { world.run(for: .milliseconds(10)) }
        }
        let detector = world.members[0].detector
        #expect(detector.watches.count <= 5, "seed \(seed)")
        #expect(detector.probes.count <= detector.watches.count)
        #expect(detector.probes.allSatisfy { $0.requesters.count <= Probe.requestersMax })
        #expect(detector.dropCount(.malformed) > 0)
        world.run(for: .seconds(30))
        #expect(world.verdicts.isEmpty, "seed \(seed)")
    }

    @Test("there is room for a bounded number of watched peers")
    func boundedWatches() {
        var configuration = FailureConfiguration()
        configuration.watchesMax = 8
        var detector = FailureDetector(
            configuration: configuration, local: PeerID(key: .zero),
            generator: Generator(seed: 1))
        for i in 0..<8 as Range<UInt32> {
            let isWatched = detector.watch(PeerHandle(index: i), at: .origin)
            #expect(isWatched)
        }
        let refused = detector.watch(PeerHandle(index: 8), at: .origin)
        let again = detector.watch(PeerHandle(index: 3), at: .origin)
        #expect(!refused && again)
        #expect(detector.watched.count == 8)
        #expect(detector.dropCount(.noRoom) == 1)
        detector.unwatch(PeerHandle(index: 3))
        let now = detector.watch(PeerHandle(index: 8), at: .origin)
        #expect(now)
        print(
            "a detector weighs \(MemoryLayout<FailureDetector>.size) B and",
            "\(MemoryLayout<Watch>.stride) B a watched peer,",
            "\(MemoryLayout<Probe>.stride) B a probe; vivaldi \(MemoryLayout<Vivaldi>.size) B")
    }
}
