import AROCrypto
import AROPrimitives
import AROWire
import Testing

@testable import AROOverlay

enum WireBound { static let firstMessage = WireLimits.firstMessageMax }

@Suite("HyParView's links")
struct HyParViewLinkTests {
    private func world(_ count: Int, seed: UInt64 = 1) -> MembershipWorld {
        let world = MembershipWorld(seed: seed)
        world.grow(to: count)
        world.run(for: .minutes(1))
        return world
    }

    private static func kind(_ bytes: [UInt8]) -> MembershipMessage.Kind? {
        MembershipMessage.Kind(rawValue: bytes[0])
    }

    @Test("in a network of no more nodes than places everybody is a neighbour", arguments: 2...6)
    func small(count: Int) {
        let world = world(count)
        for node in world.nodes { #expect(node.view.activeCount == count - 1) }
        #expect(world.oneSided.isEmpty)
    }

    @Test("a join is repeated until it is answered, and taken once")
    func joinRepeated() {
        let world = MembershipWorld(seed: 2)
        world.join(world.addNode(), through: [])
        var lost = 0
        world.isLost = { from, _, bytes in
            lost += 1
            return lost <= 3
        }
        world.join(world.addNode(), through: [0])
        world.run(for: .seconds(10))
        #expect(lost > 3)
        #expect(world.neighbours(of: 0) == [1] && world.neighbours(of: 1) == [0])
        #expect(world.nodes[0].told == [PeerHandle(index: 1)])
        #expect(world.nodes[1].told == [PeerHandle(index: 0)])
    }

    @Test("whoever cannot be joined is followed by the next contact")
    func nextContact() {
        let world = MembershipWorld(seed: 3)
        world.unreachableAfter = nil
        for _ in 0..<3 { world.addNode() }
        world.join(2, through: [])
        world.kill(0)
        world.join(1, through: [0, 2])
        world.run(for: .seconds(20))
        #expect(world.neighbours(of: 1) == [2])
    }

    @Test("who has nobody to ask says so ever more rarely, and takes what is offered")
    func isolated() {
        let world = MembershipWorld(seed: 4)
        for _ in 0..<2 { world.addNode() }
        world.join(0, through: [])
        #expect(world.nodes[0].isolated == 1)
        world.join(1, through: [])
        world.run(for: .minutes(10))
        #expect((4...10).contains(world.nodes[0].isolated), "\(world.nodes[0].isolated)")
        world.act(0) { view, book, out in
            view.offered([PeerHandle(index: 1)], at: world.now, book: &book, into: &out)
        }
        world.run(for: .seconds(1))
        #expect(world.neighbours(of: 0) == [1] && world.neighbours(of: 1) == [0])
    }

    @Test("a node cut off from all others comes back by itself")
    func comesBack() {
        let world = world(40)
        world.nodes[7].side = 1
        world.noticeSilence()
        world.run(for: .minutes(10))
        #expect(world.nodes[7].view.activeCount == 0)
        #expect(world.nodes[7].isolated > 0)
        world.nodes[7].side = 0
        world.run(for: .minutes(7))
        #expect(world.nodes[7].view.activeCount > 0)
        #expect(world.isConnected)
        #expect(world.oneSided.isEmpty)
    }

    @Test("a few that only know each other knock again where they came in")
    func pair() {
        let world = world(20)
        let a = world.addNode()
        world.join(a, through: [0])
        // All that the two hear of is each other and the door.
        world.isLost = { from, to, bytes in
            Self.kind(bytes) == .forwardJoin || Self.kind(bytes) == .shuffle
        }
        world.run(for: .seconds(5))
        world.act(a) { view, book, out in
            for peer in view.passive + view.active {
                view.peerGone(peer, at: world.now, book: &book, into: &out)
            }
            view.join(through: [PeerHandle(index: 3)], at: world.now, book: &book, into: &out)
        }
        world.isLost = nil
        world.run(for: .minutes(5))
        #expect(world.isConnected)
        #expect(world.nodes[a].view.activeCount >= 3)
        #expect(world.oneSided.isEmpty)
    }

    @Test("a lost parting is repeated")
    func partingRepeated() {
        let world = world(30)
        // The first two of each.
        var partings: [[Int]: Int] = [:]
        world.isLost = { from, to, bytes in
            guard Self.kind(bytes) == .disconnect, bytes[2] == 0 else { return false }
            partings[[from, to], default: 0] += 1
            return partings[[from, to]]! <= 2
        }
        for i in 0..<10 { world.join(world.addNode(), through: [i]) }
        world.run(for: .seconds(20))
        #expect(partings.count > 3)
        #expect(world.oneSided.isEmpty)
    }

    @Test("a link that only one end believes in is found")
    func oneSidedFound() throws {
        let world = world(30)
        let b = try #require(world.neighbours(of: 3).first)
        world.act(3) { view, book, out in
            view.peerGone(PeerHandle(index: UInt32(b)), at: world.now, book: &book, into: &out)
        }
        #expect(!world.oneSided.isEmpty || world.neighbours(of: 3).contains(b))
        world.run(for: .minutes(8))
        #expect(world.oneSided.isEmpty)
    }

    @Test("a neighbour whose list leaves us out twice is none")
    func listed() throws {
        let world = world(30)
        let peer = try #require(world.nodes[3].view.active.first)
        for (includingUs, remains) in [(false, true), (true, true), (false, true), (false, false)] {
            world.act(3) { view, book, out in
                view.neighboursListed(
                    by: peer, includingUs: includingUs, at: world.now, book: &book, into: &out)
            }
            #expect(world.nodes[3].view.isNeighbour(peer) == remains)
        }
    }

    @Test("who leaves is forgotten by its neighbours, and joins again later")
    func leaves() {
        let world = world(30)
        let peers = world.neighbours(of: 5)
        world.act(5) { view, _, out in view.leave(into: &out) }
        #expect(world.nodes[5].view.nextDeadline == nil)
        #expect(world.nodes[5].told.isEmpty)
        world.run(for: .seconds(1))
        let handle = PeerHandle(index: 5)
        for peer in peers {
            #expect(!world.nodes[peer].view.isNeighbour(handle))
            #expect(!world.nodes[peer].view.passive.contains(handle))
        }
        world.run(for: .seconds(30))
        #expect(world.nodes[5].view.activeCount == 0)
        world.join(5, through: [0])
        world.run(for: .seconds(30))
        #expect(world.nodes[5].view.activeCount > 0)
        #expect(world.oneSided.isEmpty)
    }

    @Test("a full view refuses low priority and makes room for high")
    func priorities() throws {
        let world = world(40)
        let full = try #require(world.living.first { world.neighbours(of: $0).count == 5 })
        let stranger = try #require(
            world.living.first { $0 != full && !world.neighbours(of: full).contains($0) })
        func ask(_ priority: MembershipPriority) -> Bool {
            world.act(full) { view, book, out in
                view.received(
                    MembershipMessage(swarm: nil, .neighbour(priority)),
                    from: PeerHandle(index: UInt32(stranger)), at: world.now, book: &book,
                    into: &out)
            }
            return world.neighbours(of: full).contains(stranger)
        }
        #expect(!ask(.low))
        #expect(ask(.high))
        #expect(world.neighbours(of: full).count == 5)
    }

    @Test("messages of another swarm are dropped, and swarms keep to themselves")
    func swarms() {
        let world = MembershipWorld(seed: 9)
        world.swarm = SwarmID(bits: Bits256(1, 2, 3, 4))
        world.grow(to: 10)
        world.run(for: .seconds(20))
        #expect(world.isConnected)
        world.act(0) { view, book, out in
            view.received(
                MembershipMessage(swarm: nil, .neighbour(.high)), from: PeerHandle(index: 9),
                at: world.now, book: &book, into: &out)
            #expect(view.dropCount(.foreignSwarm) == 1)
        }
    }
}
