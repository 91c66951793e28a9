import AROPrimitives
import AROWire
import Testing

@testable import AROContent

/// Whether `node` holds all blocks, byte for byte.
func holds(_ swarm: Swarm, _ node: Int, _ blocks: [ImportedBlock]) -> Bool {
    blocks.allSatisfy { swarm.nodes[node].disk.blocks[$0.cid] == $0.bytes }
}

@Suite("Fetching from peers")
struct ExchangeFetchTests {
    @Test("A file comes whole from one provider and is announced")
    func oneProvider() {
        let file = makeFile(500_000)
        let swarm = Swarm()
        let client = swarm.add(smallConfiguration)
        let provider = swarm.addProvider(file.blocks)
        swarm.fetch(FetchOptions(root: file.root), by: client)
        swarm.run(until: client)
        let progress = swarm.finished(client)
        #expect(progress?.bytesStored == 500_000 && progress?.bytesWanted == 500_000)
        #expect(progress?.target == file.root)
        #expect(holds(swarm, client, file.blocks))
        #expect(swarm.nodes[client].provided == [file.root])
        #expect(swarm.nodes[client].misbehaved.isEmpty)
        let served = swarm.nodes[provider].exchange.counters
        #expect(served.blocksServed == UInt64(file.blocks.count))
        #expect(swarm.nodes[client].disk.writes.count == file.blocks.count)
    }

    @Test(
        "Special files: empty, one byte, one leaf, one leaf and a byte",
        arguments: [0, 1, 4_096, 4_097])
    func smallFiles(byteCount: Int) {
        let file = makeFile(byteCount)
        let swarm = Swarm()
        let client = swarm.add(smallConfiguration)
        swarm.addProvider(file.blocks)
        swarm.fetch(FetchOptions(root: file.root), by: client)
        swarm.run(until: client)
        #expect(swarm.finished(client)?.bytesStored == UInt64(byteCount))
        #expect(holds(swarm, client, file.blocks))
    }

    @Test("The share of each provider follows its speed, and no block comes twice before the end")
    func shares() {
        let file = makeFile(4 << 20)
        let swarm = Swarm()
        let client = swarm.add(smallConfiguration)
        let rates = [4_000_000, 2_000_000, 1_000_000]
        let peers = rates.map { swarm.addProvider(rate: $0, file.blocks) }
        swarm.fetch(FetchOptions(root: file.root), by: client)
        swarm.run(until: client)
        #expect(holds(swarm, client, file.blocks))
        let served = peers.map { Double(swarm.nodes[$0].exchange.counters.bytesServed) }
        let total = served.reduce(0, +)
        #expect(total < Double(4 << 20) * 1.1, "\(served)")
        // Shares of 4/7, 2/7 and 1/7, give or take a third: the start and the end are not steady.
        for (bytes, share) in zip(served, [4.0 / 7, 2.0 / 7, 1.0 / 7]) {
            #expect(abs(bytes / total - share) < share / 3, "\(served)")
        }
        let seconds = (swarm.now - .origin).seconds
        #expect(seconds < 2 * Double(4 << 20) / 7_000_000, "\(seconds) s")
    }

    @Test("Eight providers together are faster than one")
    func eightProviders() {
        let file = makeFile(4 << 20)
        func time(_ count: Int) -> Double {
            let swarm = Swarm()
            let client = swarm.add(smallConfiguration)
            for _ in 0..<count { swarm.addProvider(rate: 1_000_000, file.blocks) }
            swarm.fetch(FetchOptions(root: file.root), by: client)
            swarm.run(until: client)
            #expect(holds(swarm, client, file.blocks))
            return (swarm.now - .origin).seconds
        }
        let (one, eight) = (time(1), time(8))
        #expect(eight < one / 5, "\(one) s by one, \(eight) s by eight")
    }

