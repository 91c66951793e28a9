import AROPrimitives
import AROWire
import Testing

@testable import AROContent

@Suite("Fetching what others are fetching")
struct FlashCrowdTests {
    /// A seeder and some who fetch from it at the same time, each with the uplink of the seeder.
    private func crowd(
        _ count: Int, rate: Int = 1_000_000, byteCount: Int = 2 << 20,
        order: FetchOptions.Order = .any
    ) -> (Swarm, [Int], [ImportedBlock], seeder: Int) {
        let file = makeFile(byteCount, leaf: 32 << 10)
        let swarm = Swarm()
        swarm.isTelling = true
        let seeder = swarm.addProvider(rate: rate, file.blocks)
        let crowd = (0..<count).map { _ in swarm.add(rate: rate, smallConfiguration) }
        for client in crowd {
            swarm.fetch(FetchOptions(root: file.root, order: order), by: client)
        }
        return (swarm, crowd, file.blocks, seeder)
    }

    private func run(_ swarm: Swarm, _ crowd: [Int]) {
        for client in crowd { swarm.run(until: client) }
    }

    /// Who reads in order has less to give to others who do.
    @Test(
        "Those who fetch the same give each other what they have",
        arguments: [(FetchOptions.Order.any, 0.67, 9.0), (.reading, 0.75, 9.0)])
    func exchange(order: FetchOptions.Order, share: Double, seconds: Double) {
        let (swarm, crowd, blocks, seeder) = crowd(6, order: order)
        run(swarm, crowd)
        for client in crowd {
            #expect(holds(swarm, client, blocks))
            #expect(swarm.nodes[client].misbehaved.isEmpty)
            #expect(swarm.nodes[client].gaveUp.isEmpty)
        }
        let all = crowd.count * blocks.count
        let served = Double(swarm.nodes[seeder].exchange.counters.blocksServed)
        #expect(served < Double(all) * share, "\(served) of \(all) from the seeder")
        // The seeder alone would need 2.1 s for each.
        let time = (swarm.now - .origin).seconds
        #expect(time < seconds, "\(time) s")
        let total = (crowd + [seeder]).reduce(0) {
            $0 + Int(swarm.nodes[$1].exchange.counters.blocksServed)
        }
        #expect(total < all * 5 / 4, "\(total) blocks for \(all)")
    }

    @Test("What is here in part is offered once, and withdrawn when the fetch is given up")
    func offering() {
        let (swarm, crowd, blocks, _) = crowd(2)
        swarm.run(for: .seconds(2))
        #expect(swarm.nodes[crowd[0]].providedInPart == [blocks.last!.cid])
        #expect(swarm.nodes[crowd[0]].provided.isEmpty)
        swarm.nodes[crowd[0]].exchange.cancel(FetchID(number: 1), at: swarm.now)
        swarm.drain(crowd[0])
        #expect(swarm.nodes[crowd[0]].gaveUp == [blocks.last!.cid])
        swarm.run(until: crowd[1])
        #expect(swarm.nodes[crowd[1]].providedInPart.count == 1)
        #expect(swarm.nodes[crowd[1]].provided.count == 1)
        #expect(swarm.nodes[crowd[1]].gaveUp.isEmpty)
    }

    @Test("While another fetch of the same content goes on, the offer stands")
    func twoFetches() {
        let (swarm, crowd, blocks, _) = crowd(1)
        let client = crowd[0]
        swarm.fetch(FetchOptions(root: blocks.last!.cid), by: client, id: 2)
        swarm.run(for: .milliseconds(1_500))
        for id: UInt64 in 1...2 {
            #expect(swarm.nodes[client].gaveUp.isEmpty)
            swarm.nodes[client].exchange.cancel(FetchID(number: id), at: swarm.now)
            swarm.drain(client)
        }
        #expect(swarm.nodes[client].gaveUp == [blocks.last!.cid])
    }

    @Test("A range, or a part of a tree, is not offered")
    func noOffer() {
        let file = makeFile(2 << 20, leaf: 32 << 10)
        let swarm = Swarm()
        let client = swarm.add(smallConfiguration)
        swarm.addProvider(rate: 500_000, file.blocks)
        swarm.fetch(FetchOptions(root: file.root, range: 0..<1_500_000), by: client)
        swarm.run(until: client)
        #expect(swarm.finished(client) != nil)
        #expect(swarm.nodes[client].providedInPart.isEmpty)
    }

