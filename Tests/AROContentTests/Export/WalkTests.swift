import AROPrimitives
import AROWire
import Testing

@testable import AROContent

@Suite("Listings")
struct ListingTests {
    func list(
        _ root: CID, path: [String] = [], _ blocks: [CID: [UInt8]]
    ) -> (entries: [ListingEntry], failure: FetchFailure?) {
        var listing = Listing(root: root, path: path)
        var entries: [ListingEntry] = []
        while true {
            switch listing.next() {
            case .needBlock(let cid, _): listing.blockArrived(blocks[cid])
            case .entry(let entry): entries.append(entry)
            case .finished: return (entries, nil)
            case .failed(let failure): return (entries, failure)
            }
        }
    }

    @Test("Entries have names, kinds and sizes; what cannot be read is unknown")
    func kinds() throws {
        var shelf = Shelf()
        let small = shelf.put(importFile([1, 2, 3]))
        let large = shelf.put(
            importFile(
                [UInt8](repeating: 1, count: 25), profile: .init(leafByteCount: 10, linksMax: 3)))
        let link = try ImportedBlock.symlink(to: "t")
        shelf.blocks[link.block.cid] = link.block.bytes
        let empty = shelf.put(try buildDirectory([]))
        let lost = try buildDirectory([("gone", small)]).root
        let root = shelf.put(
            try buildDirectory([
                ("a", small), ("b", large), ("c", link.root), ("d", empty), ("e", lost),
            ]))
        let (entries, failure) = list(root.cid, shelf.blocks)
        #expect(failure == nil)
        #expect(entries.map(\.name) == ["a", "b", "c", "d", "e"])
        #expect(
            entries.map(\.kind) == [
                .file(byteCount: 3), .file(byteCount: 25), .symlink(target: "t"), .directory,
                .unknown,
            ])
        #expect(entries[1].treeByteCount == large.treeByteCount && entries[1].cid == large.cid)
        let one = list(root.cid, path: ["b"], shelf.blocks)
        #expect(one.entries.map(\.kind) == [.file(byteCount: 25)] && one.entries[0].name == nil)
        #expect(list(root.cid, path: ["e"], shelf.blocks).failure == .noProviders(lost.cid))
    }

    @Test("A sharded directory lists every entry once")
    func sharded() throws {
        var shelf = Shelf()
        let x = shelf.put(importFile([1]))
        let names = (0..<5_000).map { "entry number \($0) of a large directory" }
        let root = shelf.put(try buildDirectory(names.map { ($0, x) }))
        let (entries, failure) = list(root.cid, shelf.blocks)
        #expect(failure == nil && entries.compactMap(\.name).sorted() == names.sorted())
    }
}

@Suite("Pin walks")
struct PinWalkTests {
    @Test("Every CID of a tree is found; with what was seen skipped, each block is read once")
    func everything() throws {
        var shelf = Shelf()
        let profile = ImportProfile(leafByteCount: 10, linksMax: 3)
        let zeros = shelf.put(importFile([UInt8](repeating: 0, count: 900), profile: profile))
        let other = shelf.put(importFile(keystream("pins", count: 300), profile: profile))
        let big = shelf.put(
            try buildDirectory((0..<5_000).map { ("entry number \($0) of a directory", zeros) }))
        let root = shelf.put(try buildDirectory([("a", other), ("big", big), ("c", zeros)]))
        var walk = PinWalk(root: root.cid)
        var seen: Set<CID> = []
        var read = 0
        var failure: FetchFailure?
        loop: while true {
            switch walk.next() {
            case .found(let cid): if !seen.insert(cid).inserted { walk.skip() }
            case .needBlock(let cid):
                read += 1
                walk.blockArrived(try #require(shelf.blocks[cid]))
            case .finished: break loop
            case .failed(let f):
                failure = f
                break loop
            }
        }
        #expect(failure == nil && seen == Set(shelf.blocks.keys))
        #expect(read == shelf.blocks.keys.count { $0.codec == .dagPB })
    }

    @Test("Without skipping, repeated blocks come as often as they are linked")
    func repeated() throws {
        var shelf = Shelf()
        let leaf = shelf.put(rawBlock([1]))
        let root = shelf.put(fileBlock([leaf, leaf, leaf], sizes: [1, 1, 1]))
        var walk = PinWalk(root: root)
        var found = 0
        while case let step = walk.next(), step != .finished {
            if case .found = step { found += 1 }
            if case .needBlock(let cid) = step { walk.blockArrived(shelf.blocks[cid] ?? []) }
        }
        #expect(found == 4)
    }

    @Test("A malformed block ends the walk with its name")
    func malformed() {
        var shelf = Shelf()
        let bad = shelf.put(fileBlock([rawBlock([1]).cid], sizes: [1], filesize: 9))
        var walk = PinWalk(root: bad)
        #expect(walk.next() == .found(bad))
        #expect(walk.next() == .needBlock(bad))
        walk.blockArrived(shelf.blocks[bad] ?? [])
        #expect(walk.next() == .failed(.malformed(bad, "\(DagFailure.sizes)")))
    }
}
