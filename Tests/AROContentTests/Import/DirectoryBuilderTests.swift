import AROPrimitives
import AROWire
import Testing

@testable import AROContent

func buildDirectory(
    _ entries: [(String, ImportedRoot)]
) throws(DagFailure) -> (root: ImportedRoot, blocks: [ImportedBlock]) {
    var builder = DirectoryBuilder()
    for (name, root) in entries { try builder.add(name, root) }
    let root = try builder.finish()
    var blocks: [ImportedBlock] = []
    while let block = builder.nextBlock() { blocks.append(block) }
    return (root, blocks)
}

/// The names of Kubo's directory vectors: each character is drawn by a byte of the keystream.
func vectorNames(lastCount: Int) -> [String] {
    let alphabet = Array("abcdefghijklmnopqrstuvwxyz01234567890-_".utf8)
    let stream = keystream("hamt-unixfs-v1-2025", count: 1 << 20)
    return (0..<4_766).map { i in
        let count = i == 4_765 ? lastCount : 11
        let bytes = stream[i * 11..<i * 11 + count].map { alphabet[Int($0) % 39] }
        return String(decoding: bytes, as: UTF8.self)
    }
}

@Suite("Building directories")
struct DirectoryBuilderTests {
    let x = importFile([0x78]).root

    @Test("An empty directory has the CID that Kubo gives it")
    func empty() throws {
        let (root, blocks) = try buildDirectory([])
        #expect(
            "\(root.cid)" == "bafybeiczsscdsbs7ffqz55asqdf3smv6klcw3gofszvwlyarci47bgf354")
        #expect(blocks.count == 1 && root.treeByteCount == 4)
    }

    /// The vectors of Kubo's `cid_profiles` tests for unixfs-v1-2025.
    @Test("A directory of 262,144 bytes stays one block, one byte more makes shards")
    func threshold() throws {
        let flat = try buildDirectory(vectorNames(lastCount: 21).map { ($0, x) })
        #expect(flat.blocks.count == 1 && flat.blocks[0].bytes.count == 262_144)
        #expect(
            "\(flat.root.cid)" == "bafybeic3h7rwruealwxkacabdy45jivq2crwz6bufb5ljwupn36gicplx4")
        let sharded = try buildDirectory(vectorNames(lastCount: 22).map { ($0, x) })
        #expect(
            "\(sharded.root.cid)"
                == "bafybeiegvuterwurhdtkikfhbxcldohmxp566vpjdofhzmnhv6o4freidu")
        #expect(sharded.root.byteCount == 4_766)
    }

    @Test("The order in which entries come does not matter")
    func order() throws {
        var entries = (0..<6_000).map { ("entry-\($0 * 7_919)", x) }
        let sorted = try buildDirectory(entries)
        var generator = Generator(seed: 5)
        generator.shuffle(&entries)
        let shuffled = try buildDirectory(entries)
        #expect(sorted.root == shuffled.root && sorted.blocks == shuffled.blocks)
        #expect(sorted.blocks.count > 250)
    }

    @Test("Every entry of a sharded directory is found by its name, and no other")
    func lookUp() throws {
        let names = (0..<5_000).map { "a rather long name of a file, number \($0)" }
        let (root, blocks) = try buildDirectory(names.map { ($0, x) })
        var byCID: [CID: [UInt8]] = [:]
        for block in blocks { byCID[block.cid] = block.bytes }
        func find(_ name: String) throws -> CID? {
            var child = DagChild.root(root.cid)
            while true {
                let block = try #require(byCID[child.cid])
                let node = try DagNode(child.cid, block.span.bytes, as: child.role)
                guard case .shard(let shard) = node else { Issue.record(); return nil }
                guard let link = shard.link(toward: name) else { return nil }
                if case .entry(let entry) = link.target { return entry.cid }
                child = shard.child(link)
            }
        }
        for name in names { #expect(try find(name) == x.cid) }
        #expect(try find("a rather long name of a file, number 5000") == nil)
    }

    @Test("Names that no file may have and names given twice are refused")
    func badNames() {
        for name in ["", ".", "..", "a/b", "a\0", String(repeating: "x", count: 766)] {
            #expect(throws: DagFailure.name) { try buildDirectory([(name, x)]) }
        }
        #expect(throws: DagFailure.duplicateName) {
            try buildDirectory([("a", x), ("b", x), ("a", x)])
        }
    }

    @Test("A symbolic link has the block that Kubo writes")
    func symlinks() throws {
        let (block, root) = try ImportedBlock.symlink(to: "target")
        #expect(block.bytes == [0x0a, 0x0a, 0x08, 0x04, 0x12, 0x06] + Array("target".utf8))
        #expect(root.byteCount == 0 && root.treeByteCount == 12)
        let decoded = try DagNode(block.cid, block.bytes.span.bytes)
        #expect(decoded == .symlink(target: "target"))
        #expect(throws: DagFailure.symlink) { try ImportedBlock.symlink(to: "") }
    }
}
