import AROCrypto
import AROPrimitives
import AROWire
import Testing

@testable import AROContent

/// A tree of directories: `sub/deep/file`, `link`, `empty`, and a large sharded one below `shards`.
private func makeTree(
    entries: Int
) throws -> (root: CID, blocks: [ImportedBlock], file: [UInt8], fileCID: CID) {
    var blocks: [ImportedBlock] = []
    func directory(_ entries: [(String, ImportedRoot)]) throws -> ImportedRoot {
        var builder = DirectoryBuilder()
        for (name, root) in entries { try builder.add(name, root) }
        let root = try builder.finish()
        while let block = builder.nextBlock() { blocks.append(block) }
        return root
    }
    func file(_ bytes: [UInt8]) -> ImportedRoot {
        let made = importFile(bytes, profile: ImportProfile(leafByteCount: 1_024, linksMax: 8))
        blocks += made.blocks
        return made.root
    }
    let content = keystream("a file in a tree", count: 30_000)
    let inner = file(content)
    let many = (0..<entries).map { ("entry number \($0)", file(Array("\($0)".utf8))) }
    let shards = try directory(many)
    let deep = try directory([("file", inner), ("empty", file([]))])
    let sub = try directory([("deep", deep)])
    let target = symlinkBlock("sub/deep/file")
    blocks.append(ImportedBlock(.dagPB, target.bytes))
    let symlink = ImportedRoot(cid: target.cid, byteCount: 0, treeByteCount: 20)
    let root = try directory([("sub", sub), ("shards", shards), ("link", symlink)])
    return (root.cid, blocks, content, inner.cid)
}

@Suite("Fetching trees")
struct ExchangeTreeTests {
    private func run(
        _ options: FetchOptions, _ blocks: [ImportedBlock],
        _ configuration: ExchangeConfiguration = smallConfiguration
    ) -> (Swarm, client: Int) {
        let swarm = Swarm()
        let client = swarm.add(configuration)
        swarm.addProvider(blocks)
        swarm.fetch(options, by: client)
        swarm.run(until: client)
        return (swarm, client)
    }

    @Test("A whole tree comes with all files, shards and links")
    func whole() throws {
        let tree = try makeTree(entries: 6_000)
        let (swarm, client) = run(FetchOptions(root: tree.root), tree.blocks)
        #expect(holds(swarm, client, tree.blocks))
        let bytes = (0..<6_000).reduce(30_000) { $0 + String($1).utf8.count }
        #expect(swarm.finished(client)?.bytesStored == UInt64(bytes))
    }

    @Test("A path leads through directories to a file, and only that is fetched")
    func path() throws {
        let tree = try makeTree(entries: 10)
        let path = ["sub", "deep", "file"]
        let (swarm, client) = run(FetchOptions(root: tree.root, path: path), tree.blocks)
        let progress = try #require(swarm.finished(client))
        #expect(progress.target == tree.fileCID && progress.bytesStored == 30_000)
        // Three directories, 30 leaves, 4 nodes and their root.
        #expect(swarm.nodes[client].disk.writes.count == 3 + 30 + 4 + 1)
        #expect(swarm.nodes[client].provided == [tree.fileCID])
    }

    @Test("What lists a directory comes without what is in it", arguments: [10, 6_000])
    func listing(entries: Int) throws {
        let tree = try makeTree(entries: entries)
        let options = FetchOptions(root: tree.root, path: ["shards"], scope: .listing)
        let (swarm, client) = run(options, tree.blocks)
        let progress = try #require(swarm.finished(client))
        #expect(swarm.nodes[client].provided.isEmpty)
        // The entries are raw leaves; the nodes of the directory are all that is not.
        #expect(swarm.nodes[client].disk.writes.allSatisfy { $0.codec == .dagPB })
        var listing = Listing(root: tree.root, path: ["shards"])
        var names: Set<String> = []
        while true {
            switch listing.next() {
            case .needBlock(let cid, _):
                let block = swarm.nodes[client].disk.blocks[cid]
                #expect(block != nil)
                listing.blockArrived(block)
            case .entry(let entry): names.insert(entry.name ?? "")
            case .finished:
                #expect(names.count == entries)
                #expect(progress.target != nil)
                return
            case .failed(let failure): throw failure
            }
        }
    }

    @Test("What lists a file is its first block")
    func listingOfFile() throws {
        let tree = try makeTree(entries: 1)
        let path = ["sub", "deep", "file"]
        let options = FetchOptions(root: tree.root, path: path, scope: .listing)
        let (swarm, client) = run(options, tree.blocks)
        #expect(swarm.finished(client) != nil)
        #expect(swarm.nodes[client].disk.writes.count == 4)
        #expect(swarm.nodes[client].provided.isEmpty)
    }

    @Test("A path into a sharded directory takes one shard a level")
    func shardPath() throws {
        let tree = try makeTree(entries: 6_000)
        let path = ["shards", "entry number 4711"]
        let (swarm, client) = run(FetchOptions(root: tree.root, path: path), tree.blocks)
        #expect(swarm.finished(client)?.bytesStored == 4)
        #expect(swarm.nodes[client].disk.writes.count <= 6)
    }