    @Test("Who asks us for what we fetch is asked in turn, though nobody named it")
    func askers() {
        let file = makeFile(2 << 20, leaf: 32 << 10)
        let swarm = Swarm()
        let seeder = swarm.addProvider(rate: 500_000, file.blocks)
        let first = swarm.add(smallConfiguration)
        let second = swarm.add(smallConfiguration)
        // The second has the other half, and is told of the first only.
        for (i, block) in file.blocks.enumerated() where i % 2 == 0 || i == file.blocks.count - 1 {
            swarm.nodes[second].disk.blocks[block.cid] = block.bytes
        }
        swarm.fetch(FetchOptions(root: file.root), by: first)
        swarm.after(.milliseconds(500)) {
            swarm.providers = [first]
            swarm.fetch(FetchOptions(root: file.root), by: second)
        }
        swarm.run(until: first)
        #expect(holds(swarm, first, file.blocks))
        #expect(swarm.nodes[second].exchange.counters.blocksServed > 10)
        let served = swarm.nodes[seeder].exchange.counters.blocksServed
        #expect(served < UInt64(file.blocks.count * 3 / 4))
    }

    @Test("Peers that ask without end do not fill the places of those who were named")
    func askersBounded() {
        let file = makeFile(2 << 20, leaf: 32 << 10)
        let swarm = Swarm()
        let client = swarm.add(smallConfiguration)
        swarm.addProvider(rate: 200_000, file.blocks)
        swarm.fetch(FetchOptions(root: file.root), by: client)
        swarm.run(for: .seconds(2))
        var have: [UInt8] = [StreamProtocol.content.rawValue]
        have.append(.have(file.blocks.suffix(20).map(\.cid)))
        for stranger in 100..<200 {
            let peer = PeerHandle(index: UInt32(stranger))
            let stream = swarm.nodes[client].exchange.streamAccepted(
                from: peer, room: 1_000, at: swarm.now)
            swarm.nodes[client].exchange.streamReceived(
                stream, have.span.bytes.extracting(1..<have.count), isFinished: false,
                at: swarm.now)
            _ = swarm.nodes[client].exchange.takeOutputs()
        }
        var known: Set<PeerHandle> = []
        for one in swarm.nodes[client].exchange.running {
            known.formUnion(one.fetch.candidates.map(\.peer))
        }
        #expect(known.count == 1 + ExchangeConfiguration().askersMax)
    }

    @Test("What is read along comes in order, though several give it")
    func readAhead() throws {
        let file = makeFile(2 << 20, leaf: 32 << 10)
        let swarm = Swarm()
        let client = swarm.add(smallConfiguration)
        for _ in 0..<4 { swarm.addProvider(rate: 500_000, file.blocks) }
        swarm.fetch(FetchOptions(root: file.root, order: .reading), by: client)
        swarm.run(until: client)
        let leaves = file.blocks.map(\.cid).filter { $0.codec == .raw }
        let written = swarm.nodes[client].disk.writes.filter { $0.codec == .raw }
        // However far ahead others are, the next block is among those that come next.
        for (i, leaf) in leaves.prefix(leaves.count / 2).enumerated() {
            let place = try #require(written.firstIndex(of: leaf))
            let before = written[..<place].filter { leaves[..<i].contains($0) }.count
            #expect(place - before <= 24, "leaf \(i) came after \(place - before) later ones")
        }
        #expect(written != leaves, "some come ahead, for others to have")
    }

    @Test("Who comes while a fetch waits is found before its patience ends")
    func late() {
        let file = makeFile(10_000)
        let swarm = Swarm()
        let client = swarm.add(smallConfiguration)
        swarm.after(.seconds(12)) { swarm.addProvider(file.blocks) }
        swarm.fetch(FetchOptions(root: file.root), by: client)
        swarm.run(until: client)
        #expect(holds(swarm, client, file.blocks))
        #expect((swarm.now - .origin).seconds < 17)
    }

    @Test("More providers are looked for while a fetch with few goes on, ever less often in vain")
    func searching() {
        let file = makeFile(4 << 20, leaf: 32 << 10)
        let swarm = Swarm()
        let client = swarm.add(smallConfiguration)
        swarm.addProvider(rate: 50_000, file.blocks)
        swarm.after(.seconds(9)) { swarm.addProvider(rate: 5_000_000, file.blocks) }
        swarm.fetch(FetchOptions(root: file.root), by: client)
        swarm.run(for: .seconds(8))
        #expect((2...4).contains(swarm.nodes[client].searches))
        swarm.run(until: client)
        // Alone the first would take 84 s.
        #expect((swarm.now - .origin).seconds < 20, "\((swarm.now - .origin).seconds) s")
    }

    @Test("A patience of one's own ends a fetch, and no peer without the rest keeps it alive")
    func patience() {
        let file = makeFile(300_000)
        let swarm = Swarm()
        let client = swarm.add(smallConfiguration)
        swarm.addProvider(Array(file.blocks.suffix(20)))
        swarm.fetch(FetchOptions(root: file.root, patience: .seconds(5)), by: client)
        swarm.run(until: client)
        guard case .noProviders? = swarm.failure(client) else {
            Issue.record("\(String(describing: swarm.outcome(of: client)))")
            return
        }
        #expect((swarm.now - .origin).seconds < 7, "\((swarm.now - .origin).seconds) s")
        #expect(swarm.nodes[client].misbehaved.isEmpty)
    }
}