    @Test("One provider over a long path is used to its full rate")
    func longPath() {
        let file = makeFile(8 << 20)
        let swarm = Swarm()
        swarm.latency = .milliseconds(100)
        swarm.sendBuffer = 4 << 20
        let client = swarm.add(smallConfiguration)
        swarm.addProvider(rate: 4_000_000, file.blocks)
        swarm.fetch(FetchOptions(root: file.root), by: client)
        swarm.run(until: client)
        // Two seconds of bytes; three for the search, the root, and the window's growth.
        #expect(holds(swarm, client, file.blocks))
        #expect((swarm.now - .origin).seconds < 6.5, "\((swarm.now - .origin).seconds) s")
    }

    @Test("A provider that dies on the way is replaced by the others")
    func death() {
        let file = makeFile(2 << 20)
        let swarm = Swarm()
        let client = swarm.add(smallConfiguration)
        let peers = (0..<3).map { _ in swarm.addProvider(rate: 1_000_000, file.blocks) }
        swarm.after(.milliseconds(400)) { swarm.kill(peers[0]) }
        swarm.fetch(FetchOptions(root: file.root), by: client)
        swarm.run(until: client)
        #expect(swarm.nodes[peers[0]].exchange.counters.blocksServed > 0)
        #expect(swarm.finished(client) != nil)
        #expect(holds(swarm, client, file.blocks))
    }

    @Test("When all providers die, the fetch says so, in bounded time")
    func allDie() {
        let file = makeFile(2 << 20)
        let swarm = Swarm()
        let client = swarm.add(smallConfiguration)
        let peers = (0..<2).map { _ in swarm.addProvider(rate: 1_000_000, file.blocks) }
        swarm.after(.milliseconds(500)) { peers.forEach { swarm.kill($0) } }
        swarm.fetch(FetchOptions(root: file.root, patience: .seconds(6)), by: client)
        swarm.run(until: client)
        guard case .providersLost? = swarm.failure(client) else {
            Issue.record("\(String(describing: swarm.outcome(of: client)))")
            return
        }
        #expect((swarm.now - .origin).seconds < 10, "\((swarm.now - .origin).seconds) s")
    }

    @Test("Providers that fall silent for good, and whose sessions nobody ends, are given up too")
    func allSilent() {
        let file = makeFile(2 << 20)
        let swarm = Swarm()
        let client = swarm.add(smallConfiguration)
        let peers = (0..<2).map { _ in swarm.addProvider(rate: 1_000_000, file.blocks) }
        swarm.after(.milliseconds(500)) {
            for peer in peers { swarm.kill(peer, noticedAfter: .seconds(1_000)) }
        }
        swarm.fetch(FetchOptions(root: file.root, patience: .seconds(6)), by: client)
        swarm.run(until: client)
        guard case .providersLost? = swarm.failure(client) else {
            Issue.record("\(String(describing: swarm.outcome(of: client)))")
            return
        }
        #expect((swarm.now - .origin).seconds < 12, "\((swarm.now - .origin).seconds) s")
    }

    @Test("All providers are lost, a new one appears: the fetch goes on")
    func replacement() {
        let file = makeFile(2 << 20)
        let swarm = Swarm()
        let client = swarm.add(smallConfiguration)
        let first = swarm.addProvider(rate: 1_000_000, file.blocks)
        swarm.after(.milliseconds(500)) { swarm.kill(first) }
        swarm.after(.milliseconds(2_500)) { swarm.addProvider(rate: 1_000_000, file.blocks) }
        swarm.fetch(FetchOptions(root: file.root), by: client)
        swarm.run(until: client)
        #expect(holds(swarm, client, file.blocks))
    }

    @Test("Nobody has it: a clear failure in bounded time, after several searches")
    func nobody() {
        let file = makeFile(10_000)
        let swarm = Swarm()
        let client = swarm.add(smallConfiguration)
        swarm.fetch(FetchOptions(root: file.root), by: client)
        swarm.run(until: client)
        #expect(swarm.failure(client) == .noProviders(file.root))
        // At once and after 1, 2, 4 and 8 seconds more.
        #expect(swarm.nodes[client].searches == 5)
        #expect((swarm.now - .origin).seconds >= 30 && (swarm.now - .origin).seconds < 31)
        #expect(swarm.nodes[client].exchange.nextDeadline == nil)
    }

