// Files, directories and streams in; the same bytes, names and links out.

import AROContent
import AROCrypto
import AROPrimitives
import AROWire
import Foundation
import Testing

@testable import ARORuntime

extension Scratch {
    func write(_ name: String, _ bytes: [UInt8]) throws {
        let url = URL(filePath: path + "/" + name)
        try FileManager.default.createDirectory(
            at: url.deletingLastPathComponent(), withIntermediateDirectories: true)
        try Data(bytes).write(to: url)
    }

    func bytes(_ name: String) throws -> [UInt8] {
        [UInt8](try Data(contentsOf: URL(filePath: path + "/" + name)))
    }

    /// A library over a store in `data` below this directory.
    func library(quota: UInt64 = 1 << 30) throws -> Library {
        try Files.makeDirectory(path + "/data")
        return Library(try ChunkStore(in: path + "/data", options: Scratch.options(quota: quota)))
    }
}

extension Library {
    func bytes(
        _ root: CID, path: [String] = [], range: Range<UInt64>? = nil
    ) async throws -> [UInt8] {
        var out: [UInt8] = []
        for try await slice in read(root, path: path, range: range) { out += slice }
        return out
    }
}

/// The CID that a whole import in memory gives.
private func reference(_ bytes: [UInt8]) -> CID {
    var importer = FileImporter()
    importer.append(bytes.span.bytes)
    while importer.nextBlock() != nil {}
    return importer.finish().cid
}

/// The failure that `body` throws; nil where it throws none.
func contentFailure(of body: () async throws -> Void) async -> ContentFailure? {
    do { try await body() } catch { return error as? ContentFailure }
    return nil
}

private struct Pieces: AsyncSequence, Sendable {
    var pieces: [[UInt8]]
    var failsAtEnd = false

    struct Broken: Error {}

    struct Iterator: AsyncIteratorProtocol {
        var rest: ArraySlice<[UInt8]>
        var failsAtEnd: Bool
        mutating func next() async throws -> [UInt8]? {
            if rest.isEmpty, failsAtEnd { throw Broken() }
            return rest.popFirst()
        }
    }

    func makeAsyncIterator() -> Iterator { Iterator(rest: pieces[...], failsAtEnd: failsAtEnd) }
}

@Suite struct LibraryTests {
    /// Around the borders of leaves, of windows of leaves, and below them.
    static let sizes = [0, 1, 20_000, 1 << 20, (1 << 20) + 1, 5 << 20, (33 << 20) + 7]

