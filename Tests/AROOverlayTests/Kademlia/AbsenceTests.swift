import AROPrimitives
import AROWire
import Testing

@testable import AROOverlay

@Suite("Look-ups and who is said to be gone")
struct AbsenceTests {
    /// 300 nodes, every fifth of which has just died.
    private static func world(seed: UInt64) -> (world: KademliaWorld, dead: [Int]) {
        let world = KademliaLookupTests.world(300, seed: seed)
        let dead = Array(stride(from: 0, to: 300, by: 5))
        for i in dead { world.nodes[i].isDead = true }
        return (world, dead)
    }

    private static func tell(_ world: KademliaWorld, _ failed: [Int]) {
        for i in world.nodes.indices where !world.nodes[i].isDead {
            for peer in failed where peer != i {
                world.act(i) { node, book, out in
                    node.kademlia.heardFailed(
                        world.nodes[peer].handle, at: world.now, book: &book, into: &out)
                }
            }
        }
    }

    private static func contradict(_ world: KademliaWorld, _ peer: Int) {
        for i in world.nodes.indices where i != peer && !world.nodes[i].isDead {
            world.nodes[i].kademlia.heardBack(world.nodes[peer].handle, book: world.book)
        }
    }

    private func lookups(_ count: Int, in world: KademliaWorld) -> (found: Int, times: [Double]) {
        var found = 0
        var times: [Double] = []
        for n in 0..<count {
            let node = 1 + 5 * n % 300
            let key = world.randomKey()
            guard let ended = world.lookup(node, key), case .closest(let peers) = ended.outcome
            else { continue }
            let truth = world.closest(to: key, 20, excluding: node)
            found += peers.first == truth.first ? 1 : 0
            times.append(ended.report.elapsed.milliseconds)
        }
        return (found, times.sorted())
    }

    @Test("who is said to have died is not waited for")
    func tellsOfDeath() {
        let (silent, _) = Self.world(seed: 21)
        let untold = lookups(40, in: silent)
        let (world, dead) = Self.world(seed: 21)
        Self.tell(world, dead)
        let told = lookups(40, in: world)
        #expect(told.found == 40)
        #expect(told.times.count == 40)
        #expect(told.times[20] < untold.times[20] * 3 / 4, "seed 21")
    }

    @Test("when nobody has contradicted for a while, the dead are neither asked nor named")
    func passesOver() {
        let (world, dead) = Self.world(seed: 22)
        Self.tell(world, dead)
        world.run(for: .seconds(6))
        let before = world.toTheDead
        let result = lookups(40, in: world)
        #expect(result.found == 40)
        #expect(world.toTheDead == before, "seed 22")
        let named = world.nodes[1].kademlia.contacts(
            nearest: world.randomKey(), count: 300, book: world.book)
        #expect(!named.contains { world.nodes[Int($0.index)].isDead }, "seed 22")
    }