    @Test(
        "Named providers that cannot be reached are a failure when patience ends",
        arguments: [1, 8])
    func unreachable(count: Int) {
        let file = makeFile(10_000)
        let swarm = Swarm()
        let client = swarm.add(smallConfiguration)
        for _ in 0..<count { swarm.kill(swarm.addProvider(file.blocks)) }
        swarm.fetch(FetchOptions(root: file.root, patience: .seconds(7)), by: client)
        swarm.run(until: client)
        #expect(swarm.failure(client) == .providersLost(file.root))
        // Three seconds until the world says so; the searches go on meanwhile.
        #expect((swarm.now - .origin).seconds < 8, "\((swarm.now - .origin).seconds) s")
        #expect(swarm.nodes[client].searches >= 3)
        #expect(swarm.nodes[client].exchange.nextDeadline == nil)
    }

    @Test("Providers that cannot be reached do not hold up one that can")
    func race() {
        let file = makeFile(10_000)
        let swarm = Swarm()
        let client = swarm.add(smallConfiguration)
        for _ in 0..<6 { swarm.kill(swarm.addProvider(file.blocks)) }
        swarm.addProvider(file.blocks)
        swarm.fetch(FetchOptions(root: file.root), by: client)
        swarm.run(until: client)
        #expect(holds(swarm, client, file.blocks))
        // Nobody learns of the six before three seconds are over.
        #expect((swarm.now - .origin).seconds < 2.5, "\((swarm.now - .origin).seconds) s")
    }

    @Test("A provider that comes while the others are given up is not overlooked")
    func lastMoment() {
        let file = makeFile(10_000)
        let swarm = Swarm()
        let client = swarm.add(smallConfiguration)
        swarm.kill(swarm.addProvider(file.blocks))
        swarm.after(.milliseconds(2_500)) { swarm.addProvider(file.blocks) }
        swarm.fetch(FetchOptions(root: file.root), by: client)
        swarm.run(until: client)
        #expect(holds(swarm, client, file.blocks))
    }

    @Test("A pause of all providers, shorter than their silence may be, ends no fetch")
    func pause() {
        let file = makeFile(1 << 20)
        let swarm = Swarm()
        let client = swarm.add(smallConfiguration)
        let peer = swarm.addProvider(rate: 1_000_000, file.blocks)
        swarm.after(.milliseconds(500)) { swarm.nodes[peer].sendsUntil = swarm.now + .seconds(6) }
        swarm.fetch(FetchOptions(root: file.root), by: client)
        swarm.run(until: client)
        #expect(holds(swarm, client, file.blocks))
    }

    @Test("Partial providers who only together have everything suffice")
    func partial() {
        let file = makeFile(1 << 20)
        let swarm = Swarm()
        let client = swarm.add(smallConfiguration)
        for part in 0..<4 {
            // Each has the nodes and a quarter of the leaves.
            let blocks = file.blocks.enumerated().filter {
                $0.element.cid.codec == .dagPB || $0.offset % 4 == part
            }
            swarm.addProvider(rate: 1_000_000, blocks.map(\.element))
        }
        swarm.fetch(FetchOptions(root: file.root), by: client)
        swarm.run(until: client)
        #expect(holds(swarm, client, file.blocks))
        #expect(swarm.nodes[client].misbehaved.isEmpty)
        #expect(swarm.now - .origin < .seconds(20), "\((swarm.now - .origin).seconds) s")
    }

    @Test("A partial provider that is still fetching itself is asked again")
    func growing() {
        let file = makeFile(300_000)
        let swarm = Swarm()
        let client = swarm.add(smallConfiguration)
        let half = Array(
            file.blocks.enumerated().filter {
                $0.element.cid.codec == .dagPB || $0.offset % 2 == 0
            }.map(\.element))
        let peer = swarm.addProvider(half)
        swarm.after(.seconds(6)) {
            for block in file.blocks { swarm.nodes[peer].disk.blocks[block.cid] = block.bytes }
        }
        swarm.fetch(FetchOptions(root: file.root), by: client)
        swarm.run(until: client)
        #expect(holds(swarm, client, file.blocks))
        #expect(swarm.now - .origin < .seconds(10))
    }

