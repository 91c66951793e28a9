import AROPrimitives
import AROWire
import Testing

@testable import AROContent

private let small = ImportProfile(leafByteCount: 10, linksMax: 3)

@Suite("Exporting files")
struct FileExportTests {
    @Test("What was imported comes out, in order and without gaps")
    func roundTrip() {
        for count in [0, 1, 9, 10, 11, 30, 31, 90, 91, 1_000] {
            var shelf = Shelf()
            let bytes = keystream("round trip", count: count)
            let root = shelf.put(importFile(bytes, profile: small))
            let log = shelf.export(root.cid)
            #expect(log.bytes == bytes && log.failure == nil)
            #expect(log.lines == ["file - \(count)", "end"])
        }
    }

    @Test("A range gives its bytes and asks only for the blocks that hold them")
    func ranges() {
        var shelf = Shelf()
        let bytes = keystream("ranges", count: 500)
        let root = shelf.put(importFile(bytes, profile: small))
        var generator = Generator(seed: 11)
        for _ in 0..<300 {
            let start = generator.below(500)
            let end = start + generator.below(501 - start)
            let log = shelf.export(root.cid, range: UInt64(start)..<UInt64(end))
            #expect(log.bytes == Array(bytes[start..<end]))
            let leaves = start == end ? 0 : (end - 1) / 10 - start / 10 + 1
            #expect(log.asked.count { $0.codec == .raw } == leaves)
        }
    }

    @Test("A range may end behind the file but not begin there")
    func outside() {
        var shelf = Shelf()
        let root = shelf.put(importFile(keystream("outside", count: 95), profile: small)).cid
        #expect(shelf.export(root, range: 90..<UInt64.max).bytes.count == 5)
        #expect(shelf.export(root, range: 95..<96).failure == .rangeOutside(fileBytes: 95))
        #expect(shelf.export(root, range: 95..<95).failure == nil)
        #expect(shelf.export(root, range: 96..<96).failure == .rangeOutside(fileBytes: 95))
        #expect(shelf.export(root, range: 200..<UInt64.max).failure == .rangeOutside(fileBytes: 95))
    }

    @Test("Bytes inside inner nodes come before those below, also in ranges")
    func inlineData() {
        var shelf = Shelf()
        let a = shelf.put(rawBlock([4, 5, 6]))
        let b = shelf.put(rawBlock([7, 8]))
        let inner = shelf.put(fileBlock([a, b], sizes: [3, 2], inline: [2, 3]))
        let root = shelf.put(fileBlock([inner, b], sizes: [7, 2], inline: [0, 1]))
        #expect(shelf.export(root).bytes == [0, 1, 2, 3, 4, 5, 6, 7, 8, 7, 8])
        let all: [UInt8] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 7, 8]
        for start in 0...11 {
            for end in start...11 {
                let log = shelf.export(root, range: UInt64(start)..<UInt64(end))
                #expect(log.bytes == Array(all[start..<end]))
            }
        }
    }

    @Test("The blocks to come can be read ahead")
    func readAhead() {
        var shelf = Shelf()
        let root = shelf.put(importFile(keystream("ahead", count: 30), profile: small))
        var exporter = Exporter(root: root.cid)
        #expect(exporter.upcoming(9) == [root.cid])
        _ = exporter.next()
        exporter.blockArrived(shelf.blocks[root.cid] ?? [])
        #expect(exporter.upcoming(9).count == 3)
        #expect(exporter.upcoming(2).count == 2)
    }
}

