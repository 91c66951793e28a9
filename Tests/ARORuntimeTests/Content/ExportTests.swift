// Exports: complete or absent, never outside of their place; missing and damaged blocks waited for.

import AROContent
import AROPrimitives
import AROWire
import Foundation
import Testing

@testable import ARORuntime

@Suite struct ExportTests {
    @Test func nothingIsOverwrittenUnlessAsked() async throws {
        let scratch = Scratch()
        let library = try scratch.library()
        try scratch.write("new", [1, 2, 3])
        try scratch.write("old", [9])
        try scratch.write("dir/inner", [8])
        let root = try await library.put(path: scratch.path + "/new").root
        for name in ["old", "dir"] {
            let place = scratch.path + "/" + name
            let failure = await contentFailure { try await library.export(root, to: place) }
            #expect(failure == .exists(path: place))
        }
        #expect(try scratch.bytes("old") == [9])
        #expect(try scratch.bytes("dir/inner") == [8])
        for name in ["old", "dir"] {
            try await library.export(root, to: scratch.path + "/" + name, overwrite: true)
            #expect(try scratch.bytes(name) == [1, 2, 3])
        }
        let left = try Files.names(in: scratch.path)
        #expect(left.sorted() == ["data", "dir", "new", "old"])
    }

    @Test func aDirectoryReplacesADirectoryAsAWhole() async throws {
        let scratch = Scratch()
        let library = try scratch.library()
        try scratch.write("new/a", [1])
        try scratch.write("old/b", [2])
        let root = try await library.put(path: scratch.path + "/new").root
        try await library.export(root, to: scratch.path + "/old", overwrite: true)
        #expect(scratch.files(below: "old") == ["a"])
    }

    @Test func anExportThatFailsLeavesNothing() async throws {
        let scratch = Scratch()
        let library = try scratch.library()
        let bytes = Block(seed: 1, byteCount: 5 << 20).bytes
        try scratch.write("tree/a", [1])
        try scratch.write("tree/b", bytes)
        let root = try await library.put(path: scratch.path + "/tree").root
        let leaf = CID(.raw, hashing: Array(bytes[(3 << 20)..<(4 << 20)]).span.bytes)
        let file = library.store.files.path(of: leaf)
        truncate(file, 100)
        let failure = await contentFailure {
            try await library.export(root, to: scratch.path + "/out")
        }
        #expect(failure == .missing(leaf))
        #expect(try Files.names(in: scratch.path).sorted() == ["data", "tree"])
    }

    @Test func blocksThatComeLaterAreWaitedFor() async throws {
        let scratch = Scratch()
        let library = try scratch.library()
        let other = Scratch()
        let source = try other.library()
        let bytes = Block(seed: 2, byteCount: 4 << 20).bytes
        try other.write("file", bytes)
        let root = try await source.put(path: other.path + "/file").root
        let asked = Gathered<CID>()
        let wait: BlockWait = { cid in
            asked.add(cid)
            // Every second answer comes before its block.
            if asked.all.count % 2 == 0 { return true }
            guard let block = try? source.store.read(cid) else { return false }
            return (try? library.store.write(cid, block)) != nil
        }
        var out: [UInt8] = []
        for try await slice in library.read(root, wait: wait) { out += slice }
        #expect(out == bytes)
        #expect(asked.all.count >= 5)
        try await library.export(root, to: scratch.path + "/out")
        #expect(try scratch.bytes("out") == bytes)
    }

    @Test func aWaitThatGivesUpEndsTheRead() async throws {
        let library = try Scratch().library()
        let cid = Block(seed: 1, byteCount: 10).cid
        let failure = await contentFailure {
            for try await _ in library.read(cid, wait: { _ in false }) {}
        }
        #expect(failure == .missing(cid))
    }

    @Test func pathsAndRangesThatLeadNowhereAreSaid() async throws {
        let scratch = Scratch()
        let library = try scratch.library()
        try scratch.write("tree/a", [1, 2, 3])
        let root = try await library.put(path: scratch.path + "/tree").root
        let nowhere = await contentFailure {
            for try await _ in library.read(root, path: ["b"]) {}
        }
        #expect(nowhere == .tree(.pathNotFound("b")))
        let behind = await contentFailure {
            for try await _ in library.read(root, path: ["a"], range: 9..<10) {}
        }
        #expect(behind == .tree(.rangeOutside(fileBytes: 3)))
        let directory = await contentFailure { for try await _ in library.read(root) {} }
        #expect(directory == .tree(.rangeOfDirectory))
    }