    @Test("A range of a file at the end of a path")
    func pathAndRange() throws {
        let tree = try makeTree(entries: 10)
        let options = FetchOptions(
            root: tree.root, path: ["sub", "deep", "file"], range: 5_000..<5_100)
        let (swarm, client) = run(options, tree.blocks)
        #expect(swarm.finished(client)?.bytesStored == 100)
        #expect(swarm.nodes[client].disk.writes.filter { $0.codec == .raw }.count == 1)
    }

    @Test("Paths that lead nowhere are failures that name where they end")
    func wrongPaths() throws {
        let tree = try makeTree(entries: 6_000)
        func failure(_ path: [String], _ range: Range<UInt64>? = nil) -> FetchFailure? {
            let (swarm, client) = run(
                FetchOptions(root: tree.root, path: path, range: range), tree.blocks)
            return swarm.failure(client)
        }
        #expect(failure(["nothing"]) == .pathNotFound("nothing"))
        #expect(failure(["sub", "deep", "no"]) == .pathNotFound("sub/deep/no"))
        #expect(failure(["shards", "no such entry"]) == .pathNotFound("shards/no such entry"))
        #expect(failure(["sub", "deep", "file", "x"]) == .notADirectory("sub/deep/file"))
        #expect(failure(["sub", "deep", "empty", "x"]) == .notADirectory("sub/deep/empty"))
        #expect(failure(["link", "x"]) == .notADirectory("link"))
        #expect(failure(["sub"], 0..<10) == .rangeOfDirectory)
    }

    @Test("Trees whose sizes lie are refused, and nobody is blamed who served them")
    func lyingSizes() {
        let leaf = ImportedBlock(.raw, [UInt8](repeating: 1, count: 5_000))
        for promised: UInt64 in [10, 4_999, 5_001, 9_000] {
            let root = fileBlock([leaf.cid], sizes: [promised])
            let blocks = [leaf, ImportedBlock(.dagPB, root.bytes)]
            let (swarm, client) = run(FetchOptions(root: root.cid), blocks)
            guard case .malformed? = swarm.failure(client) else {
                Issue.record("\(promised): \(String(describing: swarm.outcome(of: client)))")
                continue
            }
            #expect(swarm.nodes[client].misbehaved.isEmpty)
        }
    }

    @Test("Trees that are too deep, too wide, or no trees are refused")
    func malformed() {
        let leaf = ImportedBlock(.raw, [1])
        var chain = [leaf]
        for _ in 0..<80 {
            chain.append(ImportedBlock(.dagPB, fileBlock([chain.last!.cid], sizes: [1]).bytes))
        }
        let wide = fileBlock(
            Array(repeating: leaf.cid, count: 8_193), sizes: Array(repeating: 1, count: 8_193))
        let none = ImportedBlock(.dagPB, [1, 2, 3])
        for blocks in [chain, [leaf, ImportedBlock(.dagPB, wide.bytes)], [none]] {
            let (swarm, client) = run(FetchOptions(root: blocks.last!.cid), blocks)
            guard case .malformed? = swarm.failure(client) else {
                Issue.record("\(String(describing: swarm.outcome(of: client)))")
                continue
            }
        }
    }

    @Test("A few blocks that stand for endlessly many are met once each")
    func bomb() {
        var blocks = [ImportedBlock(.raw, [1, 2])]
        var count: UInt64 = 2
        for _ in 0..<40 {
            let child = blocks.last!.cid
            let parent = fileBlock([child, child], sizes: [count, count])
            blocks.append(ImportedBlock(.dagPB, parent.bytes))
            count *= 2
        }
        for _ in 0..<20 {
            let child = blocks.last!.cid
            blocks.append(
                ImportedBlock(.dagPB, directoryBlock([("a", child), ("b", child)]).bytes))
        }
        let (swarm, client) = run(FetchOptions(root: blocks[40].cid), blocks)
        #expect(swarm.finished(client)?.bytesStored == count)
        let (other, reader) = run(FetchOptions(root: blocks.last!.cid), blocks)
        #expect(other.finished(reader) != nil)
        #expect(holds(other, reader, blocks))
    }

    @Test("More blocks than allowed end the fetch", arguments: [false, true])
    func tooMany(isRange: Bool) {
        let made = importFile(
            [UInt8](repeating: 9, count: 200_000),
            profile: ImportProfile(leafByteCount: 100, linksMax: 2_000))
        var configuration = smallConfiguration
        configuration.blocksMax = 1_500
        let options = FetchOptions(root: made.root.cid, range: isRange ? 0..<200_000 : nil)
        var seen: Set<CID> = []
        let blocks = made.blocks.filter { seen.insert($0.cid).inserted }
        let (swarm, client) = run(options, blocks, configuration)
        guard case .malformed? = swarm.failure(client) else {
            Issue.record("\(String(describing: swarm.outcome(of: client)))")
            return
        }
    }

