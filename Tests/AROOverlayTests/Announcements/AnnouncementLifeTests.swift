import AROCrypto
import AROPrimitives
import AROWire
import Testing

@testable import AROOverlay

@Suite("Announcements of the dead and the living")
struct AnnouncementLifeTests {
    private func settled(_ count: Int, seed: UInt64) -> AnnouncementWorld {
        let world = AnnouncementWorld(seed: seed)
        for _ in 0..<count { world.addNode() }
        world.linkAll()
        world.run(for: .seconds(30))
        return world
    }

    @Test("a watcher's verdict is known to all at once")
    func obituary() throws {
        let world = settled(50, seed: 1)
        world.kill(11)
        let took = try #require(
            world.time(within: .seconds(4)) { world.all(.failed, of: 11) })
        #expect(took <= .milliseconds(300))
        #expect(world.events(30, .failed(PeerHandle(index: 11))) == 1)
        world.run(for: .minutes(35))
        #expect(world.nodes[30].announcements.counts.failed == 0)
        #expect(world.isComplete)
    }

    @Test("who is wrongly held for dead says so by a higher sequence, and is believed by all")
    func refutation() throws {
        let world = settled(50, seed: 2)
        let victim = world.nodes[11].handle
        let before = world.nodes[11].announcements.sequence
        // A liar far away; the victim's neighbours ask it, everybody else believes.
        let liar = world.nodes.indices.first {
            $0 != 11 && !world.nodes[$0].announcements.neighbours.contains(victim)
        }!
        world.condemn(11, by: liar)
        let took = try #require(
            world.time(within: .seconds(2)) {
                world.nodes[11].announcements.sequence > before && world.isComplete
            })
        #expect(took <= .milliseconds(500))
        #expect(world.nodes[11].events.contains { if case .accused = $0 { true } else { false } })
        let refuted = world.nodes.indices.filter { i in
            world.nodes[i].events.contains {
                $0 == .refuted(victim, sequence: world.nodes[11].announcements.sequence)
            }
        }
        #expect(refuted.count > 20)
    }

    @Test("a liar who condemns without end costs the victim a bounded number of statements")
    func liar() throws {
        let world = settled(20, seed: 3)
        let victim = world.nodes[11].handle
        let place = Directory.place(of: world.book.key(victim))
        let first = world.nodes[11].announcements.sequence
        for _ in 0..<600 {
            for to in world.nodes.indices where to != 11 && to != 5 {
                for _ in 0..<3 {
                    world.send(
                        .rumour([.obituary(place: place, sequence: .max)]), from: 5, to: to)
                }
            }
            world.run(for: .milliseconds(100))
        }
        let announced = world.nodes[11].events.count {
            if case .announced = $0 { true } else { false }
        }
        #expect(announced <= 1 + 4 + 30 + 2, "60 seconds, one in two")
        #expect(world.nodes[11].announcements.sequence - first < 256 * 200)
        #expect(world.nodes[0].announcements.dropCount(.obituariesOverRate) > 0)
        world.run(for: .seconds(20))
        #expect(world.isComplete)
    }

    @Test("two networks that were apart: who is linked to the other one soon knows all of it")
    func comparesAll() {
        let world = AnnouncementWorld(seed: 14)
        for _ in 0..<160 { world.addNode() }
        for i in 0..<160 {
            // Two rings, each node linked with its next four.
            for step in 1...4 { world.link(i, i / 80 * 80 + (i + step) % 80) }
        }
        // Statements are too old to be pushed on by then.
        world.run(for: .minutes(3))
        #expect((0..<80).allSatisfy { world.knows(7, $0) || $0 == 7 })
        #expect(!(80..<160).contains { world.knows(7, $0) })
        world.link(7, 87)
        let took = world.time(within: .seconds(15)) {
            (80..<160).allSatisfy { world.knows(7, $0) }
                && (0..<80).allSatisfy { world.knows(87, $0) }
        }
        #expect(took != nil)
    }

    @Test("a comparison goes once round the ring")
    func wraps() {
        func visited(from start: UInt64, _ purpose: Exchange.Purpose) -> [UInt64] {
            var exchange = Exchange(
                peer: PeerHandle(index: 1), number: 1, purpose: purpose, from: start,
                rounds: 48, deadline: .origin)
            var places: [UInt64] = []
            while places.count < 100 {
                places.append(exchange.from)
                // Each slice is a quarter of the ring, or what is left of it.
                let (end, over) = exchange.from.addingReportingOverflow(.max / 4)
                exchange.to = over ? .max : end
                guard exchange.moveOn(behind: exchange.to) else { break }
            }
            return places
        }
        let quarter = UInt64.max / 4 + 1
        #expect(visited(from: 0, .sync) == [0, quarter, 2 * quarter, 3 * quarter])
        #expect(visited(from: 3 * quarter, .sync) == [3 * quarter, 0, quarter, 2 * quarter])
        #expect(visited(from: quarter, .tick) == [quarter])
    }

    @Test("a node that returns without memory goes on with a higher sequence")
    func restart() throws {
        let world = settled(20, seed: 4)
        let before = world.nodes[6].announcements.sequence
        let neighbours = world.nodes[6].announcements.neighbours
        world.kill(6)
        world.run(for: .seconds(1))
        #expect(world.all(.failed, of: 6))
        world.restart(6)
        for neighbour in neighbours { world.link(6, Int(neighbour.index)) }
        #expect(world.time(within: .seconds(1)) { world.isComplete } != nil)
        #expect(world.nodes[6].announcements.sequence > before)
    }

    @Test("a node that returns with its clock behind outruns what it said before")
    func clockBehind() throws {
        let world = settled(20, seed: 5)
        let before = world.nodes[6].announcements.sequence
        let neighbours = world.nodes[6].announcements.neighbours
        world.restart(6)
        world.act(6) { node, _, _ in
            node.announcements.wallClockRead(world.wallClock + .seconds(-120), at: world.now)
        }
        for neighbour in neighbours { world.link(6, Int(neighbour.index)) }
        let took = world.time(within: .minutes(4)) {
            world.nodes[6].announcements.sequence > before
                && world.nodes.indices.allSatisfy { i in
                    i == 6
                        || world.nodes[i].announcements
                            .sequence(of: world.nodes[6].handle, book: world.book)
                            == world.nodes[6].announcements.sequence
                }
        }
        #expect(took != nil)
    }

    @Test(
        "the halves of a healed partition hear of each other, by themselves",
        arguments: [25, 5], [6, 7] as [UInt64])
    func partition(minority: Int, seed: UInt64) throws {
        let world = settled(50, seed: seed)
        for i in 0..<minority { world.side[i] = 1 }
        // Every side watches itself and mends its views.
        for i in 0..<minority { world.link(i, (i + 1) % minority) }
        for i in minority..<50 { world.link(i, i == 49 ? minority : i + 1) }
        world.run(for: .seconds(3))
        for i in 0..<50 {
            for other in world.nodes[i].announcements.neighbours
            where world.side[i] != world.side[Int(other.index)] {
                world.condemn(Int(other.index), by: i)
            }
        }
        world.run(for: .minutes(5))
        // Of the other side, those are held for dead who were watched from here.
        #expect(world.nodes[0].announcements.counts.failed > 0)
        #expect(world.nodes[40].announcements.counts.failed > 0)
        for i in 0..<50 { world.side[i] = 0 }
        world.resetCounts()
        let took = try #require(world.time(within: .minutes(10)) { world.isComplete })
        #expect(took <= .minutes(5), "\(took.seconds) s, \(world.messages / 50) messages each")
        // Nobody lost his own side on the way.
        let lost = world.nodes[40].events.count {
            if case .failed(let peer) = $0 { Int(peer.index) >= minority } else { false }
        }
        #expect(lost == 0)
    }

    @Test("a watcher that suspects the accused itself believes an obituary at once")
    func suspected() throws {
        let world = settled(10, seed: 9)
        let node = world.nodes[3]
        let watcher = try #require(
            world.nodes.indices.first {
                world.nodes[$0].announcements.neighbours.contains(node.handle)
            })
        let other = try #require(world.nodes.indices.first { $0 != 3 && $0 != watcher })
        let obituary = AnnouncementMessage.rumour([
            .obituary(
                place: Directory.place(of: world.book.key(node.handle)),
                sequence: node.announcements.sequence)
        ])
        var out = AnnouncementOutbox()
        world.nodes[3].isDead = true
        world.send(obituary, from: other, to: watcher)
        #expect(world.knows(watcher, 3))
        world.nodes[watcher].announcements.suspected(node.handle, at: world.now, into: &out)
        #expect(!world.knows(watcher, 3))
        #expect(out.events == [.failed(node.handle)])
    }

    @Test("an obituary heard late is believed only when the accused does not answer")
    func doubt() throws {
        let world = settled(10, seed: 8)
        let place = Directory.place(of: world.book.key(world.nodes[3].handle))
        let sequence = world.nodes[3].announcements.sequence
        // Anti-entropy with somebody who holds 3 for dead.
        let entry = AnnouncementEntry(
            place: place, mark: AnnouncementMark(sequence: sequence, isEnded: true))
        let digest = AnnouncementMessage.digest(
            AnnouncementDigest(exchange: 1, room: 0, from: place, to: place, entries: [entry]))
        world.send(digest, from: 0, to: 7)
        #expect(world.knows(7, 3))
        world.run(for: .seconds(4))
        #expect(world.isComplete)
        #expect(world.nodes[3].announcements.sequence > sequence)
        world.nodes[3].isDead = true
        let later = AnnouncementEntry(
            place: place,
            mark: AnnouncementMark(
                sequence: world.nodes[3].announcements.sequence, isEnded: true))
        world.send(
            .digest(
                AnnouncementDigest(exchange: 2, room: 0, from: place, to: place, entries: [later])),
            from: 0, to: 7)
        #expect(world.time(within: .seconds(4)) { world.all(.failed, of: 3) } != nil)
    }
}
