/// The blocks that a node holds: bytes in files and small rows, what is known of them in SQLite.
///
/// The order that makes an acknowledged write survive `kill -9` and, as far as the disk keeps its
/// word at a sync, the loss of power: write under a temporary name, sync, rename, sync the
/// directories, commit the index with a sync, then answer. Every step is done for a whole batch at
/// once. A read checks the hash, always: what does not match is moved to quarantine and forgotten.
///
/// All calls block; call them from threads that may wait (``DiskService`` has some). Writers take
/// turns; readers never wait for them.

import AROContent
import AROPrimitives
import AROWire
import Foundation
import GRDB
import Synchronization

public final class ChunkStore: Sendable {
    public let directory: String
    public let quota: UInt64
    let freeBytesMin: UInt64
    let files: BlockFiles
    let index: DatabasePool
    let recency: Recency
    /// Whoever changes files or rows holds this.
    let turn = NSLock()
    private let usageNow: Mutex<StoreUsage>
    /// False while pins wait in the queue of ``PinTable``.
    private let isSettled = Atomic<Bool>(false)

    /// Opens the store in a node's directory, and repairs what a crash left.
    public init(in directory: String, options: StoreOptions = StoreOptions()) throws(StoreFailure) {
        self.directory = directory
        quota = options.quota(on: directory)
        freeBytesMin = options.freeBytesMin
        files = try BlockFiles(in: directory)
        let index = try Schema.open(directory + "/index.sqlite")
        try Files.syncDirectory(directory)
        self.index = index
        do {
            let (stamp, usage) = try index.read { db in
                let stamp: Int64? = try db.row("SELECT stamp FROM state")?["stamp"]
                return (stamp ?? 0, try BlockTable.usage(db))
            }
            recency = Recency(stamp: stamp)
            usageNow = Mutex(usage)
        } catch { throw .index(error, path: index.path) }
        try reconcileAnnounced(adopting: true)
    }

    public convenience init(
        in directory: borrowing DataDirectory, options: StoreOptions = StoreOptions()
    ) throws(StoreFailure) {
        try self.init(in: directory.path, options: options)
    }

    public var usage: StoreUsage { usageNow.withLock { $0 } }

    /// Protects what is written and read from now on against eviction, until it is released.
    public func beginUse() -> StoreUse { StoreUse(recency) }

    // MARK: Reading

    /// A block whose hash was checked just now. Counts as use.
    public func read(_ cid: CID) throws(StoreFailure) -> [UInt8] {
        let bytes = try peek(cid)
        if recency.touch(cid) { flushTouched() }
        return bytes
    }

    /// As ``read(_:)``, without counting as use.
    func peek(_ cid: CID) throws(StoreFailure) -> [UInt8] {
        let bytes: [UInt8]
        if let found = try bytesAsTheyLie(cid) {
            bytes = found
        } else {
            try forgetIfLost(cid)
            throw .notFound(cid)
        }
        guard cid.matches(bytes.span.bytes) else {
            try setAside(cid)
            throw .corrupt(cid)
        }
        return bytes
    }

    private func bytesAsTheyLie(_ cid: CID) throws(StoreFailure) -> [UInt8]? {
        if let bytes = try files.read(cid) { return bytes }
        return try reading { db in try BlockTable.small(db, cid) }
    }

    /// Which of the blocks are held.
    public func contains(_ cids: [CID]) throws(StoreFailure) -> [Bool] {
        try reading { db in try cids.map { try BlockTable.place(db, $0) != .absent } }
    }

    public func contains(_ cid: CID) throws(StoreFailure) -> Bool { try contains([cid])[0] }

    /// As ``contains(_:)``, and counts those that are held as used just now.
    public func touch(_ cids: [CID]) throws(StoreFailure) -> [Bool] {
        let held = try contains(cids)
        for (cid, isHeld) in zip(cids, held) where isHeld {
            if recency.touch(cid) { flushTouched() }
        }
        return held
    }

    // MARK: Writing

    /// Writes a block's bytes where ``commit(_:)`` finds them. The caller has checked the hash.
    public func stage(_ cid: CID, _ bytes: [UInt8]) throws(StoreFailure) -> StagedBlock {
        try files.stage(cid, bytes)
    }

    /// Takes staged blocks into the store; when it returns they are durable. All or none.
    public func commit(_ staged: [StagedBlock]) throws(StoreFailure) {
        guard !staged.isEmpty else { return }
        turn.lock()
        defer { turn.unlock() }
        let places = try reading { db in try staged.map { try BlockTable.place(db, $0.cid) } }
        let staged = try restaged(staged, places)
        let held = zip(staged, places).filter { $0.1 != .absent }.map(\.0.cid)
        let wanted = zip(staged, places).filter { $0.1 == .absent }.map(\.0.byteCount)
        try makeRoom(for: wanted.reduce(0) { $0 + BlockTable.charge($1) }, keeping: held)
        do throws(StoreFailure) {
            try files.publish(staged)
            try addRows(staged)
        } catch {
            try? reconcileAnnounced(adopting: false)
            throw error
        }
    }

    /// ``stage(_:_:)`` and ``commit(_:)`` of one block.
    public func write(_ cid: CID, _ bytes: [UInt8]) throws(StoreFailure) {
        try commit([stage(cid, bytes)])
    }