    @Test("A file of one block over and over is fetched once and counted in full")
    func repeated() {
        let made = importFile(
            [UInt8](repeating: 9, count: 200_000),
            profile: ImportProfile(leafByteCount: 1_000, linksMax: 16))
        var seen: Set<CID> = []
        let blocks = made.blocks.filter { seen.insert($0.cid).inserted }
        let (swarm, client) = run(FetchOptions(root: made.root.cid), blocks)
        #expect(swarm.finished(client)?.bytesStored == 200_000)
        #expect(swarm.nodes[client].disk.writes.count == blocks.count)
    }

    @Test("Links beyond the bound of memory are forgotten and read again")
    func forgetting() throws {
        let tree = try makeTree(entries: 6_000)
        var configuration = smallConfiguration
        configuration.linksMax = 40
        let (swarm, client) = run(FetchOptions(root: tree.root), tree.blocks, configuration)
        #expect(holds(swarm, client, tree.blocks))
        let bytes = (0..<6_000).reduce(30_000) { $0 + String($1).utf8.count }
        #expect(swarm.finished(client)?.bytesStored == UInt64(bytes))
    }
}

@Suite("Demanding a publisher")
struct PublisherTests {
    private func attestation(_ root: CID, by seed: UInt64) throws -> Attestation {
        try Attestation(
            root: root, byteCount: 10, issued: UnixTime(seconds: 1_000), by: identity(seed))
    }

    @Test("Content that the publisher signed is fetched, and the attestation kept")
    func signed() throws {
        let file = makeFile(50_000)
        let swarm = Swarm()
        let client = swarm.add(smallConfiguration)
        let provider = swarm.addProvider(file.blocks)
        let attestation = try attestation(file.root, by: 5)
        swarm.nodes[provider].disk.attestations[file.root] = [
            try self.attestation(file.root, by: 4), attestation,
        ]
        swarm.fetch(FetchOptions(root: file.root, publisher: attestation.publisher), by: client)
        swarm.run(until: client)
        #expect(swarm.finished(client)?.publisher == attestation.publisher)
        swarm.run(for: .seconds(1))
        #expect(swarm.nodes[client].disk.attestations[file.root] == [attestation])
    }

    @Test("An attestation on the own disk suffices")
    func own() throws {
        let file = makeFile(50_000)
        let swarm = Swarm()
        let client = swarm.add(smallConfiguration)
        for block in file.blocks { swarm.nodes[client].disk.blocks[block.cid] = block.bytes }
        let attestation = try attestation(file.root, by: 5)
        swarm.nodes[client].disk.attestations[file.root] = [attestation]
        swarm.fetch(FetchOptions(root: file.root, publisher: attestation.publisher), by: client)
        swarm.run(until: client)
        #expect(swarm.finished(client) != nil && swarm.nodes[client].searches == 0)
    }

    @Test(
        "Unsigned content, and content of another publisher, is refused before a block is asked for"
    )
    func refused() throws {
        let file = makeFile(50_000)
        for others in [[], [try attestation(file.root, by: 6)]] {
            let swarm = Swarm()
            let client = swarm.add(smallConfiguration)
            let provider = swarm.addProvider(file.blocks)
            swarm.nodes[provider].disk.attestations[file.root] = others
            let publisher = identity(5).id
            swarm.fetch(FetchOptions(root: file.root, publisher: publisher), by: client)
            swarm.run(until: client)
            #expect(swarm.failure(client) == .notPublishedBy(publisher))
            #expect(swarm.nodes[provider].exchange.counters.blocksServed == 0)
            #expect(swarm.nodes[client].disk.writes.isEmpty)
            #expect(swarm.now - .origin < .seconds(20))
        }
    }

    @Test(
        "A forged attestation, or one of another root, is an offence; another provider has the true one"
    )
    func forged() throws {
        let file = makeFile(50_000)
        let honest = try attestation(file.root, by: 5)
        var forged = honest
        forged.byteCount += 1
        for bad in [forged, try attestation(makeFile(10).root, by: 5)] {
            let swarm = Swarm()
            let client = swarm.add(smallConfiguration)
            let liar = swarm.addProvider(file.blocks)
            swarm.nodes[liar].rogue = { request in
                var out: [UInt8] = []
                if case .attestations = request { out.append(.attestations([bad.bytes])) }
                return out
            }
            let provider = swarm.addProvider(file.blocks)
            swarm.nodes[provider].disk.attestations[file.root] = [honest]
            swarm.fetch(FetchOptions(root: file.root, publisher: honest.publisher), by: client)
            swarm.run(until: client)
            #expect(swarm.finished(client) != nil)
            #expect(swarm.nodes[client].misbehaved[swarm.handle(liar)] == [.forgedAttestation])
        }
    }

    @Test("Without a demand, whoever signed is told all the same")
    func curious() throws {
        let file = makeFile(200_000)
        let swarm = Swarm()
        let client = swarm.add(smallConfiguration)
        let provider = swarm.addProvider(file.blocks)
        let attestation = try attestation(file.root, by: 5)
        swarm.nodes[provider].disk.attestations[file.root] = [attestation]
        swarm.fetch(FetchOptions(root: file.root), by: client)
        swarm.run(until: client)
        #expect(swarm.finished(client)?.publisher == attestation.publisher)
    }
}
