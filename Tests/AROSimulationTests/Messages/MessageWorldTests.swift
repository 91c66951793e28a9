import AROContent
import ARONode
import AROPrimitives
import AROWire
import Testing

@testable import AROSimulation

extension World where Resident == MessageNode {
    /// Asks and runs until the final reply; the replies so far where none comes.
    fileprivate mutating func ask(
        _ request: Request, of node: Int, within span: Duration = .minutes(2)
    ) -> [Reply] {
        let id = self.request(request, of: node)
        let limit = now + span
        var replies: [Reply] = []
        while let happening = advance(to: limit) {
            guard case .reply(_, id, let reply) = happening else { continue }
            replies.append(reply)
            if reply.isFinal { break }
        }
        return replies
    }

    fileprivate mutating func run(for span: Duration) {
        let limit = now + span
        while advance(to: limit) != nil {}
    }

    fileprivate static func joined(
        _ count: Int, seed: UInt64 = 1, network: NetworkModel = .constant(.milliseconds(50))
    ) -> World<MessageNode> {
        var world = World.ofMessages(seed: seed, network: network)
        for _ in 0..<count { world.addNode() }
        for node in 1..<count { _ = world.ask(.join([world.address(of: 0)]), of: node) }
        return world
    }

    fileprivate mutating func providers(of cid: CID, asking node: Int) -> [PeerID] {
        ask(.findProviders(cid, limit: 20), of: node).compactMap {
            if case .provider(let contact) = $0 { contact.id } else { nil }
        }
    }

    fileprivate func id(of node: Int) -> PeerID? { withResident(node) { $0.id } }
}

private func isJoined(_ replies: [Reply]) -> Bool {
    if case .joined(let peers)? = replies.last { peers > 0 } else { false }
}

private func isUnreachable(_ replies: [Reply]) -> Bool {
    if case .failed(.bootstrapUnreachable)? = replies.last { true } else { false }
}

@Suite struct MessageWorlds {
    @Test func `without gossip a node is a peer of the DHT alone`() {
        var configuration = Configuration.simulated
        configuration.gossip.isOn = false
        var world = World.ofMessages(
            seed: 1, network: .constant(.milliseconds(50)), configuration: configuration)
        for _ in 0..<30 { world.addNode() }
        for node in 1..<30 {
            let replies = world.ask(.join([world.address(of: 0)]), of: node)
            #expect(isJoined(replies))
        }
        world.run(for: .minutes(5))
        let cid = world.store(file: Array("hello".utf8), on: 3)
        _ = world.ask(.provide(cid), of: 3)
        let (found, publisher) = (world.providers(of: cid, asking: 17), world.id(of: 3))
        #expect(found.first == publisher && found.count == 1)
        for node in 0..<30 {
            let (members, neighbours) =
                world.withResident(node) { resident in
                    resident.withParticipant { participant, _ in
                        (participant.memberCount, participant.activeView.count)
                    }
                } ?? (-1, -1)
            #expect(members == 0 && neighbours == 0)
        }
        let replies = world.ask(.post(TopicID(name: "news")!, [1]), of: 3)
        guard case .failed(.topic(.noGossip))? = replies.last else {
            Issue.record("a post without gossip: \(replies)")
            return
        }
    }

    @Test func `nodes join, publish and find what others publish`() {
        var world = World.joined(30)
        let cid = world.store(file: Array("hello".utf8), on: 3)
        let held = world.ask(.provide(cid), of: 3)
        guard case .held(let by, let of)? = held.last else {
            Issue.record("not held: \(held)")
            return
        }
        #expect(by == of && by > 10)
        for node in [0, 7, 29] {
            let found = world.providers(of: cid, asking: node)
            let wanted = world.id(of: 3)
            #expect(found == [wanted], "from node \(node)")
        }
    }

    @Test(arguments: [0, 1, 70_000, 5_000_000])
    func `content of any size is fetched over streams`(size: Int) {
        var world = World.joined(8)
        let bytes = (0..<size).map { UInt8(truncatingIfNeeded: $0 &* 7 >> 2) }
        let cid = world.store(file: bytes, on: 2)
        _ = world.ask(.provide(cid), of: 2)
        let replies = world.ask(.fetch(FetchOptions(root: cid)), of: 5)
        guard case .fetch(.finished)? = replies.last else {
            Issue.record("not fetched: \(String(describing: replies.last))")
            return
        }
        let fetched = world.file(cid, on: 5)
        #expect(fetched == bytes)
    }

    @Test func `a first contact takes a round trip and a dial one and a half`() {
        var world = World.ofMessages(seed: 1, network: .constant(.milliseconds(100)))
        for _ in 0..<2 { world.addNode() }
        let replies = world.ask(.join([world.address(of: 0)]), of: 1)
        #expect(isJoined(replies))
        // The dial is answered after 100 ms; the look-up's one question takes as long again.
        let took = world.now - .origin
        #expect(took == .milliseconds(200))
    }

