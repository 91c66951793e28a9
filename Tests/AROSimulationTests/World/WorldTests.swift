import AROContent
import ARONode
import AROPrimitives
import AROWire
import Testing

@testable import AROSimulation

@Suite struct WorldDeterminism {
    static func trace(seed: UInt64, nodes: Int = 30) -> (TraceHash, WorldCounters) {
        var network = NetworkModel()
        network.roundTrip = .uniform(.milliseconds(20), .milliseconds(100))
        network.jitter = Jitter(median: .milliseconds(1), sigmaThousandths: 500)
        network.loss = .bursts(mean: .percent(5), length: 3)
        network.duplicate = .percent(2)
        network.reorder = .percent(2)
        network.damage = .percent(1)
        var world = World.ofGossipers(
            nodes, seed: seed, network: network, link: AccessLink(up: 1_000_000, down: 2_000_000))
        world.introduceEveryone()
        world.run(for: .seconds(20))
        return (world.trace, world.counters)
    }

    @Test func `the same seed gives the same trace`() {
        let (first, counters) = Self.trace(seed: 7)
        let (second, again) = Self.trace(seed: 7)
        #expect(first == second)
        #expect(counters == again)
        #expect(counters.events > 5_000)
    }

    @Test func `another seed gives another trace`() {
        #expect(Self.trace(seed: 7).0 != Self.trace(seed: 8).0)
    }

    /// A constant: if it changes, runs are not comparable with earlier ones, or with other
    /// machines.
    @Test func `the trace of a small world is the same on every machine`() {
        #expect(Self.trace(seed: 1).0.description == "abc57128df52ac92")
    }

    @Test func `alarms leave no mark in the trace`() {
        func trace(alarms: Bool) -> TraceHash {
            var world = World.ofGossipers(5, seed: 3)
            world.introduceEveryone()
            if alarms { for i in 0..<50 { world.schedule(UInt64(i), at: .origin + .seconds(1)) } }
            world.run(for: .seconds(5))
            return world.trace
        }
        #expect(trace(alarms: true) == trace(alarms: false))
    }
}

@Suite struct WorldTime {
    @Test func `alarms of one moment come in the order in which they were set`() {
        var world = World.ofGossipers(0, seed: 1)
        for i in 0..<100 { world.schedule(UInt64(i), at: .origin + .seconds(Int64(i % 3))) }
        var seen: [UInt64] = []
        while let happening = world.advance(to: .origin + .seconds(5)) {
            if case .alarm(let n) = happening { seen.append(n) }
        }
        let expected = (0..<3).flatMap { s in (0..<100).filter { $0 % 3 == s }.map(UInt64.init) }
        #expect(seen == expected)
        let fact1 = world.now == .origin + .seconds(5)
        #expect(fact1)
    }

    @Test func `a node is woken at its deadline and not before`() {
        var world = World.ofGossipers(2, seed: 1)
        world.introduceEveryone()
        world.run(for: .seconds(10))
        let wakes = world.withResident(0) { $0.wakes } ?? []
        #expect(wakes.count == 100 || wakes.count == 99)
        let gaps = zip(wakes, wakes.dropFirst()).map { $1 - $0 }
        #expect(gaps.allSatisfy { $0 == .milliseconds(100) })
    }

    @Test func `a node is told the time of day at its start and every minute`() {
        var world = World.ofGossipers(1, seed: 1)
        world.run(for: .seconds(150))
        let clocks = world.withResident(0) { $0.wallClocks } ?? []
        let epoch = World<Gossiper>.epoch
        #expect(clocks == [epoch, epoch + .seconds(60), epoch + .seconds(120)])
    }

    @Test func `a datagram takes half of the round-trip time`() {
        var world = World.ofGossipers(2, seed: 1, network: .constant(.milliseconds(80)))
        let other = world.address(of: 1)
        _ = world.request(.join([other]), of: 0)
        world.run(for: .milliseconds(500))
        let wake = world.withResident(0) { $0.wakes[0] }!
        var second = World.ofGossipers(2, seed: 1, network: .constant(.milliseconds(80)))
        _ = second.request(.join([other]), of: 0)
        while second.advance(to: wake + .milliseconds(39)) != nil {}
        let fact2 = second.heard(by: 1).isEmpty
        #expect(fact2)
        while second.advance(to: wake + .milliseconds(40)) != nil {}
        let fact3 = second.heard(by: 1).count == 1
        #expect(fact3)
    }
}

@Suite struct WorldProcessing {
    /// When each of `count` datagrams is heard that reach node 0 at the origin; and what was dropped.
    func heard(_ count: Int, byteCount: Int, _ processing: Processing?) -> ([Duration], UInt64) {
        var network = NetworkModel.constant(.milliseconds(10))
        network.processing = processing
        var world = World.ofGossipers(2, seed: 1, network: network)
        for _ in 0..<count {
            world.inject(
                [UInt8](repeating: 0, count: byteCount), from: world.address(of: 1), to: 0)
        }
        var times: [Duration] = []
        for tenth in 1...20_000 where times.count < count {
            world.run(for: .microseconds(100))
            let all = world.heard(by: 0).count
            while times.count < all { times.append(.microseconds(Int64(tenth) * 100)) }
        }
        return (times, world.drops.queueFull)
    }