    /// What a hostile tree would need to write outside of its place: a name that leads up, or a
    /// link with an entry below it. Decoding refuses such names; here is what is behind it.
    @Test func aHostileDirectoryWritesNothingOutside() async throws {
        let scratch = Scratch()
        let library = try scratch.library()
        let evil = Block(seed: 1, byteCount: 5)
        try library.store.write(evil)
        for name in ["..", ".", "", "../up", "/abs", "a/b", "a\u{0}b"] {
            let root = try library.store.putDirectory([(name, evil.cid)])
            let failure = await contentFailure {
                try await library.export(root, to: scratch.path + "/out")
            }
            guard case .tree(.malformed) = failure else {
                Issue.record("\(name): \(String(describing: failure))")
                continue
            }
        }
        let (link, target) = try ImportedBlock.symlink(to: scratch.path)
        try library.store.write(target.cid, link.bytes)
        let inner = try library.store.putDirectory([("planted", evil.cid)])
        let root = try library.store.putDirectory([("x", target.cid), ("x", inner)])
        _ = await contentFailure { try await library.export(root, to: scratch.path + "/out") }
        #expect(try Files.names(in: scratch.path) == ["data"])
    }

    @Test func theCheckFindsDamageAndOrphans() async throws {
        let scratch = Scratch()
        let library = try scratch.library()
        let store = library.store
        let blocks = (0..<6).map { Block(seed: $0, byteCount: $0 < 2 ? 100 : 50_000) }
        try store.write(blocks)
        let before = try await library.verifyAll()
        #expect(before.blocksChecked == 6)
        #expect(before.corrupt.isEmpty && before.adopted == 0 && before.removed == 0)
        truncate(store.files.path(of: blocks[2].cid), 3)
        try store.files.remove(blocks[3].cid)
        let (whole, broken) = (Block(seed: 50, byteCount: 60_000), Block(seed: 51, byteCount: 9))
        try Data(whole.bytes).write(to: URL(filePath: store.files.path(of: whole.cid)))
        try Data([1]).write(to: URL(filePath: store.files.path(of: broken.cid)))
        let checkup = try await library.verifyAll()
        #expect(checkup.corrupt == [blocks[2].cid])
        #expect(checkup.lost == [blocks[3].cid])
        #expect(checkup.adopted == 1 && checkup.removed == 1)
        #expect(try store.read(whole.cid) == whole.bytes)
        let after = try await library.verifyAll()
        #expect(after.corrupt.isEmpty && after.lost.isEmpty)
        #expect(after.blocksChecked == 5)
    }

    @Test func anIndexThatWasLostIsBuiltAgain() async throws {
        let scratch = Scratch()
        let bytes = Block(seed: 7, byteCount: 3 << 20).bytes
        try scratch.write("file", bytes)
        do {
            _ = try await scratch.library().put(path: scratch.path + "/file")
        }
        for name in scratch.files(below: "data") where name.hasPrefix("index.sqlite") {
            unlink(scratch.path + "/data/" + name)
        }
        let library = try scratch.library()
        _ = try await library.verifyAll()
        #expect(library.store.usage.blocks == 3)
    }
}

extension ChunkStore {
    /// A UnixFS directory with any names, also those that none may have.
    fileprivate func putDirectory(_ entries: [(name: String, cid: CID)]) throws -> CID {
        func field(_ number: UInt8, _ body: [UInt8]) -> [UInt8] {
            var out: [UInt8] = [number << 3 | 2]
            out.appendLEB128(UInt64(body.count))
            return out + body
        }
        var out: [UInt8] = []
        for (name, cid) in entries {
            out += field(2, field(1, cid.bytes) + field(2, Array(name.utf8)) + [3 << 3, 5])
        }
        out += field(1, [8, 1])
        let cid = CID(.dagPB, hashing: out.span.bytes)
        try write(cid, out)
        return cid
    }
}
