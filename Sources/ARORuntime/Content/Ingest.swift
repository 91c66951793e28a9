/// Files, directories and streams into the store: the blocking half of a put.
///
/// A big file is read in windows of leaves; the leaves of a window are read, hashed and written on
/// several threads at once, while the window before is synced. Memory is a few leaves, whatever the
/// size of the file; a directory keeps its entries (``DirectoryBuilder``), not their files. Used by
/// one thread at a time.

import AROContent
import AROPrimitives
import AROWire
import Foundation
import Synchronization

final class Ingest: @unchecked Sendable {
    /// Leaves that are hashed at the same time: 2 keep two cores busy, more help where the disk is
    /// slower than they are.
    private static let lanes = max(2, min(8, ProcessInfo.processInfo.activeProcessorCount))
    /// Leaves of one window: as many as one commit takes.
    private static let window = DiskService.batchBytesMax >> 20

    private let store: ChunkStore
    private let options: PutOptions
    private let cancellation: Cancellation
    private let batch: BlockBatch
    private let meter: Meter
    private let leafByteCount = ImportProfile.unixFS2025.leafByteCount

    init(_ store: ChunkStore, _ options: PutOptions, _ meter: Meter, _ cancellation: Cancellation) {
        (self.store, self.options, self.cancellation) = (store, options, cancellation)
        self.meter = meter
        batch = BlockBatch(store)
    }

    /// Returns when every block is durable.
    func finish() throws(ContentFailure) { try batch.finish() }

    // MARK: Paths

    /// Takes in what the path leads to; the path itself may be a link.
    func path(_ path: String) throws(ContentFailure) -> (ImportedRoot, PublishedRoot.Kind) {
        guard let status = Files.status(of: path) else { throw .store(.system("open", path)) }
        switch status.st_mode & S_IFMT {
        case S_IFREG: return (try file(path), .file)
        case S_IFDIR: return (try directory(path, depth: 0), .directory)
        case S_IFIFO, S_IFCHR: return (try pipe(path), .file)
        default: throw Self.special(path)
        }
    }

    private static func special(_ path: String) -> ContentFailure {
        .unpublishable(path: path, reason: "it is neither a file nor a directory nor a link")
    }

    private func directory(
        _ path: String, depth: Int
    ) throws(ContentFailure) -> ImportedRoot {
        // Deeper trees could be put, but nobody would read them.
        guard depth <= DagLimits.directoryDepthMax else {
            let reason = "it is more than \(DagLimits.directoryDepthMax) directories deep"
            throw .unpublishable(path: path, reason: reason)
        }
        var builder = DirectoryBuilder()
        for name in try failing({ () throws(StoreFailure) in try Files.names(in: path) }).sorted()
        where options.includesHidden || !name.hasPrefix(".") {
            let root = try entry(path + "/" + name, depth: depth + 1)
            try shaping(path + "/" + name) { () throws(DagFailure) in try builder.add(name, root) }
        }
        let root = try shaping(path) { () throws(DagFailure) in try builder.finish() }
        while let block = builder.nextBlock() { try add(block) }
        return root
    }

    /// An entry of a directory: links are kept as links.
    private func entry(_ path: String, depth: Int) throws(ContentFailure) -> ImportedRoot {
        try cancellation.check()
        var status = stat()
        guard lstat(path, &status) == 0 else { throw .store(.system("open", path)) }
        switch status.st_mode & S_IFMT {
        case S_IFREG: return try file(path)
        case S_IFDIR: return try directory(path, depth: depth)
        case S_IFLNK: return try link(path)
        default: throw Self.special(path)
        }
    }

    private func link(_ path: String) throws(ContentFailure) -> ImportedRoot {
        var buffer = [UInt8](repeating: 0, count: DagLimits.symlinkByteCountMax + 1)
        let count = buffer.withUnsafeMutableBytes {
            readlink(path, $0.bindMemory(to: CChar.self).baseAddress!, $0.count)
        }
        guard count >= 0 else { throw .store(.system("read", path)) }
        guard let target = String(validating: buffer[..<count], as: UTF8.self) else {
            throw .unpublishable(path: path, reason: "its target is no UTF-8")
        }
        let (block, root) = try shaping(path) { () throws(DagFailure) in
            try ImportedBlock.symlink(to: target)
        }
        try add(block)
        return root
    }

    // MARK: Files

    private func file(_ path: String) throws(ContentFailure) -> ImportedRoot {
        let file = try open(path)
        let size = UInt64(try failing { () throws(StoreFailure) in try file.status() }.st_size)
        var importer = FileImporter()
        let number = file.number
        let leaf = UInt64(leafByteCount)
        for start in stride(from: 0 as UInt64, to: size, by: Self.window * leafByteCount) {
            let end = min(size, start + UInt64(Self.window) * leaf)
            let count = Int((end - start + leaf - 1) / leaf)
            try leaves(count, &importer) { i throws(ContentFailure) in
                let offset = start + UInt64(i) * leaf
                let wanted = Int(min(leaf, end - offset))
                return try Self.read(number, path, at: offset, count: wanted)
            }
        }
        return try finish(&importer)
    }

    private func open(_ path: String) throws(ContentFailure) -> OpenFile {
        do throws(StoreFailure) { return try OpenFile(path, O_RDONLY) } catch {
            throw .store(error)
        }
    }