    @Test("a liar who condemns a live peer without end does not hide it from who looks for it")
    func survivesLies() throws {
        let world = KademliaLookupTests.world(100, seed: 23)
        let victim = 7
        for round in 0..<20 {
            Self.tell(world, [victim])
            let asker = (victim + 1 + round * 3) % 100
            let ended = try #require(world.lookup(asker, world.key(victim)))
            guard case .closest(let found) = ended.outcome else {
                Issue.record("round \(round): \(ended.outcome)")
                continue
            }
            #expect(found.first == world.nodes[victim].handle, "round \(round)")
            // The victim's statement takes two seconds, and the next lie comes at once.
            world.run(for: .seconds(2))
            Self.contradict(world, victim)
        }
        for i in world.nodes.indices where i != victim {
            #expect(
                world.nodes[i].kademlia.absences.standing(
                    of: world.nodes[victim].handle, at: world.now, KademliaConfiguration())
                    == .present)
        }
    }

    @Test("whoever is heard from is there, whatever was said")
    func hearsLife() {
        let world = KademliaLookupTests.world(20, seed: 24)
        let (victim, other) = (3, 4)
        let peer = world.nodes[victim].handle
        let key = world.key(victim)
        Self.tell(world, [victim])
        world.run(for: .seconds(6))
        _ = world.lookup(other, world.randomKey())
        func isNamed() -> Bool {
            world.nodes[other].kademlia.contacts(nearest: key, count: 60, book: world.book)
                .contains(peer)
        }
        #expect(!isNamed())
        let find = KademliaFind(request: 4, serves: true, wanted: .signOfLife, key: key)
        world.inject(KademliaMessage.find(find).bytes, from: victim, to: other)
        #expect(isNamed())
    }

    @Test("a peer that did not answer is not asked again for a minute, but by who looks for it")
    func remembersSilence() throws {
        let world = KademliaLookupTests.world(60, seed: 25)
        world.nodes[9].isDead = true
        let key = world.key(9)
        var near = key
        near.bits.w3 ^= 1
        _ = try #require(world.lookup(2, near))
        world.run(for: .seconds(5))
        #expect(world.toTheDead > 0)
        let before = world.toTheDead
        let quick = try #require(world.lookup(2, near))
        world.run(for: .seconds(5))
        #expect(world.toTheDead == before)
        #expect(quick.report.elapsed < .milliseconds(600))
        _ = try #require(world.lookup(2, key))
        #expect(world.toTheDead > before)
    }

    @Test("who hears nobody at all blames nobody")
    func blamesNobody() throws {
        let world = KademliaLookupTests.world(60, seed: 26)
        world.run(for: .seconds(1))
        world.loss = 100
        let id = world.act(5) { node, book, out in
            node.kademlia.startLookup(
                world.randomKey(), at: world.now, book: &book, into: &out)
        }
        _ = world.finish(5, id)
        world.run(for: .seconds(4))
        #expect(world.nodes[5].kademlia.absences.isEmpty)
        world.loss = 0
        let key = world.randomKey()
        let ended = try #require(world.lookup(5, key))
        #expect(ended.outcome == .closest(world.closest(to: key, 20, excluding: 5)))
    }

    @Test(
        "who said goodbye by a statement is passed over at once, and is back when it states again")
    func hearsGoodbye() {
        let world = KademliaLookupTests.world(20, seed: 27)
        let gone = world.nodes[11].handle
        world.act(12) { node, book, out in
            node.kademlia.heardLeft(gone, at: world.now, book: &book, into: &out)
        }
        func named() -> [PeerHandle] {
            world.nodes[12].kademlia.contacts(
                nearest: world.key(11), count: 60, book: world.book)
        }
        #expect(!named().contains(gone))
        world.nodes[12].kademlia.heardBack(gone, book: world.book)
        #expect(named().contains(gone))
    }

    @Test(
        "the absent are bounded, and the oldest are forgotten",
        arguments: 1...5 as ClosedRange<UInt64>)
    func bounded(seed: UInt64) {
        var generator = Generator(seed: seed)
        var configuration = KademliaConfiguration()
        configuration.absencesMax = 32
        var absences = Absences()
        var now = Instant.origin
        for _ in 0..<5_000 {
            now += .milliseconds(Int64(generator.below(200)))
            let peer = PeerHandle(index: UInt32(generator.below(100)))
            switch generator.below(6) {
            case 0:
                absences.remove(peer)
                #expect(absences.standing(of: peer, at: now, configuration) == .present)
            case 1: absences.note(peer, .silent, at: now, configuration)
            case 2:
                absences.note(peer, .left, at: now, configuration)
                #expect(absences.standing(of: peer, at: now, configuration) == .absent)
            case 3:
                for settled in absences.takeSettled(at: now, configuration) {
                    #expect(absences.standing(of: settled, at: now, configuration) == .absent)
                }
                #expect(absences.settlesAt > now)
            default:
                absences.note(peer, .told, at: now, configuration)
                #expect(absences.standing(of: peer, at: now, configuration) != .present)
            }
            #expect(absences.count <= 32, "seed \(seed)")
        }
        let later = now + configuration.goneFor
        for index in 0..<100 as Range<UInt32> {
            let standing = absences.standing(
                of: PeerHandle(index: index), at: later, configuration)
            #expect(standing == .present, "seed \(seed)")
        }
    }
}