    @Test("What is on the disk already is not fetched again")
    func resume() {
        let file = makeFile(1 << 20)
        let swarm = Swarm()
        let client = swarm.add(smallConfiguration)
        let provider = swarm.addProvider(file.blocks)
        let half = file.blocks.prefix(file.blocks.count / 2)
        for block in half { swarm.nodes[client].disk.blocks[block.cid] = block.bytes }
        swarm.fetch(FetchOptions(root: file.root), by: client)
        swarm.run(until: client)
        #expect(holds(swarm, client, file.blocks))
        #expect(swarm.finished(client)?.bytesStored == 1 << 20)
        let missing = UInt64(file.blocks.count - half.count)
        #expect(swarm.nodes[provider].exchange.counters.blocksServed == missing)
    }

    @Test("All on the disk: no peer is asked, no search is made")
    func local() {
        let file = makeFile(1 << 20)
        let swarm = Swarm()
        let client = swarm.add(smallConfiguration)
        for block in file.blocks { swarm.nodes[client].disk.blocks[block.cid] = block.bytes }
        swarm.fetch(FetchOptions(root: file.root), by: client)
        swarm.run(until: client)
        #expect(swarm.finished(client)?.bytesStored == 1 << 20)
        #expect(swarm.nodes[client].searches == 0 && swarm.ends.isEmpty)
        #expect(swarm.nodes[client].disk.writes.isEmpty)
    }

    @Test("Blocks that are damaged on our own disk are fetched again", arguments: [false, true])
    func corrupt(checksHeld: Bool) {
        let file = makeFile(300_000)
        let swarm = Swarm()
        let client = swarm.add(smallConfiguration)
        swarm.addProvider(file.blocks)
        for block in file.blocks { swarm.nodes[client].disk.blocks[block.cid] = block.bytes }
        // A leaf's damage is only seen by who reads it; a node is read anyway.
        let damaged = file.blocks.filter { checksHeld || $0.cid.codec == .dagPB }.map(\.cid)
        swarm.nodes[client].disk.corrupt = Set(damaged)
        swarm.fetch(FetchOptions(root: file.root, checksHeld: checksHeld), by: client)
        swarm.run(until: client)
        #expect(holds(swarm, client, file.blocks))
        #expect(Set(swarm.nodes[client].disk.writes) == Set(damaged))
    }

    @Test("A range fetches the blocks that hold it, and the nodes above them, only")
    func ranges() {
        let file = makeFile(1 << 20)
        for range: Range<UInt64> in [
            0..<1, 4_095..<4_097, 500_000..<600_000, 1_048_575..<2_000_000, 8_192..<8_192,
        ] {
            let swarm = Swarm()
            let client = swarm.add(smallConfiguration)
            swarm.addProvider(file.blocks)
            swarm.fetch(FetchOptions(root: file.root, range: range), by: client)
            swarm.run(until: client)
            let cut = range.clamped(to: 0..<(1 << 20))
            let wanted = UInt64(cut.count)
            #expect(swarm.finished(client)?.bytesStored == wanted, "\(range)")
            #expect(swarm.finished(client)?.bytesWanted == wanted)
            let leaves = swarm.nodes[client].disk.writes.filter { $0.codec == .raw }.count
            let expected =
                cut.isEmpty ? 0 : Int((cut.upperBound - 1) / 4_096 - cut.lowerBound / 4_096) + 1
            #expect(leaves == expected, "\(range)")
            let nodes = swarm.nodes[client].disk.writes.count - leaves
            // Three levels above the leaves; a node of the lowest has 32 links.
            #expect(nodes <= 2 + (expected + 31) / 32 + 1, "\(range): \(nodes) nodes")
            #expect(swarm.nodes[client].provided.isEmpty)
        }
    }

