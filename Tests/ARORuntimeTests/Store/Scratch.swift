// What the store's tests share: a scratch directory, blocks, and the bytes of trees.

import AROContent
import AROCrypto
import AROPrimitives
import AROWire
import Foundation

@testable import ARORuntime

/// A directory that is removed on release.
final class Scratch: Sendable {
    let path: String

    init() {
        var template = Array((NSTemporaryDirectory() + "aro-test-XXXXXX").utf8CString)
        path = String(cString: mkdtemp(&template))
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    func store(quota: UInt64 = 1 << 30) throws -> ChunkStore {
        try ChunkStore(in: path, options: Scratch.options(quota: quota))
    }

    static func options(quota: UInt64) -> StoreOptions {
        var options = StoreOptions(quota: quota)
        options.freeBytesMin = 0
        return options
    }

    static func identity(_ seed: UInt64) -> Identity {
        var entropy = Entropy(seed: Bits256(seed, 0, 0, 0))
        return Identity(from: &entropy)
    }

    /// Everything below the directory, as paths relative to it, sorted.
    func files(below name: String) -> [String] {
        let all = FileManager.default.subpaths(atPath: path + "/" + name) ?? []
        return all.filter { one in
            var isDirectory: ObjCBool = false
            _ = FileManager.default.fileExists(
                atPath: path + "/" + name + "/" + one, isDirectory: &isDirectory)
            return !isDirectory.boolValue
        }.sorted()
    }
}

/// A block with its name.
struct Block: Hashable, Sendable {
    var cid: CID
    var bytes: [UInt8]

    /// A raw block of bytes drawn from `seed`.
    init(seed: UInt64, byteCount: Int) {
        var generator = Generator(seed: seed)
        // One page of chance, repeated under the number of the page: debug builds are slow.
        let page = (0..<64).flatMap { _ in generator.bits256().bytes }
        var bytes: [UInt8] = []
        bytes.reserveCapacity(byteCount + page.count + 8)
        while bytes.count < byteCount {
            bytes.appendU64(UInt64(bytes.count))
            bytes += page
        }
        bytes.removeLast(bytes.count - byteCount)
        self.bytes = bytes
        cid = CID(.raw, hashing: bytes.span.bytes)
    }

    /// A dag-pb node that links to `children` (no UnixFS: the store does not care).
    init(linkingTo children: [CID], salt: UInt8 = 0) {
        var out: [UInt8] = []
        func field(_ number: UInt8, _ body: [UInt8]) -> [UInt8] {
            var out: [UInt8] = [number << 3 | 2]
            out.appendLEB128(UInt64(body.count))
            return out + body
        }
        for child in children {
            out += field(2, field(1, child.bytes) + field(2, []) + [3 << 3, 0])
        }
        out += field(1, [salt])
        bytes = out
        cid = CID(.dagPB, hashing: out.span.bytes)
    }
}

extension ChunkStore {
    func write(_ block: Block) throws(StoreFailure) { try write(block.cid, block.bytes) }

    func write(_ blocks: [Block]) throws(StoreFailure) {
        var staged: [StagedBlock] = []
        for block in blocks { staged.append(try stage(block.cid, block.bytes)) }
        try commit(staged)
    }

    func holds(_ block: Block) -> Bool { (try? contains(block.cid)) == true }

    /// The failure of a read; nil where it succeeds.
    func failure(reading block: Block) -> StoreFailure? {
        do throws(StoreFailure) { _ = try read(block.cid) } catch { return error }
        return nil
    }
}

/// The failure that `body` throws; nil where it throws none.
func failure(of body: () throws(StoreFailure) -> Void) -> StoreFailure? {
    do throws(StoreFailure) { try body() } catch { return error }
    return nil
}
