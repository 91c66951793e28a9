import AROPrimitives
import AROWire
import Testing

@testable import AROOverlay

@Suite("Failure detection")
struct FailureDetectionTests {
    /// Sorted times from a kill to the first verdict, and to each watcher's own.
    static func detection(
        rounds: Int, seed: UInt64, configuration: FailureConfiguration = FailureConfiguration()
    ) -> (first: [Duration], all: [Duration]) {
        var first: [Duration] = []
        var all: [Duration] = []
        for round in 0..<rounds {
            let world = FailureWorld(
                count: 50, seed: seed + UInt64(round), configuration: configuration)
            world.run(for: .seconds(30) + .milliseconds(Int64(round) * 317))
            let killed = world.now
            world.kill(round % 50)
            world.run(for: .seconds(30))
            let times = world.verdicts.filter { $0.of == round % 50 }.map { $0.at - killed }
            #expect(world.verdicts.allSatisfy { $0.of == round % 50 }, "seed \(seed) \(round)")
            #expect(times.count == world.members[round % 50].neighbours.count)
            #expect(
                world.verdicts.allSatisfy { $0.incarnation == UInt64(round % 50) + 1 },
                "the incarnation that it named itself")
            all += times
            first.append(times.min() ?? .seconds(1_000))
        }
        return (first.sorted(), all.sorted())
    }

    @Test("a killed peer is judged by every watcher, the first in time to tell all within 5 s")
    func detectionTimes() {
        let (first, all) = Self.detection(rounds: 30, seed: 7)
        print(
            "first verdict p50 \(first[first.count / 2].seconds) max \(first.last!.seconds);",
            "each watcher's p50 \(all[all.count / 2].seconds) max \(all.last!.seconds)")
        #expect(first[first.count / 2] <= .milliseconds(4_300))
        #expect(all[all.count / 2] <= .milliseconds(4_800))
        #expect(all.last! <= .seconds(15), "within one unconfirmed suspicion")
        // A ping may have been on its way already.
        #expect(first.first! >= FailureConfiguration().evidenceMin - .milliseconds(100))
    }

    @Test("a node at rest with five neighbours sends less than 2 packets a second")
    func packetsAtRest() {
        let world = FailureWorld(count: 50, seed: 3)
        world.run(for: .seconds(20))
        for i in 0..<50 {
            (world.members[i].sent, world.members[i].transportAcks) = (0, 0)
            world.members[i].deadlines = 0
        }
        world.run(for: .minutes(10))
        let sent = world.members.reduce(0) { $0 + $1.sent }
        let acks = world.members.reduce(0) { $0 + $1.transportAcks }
        let rate = Double(sent + acks) / 50 / 600
        let deadlines = world.members.reduce(0) { $0 + $1.deadlines }
        #expect(
            deadlines <= sent * 6 / 10, "a ping is a look at the link for both of its ends")
        print("packets/s at rest \(rate), without the transport's acks \(Double(sent) / 30_000)")
        #expect(rate <= 2)
        #expect(rate > 0.5, "links are watched")
        #expect(world.verdicts.isEmpty && world.suspicions.isEmpty)
        #expect(world.members.allSatisfy { $0.detector.localHealth == 0 })
        print("largest message \(world.largestMessage)")
        #expect(world.lists > 0 && world.denials == 0, "neighbours name each other")
    }

    @Test("a link with traffic is not probed, but for its vitals now and then")
    func busyLinks() {
        let world = FailureWorld(count: 2, degree: 1, seed: 5)
        world.run(for: .seconds(2))
        let before = world.members[0].sent
        for _ in 0..<600 {
            world.run(for: .milliseconds(100))
            for i in 0..<2 {
                world.act(i) { $0.heard(from: world.handle(1 - i), at: world.now, into: &$2) }
            }
        }
        #expect(world.members[0].sent - before <= 4)
        #expect(world.members[0].sent - before >= 1)
        #expect(world.suspicions.isEmpty)
    }

    @Test("one packet in ten is lost, and nobody is declared failed")
    func tenPercentLoss() {
        let world = FailureWorld(count: 50, seed: 11)
        world.loss = 10
        let time = Duration.minutes(20)
        world.run(for: time)
        print("suspicions in \(time.seconds) s at 10 % loss: \(world.suspicions.count)")
        #expect(world.verdicts.isEmpty)
        #expect(world.losses.isEmpty)
        let sent = world.members.reduce(0) { $0 + $1.sent + $1.transportAcks }
        let rate = Double(sent) / 50 / time.seconds
        print("packets/s at 10 % loss \(rate)")
        #expect(rate < 2.5, "loss does not breed traffic")
    }

    @Test("a process that is stopped for 3 s is not declared failed, nor condemns its neighbours")
    func stoppedProcess() {
        var worst = 0
        for seed in 0..<20 as Range<UInt64> {
            let world = FailureWorld(count: 50, seed: 100 + seed)
            world.run(for: .seconds(20) + .milliseconds(Int64(seed) * 271))
            for i in 0..<3 { world.stop(i * 7, for: .seconds(3)) }
            world.run(for: .seconds(30))
            #expect(world.verdicts.isEmpty, "seed \(seed)")
            let condemned = world.suspicions.filter { $0.of % 7 != 0 || $0.of > 14 }
            #expect(condemned.isEmpty, "seed \(seed)")
            worst = max(worst, world.suspicions.count)
            #expect(world.cleared == world.suspicions.count)
        }
        #expect(worst > 0, "it was long enough to be suspected")
    }

    @Test("a watcher that is stopped before its verdict hears the suspect's answer first")
    func stoppedJudge() {
        for seed in 0..<20 as Range<UInt64> {
            let world = FailureWorld(count: 50, seed: 400 + seed)
            world.run(for: .seconds(20) + .milliseconds(Int64(seed) * 271))
            world.stop(0, for: .seconds(3))
            let judge = world.members[0].neighbours[0]
            world.stop(judge, at: world.now + .milliseconds(2_500), for: .seconds(6))
            world.run(for: .seconds(30))
            #expect(world.verdicts.allSatisfy { $0.of == judge }, "seed \(seed)")
        }
    }

    @Test("a node that was stopped knows that it was, and recovers its health in two minutes")
    func wakingNode() {
        let world = FailureWorld(count: 50, seed: 31)
        world.run(for: .seconds(20))
        world.stop(4, for: .seconds(20))
        world.run(for: .milliseconds(20_050))
        #expect(world.members[4].detector.localHealth > 0)
        #expect(world.verdicts.allSatisfy { $0.of == 4 })
        world.run(for: .minutes(2))
        #expect(world.members[4].detector.localHealth == 0)
        #expect(world.verdicts.allSatisfy { $0.of == 4 })
    }

    @Test("a suspected peer hears so by the next ping, once")
    func buddies() {
        let world = FailureWorld(count: 20, seed: 9)
        world.run(for: .seconds(20))
        world.stop(3, for: .milliseconds(3_100))
        world.run(for: .seconds(10))
        #expect(world.selfSuspicions.count == 1)
        #expect(world.selfSuspicions.first?.0 == 3)
        #expect(world.selfSuspicions.first?.1 == 4, "of its newest incarnation")

        var configuration = FailureConfiguration()
        configuration.hasBuddies = false
        let deaf = FailureWorld(count: 20, seed: 9, configuration: configuration)
        deaf.run(for: .seconds(20))
        deaf.stop(3, for: .milliseconds(3_100))
        deaf.run(for: .seconds(10))
        #expect(deaf.selfSuspicions.isEmpty)
    }

    @Test("a broken path is bridged by others' word, and given up in the end without a verdict")
    func brokenPath() {
        let world = FailureWorld(count: 20, seed: 13)
        world.run(for: .seconds(20))
        let a = 0
        let b = world.members[0].neighbours[0]
        world.isCut = { ($0 == a && $1 == b) || ($0 == b && $1 == a) }
        world.run(for: .seconds(15))
        #expect(world.losses.isEmpty && world.verdicts.isEmpty)
        world.run(for: .minutes(2))
        #expect(world.verdicts.isEmpty)
        #expect(world.losses.contains { $0.by == a && $0.of == b })
        #expect(world.losses.contains { $0.by == b && $0.of == a })
        #expect(world.losses.count == 2)
        #expect(world.members[a].detector.state(of: world.handle(b)) == nil)
    }

    @Test("of two nodes alone one notices that the other has died")
    func twoNodes() {
        let world = FailureWorld(count: 2, degree: 1, seed: 17)
        world.run(for: .seconds(10))
        world.kill(1)
        let killed = world.now
        world.run(for: .seconds(30))
        #expect(world.verdicts.count == 1)
        let time = (world.verdicts.first?.at ?? world.now) - killed
        print("of two, the other's death is known after \(time.seconds)")
        #expect(time <= .seconds(12))

        let stopped = FailureWorld(count: 2, degree: 1, seed: 17)
        for _ in 0..<20 {
            stopped.run(for: .seconds(10))
            stopped.stop(1, for: .seconds(3))
        }
        #expect(stopped.verdicts.isEmpty)
    }

    @Test("half of the members die at once, and each death is found about as soon as a single one")
    func halfDies() {
        var first: [Duration] = []
        var all: [Duration] = []
        for seed in 0..<10 as Range<UInt64> {
            let world = FailureWorld(count: 60, seed: 800 + seed)
            world.run(for: .seconds(30) + .milliseconds(Int64(seed) * 731))
            let killed = world.now
            for i in 30..<60 { world.kill(i) }
            world.run(for: .minutes(2))
            #expect(world.verdicts.allSatisfy { $0.of >= 30 }, "seed \(seed)")
            for dead in 30..<60 {
                let times = world.verdicts.filter { $0.of == dead }.map { $0.at - killed }
                all += times
                if let time = times.min() { first.append(time) }
            }
            let links = (0..<30).reduce(0) { sum, i in
                sum + world.members[i].neighbours.filter { $0 >= 30 }.count
            }
            #expect(world.verdicts.count == links, "seed \(seed)")
        }
        first.sort()
        all.sort()
        print(
            "half die: first verdict p50 \(first[first.count / 2].seconds)",
            "p90 \(first[first.count * 9 / 10].seconds) max \(first.last!.seconds); each watcher's",
            "p50 \(all[all.count / 2].seconds) p90 \(all[all.count * 9 / 10].seconds)",
            "max \(all.last!.seconds)")
        #expect(first[first.count / 2] <= .seconds(6))
        #expect(all[all.count * 9 / 10] <= .seconds(9))
    }

    @Test("four fifths die at once, and the rest find out, last those who are left alone")
    func massFailure() {
        let world = FailureWorld(count: 50, seed: 19)
        world.run(for: .seconds(20))
        for i in 10..<50 { world.kill(i) }
        world.run(for: .minutes(3))
        #expect(world.verdicts.allSatisfy { $0.of >= 10 })
        let links = (0..<10).reduce(0) { sum, i in
            sum + world.members[i].neighbours.filter { $0 >= 10 }.count
        }
        #expect(world.verdicts.count == links)
        let times = world.verdicts.map { ($0.at - (Instant.origin + .seconds(20))).seconds }
            .sorted()
        print("mass failure: verdicts after p50 \(times[times.count / 2]), last \(times.last!)")
        #expect(times[times.count / 2] < 10)
    }

    @Test("an unreachable session is looked at at once; goodbyes end the watch without an event")
    func unreachable() {
        let world = FailureWorld(count: 20, seed: 23)
        world.run(for: .seconds(20))
        let b = world.members[0].neighbours[0]
        world.act(0) {
            $0.peerUnreachable(world.handle(b), at: world.now, book: &$1, into: &$2)
        }
        #expect(world.members[0].detector.state(of: world.handle(b)) == .probed)
        world.run(for: .seconds(1))
        #expect(world.members[0].detector.state(of: world.handle(b)) == .alive)
        world.members[0].detector.unwatch(world.handle(b))
        world.kill(b)
        world.run(for: .seconds(30))
        #expect(!world.verdicts.contains { $0.by == 0 })
        #expect(world.verdicts.count == world.members[b].neighbours.count - 1)
    }

    @Test("a list of neighbours is sent until it has come, and again when it has changed")
    func listOnce() {
        var configuration = FailureConfiguration()
        configuration.sameNeighboursReadInterval = .hours(1)
        let world = FailureWorld(count: 20, seed: 24, configuration: configuration)
        let links = world.members.reduce(0) { $0 + $1.neighbours.count }
        func lists() -> Int { world.told.count { $0.2.neighbours != nil } }
        world.loss = 20
        world.run(for: .seconds(60))
        let first = lists()
        #expect(first >= links && first < links * 3, "\(first) lists over \(links) links")
        world.told = []
        world.run(for: .minutes(5))
        #expect(lists() == 0 && world.told.count > links)
        #expect(world.told.allSatisfy { $0.2.held != 0 && $0.2.isNeighbour })

        let gone = world.members[0].neighbours[0]
        world.members[0].detector.vitals.neighbours.removeAll { $0 == world.handle(gone) }
        world.told = []
        world.run(for: .minutes(1))
        let others = world.told.filter { $0.by == 0 && $0.2.neighbours != nil }
        #expect(Set(others.map(\.to)) == Set(world.members[0].neighbours))
        #expect(world.told.allSatisfy { $0.by == 0 || $0.2.neighbours == nil })
        #expect(world.told.contains { $0.by == 0 && $0.to == gone && !$0.2.isNeighbour })
        world.told = []
        world.run(for: .minutes(5))
        #expect(lists() == 0)
    }

    @Test("a list that has not changed is asked for again now and then")
    func listAgain() {
        let world = FailureWorld(count: 20, seed: 25)
        let links = world.members.reduce(0) { $0 + $1.neighbours.count }
        world.run(for: .seconds(20))
        world.told = []
        world.run(for: .minutes(10))
        let lists = world.told.count { $0.2.neighbours != nil }
        #expect(lists > links * 6 && lists < links * 20, "\(lists) lists over \(links) links")
        #expect(lists * 4 < world.told.count, "of \(world.told.count) messages")
    }

    @Test("a list is asked for again once one of those on it was lost")
    func listLost() {
        let world = FailureWorld(count: 20, seed: 24)
        world.run(for: .seconds(20))
        let b = world.members[0].neighbours[0]
        world.isCut = { from, _ in from == b }
        let other = PeerID(key: Bits256(1, 2, 3, 4))
        let told = Contact(id: other, addresses: [SocketAddress(ipv4: 0x0102_0304, port: 1)])
        func tell(_ number: UInt32, _ list: NeighbourList?) {
            world.run(for: .milliseconds(1_100))
            let vitals = Vitals(incarnation: 1, isNeighbour: true, neighbours: list)
            world.inject(.ping(Ping(number: number << 6, vitals: vitals)), from: b, to: 0)
        }
        func held() -> UInt32? { world.told.last { $0.by == 0 && $0.to == b }?.2.held }
        func isCoWatcher() -> Bool {
            var isHeld = false
            guard let handle = world.book.handle(of: other) else { return false }
            world.members[0].detector.forEachUsedHandle { if $0 == handle { isHeld = true } }
            return isHeld
        }
        let list = NeighbourList(number: 77, contacts: [told])
        tell(1, list)
        #expect(isCoWatcher() && held() == 77)
        tell(2, nil)
        #expect(isCoWatcher() && held() == 77)
        let lost = world.book.handle(of: other)!
        world.act(0) { $0.peerUnreachable(lost, at: world.now, book: &$1, into: &$2) }
        #expect(!isCoWatcher())
        tell(3, nil)
        #expect(!isCoWatcher() && held() == 0)
        tell(4, list)
        #expect(isCoWatcher() && held() == 77)
    }

    @Test("acks measure the round trip, also when pings are lost")
    func roundTrips() {
        let world = FailureWorld(count: 30, seed: 29)
        world.loss = 20
        world.run(for: .minutes(2))
        #expect(world.roundTrips.count > 100)
        for (by, of, time) in world.roundTrips {
            #expect(time == world.delay(min(by, of), max(by, of)) * 2)
        }
    }

    @Test("the same seed gives the same run")
    func determinism() {
        func trace() -> [Int64] {
            let world = FailureWorld(count: 30, seed: 37)
            world.loss = 15
            world.run(for: .seconds(60))
            world.kill(5)
            world.run(for: .seconds(20))
            return world.verdicts.map(\.at.nanoseconds) + world.members.map { Int64($0.sent) }
        }
        #expect(trace() == trace())
    }
}