    @Test("A range beyond the end is refused with the file's size")
    func rangeBeyond() {
        for byteCount in [100, 100_000] {
            let file = makeFile(byteCount)
            let swarm = Swarm()
            let client = swarm.add(smallConfiguration)
            swarm.addProvider(file.blocks)
            let end = UInt64(byteCount)
            swarm.fetch(FetchOptions(root: file.root, range: end..<end + 2), by: client)
            swarm.run(until: client)
            #expect(swarm.failure(client) == .rangeOutside(fileBytes: end))
        }
    }

    @Test("A full disk ends the fetch with its name")
    func fullDisk() {
        let file = makeFile(1 << 20)
        let swarm = Swarm()
        let client = swarm.add(smallConfiguration)
        swarm.addProvider(file.blocks)
        swarm.nodes[client].disk.free = 300_000
        swarm.fetch(FetchOptions(root: file.root), by: client)
        swarm.run(until: client)
        #expect(swarm.failure(client) == .diskFull)
        swarm.run(for: .seconds(1))
        #expect(swarm.nodes[client].exchange.nextDeadline == nil)
    }

    @Test("Cancelling frees everything and is not answered")
    func cancellation() {
        let file = makeFile(2 << 20)
        let swarm = Swarm()
        let client = swarm.add(smallConfiguration)
        let provider = swarm.addProvider(rate: 500_000, file.blocks)
        swarm.fetch(FetchOptions(root: file.root), by: client)
        swarm.run(for: .seconds(1))
        #expect(swarm.nodes[client].exchange.counters.fetchesRunning == 1)
        #expect(swarm.nodes[provider].exchange.counters.streamsServed == 1)
        swarm.nodes[client].exchange.cancel(FetchID(number: 1), at: swarm.now)
        swarm.drain(client)
        #expect(swarm.nodes[client].exchange.counters.fetchesRunning == 0)
        #expect(swarm.nodes[client].exchange.nextDeadline == nil)
        var peers = 0
        swarm.nodes[client].exchange.markUsed { _ in peers += 1 }
        #expect(peers == 0)
        swarm.run(for: .seconds(2))
        #expect(swarm.nodes[provider].exchange.counters.streamsServed == 0)
        #expect(swarm.outcome(of: client) == nil)
    }

    @Test("Two fetches of one content share what comes and both finish")
    func twoFetches() {
        let file = makeFile(1 << 20)
        let swarm = Swarm()
        let client = swarm.add(smallConfiguration)
        let provider = swarm.addProvider(rate: 1_000_000, file.blocks)
        swarm.fetch(FetchOptions(root: file.root), by: client, id: 1)
        swarm.after(.milliseconds(400)) {
            swarm.fetch(FetchOptions(root: file.root), by: client, id: 2)
        }
        swarm.run(for: .seconds(20))
        #expect(swarm.nodes[client].events.filter(\.isFinal).count == 2)
        #expect(swarm.failure(client) == nil)
        #expect(holds(swarm, client, file.blocks))
        #expect(swarm.nodes[client].exchange.counters.fetchesRunning == 0)
        let served = swarm.nodes[provider].exchange.counters.blocksServed
        #expect(served <= UInt64(file.blocks.count + 20), "\(served) of \(file.blocks.count)")
    }

    @Test("When one of two fetches is cancelled, the other sees to what it had left to it")
    func oneOfTwo() {
        let file = makeFile(1 << 20)
        let swarm = Swarm()
        let client = swarm.add(smallConfiguration)
        swarm.addProvider(rate: 1_000_000, file.blocks)
        swarm.fetch(FetchOptions(root: file.root), by: client, id: 1)
        swarm.after(.milliseconds(300)) {
            swarm.fetch(FetchOptions(root: file.root), by: client, id: 2)
        }
        swarm.after(.milliseconds(600)) {
            swarm.nodes[client].exchange.cancel(FetchID(number: 1), at: swarm.now)
            swarm.drain(client)
        }
        swarm.run(until: client)
        #expect(swarm.finished(client)?.bytesStored == 1 << 20)
        #expect(holds(swarm, client, file.blocks))
    }