    @Test func `nobody at an address fails after the handshake's time`() {
        var world = World.ofMessages(seed: 1)
        for _ in 0..<2 { world.addNode() }
        world.kill(0)
        let replies = world.ask(.join([world.address(of: 0)]), of: 1)
        #expect(isUnreachable(replies))
        let took = world.now - .origin
        #expect(took == .seconds(10))
        let sent = world.traffic(of: 1).datagramsOut
        #expect(sent == 5, "at 0, 0.5, 1.5, 3.5 and 7.5 s")
    }

    @Test func `a partition is no answer until it heals`() {
        var world = World.ofMessages(seed: 1)
        for _ in 0..<2 { world.addNode() }
        world.partition([[0]])
        let during = world.ask(.join([world.address(of: 0)]), of: 1)
        #expect(isUnreachable(during))
        world.heal()
        let after = world.ask(.join([world.address(of: 0)]), of: 1)
        #expect(isJoined(after))
    }

    @Test func `joins and look-ups get through loss, duplicates, reordering and damage`() {
        var network = NetworkModel()
        network.roundTrip = .uniform(.milliseconds(20), .milliseconds(100))
        network.jitter = Jitter(median: .milliseconds(1), sigmaThousandths: 500)
        network.loss = .independent(.percent(10))
        network.duplicate = .percent(5)
        network.reorder = .percent(5)
        network.damage = .percent(2)
        var world = World.joined(20, network: network)
        let bytes = (0..<100_000).map { UInt8(truncatingIfNeeded: $0) }
        let cid = world.store(file: bytes, on: 4)
        _ = world.ask(.provide(cid), of: 4)
        let found = world.providers(of: cid, asking: 17)
        let wanted = world.id(of: 4)
        #expect(found == [wanted])
        _ = world.ask(.fetch(FetchOptions(root: cid)), of: 11)
        let fetched = world.file(cid, on: 11)
        #expect(fetched == bytes)
    }

    @Test func `a restarted node is itself again and finds its way back`() {
        var world = World.joined(12)
        let before = world.id(of: 6)
        world.kill(6)
        world.run(for: .seconds(5))
        world.restart(6)
        let after = world.id(of: 6)
        #expect(before == after)
        let replies = world.ask(.join([world.address(of: 0)]), of: 6)
        #expect(isJoined(replies))
        let cid = world.store(file: [9, 9, 9], on: 6)
        _ = world.ask(.provide(cid), of: 6)
        let found = world.providers(of: cid, asking: 2)
        #expect(found == [after])
    }

    @Test func `a paused node answers late`() {
        var world = World.joined(2)
        world.pause(0)
        let id = world.request(.lookup(DHTKey(hashing: [1])), of: 1)
        world.run(for: .milliseconds(300))
        world.resume(0)
        var answered: Instant?
        let limit = world.now + .seconds(10)
        while let happening = world.advance(to: limit) {
            if case .reply(_, id, let reply) = happening, reply.isFinal { answered = world.now }
        }
        let resumed = limit - .seconds(10)
        #expect(answered.map { $0 >= resumed } == true)
    }

    @Test func `a moved node is heard at its new address`() {
        var world = World.joined(10)
        world.move(4)
        let cid = world.store(file: [4], on: 4)
        _ = world.ask(.provide(cid), of: 4)
        let found = world.providers(of: cid, asking: 8)
        let wanted = world.id(of: 4)
        #expect(found == [wanted])
    }

    @Test func `goodbyes are heard and idle sessions forgotten`() {
        var world = World.joined(20)
        let before = world.withResident(0) { $0.sessionCount(at: world.now) } ?? 0
        #expect(before == 19)
        world.stop(3)
        world.run(for: .seconds(1))
        let after = world.withResident(0) { $0.sessionCount(at: world.now) } ?? 0
        #expect(after == 18)
        // Neighbours go on to watch each other; who is none is forgotten.
        world.run(for: .minutes(5))
        let later = world.withResident(0) { $0.sessionCount(at: world.now) } ?? 0
        #expect(later < after)
        #expect(later > 0)
    }

    @Test func `the same seed gives the same trace, another one another`() {
        func trace(_ seed: UInt64) -> TraceHash {
            var network = NetworkModel()
            network.loss = .independent(.percent(5))
            let world = World.joined(10, seed: seed, network: network)
            return world.trace
        }
        #expect(trace(3) == trace(3))
        #expect(trace(3) != trace(4))
    }

    @Test func `messages are counted by family`() {
        let world = World.joined(5)
        let counts = (0..<5).reduce(MessageCounters()) { sum, node in
            sum + (world.withResident(node) { $0.messages } ?? MessageCounters())
        }
        #expect(counts.sent.kademlia.messages > 8)
        #expect(counts.sent.membership.messages > 8)
        #expect(counts.sent.announcement.messages > 8)
        // Nothing is lost here, but some are under way.
        #expect(counts.received.all.messages <= counts.sent.all.messages)
        #expect(counts.received.all.messages * 10 > counts.sent.all.messages * 8)
        #expect(counts.sent.topic.messages + counts.sent.other.messages == 0)
    }
}
