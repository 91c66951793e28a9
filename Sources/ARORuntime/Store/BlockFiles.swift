/// Blocks as files: `chunks/xx/CID`, where `xx` is the first byte of the digest.
///
/// A block is first written whole under a temporary name (``StagedBlock``), made durable, and only
/// then renamed, so that under its own name a file is always complete. `chunks/.pending` lists the
/// names that are about to appear or to go: after a crash only these are compared with the index,
/// never the whole store.

import AROPrimitives
import AROWire
import Foundation
import Synchronization

/// A block on its way into the store. Released without being committed, it leaves nothing behind.
public final class StagedBlock: Sendable {
    enum Place: Sendable {
        /// Small enough for a row of the index.
        case row
        /// Under a temporary name.
        case temporary(path: String)
        /// The same bytes lay there already.
        case existing
    }

    public let cid: CID
    public let byteCount: Int
    let place: Place
    /// Kept where the bytes are not in a temporary file.
    let bytes: [UInt8]
    private let hasOwnName = Atomic<Bool>(false)

    init(_ cid: CID, byteCount: Int, _ place: Place, bytes: [UInt8] = []) {
        (self.cid, self.byteCount, self.place, self.bytes) = (cid, byteCount, place, bytes)
    }

    var isFile: Bool { if case .temporary = place { true } else { false } }

    /// The file has its own name now.
    func published() { hasOwnName.store(true, ordering: .relaxed) }

    deinit {
        if case .temporary(let path) = place, !hasOwnName.load(ordering: .relaxed) { unlink(path) }
    }
}

struct BlockFiles: Sendable {
    /// A block of at most this many bytes lives in a row of the index: a file would cost a sync, two
    /// directory entries and at least 4 KiB (Docs/Decisions/0008-store.md has the measurement).
    static let rowBytesMax = 16 << 10

    /// Damaged blocks that are kept for the operator to look at. A guess.
    static let quarantineMax = 32

    let path: String
    private let quarantine: String
    private let serial: SerialNumber

    private var incoming: String { path + "/.incoming" }
    private var pending: String { path + "/.pending" }

    init(in directory: String) throws(StoreFailure) {
        path = directory + "/chunks"
        quarantine = directory + "/quarantine"
        serial = SerialNumber()
        for made in [directory, path, quarantine, incoming] { try Files.makeDirectory(made) }
        for name in try Files.names(in: incoming) { try Files.remove(incoming + "/" + name) }
        try makeShards()
    }

    private func makeShards() throws(StoreFailure) {
        guard !Files.exists(path + "/ff") else { return }
        for i in 0..<256 { try Files.makeDirectory(path + "/" + Hex.encode([UInt8(i)])) }
        try announce([])
        try Files.syncDirectory(path)
    }

    func shardIndex(of cid: CID) -> Int { Int(cid.hash.digest[byte: 0]) }

    func shard(of cid: CID) -> String { path + "/" + Hex.encode([UInt8(shardIndex(of: cid))]) }

    func path(of cid: CID) -> String { shard(of: cid) + "/" + cid.description }

    // MARK: Reading

    /// The bytes that lie under the block's name, unchecked; nil where there is no file.
    func read(_ cid: CID) throws(StoreFailure) -> [UInt8]? {
        let file: OpenFile
        do throws(StoreFailure) { file = try OpenFile(path(of: cid), O_RDONLY) } catch {
            if case .io(_, _, ENOENT) = error { return nil }
            throw error
        }
        let size = Int(try file.status().st_size)
        guard size <= WireLimits.blockMax else { return [] }  // no block: fails the hash check
        return try file.read(upTo: size)
    }

    /// Whether just these bytes lie under the block's name.
    private func holds(_ cid: CID, _ bytes: [UInt8]) -> Bool {
        guard let held = try? read(cid), held.count == bytes.count else { return false }
        // `==` compares byte by byte in debug builds: 20 ms for a leaf instead of 0.1.
        return memcmp(held, bytes, bytes.count) == 0
    }

    // MARK: Staging

    /// Writes a block where it can be committed from. Safe on any thread.
    func stage(_ cid: CID, _ bytes: [UInt8]) throws(StoreFailure) -> StagedBlock {
        let count = bytes.count
        guard count <= WireLimits.blockMax else { throw .blockTooLarge(cid, byteCount: count) }
        if count <= Self.rowBytesMax {
            return StagedBlock(cid, byteCount: count, .row, bytes: bytes)
        }
        if holds(cid, bytes) {
            return StagedBlock(cid, byteCount: count, .existing, bytes: bytes)
        }
        return try writeTemporary(cid, bytes)
    }