    @Test("From one provider, leaves come in the order of the file, so that it can be streamed")
    func inOrder() {
        let file = makeFile(1 << 20)
        let swarm = Swarm()
        let client = swarm.add(smallConfiguration)
        swarm.addProvider(file.blocks)
        swarm.fetch(FetchOptions(root: file.root, order: .reading), by: client)
        swarm.run(until: client)
        let wanted = file.blocks.map(\.cid).filter { $0.codec == .raw }
        #expect(swarm.nodes[client].disk.writes.filter { $0.codec == .raw } == wanted)
    }

    @Test("The same world gives the same run")
    func replay() {
        func run() -> ([FetchEvent], [CID], Int, Instant) {
            let file = makeFile(500_000)
            let swarm = Swarm()
            let client = swarm.add(smallConfiguration)
            for rate in 1...5 { swarm.addProvider(rate: rate * 300_000, file.blocks) }
            swarm.after(.milliseconds(300)) { swarm.kill(2) }
            swarm.fetch(FetchOptions(root: file.root), by: client)
            swarm.run(until: client)
            let node = swarm.nodes[client]
            return (node.events, node.disk.writes, swarm.eventCount, swarm.now)
        }
        let (first, second) = (run(), run())
        #expect(first == second)
    }

    @Test("The last blocks of a slow provider are taken over by a fast one")
    func endGame() {
        let file = makeFile(2 << 20, leaf: 32 << 10)
        let swarm = Swarm()
        let client = swarm.add(smallConfiguration)
        let fast = swarm.addProvider(rate: 2_000_000, file.blocks)
        let slow = swarm.addProvider(rate: 8_000, file.blocks)
        swarm.fetch(FetchOptions(root: file.root), by: client)
        swarm.run(until: client)
        #expect(holds(swarm, client, file.blocks))
        // A block of the slow one takes four seconds, and it was asked for two.
        #expect(swarm.now - .origin < .seconds(3), "\((swarm.now - .origin).seconds) s")
        let served = [fast, slow].map { swarm.nodes[$0].exchange.counters.blocksServed }
        #expect(served.reduce(0, +) <= UInt64(file.blocks.count) + 4, "\(served)")
        #expect(swarm.nodes[client].misbehaved.isEmpty)
    }

    @Test("A slow disk holds the peers back: memory stays below its bound")
    func memory() {
        let file = makeFile(2 << 20)
        let swarm = Swarm()
        var configuration = smallConfiguration
        configuration.bytesInFlightMax = 200_000
        let client = swarm.add(configuration)
        for _ in 0..<4 { swarm.addProvider(rate: 20_000_000, file.blocks) }
        swarm.nodes[client].disk.writeDelay = .milliseconds(50)
        swarm.fetch(FetchOptions(root: file.root), by: client)
        swarm.run(until: client)
        #expect(holds(swarm, client, file.blocks))
        // Headers are counted by the world as held for ever: a few bytes a block.
        let slack = file.blocks.count * 20 + 4_096
        #expect(swarm.nodes[client].bytesHeldMax < 200_000 + slack)
    }

    @Test("Progress is told in order, often enough and not too often")
    func progress() {
        let file = makeFile(2 << 20)
        let swarm = Swarm()
        let client = swarm.add(smallConfiguration)
        swarm.addProvider(rate: 500_000, file.blocks)
        swarm.fetch(FetchOptions(root: file.root), by: client)
        swarm.run(until: client)
        let stored = swarm.nodes[client].events.compactMap {
            if case .progress(let progress) = $0 { progress.bytesStored } else { nil }
        }
        #expect(stored == stored.sorted())
        let seconds = (swarm.now - .origin).seconds
        #expect(Double(stored.count) > seconds && Double(stored.count) < seconds * 6)
    }

    @Test("Too many fetches are refused")
    func tooMany() {
        var configuration = smallConfiguration
        configuration.fetchesMax = 2
        let swarm = Swarm()
        let client = swarm.add(configuration)
        for id in 1...3 {
            let file = makeFile(10_000, seed: UInt64(id))
            swarm.fetch(FetchOptions(root: file.root), by: client, id: UInt64(id))
        }
        #expect(swarm.nodes[client].events == [.failed(.tooManyFetches)])
    }
}