    @Test func `a processor takes its time, for one datagram after another`() {
        let cost = Processing(handshake: .seconds(1), packet: .milliseconds(2))
        #expect(heard(3, byteCount: 10, nil).0 == Array(repeating: .microseconds(100), count: 3))
        #expect(
            heard(3, byteCount: 10, cost).0
                == [.milliseconds(2), .milliseconds(4), .milliseconds(6)])
    }

    @Test func `what waits for the processor fills the socket's buffer`() {
        let cost = Processing(handshake: .zero, packet: .milliseconds(1))
        let (times, dropped) = heard(300, byteCount: 1_000, cost)
        #expect(times.count == 212)
        #expect(dropped == 88)
    }

    @Test(arguments: [Scenario.Fidelity.datagrams, .messages])
    func `a handshake costs more than what follows it`(fidelity: Scenario.Fidelity) throws {
        func latency(_ processing: String) throws -> Double {
            let scenario = try Scenario(
                yaml: """
                    aro_scenario: 1
                    name: processors
                    seed: 1
                    fidelity: \(fidelity.rawValue)
                    duration: 20s
                    nodes: [{count: 4}]
                    join: {bootstrap: 1, schedule: uniform, over: 4s}
                    network: {rtt: {constant: 50ms}\(processing)}
                    """, file: "processors.yaml")
            #expect(try Scenario(yaml: scenario.resolved, file: "resolved") == scenario)
            let report = scenario.play(clock: { 0 }).report
            return try #require(report["join_latency_mean"]?.value)
        }
        let without = try latency("")
        let dear = try latency(", processing: {handshake: 10ms, packet: 0ms}")
        let both = try latency(", processing: {handshake: 10ms, packet: 1ms}")
        #expect(dear >= without + 0.02)
        #expect(both > dear)
    }
}

@Suite struct WorldNodes {
    @Test func `a killed node hears nothing and a restarted one starts a new life`() {
        var world = World.ofGossipers(2, seed: 1)
        world.introduceEveryone()
        world.run(for: .seconds(1))
        world.kill(1)
        let fact4 = !world.isRunning(1)
        #expect(fact4)
        world.run(for: .seconds(1))
        let fact5 = world.drops.nobodyThere > 0
        #expect(fact5)
        world.restart(1)
        let fact6 = world.withResident(1) { $0.life } == 1
        #expect(fact6)
        world.run(for: .seconds(1))
        let fact7 = !world.heard(by: 1).isEmpty
        #expect(fact7)
    }

    @Test func `a stopped node says goodbye`() {
        var world = World.ofGossipers(2, seed: 1, network: .constant(.milliseconds(10)))
        _ = world.request(.join([world.address(of: 1)]), of: 0)
        world.stop(0)
        world.run(for: .milliseconds(5))
        let fact8 = world.heard(by: 1) == [[0]]
        #expect(fact8)
    }

    @Test func `a node that moves hears at its new address only`() {
        var world = World.ofGossipers(3, seed: 1)
        let old = world.address(of: 2)
        _ = world.request(.join([old]), of: 0)
        world.run(for: .milliseconds(150))
        world.move(2)
        let fact9 = world.address(of: 2) != old
        #expect(fact9)
        let before = world.heard(by: 2).count
        world.run(for: .seconds(2))
        let fact10 = world.heard(by: 2).count == before
        #expect(fact10)
        _ = world.request(.join([world.address(of: 2)]), of: 1)
        world.run(for: .seconds(1))
        let fact11 = world.heard(by: 2).count > before
        #expect(fact11)
    }

    @Test func `an address of one's own choice works, in either family`() {
        var world = World.ofGossipers(1, seed: 1)
        let address = SocketAddress("[2001:db8::7]:9000")!
        let node = world.addNode(address: address)
        _ = world.request(.join([address]), of: 0)
        world.run(for: .seconds(1))
        let fact12 = !world.heard(by: node).isEmpty
        #expect(fact12)
        let fact13 = world.address(of: node) == address
        #expect(fact13)
    }

    @Test func `a paused node hears later what its socket could hold`() {
        var world = World.ofGossipers(1, seed: 1)
        let stranger = SocketAddress(ipv4: 0x0101_0101, port: 5)
        world.pause(0)
        for i in 0..<200 {
            world.inject([0, UInt8(i)] + Array(repeating: 0, count: 1_998), from: stranger, to: 0)
        }
        world.run(for: .seconds(1))
        let fact14 = world.heard(by: 0).isEmpty
        #expect(fact14)
        world.resume(0)
        world.run(for: .seconds(1))
        let heard = world.heard(by: 0)
        #expect(heard.count == 106)  // 212,992 bytes of 2,000
        #expect(heard.map { $0[1] } == (0..<106).map { UInt8($0) })
    }

