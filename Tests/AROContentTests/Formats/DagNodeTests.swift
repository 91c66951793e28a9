import AROPrimitives
import AROWire
import Testing

@testable import AROContent

@Suite("The view of one block")
struct DagNodeTests {
    let leaf = rawBlock([1, 2, 3])

    @Test("A raw block is a file of its bytes")
    func rawLeaf() throws {
        guard case .file(let file) = try decode(leaf) else { Issue.record(); return }
        #expect(file.byteCount == 3 && file.data == 0..<3 && file.links.isEmpty)
    }

    @Test("A file node has its links in order, each with its bytes and its promise")
    func fileNode() throws {
        let other = rawBlock([4, 5])
        let root = fileBlock([leaf.cid, other.cid, leaf.cid], sizes: [3, 2, 3], inline: [9])
        guard case .file(let file) = try decode(root) else { Issue.record(); return }
        #expect(file.byteCount == 9)
        #expect(Array(root.bytes[file.data]) == [9])
        #expect(file.links.map(\.byteCount) == [3, 2, 3])
        #expect(
            file.children[1]
                == DagChild(cid: other.cid, role: .filePart(byteCount: 2, depth: 1)))
        #expect(file.links(covering: 0..<1).map(\.offset) == [])
        #expect(file.links(covering: 3..<5).map(\.offset) == [1, 4])
        #expect(file.links(covering: 8..<100).map(\.offset) == [6])
        #expect(file.links(covering: 5..<5).map(\.offset) == [])
    }

    @Test("A child with other bytes than its parent promised is refused")
    func promisedSizes() {
        #expect(failure(leaf, as: .filePart(byteCount: 3, depth: 1)) == nil)
        #expect(failure(leaf, as: .filePart(byteCount: 4, depth: 1)) == .sizes)
        let file = fileBlock([leaf.cid], sizes: [3])
        #expect(failure(file, as: .filePart(byteCount: 2, depth: 1)) == .sizes)
    }

    @Test("Sizes that do not add up, overflow or are zero are refused")
    func lyingSizes() {
        let cid = leaf.cid
        #expect(failure(fileBlock([cid], sizes: [3], filesize: 4)) == .sizes)
        #expect(failure(fileBlock([cid], sizes: [3, 3])) == .sizes)
        #expect(failure(fileBlock([cid, cid], sizes: [3])) == .sizes)
        #expect(failure(fileBlock([cid], sizes: [0])) == .sizes)
        #expect(failure(fileBlock([cid, cid], sizes: [.max, 2], filesize: 1)) == .sizes)
        #expect(failure(fileBlock([cid, cid], sizes: [1 << 62, 1 << 62])) == .sizes)
        #expect(failure(fileBlock([cid], sizes: [(1 << 63) - 1])) == nil)
    }

    @Test("A file node may have 8,192 links and no more")
    func tooManyLinks() {
        func node(_ count: Int) -> Block {
            fileBlock(
                [CID](repeating: leaf.cid, count: count),
                sizes: [UInt64](repeating: 3, count: count))
        }
        #expect(failure(node(8_192)) == nil)
        #expect(failure(node(8_193)) == .tooManyLinks)
    }

    @Test("A chain of nodes ends at the depth bound, a leaf below it is fine")
    func tooDeep() {
        let inner = fileBlock([leaf.cid], sizes: [3])
        #expect(failure(inner, as: .filePart(byteCount: 3, depth: 63)) == nil)
        #expect(failure(inner, as: .filePart(byteCount: 3, depth: 64)) == .tooDeep)
        #expect(failure(leaf, as: .filePart(byteCount: 3, depth: 64)) == nil)
        let directory = directoryBlock([("a", leaf.cid)])
        #expect(failure(directory, as: .entry(depth: 128)) == nil)
        #expect(failure(directory, as: .entry(depth: 129)) == .tooDeep)
    }

    @Test("Directories and symbolic links inside files are refused, as is a shard that is none")
    func wrongKinds() {
        let part = DagRole.filePart(byteCount: 0, depth: 1)
        #expect(failure(directoryBlock([]), as: part) == .wrongKind)
        #expect(failure(symlinkBlock("x"), as: part) == .wrongKind)
        #expect(failure(shardBlock([]), as: part) == .wrongKind)
        let shard = DagRole.shard(ShardPosition.top(fanoutBits: 8).below(slot: 1), depth: 0)
        #expect(failure(directoryBlock([]), as: shard) == .wrongKind)
        #expect(failure(leaf, as: shard) == .wrongKind)
    }

    @Test(
        "Names that a disk could not have are refused",
        arguments: ["", ".", "..", "a/b", "/", "a\0b", String(repeating: "n", count: 766)])
    func badNames(name: String) {
        #expect(failure(directoryBlock([(name, leaf.cid)])) == .name)
        // In a shard, the empty name is the mark of a shard below.
        if !name.isEmpty {
            #expect(failure(shardBlock([(slotDigits(name) + name, leaf.cid)])) == .name)
        }
    }

    @Test("Names that are not UTF-8 are refused")
    func notUTF8() {
        let bytes = field(2, field(1, leaf.cid.bytes) + field(2, [0xff, 0xfe]) + field(3, 0))
        #expect(failure(pbBlock(bytes + field(1, field(1, 1)))) == .name)
    }

    @Test("Two entries of one name are refused in any order, other bytes of the same text are not")
    func duplicateNames() throws {
        let cid = leaf.cid
        #expect(failure(directoryBlock([("a", cid), ("a", cid)])) == .duplicateName)
        #expect(failure(directoryBlock([("b", cid), ("a", cid), ("b", cid)])) == .duplicateName)
        #expect(failure(directoryBlock([("b", cid), ("a", cid)])) == nil)
        let two = directoryBlock([("e\u{301}", cid), ("\u{e9}", symlinkBlock("t").cid)])
        guard case .directory(let directory) = try decode(two) else { Issue.record(); return }
        #expect(directory.entry(named: "\u{e9}")?.cid == symlinkBlock("t").cid)
        #expect(directory.entry(named: "e") == nil)
    }

    @Test("Symbolic links have a target of 1 to 4,096 bytes without NUL")
    func symlinks() throws {
        #expect(try decode(symlinkBlock("../x")) == .symlink(target: "../x"))
        #expect(failure(symlinkBlock("")) == .symlink)
        #expect(failure(symlinkBlock("a\0")) == .symlink)
        #expect(failure(symlinkBlock(String(repeating: "t", count: 4_096))) == nil)
        #expect(failure(symlinkBlock(String(repeating: "t", count: 4_097))) == .symlink)
    }

    @Test("A block of more than 2 MiB, an unknown type and dag-pb without UnixFS are refused")
    func foreign() {
        #expect(failure(rawBlock([UInt8](repeating: 0, count: 2 << 20))) == nil)
        #expect(failure(rawBlock([UInt8](repeating: 0, count: 2 << 20 + 1))) == .blockTooLarge)
        #expect(failure(pbBlock(field(1, field(1, 3)))) == .type(3))
        #expect(failure(pbBlock(field(1, field(1, 99)))) == .type(99))
        #expect(failure(pbBlock([])) == .notUnixFS)
        #expect(failure(pbBlock(link(leaf.cid))) == .notUnixFS)
        #expect(failure(pbBlock(field(1, field(3, 0)))) == .notUnixFS)
    }
}

