/// Facts computed with another implementation, the Python package aleph-cid 0.1.0 (Rust, made to
/// agree with Kubo): `CidHasher.for_ipfs_v1_raw_leaves`, `hash_folder(cid_version=1)`,
/// `compute_cid`.

import AROPrimitives
import AROWire
import Testing

@testable import AROContent

@Suite("Agreement with another implementation")
struct IndependentVectorTests {
    /// Kubo's profile of `--cid-version=1` before unixfs-v1-2025.
    let kuboV1 = ImportProfile(leafByteCount: 262_144, linksMax: 174)

    @Test(
        "Trees of one, two and three nodes below the root",
        arguments: [
            (45_613_056, "bafybeifox5lhpbc3exoeoglu557ynzm4l3n5ubgeosi2axrcpxysbpwmzm"),
            (45_613_057, "bafybeic64sookrijfa3va7jtj4f447gkdj337uc7ekk3jd5vsut3r3rlri"),
            (91_226_117, "bafybeig72tahsbuzibnrxzt5g3kgoh4ala7eavxejnckmf7vcq3zez4fvu"),
        ])
    func deepTrees(byteCount: Int, cid: String) {
        let bytes = keystream("two-levels", count: byteCount)
        #expect("\(importFile(bytes, profile: kuboV1).root.cid)" == cid)
    }

    @Test("Nested directories with a name that is not ASCII")
    func nested() throws {
        let deepest = try buildDirectory([("e", importFile([]).root)]).root
        let file = importFile(Array("x".utf8)).root
        let sub = try buildDirectory([("\u{fc}", file), ("empty-not", deepest)])
        let hello = importFile(Array("hello world".utf8)).root
        let root = try buildDirectory([("sub", sub.root), ("hello.txt", hello)]).root
        #expect("\(root.cid)" == "bafybeiccpgbkaq4uy7alqbz5alhvzxd43aby737y76odluwkl57srcmhee")
        #expect(root.byteCount == 12)
    }

    @Test("A directory of 10,000 entries in shards of three levels")
    func sharded() throws {
        let x = importFile([0x78]).root
        let names = (0..<10_000).map { i in
            "the file called number " + String(String(1_000_000 + i).dropFirst())
        }
        let root = try buildDirectory(names.map { ($0, x) }).root
        #expect("\(root.cid)" == "bafybeib5pdwabjpdeiibkc2cbczfzhpawauzxbhej6i7gh62dyfdhfpk4q")
    }

    @Test(
        "Files of Kubo's first profile (CIDv0, leaves in dag-pb) are read",
        arguments: [
            (0, "bafybeif7ztnhq65lumvvtr4ekcwd2ifwgm3awq4zfr3srh462rwyinlb4y"),
            (5, "bafybeieknaaq4uayzoesq6rxbxwm5tnhiod3q63m5iijcl2pt4e4imavra"),
            (262_145, "bafybeidzilguv7bdp27qhyseut7fskpafejiu676hrfvkeny46jrpb3iqu"),
            (600_000, "bafybeifusfjplnxqlg47r54qtpxeuwx5knjmtoznyhkntzz5yjwrqkgaju"),
        ])
    func legacy(byteCount: Int, cid: String) throws {
        let bytes = keystream("legacy", count: byteCount)
        var blocks: [CID: [UInt8]] = [:]
        let leaves = stride(from: 0, to: max(byteCount, 1), by: 262_144).map { start in
            let part = Array(bytes[start..<min(start + 262_144, byteCount)])
            let size = UInt64(part.count)
            let data = part.isEmpty ? [] : field(2, part)
            return (pbBlock(field(1, field(1, 2) + data + field(3, size))), size)
        }
        for (leaf, _) in leaves { blocks[leaf.cid] = leaf.bytes }
        var root = leaves[0].0
        if leaves.count > 1 {
            var node: [UInt8] = []
            for (leaf, _) in leaves {
                // A CIDv0 is the multihash alone.
                let hash = leaf.cid.hash.bytes
                let size = UInt64(leaf.bytes.count)
                node += field(2, field(1, hash) + field(2, []) + field(3, size))
            }
            var data = field(1, 2) + field(3, UInt64(byteCount))
            for (_, size) in leaves { data += field(4, size) }
            root = pbBlock(node + field(1, data))
            blocks[root.cid] = root.bytes
        }
        #expect("\(root.cid)" == cid)
        var exporter = Exporter(root: root.cid)
        let log = export(&exporter, from: blocks)
        #expect(log.bytes == bytes && log.failure == nil)
    }
}
