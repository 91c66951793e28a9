/// Blocks changed at random: nothing may trap, hang or grow, and what is still accepted must be
/// consistent with itself.

import AROPrimitives
import AROWire
import Testing

@testable import AROContent

@Suite("Hostile blocks")
struct HostileBlockTests {
    /// One block of each kind, small enough that flips hit the interesting places.
    static func corpus() throws -> [Block] {
        let leaf = rawBlock([1, 2, 3]).cid
        let blocks = importFile(
            keystream("corpus", count: 95), profile: .init(leafByteCount: 10, linksMax: 3)
        ).blocks.filter { $0.cid.codec == .dagPB }
        let shards = try buildDirectory(
            (0..<4_800).map { ("entry number \($0) of a large directory", importFile([1]).root) })
        return [
            fileBlock([leaf, leaf], sizes: [3, 3], inline: [7, 8, 9]),
            directoryBlock([("a", leaf), ("b", leaf), ("entry", leaf)]),
            symlinkBlock("target"),
            shardBlock([(slotDigits("a") + "a", leaf), (slotDigits("b") + "b", leaf)]),
        ] + blocks.map { ($0.cid, $0.bytes) }
            + shards.blocks.prefix(2).map { ($0.cid, $0.bytes) }
    }

    static let roles: [DagRole] = [
        .root, .entry(depth: 3), .filePart(byteCount: 95, depth: 1),
        .shard(ShardPosition.top(fanoutBits: 8).below(slot: 9), depth: 1),
    ]

    /// Decodes in every role and checks what came out.
    func probe(_ bytes: [UInt8], _ note: @autoclosure () -> String) {
        let cid = CID(codec: .dagPB, hash: Multihash(function: .sha256, digest: .zero))
        for role in Self.roles {
            guard let node = try? DagNode(cid, bytes.span.bytes, as: role) else { continue }
            switch node {
            case .file(let file):
                let below = file.links.reduce(UInt64(file.data.count)) { $0 + $1.byteCount }
                #expect(file.byteCount == below, "\(note())")
                #expect(file.data.upperBound <= bytes.count, "\(note())")
            case .directory(let directory):
                let names = directory.entries.map(\.name)
                #expect(names.allSatisfy(EntryName.isAllowed), "\(note())")
                #expect(Set(names.map { Array($0.utf8) }).count == names.count, "\(note())")
            case .shard(let shard):
                let slots = shard.links.map(\.slot)
                #expect(slots == Set(slots).sorted() && slots.count <= 1_024, "\(note())")
                for entry in shard.links.compactMap(\.entry) {
                    #expect(shard.link(toward: entry.name)?.entry == entry, "\(note())")
                }
            case .symlink(let target): #expect(!target.isEmpty, "\(note())")
            }
            #expect(node.children.count <= bytes.count, "\(note())")
        }
    }

    @Test("Every truncation")
    func truncated() throws {
        for (number, block) in try Self.corpus().enumerated() {
            for count in 0..<min(block.bytes.count, 2_000) {
                probe(Array(block.bytes.prefix(count)), "block \(number), \(count) bytes")
            }
        }
    }

    @Test("Every flipped bit of small blocks")
    func flipped() throws {
        for (number, block) in try Self.corpus().enumerated() where block.bytes.count < 400 {
            for bit in 0..<block.bytes.count * 8 {
                var bytes = block.bytes
                bytes[bit / 8] ^= 1 << UInt8(bit & 7)
                probe(bytes, "block \(number), bit \(bit)")
            }
        }
    }

    @Test("Bytes changed, inserted, removed and repeated at random", arguments: [1, 2, 3])
    func mutated(seed: UInt64) throws {
        var generator = Generator(seed: seed)
        let corpus = try Self.corpus()
        for round in 0..<2_000 {
            var bytes = corpus[generator.below(corpus.count)].bytes
            for _ in 0...generator.below(4) where !bytes.isEmpty {
                let place = generator.below(bytes.count)
                switch generator.below(4) {
                case 0: bytes[place] = UInt8(generator.below(256))
                case 1: bytes.insert(UInt8(generator.below(256)), at: place)
                case 2: bytes.remove(at: place)
                default:
                    let end = min(bytes.count, place + generator.below(60))
                    bytes.insert(contentsOf: Array(bytes[place..<end]), at: place)
                }
            }
            probe(bytes, "seed \(seed), round \(round)")
        }
    }

    @Test("Random bytes", arguments: [4, 5])
    func random(seed: UInt64) {
        var generator = Generator(seed: seed)
        for round in 0..<5_000 {
            let bytes = (0..<generator.below(120)).map { _ in UInt8(generator.below(256)) }
            probe(bytes, "seed \(seed), round \(round)")
        }
    }