@Suite("Exporting directories")
struct DirectoryExportTests {
    @Test("A directory comes out with all that is in it, in the order of its names")
    func recursive() throws {
        var shelf = Shelf()
        let file = shelf.put(importFile(Array("hello".utf8)))
        let link = try ImportedBlock.symlink(to: "../a")
        shelf.blocks[link.block.cid] = link.block.bytes
        let empty = shelf.put(try buildDirectory([]))
        let sub = shelf.put(try buildDirectory([("l", link.root), ("e", empty), ("f", file)]))
        let root = shelf.put(try buildDirectory([("z", file), ("sub", sub)]))
        let log = shelf.export(root.cid)
        #expect(
            log.lines == [
                "enter -", "enter sub", "enter e", "leave", "file f 5", "end", "link l ../a",
                "leave", "file z 5", "end", "leave",
            ])
        #expect(shelf.export(root.cid, path: ["sub", "f"]).bytes == Array("hello".utf8))
        #expect(shelf.export(root.cid, path: ["sub", "l"]).lines == ["link - ../a"])
        #expect(shelf.export(root.cid, path: ["nope"]).failure == .pathNotFound("nope"))
        #expect(shelf.export(root.cid, path: ["z", "x"]).failure == .notADirectory("x"))
        #expect(shelf.export(root.cid, path: ["sub", "l", "x"]).failure == .notADirectory("x"))
        #expect(shelf.export(root.cid, range: 0..<1).failure == .rangeOfDirectory)
        #expect(shelf.export(root.cid, path: ["z"], range: 1..<3).bytes == Array("el".utf8))
    }

    @Test("A sharded directory is entered once, and its names lead through the shards")
    func sharded() throws {
        var shelf = Shelf()
        let files = (0..<5_000).map { i in
            ("entry number \(i) of a large directory", shelf.put(importFile(Array("\(i)".utf8))))
        }
        let big = shelf.put(try buildDirectory(files))
        let root = shelf.put(try buildDirectory([("big", big)]))
        let log = shelf.export(root.cid, entriesMax: 20_000)
        #expect(log.failure == nil && log.lines.count == 4 + 10_000)
        #expect(log.lines.count { $0.hasPrefix("enter") } == 2)
        let one = shelf.export(root.cid, path: ["big", "entry number 4321 of a large directory"])
        #expect(one.bytes == Array("4321".utf8) && one.asked.count <= 5)
        let none = shelf.export(root.cid, path: ["big", "no such entry"])
        #expect(none.failure == .pathNotFound("no such entry"))
    }

    @Test("A tree that names itself over and over ends at the bound on entries")
    func bomb() {
        var shelf = Shelf()
        var directory = shelf.put(directoryBlock([]))
        for _ in 0..<30 {
            directory = shelf.put(directoryBlock((0..<10).map { ("\($0)", directory) }))
        }
        let log = shelf.export(directory, entriesMax: 500)
        guard case .malformed = log.failure else { Issue.record(); return }
        #expect(log.asked.count <= 501)
    }

    @Test("Directories nested 128 deep pass, deeper ones do not; nothing overflows")
    func nesting() {
        var shelf = Shelf()
        var directory = shelf.put(directoryBlock([]))
        for _ in 0..<128 { directory = shelf.put(directoryBlock([("d", directory)])) }
        #expect(shelf.export(directory).failure == nil)
        directory = shelf.put(directoryBlock([("d", directory)]))
        guard case .malformed = shelf.export(directory).failure else { Issue.record(); return }
    }

    @Test("A chain of file nodes ends at the depth bound")
    func fileChain() {
        var shelf = Shelf()
        var node = shelf.put(rawBlock([1]))
        for _ in 0..<64 { node = shelf.put(fileBlock([node], sizes: [1])) }
        #expect(shelf.export(node).failure == nil)
        node = shelf.put(fileBlock([node], sizes: [1]))
        guard case .malformed = shelf.export(node).failure else { Issue.record(); return }
    }

    @Test("A child whose size is not what its parent says fails before its bytes come out")
    func lyingParent() {
        var shelf = Shelf()
        let leaf = shelf.put(rawBlock([1, 2, 3]))
        let root = shelf.put(fileBlock([leaf, leaf], sizes: [3, 4]))
        let log = shelf.export(root)
        #expect(log.bytes == [1, 2, 3])
        guard case .malformed(let cid, _) = log.failure else { Issue.record(); return }
        #expect(cid == leaf)
    }
}