    func writeTemporary(_ cid: CID, _ bytes: [UInt8]) throws(StoreFailure) -> StagedBlock {
        let path = incoming + "/\(serial.next())"
        let file = try OpenFile(path, O_WRONLY | O_CREAT | O_EXCL)
        let staged = StagedBlock(cid, byteCount: bytes.count, .temporary(path: path))
        try file.write(bytes)
        return staged
    }

    // MARK: Publishing

    /// Makes the staged files durable under their own names.
    func publish(_ blocks: [StagedBlock]) throws(StoreFailure) {
        let files = blocks.filter(\.isFile)
        guard !files.isEmpty else { return }
        try announce(files.map(\.cid))
        try Files.inParallel(files.count) { i throws(StoreFailure) in
            guard case .temporary(let path) = files[i].place else { return }
            // Opened anew rather than kept open: a batch would need hundreds of descriptors. An
            // error of an earlier write-back is still told here, as nobody has seen it.
            try OpenFile(path, O_WRONLY).syncData()
        }
        for block in files {
            guard case .temporary(let path) = block.place else { continue }
            try Files.rename(path, to: self.path(of: block.cid))
            block.published()
        }
        try syncShards(of: files.map(\.cid))
    }

    func syncShards(of cids: [CID]) throws(StoreFailure) {
        let shards = Set(cids.map(shard(of:))).sorted()
        try Files.inParallel(shards.count) { i throws(StoreFailure) in
            try Files.syncDirectory(shards[i])
        }
    }

    /// Notes durably which names are about to appear or to go.
    func announce(_ cids: [CID]) throws(StoreFailure) {
        let file = try OpenFile(pending, O_WRONLY | O_CREAT | O_TRUNC)
        try file.write(Array(cids.map { "\($0)\n" }.joined().utf8))
        try file.syncData()
    }

    /// The names of the last ``announce(_:)``. A line cut short by a crash is no CID and falls out:
    /// its file was not touched yet.
    func announced() throws(StoreFailure) -> [CID] {
        guard Files.exists(pending) else { return [] }
        let file = try OpenFile(pending, O_RDONLY)
        let size = min(Int(try file.status().st_size), 1 << 20)
        let text = String(decoding: try file.read(upTo: size), as: UTF8.self)
        return text.split(separator: "\n").compactMap { try? CID($0) }
    }

    func remove(_ cid: CID) throws(StoreFailure) { try Files.remove(path(of: cid)) }

    // MARK: Quarantine

    /// Moves the file of a damaged block aside.
    func setAside(_ cid: CID) throws(StoreFailure) {
        try Files.rename(path(of: cid), to: asidePath(cid))
        try pruneQuarantine()
    }

    /// Keeps the damaged bytes of a block that lived in a row.
    func setAside(_ cid: CID, _ bytes: [UInt8]) throws(StoreFailure) {
        try OpenFile(asidePath(cid), O_WRONLY | O_CREAT | O_TRUNC).write(bytes)
        try pruneQuarantine()
    }

    private func asidePath(_ cid: CID) -> String { quarantine + "/\(cid)" }

    private func pruneQuarantine() throws(StoreFailure) {
        let names = try Files.names(in: quarantine)
        guard names.count > Self.quarantineMax else { return }
        let oldestFirst = names.map { name in
            (Files.status(of: quarantine + "/" + name)?.st_mtim.tv_sec ?? 0, name)
        }.sorted { $0 < $1 }
        for (_, name) in oldestFirst.prefix(names.count - Self.quarantineMax) {
            try Files.remove(quarantine + "/" + name)
        }
    }

    // MARK: Walking

    /// The names in one shard (0 to 255) that are CIDs.
    func cids(inShard i: Int) throws(StoreFailure) -> [CID] {
        try Files.names(in: path + "/" + Hex.encode([UInt8(i)])).compactMap { try? CID($0) }
    }
}

/// Numbers for temporary names.
private final class SerialNumber: Sendable {
    private let last = Atomic<UInt64>(0)
    func next() -> UInt64 { last.add(1, ordering: .relaxed).newValue }
}