    @Test func `a partition stops datagrams until it heals`() {
        var world = World.ofGossipers(2, seed: 1)
        world.introduceEveryone()
        world.partition([[0], [1]])
        world.run(for: .seconds(2))
        let fact15 = world.heard(by: 0).isEmpty && world.heard(by: 1).isEmpty
        #expect(fact15)
        let fact16 = world.drops.partitioned > 20
        #expect(fact16)
        world.heal()
        world.run(for: .seconds(1))
        let fact17 = !world.heard(by: 0).isEmpty && !world.heard(by: 1).isEmpty
        #expect(fact17)
    }

    @Test func `a one-way block stops one direction only`() {
        var world = World.ofGossipers(2, seed: 1)
        world.introduceEveryone()
        world.block(from: [0], to: [1])
        world.run(for: .seconds(2))
        let fact18 = !world.heard(by: 0).isEmpty
        #expect(fact18)
        let fact19 = world.heard(by: 1).isEmpty
        #expect(fact19)
    }

    @Test func `every node has a network of its own and the address leads back to it`() {
        var world = World.ofGossipers(500, seed: 1)
        let networks = Set((0..<500).map { world.address(of: $0).network })
        #expect(networks.count == 500)
        let fact20 = (0..<500).allSatisfy { !world.address(of: $0).isPrivate }
        #expect(fact20)
        for node in 0..<500 {
            let found = world.addressing.node(at: world.address(of: node))
            #expect(found == node)
        }
        world.move(3)
        let fact21 = world.addressing.node(at: world.address(of: 3)) == 3
        #expect(fact21)
    }
}

@Suite struct WorldDisks {
    static let block: [UInt8] = [1, 2, 3, 4]
    static var cid: CID { CID(.raw, hashing: block.span.bytes) }

    static func replies(_ prepare: (inout World<Gossiper>) -> Void) -> [String] {
        var world = World.ofGossipers(1, seed: 1)
        prepare(&world)
        _ = world.request(.provide(cid), of: 0)
        world.run(for: .seconds(1))
        return world.withResident(0) { $0.diskReplies } ?? []
    }

    @Test func `a stored block is read back and an absent one is not found`() {
        let present = Self.replies { $0.store(Self.block, as: Self.cid, on: 0) }
        #expect(present.contains { $0.contains("block") && $0.contains("[1, 2, 3, 4]") })
        #expect(present.contains { $0.contains("contains") && $0.contains("[true]") })
        let absent = Self.replies { _ in }
        #expect(absent.contains { $0.contains("notFound") })
        #expect(absent.contains { $0.contains("contains") && $0.contains("[false]") })
    }

    @Test func `a corrupt block is reported once and then is gone`() {
        var world = World.ofGossipers(1, seed: 1)
        world.store(Self.block, as: Self.cid, on: 0)
        world.corrupt(Self.cid, on: 0)
        let fact22 = world.block(Self.cid, on: 0) == nil
        #expect(fact22)
        _ = world.request(.provide(Self.cid), of: 0)
        world.run(for: .seconds(1))
        let replies = world.withResident(0) { $0.diskReplies } ?? []
        #expect(replies.contains { $0.contains("corrupt") })
        let fact23 = world.block(Self.cid, on: 0) == Self.block
        #expect(fact23, "the write after the read repairs it")
    }

    @Test func `a full disk refuses`() {
        let replies = Self.replies { $0.setDiskSpace(3, of: 0) }
        #expect(replies.contains { $0.contains("full") })
    }

    @Test func `a disk survives its node`() {
        var world = World.ofGossipers(1, seed: 1)
        world.store(Self.block, as: Self.cid, on: 0)
        _ = world.request(.provide(Self.cid), of: 0)
        world.kill(0)
        world.restart(0)
        world.run(for: .seconds(1))
        let fact24 = world.withResident(0) { $0.diskReplies.isEmpty } == true
        #expect(fact24)
        let fact25 = world.block(Self.cid, on: 0) == Self.block
        #expect(fact25)
    }

    @Test(arguments: [0, 1, 100, 101, 5_000])
    func `a file of any size lies on the disk in blocks and reads back`(size: Int) {
        var world = World.ofGossipers(2, seed: 1)
        let bytes = (0..<size).map { UInt8(truncatingIfNeeded: $0 &* $0 >> 3) }
        let small = ImportProfile(leafByteCount: 100, linksMax: 4)
        let root = world.store(file: bytes, on: 0, profile: small)
        let found = world.file(root, on: 0)
        #expect(found == bytes)
        let elsewhere = world.file(root, on: 1)
        #expect(elsewhere == nil)
        world.corrupt(root, on: 0)
        let damaged = world.file(root, on: 0)
        #expect(damaged == nil)
    }
}