    private static func read(
        _ number: Int32, _ path: String, at offset: UInt64, count: Int
    ) throws(ContentFailure) -> [UInt8] {
        var code: Int32 = 0
        let bytes = [UInt8](unsafeUninitializedCapacity: count) { buffer, done in
            while done < count {
                let got = pread(
                    number, buffer.baseAddress! + done, count - done, off_t(offset) + done)
                if got < 0 && errno == EINTR { continue }
                if got < 0 { code = errno }
                guard got > 0 else { return }
                done += got
            }
        }
        if code != 0 { throw .store(.system("read", path, code: code)) }
        guard bytes.count == count else { throw .changed(path: path) }
        return bytes
    }

    /// Something that has no size and no offsets.
    private func pipe(_ path: String) throws(ContentFailure) -> ImportedRoot {
        let file = try open(path)
        let stream = StreamIngest(self)
        while true {
            let bytes = try failing { () throws(StoreFailure) in
                try file.read(upTo: leafByteCount)
            }
            if bytes.isEmpty { return try stream.finish() }
            try stream.add(bytes)
        }
    }

    // MARK: Leaves

    /// Takes in the next `count` leaves of a file; `read` is called on several threads.
    func leaves(
        _ count: Int, _ importer: inout FileImporter,
        _ read: @Sendable (Int) throws(ContentFailure) -> [UInt8]
    ) throws(ContentFailure) {
        try cancellation.check()
        let staged = try stage(count, read)
        for block in staged {
            importer.appendLeaf(block.cid, byteCount: block.byteCount)
            try batch.add(block)
        }
        while let block = importer.nextBlock() { try add(block) }
    }

    private func stage(
        _ count: Int, _ read: @Sendable (Int) throws(ContentFailure) -> [UInt8]
    ) throws(ContentFailure) -> [StagedBlock] {
        if count == 1 { return [try leaf(read(0))] }
        let slots = Mutex<[StagedBlock?]>(Array(repeating: nil, count: count))
        let failure = Mutex<ContentFailure?>(nil)
        let next = Atomic<Int>(0)
        DispatchQueue.concurrentPerform(iterations: min(Self.lanes, count)) { _ in
            do throws(ContentFailure) {
                while true {
                    let i = next.add(1, ordering: .relaxed).oldValue
                    guard i < count, failure.withLock({ $0 == nil }) else { return }
                    let block = try leaf(read(i))
                    slots.withLock { $0[i] = block }
                }
            } catch { failure.withLock { $0 = $0 ?? error } }
        }
        if let failure = failure.withLock({ $0 }) { throw failure }
        return slots.withLock { $0.compactMap { $0 } }
    }

    private func leaf(_ bytes: [UInt8]) throws(ContentFailure) -> StagedBlock {
        let block = ImportedBlock(.raw, bytes)
        let staged = try failing { () throws(StoreFailure) in
            try store.stage(block.cid, block.bytes)
        }
        meter.add(bytes.count)
        return staged
    }

    func finish(_ importer: inout FileImporter) throws(ContentFailure) -> ImportedRoot {
        let root = importer.finish()
        while let block = importer.nextBlock() { try add(block) }
        return root
    }

    private func add(_ block: ImportedBlock) throws(ContentFailure) {
        try batch.add(
            failing { () throws(StoreFailure) in try store.stage(block.cid, block.bytes) })
    }

    private func shaping<R>(
        _ path: String, _ body: () throws(DagFailure) -> R
    ) throws(ContentFailure) -> R {
        do throws(DagFailure) { return try body() } catch {
            throw .unpublishable(path: path, reason: "\(error)")
        }
    }
}

/// A file out of pieces of any size. Used by one thread at a time.
final class StreamIngest: @unchecked Sendable {
    private let ingest: Ingest
    private var importer = FileImporter()
    private var full: [[UInt8]] = []
    private var tail: [UInt8] = []

    init(_ ingest: Ingest) { self.ingest = ingest }

    func add(_ bytes: [UInt8]) throws(ContentFailure) {
        let size = importer.profile.leafByteCount
        var rest = bytes[...]
        while !rest.isEmpty {
            if tail.isEmpty { tail.reserveCapacity(size) }
            let count = min(size - tail.count, rest.count)
            tail += rest.prefix(count)
            rest = rest.dropFirst(count)
            guard tail.count == size else { continue }
            full.append(tail)
            tail = []
            if full.count == 8 { try flush() }
        }
    }

    func finish() throws(ContentFailure) -> ImportedRoot {
        if !tail.isEmpty { full.append(tail) }
        tail = []
        try flush()
        return try ingest.finish(&importer)
    }

    private func flush() throws(ContentFailure) {
        let leaves = full
        full = []
        guard !leaves.isEmpty else { return }
        try ingest.leaves(leaves.count, &importer) { leaves[$0] }
    }
}

/// Rethrows a failure of the store as one of content.
func failing<R>(_ body: () throws(StoreFailure) -> R) throws(ContentFailure) -> R {
    do throws(StoreFailure) { return try body() } catch { throw .store(error) }
}

/// Counts bytes from several threads and tells, at most ten times a second.
final class Meter: Sendable {
    private struct State {
        var done: UInt64 = 0
        var told = Date.distantPast
    }

    private let state = Mutex(State())
    private let total: UInt64?
    private let tell: (@Sendable (UInt64, UInt64?) -> Void)?

    init(total: UInt64?, _ tell: (@Sendable (UInt64, UInt64?) -> Void)?) {
        (self.total, self.tell) = (total, tell)
    }

    func add(_ count: Int) {
        guard let tell else { return }
        let done: UInt64? = state.withLock { state in
            state.done += UInt64(count)
            let now = Date()
            guard now.timeIntervalSince(state.told) > 0.1 else { return nil }
            state.told = now
            return state.done
        }
        if let done { tell(done, total) }
    }

    /// Tells the sum.
    func finish() {
        let done = state.withLock { $0.done }
        tell?(done, total)
    }
}