    /// A file that lay there when its block was staged may have been evicted since, or may be left
    /// over from a crash: only with a row is it known to be durable. Otherwise it is written anew.
    private func restaged(
        _ staged: [StagedBlock], _ places: [BlockPlace]
    ) throws(StoreFailure) -> [StagedBlock] {
        var out: [StagedBlock] = []
        for (block, place) in zip(staged, places) {
            guard case .existing = block.place, place != .file else {
                out.append(block)
                continue
            }
            out.append(try files.writeTemporary(block.cid, block.bytes))
        }
        return out
    }

    private func addRows(_ staged: [StagedBlock]) throws(StoreFailure) {
        let stamp = recency.stamp()
        let touched = recency.takeTouched()
        try writing { db in
            for block in staged {
                let place: BlockPlace = if case .row = block.place { .row } else { .file }
                try BlockTable.add(
                    db, block.cid, byteCount: block.byteCount, place, data: block.bytes,
                    stamp: stamp)
            }
            try Self.write(touched, db)
            try db.run("UPDATE state SET stamp = ?", [stamp])
        }
        isSettled.store(false, ordering: .relaxed)
    }

    private static func write(_ touched: [CID: Int64], _ db: Database) throws {
        for (cid, stamp) in touched { try BlockTable.touch(db, cid, stamp: stamp) }
    }

    /// Writes down what was read, unless a writer is busy: then the next commit will.
    private func flushTouched() {
        guard turn.try() else { return }
        defer { turn.unlock() }
        try? writeTouched()
    }

    /// Writes down what was read, and `more` as used just now. The caller holds ``turn``.
    func writeTouched(with more: [CID] = []) throws(StoreFailure) {
        var touched = recency.takeTouched()
        for cid in more { touched[cid] = recency.stamp() }
        guard !touched.isEmpty else { return }
        try writing { db in try Self.write(touched, db) }
    }

    // MARK: Damage

    /// Moves a damaged block aside, unless it was written anew meanwhile.
    func setAside(_ cid: CID) throws(StoreFailure) {
        turn.lock()
        defer { turn.unlock() }
        if let bytes = try files.read(cid) {
            if cid.matches(bytes.span.bytes) { return }
            try files.setAside(cid)
        } else if let bytes = try reading({ db in try BlockTable.small(db, cid) }) {
            if cid.matches(bytes.span.bytes) { return }
            try files.setAside(cid, bytes)
        }
        try lose([cid])
    }

    /// A row without its file: somebody else removed it.
    private func forgetIfLost(_ cid: CID) throws(StoreFailure) {
        guard try place(cid) == .file else { return }
        turn.lock()
        defer { turn.unlock() }
        if try place(cid) == .file, !Files.exists(files.path(of: cid)) { try lose([cid]) }
    }

    private func lose(_ cids: [CID]) throws(StoreFailure) {
        try writing { db in for cid in cids { try BlockTable.lose(db, cid) } }
        isSettled.store(false, ordering: .relaxed)
    }

    /// Compares the names that were about to change with the index: after a crash, or after a commit
    /// that failed. A file without a row is taken in if `adopting` and it is whole, else removed.
    private func reconcileAnnounced(adopting: Bool) throws(StoreFailure) {
        for cid in try files.announced() {
            let hasFile = Files.exists(files.path(of: cid))
            switch (try place(cid), hasFile) {
            case (.file, false): try lose([cid])
            case (.absent, true) where adopting: try adoptOrRemove(cid)
            case (.absent, true), (.row, true): try files.remove(cid)
            default: break
            }
        }
    }

    func place(_ cid: CID) throws(StoreFailure) -> BlockPlace {
        try reading { db in try BlockTable.place(db, cid) }
    }

    // MARK: Pins waiting to be settled

    /// Works on pins for about one transaction's time. Returns whether nothing is left to do.
    @discardableResult
    public func settleSome() throws(StoreFailure) -> Bool {
        turn.lock()
        defer { turn.unlock() }
        return try settleStep()
    }

    /// Works on pins until every one covers its tree, letting writers in between.
    public func settle() throws(StoreFailure) {
        while try !settleSome() {}
    }

    func settleStep() throws(StoreFailure) -> Bool {
        if isSettled.load(ordering: .relaxed) { return true }
        let done = try writing { [files] db in
            try PinTable.settle(db, budget: Self.settleRowsMax) { db, block in
                try Self.links(of: block, files, db)
            }
        }
        isSettled.store(done, ordering: .relaxed)
        return done
    }

    func unsettle() { isSettled.store(false, ordering: .relaxed) }

    /// Rows changed in one step: some 50 ms during which other writers wait. A guess.
    private static let settleRowsMax = 4_096

    /// A damaged block has no links; when it arrives again it is settled again.
    private static func links(
        of block: BlockRow, _ files: BlockFiles, _ db: Database
    ) throws -> [CID]? {
        let bytes = try files.read(block.cid) ?? BlockTable.small(db, block.cid)
        guard let bytes, block.cid.matches(bytes.span.bytes) else { return nil }
        return BlockLinks.of(block.cid, bytes)
    }

    // MARK: Index

    func reading<R>(_ body: (Database) throws -> R) throws(StoreFailure) -> R {
        do { return try index.read(body) } catch { throw .index(error, path: index.path) }
    }

    /// Runs one transaction. The caller holds ``turn``, or is the only one yet.
    func writing<R>(_ body: (Database) throws -> R) throws(StoreFailure) -> R {
        do {
            let (result, usage) = try index.write { db in
                (try body(db), try BlockTable.usage(db))
            }
            usageNow.withLock { $0 = usage }
            return result
        } catch { throw .index(error, path: index.path) }
    }
}