@Suite("A look-up with doubted peers")
struct DoubtedPeersTests {
    /// Peer `i` stands at distance `i + 1` of the target.
    private func lookup(
        _ doubted: Set<Int>, _ body: (inout Lookup, [PeerHandle]) -> Void
    ) {
        var book = PeerBook()
        var peers: [PeerHandle] = []
        for i in 0..<30 {
            let key = DHTKey(bits: Bits256(UInt64(i) + 1, 0, 0, 0))
            let handle = book.intern(PeerID(key: Bits256(UInt64(i), 1, 1, 1)), key: key)
            book.heard(handle, at: SocketAddress(ipv4: 0x0a00_0001, port: 1))
            peers.append(handle)
        }
        var lookup = Lookup(
            target: DHTKey(bits: .zero), paths: 1,
            start: peers.indices.map {
                Lookup.Start(peer: peers[$0], isDoubted: doubted.contains($0))
            }, KademliaConfiguration(), book)
        body(&lookup, peers)
    }

    private func drain(_ lookup: inout Lookup) -> [PeerHandle] {
        var asked: [PeerHandle] = []
        while case .ask(let peer) = lookup.next() { asked.append(peer) }
        return asked
    }

    @Test("they are asked beside the others, and the look-up ends without them")
    func endsWithout() {
        lookup([0, 5]) { lookup, peers in
            var asked = drain(&lookup)
            #expect(asked.contains(peers[0]) && asked.contains(peers[5]))
            #expect(asked.count == 5, "alpha of the others")
            var i = 0
            while i < asked.count {
                if asked[i] != peers[0], asked[i] != peers[5] {
                    let reading = lookup.answered(asked[i])
                    if let reading { lookup.finished(reading) }
                }
                asked += drain(&lookup)
                i += 1
            }
            #expect(lookup.next() == .finished)
            #expect(lookup.closest(20) == Array(peers[1...4] + peers[6...21]))
        }
    }

    @Test("one that answers counts like any other")
    func counts() {
        lookup([0]) { lookup, peers in
            _ = drain(&lookup)
            let isReading = lookup.answered(peers[0]) != nil
            #expect(isReading)
            #expect(lookup.closest(1) == [peers[0]])
        }
    }

    @Test("where nobody else is left they are waited for")
    func waits() {
        lookup(Set(0..<30)) { lookup, peers in
            #expect(drain(&lookup).count == 30)
            #expect(lookup.next() == .wait)
            for peer in peers { lookup.failed(peer) }
            #expect(lookup.next() == .finished)
        }
    }

    @Test("one that is said to have died in the middle is not waited for any more")
    func midway() {
        lookup([]) { lookup, peers in
            let asked = drain(&lookup)
            #expect(asked == Array(peers[0..<3]))
            let wasWaitedFor = lookup.doubted(peers[1])
            #expect(wasWaitedFor)
            #expect(drain(&lookup) == [peers[3]])
            let again = lookup.doubted(peers[1])
            #expect(!again)
        }
    }
}

@Suite("How long an answer is waited for")
struct PatienceTests {
    /// When a request that nobody answers is suspended, and how often it was sent by then.
    private func suspension(isBrief: Bool) -> (after: Duration, transmissions: Int) {
        var generator = Generator(seed: 1)
        var requests = Requests()
        _ = requests.started(
            to: PeerHandle(index: 1), .find, for: OperationID(number: 1),
            expected: .milliseconds(100), isBrief: isBrief, at: .origin, &generator)
        var transmissions = 1
        while let at = requests.deadline {
            switch requests.next(at: at, lifetime: .seconds(2)) {
            case .transmit: transmissions += 1
            case .suspended: return (at - .origin, transmissions)
            case .expired, nil: return (.zero, 0)
            }
        }
        return (.zero, 0)
    }

    @Test(
        "two expected times where hardly anything is repeated, three elsewhere, four transmissions")
    func suspends() {
        let (brief, full) = (suspension(isBrief: true), suspension(isBrief: false))
        #expect(brief.after == .milliseconds(200) && brief.transmissions == 4)
        #expect(full.after == .milliseconds(300) && full.transmissions == 4)
    }

    @Test("repetitions are few after answers at the first try, and not where a fifth needs one")
    func repetitions() {
        var repetitions = Repetitions()
        #expect(!repetitions.areFew, "nothing is known yet")
        for _ in 0..<40 { repetitions.answered(afterRepetition: false) }
        #expect(repetitions.areFew)
        var few = 0
        for i in 0..<200 {
            repetitions.answered(afterRepetition: i % 5 == 0)
            few += i >= 50 && repetitions.areFew ? 1 : 0
        }
        #expect(few == 0)
        for _ in 0..<1_000 { repetitions.answered(afterRepetition: true) }
        #expect(!repetitions.areFew)
    }
}
