/// What a node does with content and its disk, without the network: put, read, export, list, verify.
///
/// Everything is async and may be cancelled; the work is done on threads of its own. Where a block is
/// not there (yet), ``BlockWait`` is asked: while a fetch runs, it says when to look again.

import AROContent
import AROPrimitives
import AROWire
import Foundation

/// Bytes done, and bytes in all where that is known. Called on any thread, ten times a second at most.
public typealias ContentProgress = @Sendable (_ done: UInt64, _ total: UInt64?) -> Void

/// Waits until a block that is missing may have come. Returns false where it never will.
public typealias BlockWait = @Sendable (CID) async -> Bool

/// Makes the publisher's statement about what was put.
public typealias Attest =
    @Sendable (_ root: CID, _ byteCount: UInt64, _ name: String, _ mediaType: String) ->
    Attestation?

public struct PutOptions: Sendable {
    /// For the pin and the attestation; nil for the last part of the path.
    public var name: String?
    /// For the attestation.
    public var mediaType = ""
    /// Whether entries whose names begin with a dot are put too.
    public var includesHidden = false
    /// Content that is put stays until it is unpinned, as with `ipfs add`.
    public var pins = true
    public var attest: Attest?

    public init() {}
}

/// What was put.
public struct PutContent: Hashable, Sendable {
    public var root: CID
    /// A file's bytes; a directory's sum of files.
    public var byteCount: UInt64
    public var kind: PublishedRoot.Kind
    public var name: String
}

public final class Library: Sendable {
    public let store: ChunkStore
    /// Jobs that block for long: puts, exports, checks. More at once would only share the disk.
    let jobs = BlockingThreads("aro.content.jobs", width: 4)
    /// Single reads: wide enough to keep reading ahead of an export.
    let readers = BlockingThreads("aro.content.reads", width: 4)

    public init(_ store: ChunkStore) { self.store = store }

    // MARK: Put

    /// Puts a file or a directory. What it returns is durable and, if asked, pinned and attested.
    ///
    /// Links inside a directory are kept as links; the path itself may be one and is followed.
    public func put(
        path: String, options: PutOptions = PutOptions(), progress: ContentProgress? = nil
    ) async throws(ContentFailure) -> PutContent {
        try await jobs.run { [store] cancellation throws(ContentFailure) in
            let use = store.beginUse()
            defer { withExtendedLifetime(use) {} }
            let total = progress == nil ? nil : FileSizes.total(path, options)
            let meter = Meter(total: total, progress)
            let ingest = Ingest(store, options, meter, cancellation)
            let (root, kind) = try ingest.path(path)
            try ingest.finish()
            meter.finish()
            let name = options.name ?? (path as NSString).lastPathComponent
            return try Self.publish(root, kind, name, options, store)
        }
    }

    /// Puts a stream of bytes as a file.
    public func put<Bytes: AsyncSequence & Sendable>(
        stream: Bytes, options: PutOptions = PutOptions(), progress: ContentProgress? = nil
    ) async throws(ContentFailure) -> PutContent where Bytes.Element == [UInt8] {
        let use = store.beginUse()
        defer { withExtendedLifetime(use) {} }
        let meter = Meter(total: nil, progress)
        let cancellation = Cancellation()
        let ingest = Ingest(store, options, meter, cancellation)
        let file = StreamIngest(ingest)
        var iterator = stream.makeAsyncIterator()
        while let bytes = try await Self.next(&iterator) {
            try await jobs.run { _ throws(ContentFailure) in try file.add(bytes) }
            if Task.isCancelled { throw .cancelled }
        }
        return try await jobs.run { [store] _ throws(ContentFailure) in
            let root = try file.finish()
            try ingest.finish()
            meter.finish()
            return try Self.publish(root, .file, options.name ?? "", options, store)
        }
    }

    private static func next<Iterator: AsyncIteratorProtocol>(
        _ iterator: inout Iterator
    ) async throws(ContentFailure) -> [UInt8]? where Iterator.Element == [UInt8] {
        do { return try await iterator.next() } catch is CancellationError {
            throw .cancelled
        } catch { throw .stream("\(error)") }
    }

    /// Pins, attests and notes what lies in the store already.
    private static func publish(
        _ root: ImportedRoot, _ kind: PublishedRoot.Kind, _ name: String, _ options: PutOptions,
        _ store: ChunkStore
    ) throws(ContentFailure) -> PutContent {
        let content = PutContent(
            root: root.cid, byteCount: root.byteCount, kind: kind, name: name)
        let attestation = options.attest?(root.cid, root.byteCount, name, options.mediaType)
        try failing { () throws(StoreFailure) in
            if options.pins { try store.pin(root.cid, name: name) }
            if let attestation { try store.addAttestation(attestation) }
            try store.addRoot(
                PublishedRoot(
                    cid: root.cid, byteCount: root.byteCount, kind: kind, name: name, added: .now))
            try store.settle()
        }
        return content
    }
}

/// What a put will read, for its progress.
private enum FileSizes {
    static func total(_ path: String, _ options: PutOptions) -> UInt64? {
        guard let status = Files.status(of: path) else { return nil }
        switch status.st_mode & S_IFMT {
        case S_IFREG: return UInt64(status.st_size)
        case S_IFDIR: return below(path, options)
        default: return nil
        }
    }

    private static func below(_ path: String, _ options: PutOptions) -> UInt64 {
        var sum: UInt64 = 0
        for name in (try? Files.names(in: path)) ?? []
        where options.includesHidden || !name.hasPrefix(".") {
            var status = stat()
            let path = path + "/" + name
            guard lstat(path, &status) == 0 else { continue }
            switch status.st_mode & S_IFMT {
            case S_IFREG: sum += UInt64(status.st_size)
            case S_IFDIR: sum += below(path, options)
            default: break
            }
        }
        return sum
    }
}