    @Test(arguments: sizes)
    func aFileComesBackUnderTheCIDOfTheProfile(_ size: Int) async throws {
        let scratch = Scratch()
        let library = try scratch.library()
        let bytes = Block(seed: UInt64(size), byteCount: size).bytes
        try scratch.write("file.bin", bytes)
        let put = try await library.put(path: scratch.path + "/file.bin")
        #expect(put.root == reference(bytes))
        #expect(put.byteCount == UInt64(size))
        #expect(put.name == "file.bin")
        #expect(try await library.bytes(put.root) == bytes)
        let cut = UInt64(size / 3)..<UInt64(size / 3 * 2)
        #expect(
            try await library.bytes(put.root, range: cut)
                == Array(bytes[Int(cut.lowerBound)..<Int(cut.upperBound)]))
        try await library.export(put.root, to: scratch.path + "/out.bin")
        #expect(try scratch.bytes("out.bin") == bytes)
        let again = try await library.put(path: scratch.path + "/out.bin")
        #expect(again.root == put.root)
    }

    @Test func aKnownCID() async throws {
        let scratch = Scratch()
        let library = try scratch.library()
        try scratch.write("hello", Array("hello world".utf8))
        let put = try await library.put(path: scratch.path + "/hello")
        #expect(
            put.root.description == "bafkreifzjut3te2nhyekklss27nh3k72ysco7y32koao5eei66wof36n5e")
    }

    @Test(arguments: [0, 1, (1 << 20) - 1, 1 << 20, (12 << 20) + 3])
    func aStreamIsPutAsTheSameFile(_ size: Int) async throws {
        let scratch = Scratch()
        let library = try scratch.library()
        let bytes = Block(seed: 3, byteCount: size).bytes
        var pieces: [[UInt8]] = [[]]
        for start in stride(from: 0, to: size, by: 300_007) {
            pieces.append(Array(bytes[start..<min(size, start + 300_007)]))
        }
        let put = try await library.put(stream: Pieces(pieces: pieces))
        #expect(put.root == reference(bytes))
        #expect(try await library.bytes(put.root) == bytes)
        #expect(try library.store.isPinned(put.root))
    }

    @Test func aBrokenStreamLeavesNoRoot() async throws {
        let scratch = Scratch()
        let library = try scratch.library()
        let failure = await contentFailure {
            _ = try await library.put(
                stream: Pieces(pieces: [[1, 2, 3]], failsAtEnd: true))
        }
        #expect(failure == .stream("Broken()"))
        #expect(try library.store.pins().isEmpty)
        #expect(try library.store.roots().isEmpty)
    }

    @Test func aNamedPipeIsReadToItsEnd() async throws {
        let scratch = Scratch()
        let library = try scratch.library()
        let path = scratch.path + "/pipe"
        mkfifo(path, 0o600)
        let bytes = Block(seed: 4, byteCount: 3_000_000).bytes
        Thread.detachNewThread {
            try? Data(bytes).write(to: URL(filePath: path), options: [])
        }
        #expect(try await library.put(path: path).root == reference(bytes))
    }

    private func makeTree(_ scratch: Scratch) throws {
        try scratch.write("tree/a.txt", Array("alpha".utf8))
        try scratch.write("tree/empty", [])
        try scratch.write("tree/deep/er/b.bin", Block(seed: 5, byteCount: 1_300_000).bytes)
        try scratch.write("tree/deep/ünïcode", Array("u".utf8))
        try scratch.write("tree/.hidden", Array("h".utf8))
        try Files.makeDirectory(scratch.path + "/tree/hollow")
        symlink("../a.txt", scratch.path + "/tree/deep/link")
    }

    @Test func aDirectoryComesBackWithItsLinks() async throws {
        let scratch = Scratch()
        let library = try scratch.library()
        try makeTree(scratch)
        let put = try await library.put(path: scratch.path + "/tree")
        #expect(put.kind == .directory)
        #expect(put.byteCount == 5 + 1_300_000 + 1)
        try await library.export(put.root, to: scratch.path + "/copy")
        #expect(
            scratch.files(below: "copy") == [
                "a.txt", "deep/er/b.bin", "deep/link", "deep/ünïcode", "empty",
            ])
        #expect(try scratch.bytes("copy/deep/er/b.bin") == scratch.bytes("tree/deep/er/b.bin"))
        #expect(
            try FileManager.default.destinationOfSymbolicLink(
                atPath: scratch.path + "/copy/deep/link") == "../a.txt")
        #expect(Files.exists(scratch.path + "/copy/hollow"))
        #expect(try await library.put(path: scratch.path + "/copy").root == put.root)
        #expect(try await library.bytes(put.root, path: ["a.txt"]) == Array("alpha".utf8))
        let listed = try await library.list(put.root)
        #expect(listed.map(\.name) == ["a.txt", "deep", "empty", "hollow"])
        #expect(
            listed.map(\.kind) == [
                .file(byteCount: 5), .directory, .file(byteCount: 0), .directory,
            ])
        let inner = try await library.list(put.root, path: ["deep"])
        let found = try await library.lookup(put.root, path: ["deep", "er", "b.bin"])
        #expect(found.cid == reference(try scratch.bytes("tree/deep/er/b.bin")))
        #expect(found.kind == .file(byteCount: 1_300_000))
        #expect(try await library.lookup(put.root).kind == .directory)
        #expect(inner.map(\.kind)[1] == .symlink(target: "../a.txt"))
    }

    @Test func hiddenEntriesArePutWhenAsked() async throws {
        let scratch = Scratch()
        let library = try scratch.library()
        try makeTree(scratch)
        var options = PutOptions()
        options.includesHidden = true
        let put = try await library.put(path: scratch.path + "/tree", options: options)
        #expect(try await library.list(put.root).map(\.name).contains(".hidden"))
        let without = try await library.put(path: scratch.path + "/tree")
        #expect(without.root != put.root)
    }

    @Test func whatIsPutIsPinnedAttestedAndRemembered() async throws {
        let scratch = Scratch()
        let library = try scratch.library()
        try makeTree(scratch)
        var options = PutOptions()
        options.mediaType = "text/plain"
        options.attest = { root, byteCount, name, mediaType in
            try? Attestation(
                root: root, byteCount: byteCount, name: name, mediaType: mediaType,
                issued: UnixTime(seconds: 9), by: Scratch.identity(1))
        }
        let put = try await library.put(path: scratch.path + "/tree", options: options)
        let store = library.store
        #expect(try store.pins().map(\.name) == ["tree"])
        #expect(try store.roots().map(\.cid) == [put.root])
        let attestation = try #require(try store.attestations(of: put.root).first)
        #expect(attestation.publisher == Scratch.identity(1).id)
        try attestation.verify()
        #expect(attestation.byteCount == put.byteCount)
        #expect(attestation.name == "tree")
        #expect(try await library.collectGarbage().blocks == 0)
        try store.unpin(put.root)
        #expect(try await library.collectGarbage().blocks > 5)
        let failure = await contentFailure { _ = try await library.bytes(put.root) }
        #expect(failure == .missing(put.root))
    }

    @Test func anUnreadableFileIsNamed() async throws {
        let scratch = Scratch()
        let library = try scratch.library()
        try scratch.write("tree/ok", [1])
        let path = scratch.path + "/tree/socket"
        mknod(path, S_IFSOCK | 0o600, 0)
        let special = await contentFailure {
            _ = try await library.put(path: scratch.path + "/tree")
        }
        guard case .unpublishable(path, _) = special else {
            Issue.record("\(String(describing: special))")
            return
        }
        let missing = scratch.path + "/nowhere"
        let failure = await contentFailure { _ = try await library.put(path: missing) }
        #expect(failure == .store(.io(path: missing, action: "open", code: ENOENT)))
        #expect(try library.store.pins().isEmpty)
    }

    @Test func aTreeThatNobodyCouldReadIsRefused() async throws {
        let scratch = Scratch()
        let library = try scratch.library()
        func put(depth: Int) async throws -> PutContent {
            let path = scratch.path + "/\(depth)"
            let below = String(repeating: "/d", count: depth)
            try Files.makeDirectory(path + below)
            return try await library.put(path: path)
        }
        let deepest = try await put(depth: DagLimits.directoryDepthMax)
        try await library.export(deepest.root, to: scratch.path + "/out")
        let failure = await contentFailure {
            _ = try await put(depth: DagLimits.directoryDepthMax + 1)
        }
        guard case .unpublishable = failure else {
            Issue.record("\(String(describing: failure))")
            return
        }
    }

    @Test(.enabled(if: geteuid() != 0, "root may read anything"))
    func aForbiddenFileIsNamed() async throws {
        let scratch = Scratch()
        let library = try scratch.library()
        try scratch.write("tree/secret", [1])
        let path = scratch.path + "/tree/secret"
        chmod(path, 0)
        let failure = await contentFailure {
            _ = try await library.put(path: scratch.path + "/tree")
        }
        #expect(failure == .store(.permission(path: path, action: "open")))
    }

    @Test func aPutThatDoesNotFitIsRefused() async throws {
        let scratch = Scratch()
        let library = try scratch.library(quota: 3 << 20)
        try scratch.write("big", Block(seed: 1, byteCount: 40 << 20).bytes)
        let failure = await contentFailure {
            _ = try await library.put(path: scratch.path + "/big")
        }
        guard case .store(.full) = failure else {
            Issue.record("\(String(describing: failure))")
            return
        }
        #expect(try library.store.pins().isEmpty)
        try scratch.write("small", [1, 2, 3])
        let put = try await library.put(path: scratch.path + "/small")
        #expect(try await library.bytes(put.root) == [1, 2, 3])
    }

    @Test func aCancelledPutEndsAndPinsNothing() async throws {
        let scratch = Scratch()
        let library = try scratch.library()
        for i in 0..<200 { try scratch.write("tree/\(i)", [UInt8(i)]) }
        let task = Task { try await library.put(path: scratch.path + "/tree") }
        task.cancel()
        let failure = await contentFailure { _ = try await task.value }
        #expect(failure == .cancelled)
        #expect(try library.store.pins().isEmpty)
    }

    @Test func progressEndsWithTheSum() async throws {
        let scratch = Scratch()
        let library = try scratch.library()
        try makeTree(scratch)
        let told = Gathered<[UInt64?]>()
        _ = try await library.put(path: scratch.path + "/tree") { told.add([$0, $1]) }
        #expect(told.all.last == [1_300_006, 1_300_006])
    }
}
