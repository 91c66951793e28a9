import AROCrypto
import AROPrimitives
import AROWire
import Testing

@testable import AROContent

/// Answers with blocks of a store, after a change.
private func answers(
    _ blocks: [ImportedBlock], _ change: @escaping (CID, [UInt8]) -> ExchangeAnswer?
) -> Rogue {
    let store = Dictionary(uniqueKeysWithValues: blocks.map { ($0.cid, $0.bytes) })
    return { request in
        var out: [UInt8] = []
        switch request {
        case .want(let cids):
            for cid in cids { if let a = change(cid, store[cid] ?? []) { out.append(a) } }
        case .have(let cids):
            out.append(.haveMap(ExchangeAnswer.haveMap(of: cids.map { _ in true })))
        case .attestations: out.append(.attestations([]))
        case .cancel: break
        }
        return out
    }
}

@Suite("Fetching from hostile peers")
struct HostilePeerTests {
    /// A file from one honest provider and `rogue`, which is slow enough to leave it something to do.
    private func fetch(
        _ byteCount: Int = 300_000, honestRate: Int = 400_000, _ rogue: ([ImportedBlock]) -> Rogue
    ) -> (
        Swarm, client: Int, rogue: PeerHandle, [ImportedBlock]
    ) {
        let file = makeFile(byteCount)
        let swarm = Swarm()
        let client = swarm.add(smallConfiguration)
        swarm.addProvider(rate: honestRate, file.blocks)
        let bad = swarm.addRogue(rogue(file.blocks))
        swarm.fetch(FetchOptions(root: file.root), by: client)
        swarm.run(until: client)
        return (swarm, client, swarm.handle(bad), file.blocks)
    }

    @Test("Wrong bytes are never stored, their sender is named and dropped")
    func wrongBytes() {
        let (swarm, client, bad, blocks) = fetch { blocks in
            answers(blocks) { cid, bytes in
                var bytes = bytes
                bytes[bytes.count / 2] ^= 1
                return .block(bytes)
            }
        }
        #expect(holds(swarm, client, blocks))
        #expect(swarm.nodes[client].misbehaved == [bad: [.wrongBytes]])
        #expect(
            swarm.nodes[client].disk.writes.allSatisfy { cid in blocks.contains { $0.cid == cid } })
    }

    @Test("A peer that never answers is left after a while, its blocks come from elsewhere")
    func stall() {
        let (swarm, client, _, blocks) = fetch { _ in { _ in nil } }
        #expect(holds(swarm, client, blocks))
        #expect(swarm.now - .origin < .seconds(15))
    }

    @Test("A trickle is a stall")
    func trickle() {
        let file = makeFile(100_000)
        let swarm = Swarm()
        let client = swarm.add(smallConfiguration)
        let bad = swarm.addRogue(rate: 50, answers(file.blocks) { .block($1) })
        swarm.segment = 1
        swarm.fetch(FetchOptions(root: file.root), by: client)
        swarm.after(.seconds(1)) { swarm.addProvider(file.blocks) }
        swarm.run(until: client, limit: .seconds(100))
        _ = bad
        #expect(holds(swarm, client, file.blocks))
    }

    @Test("A peer that announces more than it was asked for is cut by its announcement")
    func endless() {
        let (swarm, client, bad, blocks) = fetch { _ in
            { _ in
                var out: [UInt8] = [0x81]
                out.appendVarint(1 << 29)
                return out + [UInt8](repeating: 7, count: 100_000)
            }
        }
        #expect(holds(swarm, client, blocks))
        #expect(swarm.nodes[client].misbehaved == [bad: [.malformed(.outOfBounds)]])
    }

    @Test("Blocks that were not asked for end the link")
    func unasked() {
        let (swarm, client, bad, blocks) = fetch { blocks in
            let honest = answers(blocks) { _, bytes in .block(bytes) }
            return { request in
                var out = honest(request) ?? []
                for block in blocks.prefix(20) { out.append(.block(block.bytes)) }
                return out
            }
        }
        #expect(holds(swarm, client, blocks))
        #expect(swarm.nodes[client].misbehaved.keys.contains(bad))
    }

    @Test("Answers of the wrong kind, and refusals of what nobody cancelled, end the link")
    func wrongKinds() {
        for answer: ExchangeAnswer in [.haveMap([0xff]), .attestations([]), .cancelled] {
            let (swarm, client, bad, blocks) = fetch { blocks in answers(blocks) { _, _ in answer }
            }
            #expect(holds(swarm, client, blocks))
            #expect(swarm.nodes[client].misbehaved == [bad: [.wrongAnswer]], "\(answer)")
        }
    }

    @Test("A peer that claims everything and misses everything is soon not asked any more")
    func claimsAndMisses() {
        let (swarm, client, _, blocks) = fetch { blocks in answers(blocks) { _, _ in .missing } }
        #expect(holds(swarm, client, blocks))
        #expect(swarm.now - .origin < .seconds(10))
    }

    @Test("A busy peer is left alone")
    func busy() {
        let (swarm, client, _, blocks) = fetch { _ in
            { _ in
                var out: [UInt8] = []
                out.append(.refused(.busy))
                return out
            }
        }
        #expect(holds(swarm, client, blocks))
        #expect(swarm.nodes[client].misbehaved.isEmpty)
    }

    @Test("Random bytes from a peer are survived", arguments: 0..<20)
    func noise(seed: UInt64) {
        var generator = Generator(seed: seed)
        let (swarm, client, _, blocks) = fetch(60_000) { _ in
            { _ in (0..<200).map { _ in UInt8(truncatingIfNeeded: generator.next()) } }
        }
        #expect(holds(swarm, client, blocks), "seed \(seed)")
    }

    @Test("Only hostile peers: the fetch fails clearly and stores nothing wrong")
    func onlyHostile() {
        let file = makeFile(50_000)
        let swarm = Swarm()
        let client = swarm.add(smallConfiguration)
        for _ in 0..<5 {
            swarm.addRogue(answers(file.blocks) { _, bytes in .block(bytes.reversed()) })
        }
        swarm.fetch(FetchOptions(root: file.root), by: client)
        swarm.run(until: client)
        #expect(swarm.failure(client) == .providersLost(file.root))
        #expect(swarm.nodes[client].disk.writes.isEmpty)
        #expect(swarm.nodes[client].misbehaved.count == 5)
    }
}