@Suite("Shards of directories")
struct ShardNodeTests {
    let leaf = rawBlock([7])

    @Test("A shard finds its entries by name and leads to the shard below")
    func lookUp() throws {
        let below = shardBlock([])
        let name = "hello"
        let used = slotDigits(name)
        let other = used == "00" ? "01" : "00"
        let block = shardBlock([(used + name, leaf.cid), (other, below.cid)])
        guard case .shard(let shard) = try decode(block) else { Issue.record(); return }
        guard case .entry(let entry) = shard.link(toward: name)?.target else {
            Issue.record()
            return
        }
        #expect(entry.name == name && entry.cid == leaf.cid)
        let roles = try decode(block).children.map(\.role)
        #expect(roles.contains(.entry(depth: 1)))
        let slot = try #require(Int(other, radix: 16))
        #expect(
            roles.contains(.shard(ShardPosition.top(fanoutBits: 8).below(slot: slot), depth: 0)))
    }

    @Test("Entries in a slot that their hash does not give are refused at every level")
    func misplaced() throws {
        let name = "hello"
        let right = try #require(Int(slotDigits(name), radix: 16))
        let wrong = right == 255 ? "00" : "FF"
        #expect(failure(shardBlock([(wrong + name, leaf.cid)])) == .shard)
        let below = shardBlock([(slotDigits(name, level: 1) + name, leaf.cid)])
        let top = ShardPosition.top(fanoutBits: 8)
        #expect(failure(below, as: .shard(top.below(slot: right), depth: 0)) == nil)
        #expect(failure(below, as: .shard(top.below(slot: right ^ 1), depth: 0)) == .shard)
    }

    @Test("Bitfield, fanout, hash function and slots must be in order")
    func malformed() {
        let name = slotDigits("a") + "a"
        #expect(failure(shardBlock([(name, leaf.cid)])) == nil)
        #expect(failure(shardBlock([(name, leaf.cid)], bitfield: [])) == .shard)
        #expect(failure(shardBlock([], bitfield: [1])) == .shard)
        #expect(failure(shardBlock([], bitfield: [UInt8](repeating: 0, count: 33))) == .shard)
        #expect(failure(shardBlock([("00", leaf.cid), ("00", leaf.cid)])) == .shard)
        #expect(failure(shardBlock([("0", leaf.cid)])) == .shard)
        #expect(failure(shardBlock([("0g", leaf.cid)])) == .shard)
        #expect(failure(shardBlock([("ab", leaf.cid)])) == .shard)
        #expect(failure(shardBlock([], hashType: 0x23)) == .shard)
        for fanout: UInt64 in [0, 1, 4, 100, 2_048, .max] {
            #expect(failure(shardBlock([], bitfield: [], fanout: fanout)) == .shard)
        }
        for fanout: UInt64 in [8, 16, 256, 1_024] {
            #expect(failure(shardBlock([], bitfield: [], fanout: fanout)) == nil)
        }
    }

    @Test("Shards nest until the hash is used up")
    func tooDeep() {
        var position = ShardPosition.top(fanoutBits: 8)
        for _ in 0..<7 { position = position.below(slot: 0) }
        #expect(failure(shardBlock([]), as: .shard(position, depth: 0)) == nil)
        position = position.below(slot: 0)
        #expect(failure(shardBlock([]), as: .shard(position, depth: 0)) == .tooDeep)
    }

    @Test("Murmur3 gives the reference's values")
    func murmur3() {
        // SMHasher's MurmurHash3_x64_128 with seed 0, first half; computed with the Python package
        // mmh3.
        #expect(Murmur3.hash64("".utf8) == 0)
        #expect(Murmur3.hash64("hello".utf8) == 0xcbd8_a7b3_41bd_9b02)
        #expect(Murmur3.hash64("a".utf8) == 0x8555_5565_f659_7889)
        #expect(Murmur3.hash64("0123456789abcdef".utf8) == 0x4be0_6d94_cf4a_d1a7)
        #expect(Murmur3.hash64("0123456789abcdef0123456789abcde".utf8) == 0x9afb_ac97_7e4d_af00)
    }
}