    @Test("Lengths and numbers at the edge of 64 bits")
    func edges() {
        let huge: [UInt8] = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01]
        let tooLong: [UInt8] = [0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x00]
        for tail in [huge, tooLong, Array(huge.dropLast()), [0x80]] {
            #expect(failure(pbBlock([0x0a] + tail)) == .encoding)
            #expect(failure(pbBlock([0x12] + tail)) == .encoding)
            #expect(failure(pbBlock(tail)) == .encoding)
        }
        let leaf = rawBlock([1]).cid
        let sizes = field(1, 2) + [0x18] + huge + [0x20] + huge
        #expect(failure(pbBlock(link(leaf) + field(1, sizes))) == .sizes)
        // A number that overflows ten bytes.
        let overflow = field(1, 2) + [0x18] + Array(huge.dropLast()) + [0x02]
        #expect(failure(pbBlock(field(1, overflow))) == .encoding)
    }
}

@Suite("What dag-pb and UnixFS allow")
struct ToleranceTests {
    let leaf = rawBlock([1, 2, 3]).cid

    @Test("Data before links, links not sorted and fields in other orders are read")
    func orders() throws {
        let data = field(1, field(3, 6) + field(4, 3) + field(1, 2) + field(4, 3))
        let early = pbBlock(data + link(leaf) + link(leaf))
        #expect(try decode(early).fileByteCount == 6)
    }

    @Test("Packed block sizes, longer varints, modes and times are read")
    func variants() throws {
        let packed = field(1, 2) + field(4, [3, 3])
        #expect(try decode(pbBlock(link(leaf) + link(leaf) + field(1, packed))).fileByteCount == 6)
        let long: [UInt8] = [0x08, 0x82, 0x00]
        #expect(try decode(pbBlock(field(1, long))).fileByteCount == 0)
        let time = field(8, field(1, 1_700_000_000) + [0x15, 1, 2, 3, 4])
        let stat = field(1, 2) + field(2, [9]) + field(3, 1) + field(7, 0o644) + time
        #expect(try decode(pbBlock(field(1, stat))).fileByteCount == 1)
    }

    @Test("Links without a name or a size are read")
    func sparseLinks() throws {
        let bare = field(2, field(1, leaf.bytes))
        let block = pbBlock(bare + field(1, field(1, 2) + field(3, 3) + field(4, 3)))
        #expect(try decode(block).children.map(\.cid) == [leaf])
    }

    @Test("A CIDv0 in a link is the CIDv1 of the same block")
    func versionZero() throws {
        let child = directoryBlock([])
        let bare = field(2, field(1, child.cid.hash.bytes) + field(2, [0x61]))
        guard case .directory(let directory) = try decode(pbBlock(bare + field(1, field(1, 1))))
        else { Issue.record(); return }
        #expect(directory.entry(named: "a")?.cid == child.cid)
    }

    @Test("What go-codec-dagpb refuses is refused")
    func refused() {
        let data = field(1, field(1, 1))
        #expect(failure(pbBlock(data + data)) == .duplicateField)
        #expect(failure(pbBlock(link(leaf, "a") + data + link(leaf, "b"))) == .duplicateField)
        #expect(failure(pbBlock(data + field(3, [1]))) == .misplacedField)
        #expect(failure(pbBlock(field(2, field(2, [0x61])) + data)) == .linkWithoutHash)
        let hash = field(1, leaf.bytes)
        #expect(failure(pbBlock(field(2, hash + hash) + data)) == .duplicateField)
        #expect(failure(pbBlock(field(2, field(2, [0x61]) + hash) + data)) == .misplacedField)
        #expect(
            failure(pbBlock(field(2, hash + field(3, 1) + field(2, [0x61])) + data))
                == .misplacedField)
        #expect(failure(pbBlock(field(1, field(1, 1) + field(1, 1)))) == .duplicateField)
    }

    @Test("A link of a codec or hash that is not supported names it")
    func foreignLinks() {
        let data = field(1, field(1, 1))
        // dag-cbor (0x71), sha2-512 (0x13) and an inlined block (identity, 0x00).
        let tail = [UInt8](repeating: 1, count: 32)
        func refused(_ cid: [UInt8]) -> DagFailure? {
            failure(pbBlock(field(2, field(1, cid) + field(2, [0x61])) + data))
        }
        #expect(refused([1, 0x71, 0x12, 32] + tail) == .link(.codec(0x71)))
        #expect(refused([1, 0x55, 0x13, 32] + tail) == .link(.hash(0x13)))
        #expect(refused([1, 0x55, 0x00, 0x00]) == .link(.hash(0)))
        #expect(refused([]) == .link(.malformed))
        #expect(refused([UInt8](repeating: 1, count: 400)) == .link(.malformed))
    }
}
