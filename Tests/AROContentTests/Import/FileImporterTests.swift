import AROPrimitives
import AROWire
import Testing

@testable import AROContent

/// Imports in pieces of the given size; the root and all blocks.
func importFile(
    _ bytes: [UInt8], pieces: Int = .max, profile: ImportProfile = .unixFS2025
) -> (root: ImportedRoot, blocks: [ImportedBlock]) {
    var importer = FileImporter(profile: profile)
    var blocks: [ImportedBlock] = []
    var offset = 0
    while offset < bytes.count {
        let count = min(pieces, bytes.count - offset)
        importer.append(bytes.span.bytes.extracting(offset..<offset + count))
        offset += count
        while let block = importer.nextBlock() { blocks.append(block) }
    }
    let root = importer.finish()
    while let block = importer.nextBlock() { blocks.append(block) }
    return (root, blocks)
}

/// The public vectors of the profile unixfs-v1-2025: Kubo's `cid_profiles` tests (IPIP-0499).
@Suite("The public vectors of unixfs-v1-2025")
struct FileVectorTests {
    @Test("A short text is its raw leaf")
    func helloWorld() {
        let (root, blocks) = importFile(Array("hello world".utf8))
        #expect(
            "\(root.cid)" == "bafkreifzjut3te2nhyekklss27nh3k72ysco7y32koao5eei66wof36n5e")
        #expect(blocks.count == 1 && root.treeByteCount == 11)
    }

    @Test("An empty file is the raw leaf of no bytes")
    func empty() {
        let (root, blocks) = importFile([])
        // SHA-256 of nothing, e3b0c442… (FIPS 180-4), as a raw CID.
        #expect(
            "\(root.cid)" == "bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku")
        #expect(blocks.count == 1 && root.byteCount == 0)
    }

    @Test("1 MiB is one leaf, one byte more is a tree")
    func chunkBoundary() {
        let bytes = keystream("chunk-v1-seed", count: 1_048_577)
        let one = importFile(Array(bytes.dropLast()), pieces: 100_000)
        #expect(
            "\(one.root.cid)" == "bafkreiacndfy443ter6qr2tmbbdhadvxxheowwf75s6zehscklu6ezxmta")
        let two = importFile(bytes, pieces: 65_536)
        #expect(
            "\(two.root.cid)" == "bafybeigmix7t42i6jacydtquhet7srwvgpizfg7gjbq7627d35mjomtu64")
        #expect(two.root.byteCount == 1_048_577 && two.blocks.count == 3)
    }

    @Test("1 GiB is 1,024 links in one node")
    func gibibyte() {
        var importer = FileImporter()
        var blockCount = 0
        for leaf in 0..<UInt32(1_024) {
            let bytes = keystream("v1-2025-seed", fromBlock: leaf << 14, count: 1 << 20)
            importer.append(bytes.span.bytes)
            while importer.nextBlock() != nil { blockCount += 1 }
        }
        let root = importer.finish()
        while importer.nextBlock() != nil { blockCount += 1 }
        #expect(
            "\(root.cid)" == "bafybeihmf37wcuvtx4hpu7he5zl5qaf2ineo2lqlfrapokkm5zzw7zyhvm")
        #expect(blockCount == 1_025)
    }
}

@Suite("Importing files")
struct FileImporterTests {
    let small = ImportProfile(leafByteCount: 4, linksMax: 3)

    @Test("The tree does not depend on how the bytes were cut into pieces")
    func pieces() {
        let bytes = keystream("pieces", count: 1_000)
        let whole = importFile(bytes, profile: small)
        for pieces in [1, 3, 4, 5, 11, 12, 13, 999] {
            let other = importFile(bytes, pieces: pieces, profile: small)
            #expect(other.root == whole.root && other.blocks == whole.blocks)
        }
    }

    @Test("Leaves hashed elsewhere give the same tree")
    func precomputedLeaves() {
        for count in [1, 4, 5, 35, 36, 37, 107, 108, 109, 1_000] {
            let bytes = keystream("leaves", count: count)
            var importer = FileImporter(profile: small)
            for start in stride(from: 0, to: count, by: 4) {
                let leaf = ImportedBlock(.raw, Array(bytes[start..<min(start + 4, count)]))
                importer.appendLeaf(leaf.cid, byteCount: leaf.bytes.count)
            }
            #expect(importer.finish() == importFile(bytes, profile: small).root)
        }
    }

    @Test("Every leaf lies at the same depth, nodes are full but for the last of each level")
    func balanced() throws {
        for count in 0...400 {
            let bytes = keystream("balanced", count: count)
            let (root, blocks) = importFile(bytes, profile: small)
            var byCID: [CID: [UInt8]] = [:]
            for block in blocks { byCID[block.cid] = block.bytes }
            var depths: Set<Int> = []
            var stack: [(DagChild, Int)] = [(.root(root.cid), 0)]
            var read: [UInt8] = []
            var treeByteCount = 0
            while let (child, depth) = stack.popLast() {
                let block = try #require(byCID[child.cid])
                treeByteCount += block.count
                let node = try DagNode(child.cid, block.span.bytes, as: child.role)
                guard case .file(let file) = node else { Issue.record(); return }
                if file.links.isEmpty { depths.insert(depth) }
                read += block[file.data]
                stack += file.children.reversed().map { ($0, depth + 1) }
            }
            #expect(read == bytes && depths.count == 1)
            #expect(root.byteCount == UInt64(count))
            #expect(root.treeByteCount == UInt64(treeByteCount))
        }
    }
}
