/// The bytes, files and directories of a tree in order, out of the store, each block checked.
///
/// Blocks are read ahead on threads of their own. A block that is not there is waited for by the
/// reader's ``BlockWait``, so that content can be used while it is still being fetched.

import AROContent
import AROPrimitives
import AROWire

/// Walks a tree. Not for use by two tasks at once.
public final class ContentReader: @unchecked Sendable {
    /// Blocks that are read before they are asked for. A guess: 8 MiB of memory.
    static let readAhead = 8

    private var exporter: Exporter
    private let blocks: BlockSource

    init(_ exporter: Exporter, _ blocks: BlockSource) {
        (self.exporter, self.blocks) = (exporter, blocks)
    }

    /// The next step; nil at the end.
    func step() async throws(ContentFailure) -> ExportStep? {
        while true {
            let step = exporter.next()
            switch step {
            case .needBlock(let cid):
                blocks.readAhead(exporter.upcoming(Self.readAhead))
                exporter.blockArrived(try await blocks.block(cid))
            case .failed(let failure): throw .tree(failure)
            case .finished: return nil
            default: return step
            }
        }
    }

    /// The next bytes of a file, in order; nil at its end. Throws for what is no file.
    public func next() async throws(ContentFailure) -> ArraySlice<UInt8>? {
        while let step = try await step() {
            switch step {
            case .bytes(let bytes, _): return bytes
            case .beginFile(_, _, let byteCount): fileByteCount = byteCount
            case .enterDirectory, .symlink: throw .tree(.rangeOfDirectory)
            default: continue
            }
        }
        return nil
    }

    /// The size of the whole file, once ``open()`` or ``next()`` has returned.
    public private(set) var fileByteCount: UInt64?

    /// Follows the path and learns the file's size without reading on. Throws for what is no file.
    public func open() async throws(ContentFailure) {
        guard fileByteCount == nil else { return }
        guard case .beginFile(_, _, let byteCount) = try await step() else {
            throw .tree(.rangeOfDirectory)
        }
        fileByteCount = byteCount
    }
}

extension ContentReader: AsyncSequence {
    public typealias Element = ArraySlice<UInt8>

    public struct Iterator: AsyncIteratorProtocol {
        let reader: ContentReader

        public mutating func next() async throws(ContentFailure) -> ArraySlice<UInt8>? {
            try await reader.next()
        }

        public mutating func next(
            isolation actor: isolated (any Actor)?
        ) async throws(ContentFailure) -> ArraySlice<UInt8>? {
            try await reader.next()
        }
    }

    public func makeAsyncIterator() -> Iterator { Iterator(reader: self) }
}

/// Blocks of the store, read ahead and waited for.
final class BlockSource: @unchecked Sendable {
    private typealias Reading = Task<Result<[UInt8], ContentFailure>, Never>

    private let store: ChunkStore
    private let threads: BlockingThreads
    private let wait: BlockWait?
    /// What is being read, oldest first.
    private var underWay: [(cid: CID, reading: Reading)] = []
    private let use: StoreUse

    init(_ store: ChunkStore, _ threads: BlockingThreads, _ wait: BlockWait?) {
        (self.store, self.threads, self.wait) = (store, threads, wait)
        use = store.beginUse()
    }

    func readAhead(_ cids: [CID]) {
        for cid in cids where underWay.count < ContentReader.readAhead {
            guard !underWay.contains(where: { $0.cid == cid }) else { continue }
            underWay.append((cid, start(cid)))
        }
    }

    /// A block, waited for where it is not there.
    func block(_ cid: CID) async throws(ContentFailure) -> [UInt8] {
        var reading = take(cid) ?? start(cid)
        while true {
            switch await reading.value {
            case .success(let bytes): return bytes
            case .failure(.store(.notFound)), .failure(.store(.corrupt)):
                if Task.isCancelled { throw .cancelled }
                guard let wait, await wait(cid) else { throw .missing(cid) }
                if Task.isCancelled { throw .cancelled }
                reading = start(cid)
            case .failure(let failure): throw failure
            }
        }
    }

    private func take(_ cid: CID) -> Reading? {
        guard let at = underWay.firstIndex(where: { $0.cid == cid }) else { return nil }
        // What was begun before it is not wanted any more: the walk has passed it.
        defer { underWay.removeSubrange(...at) }
        return underWay[at].reading
    }

    private func start(_ cid: CID) -> Reading {
        Task { [store, threads] in
            do throws(ContentFailure) {
                return .success(
                    try await threads.run { _ throws(ContentFailure) in
                        try failing { () throws(StoreFailure) in try store.read(cid) }
                    })
            } catch { return .failure(error) }
        }
    }
}

extension Library {
    /// The bytes of a file, or of a part of one, in order.
    ///
    /// - Parameters:
    ///   - path: names to follow from the root through directories.
    ///   - wait: asked for blocks that are not there; nil where nobody brings any.
    public func read(
        _ root: CID, path: [String] = [], range: Range<UInt64>? = nil, wait: BlockWait? = nil
    ) -> ContentReader {
        ContentReader(
            Exporter(root: root, path: path, range: range), BlockSource(store, readers, wait))
    }

    /// What a root and names lead to: its CID and kind.
    public func lookup(
        _ root: CID, path: [String] = [], wait: BlockWait? = nil
    ) async throws(ContentFailure) -> (cid: CID, kind: ListingEntry.Kind) {
        var lookup = PathLookup(root: root, path: path)
        let blocks = BlockSource(store, readers, wait)
        while true {
            switch lookup.next() {
            case .needBlock(let cid): lookup.blockArrived(try await blocks.block(cid))
            case .found(let cid, let kind): return (cid, kind)
            case .failed(let failure): throw .tree(failure)
            }
        }
    }

    /// The entries of a directory, in its order; what is no directory is listed itself, without a
    /// name. The kinds of entries whose blocks are not there are unknown, unless `wait` brings them.
    public func list(
        _ root: CID, path: [String] = [], wait: BlockWait? = nil
    ) async throws(ContentFailure) -> [ListingEntry] {
        var listing = Listing(root: root, path: path)
        let blocks = BlockSource(store, readers, wait)
        var entries: [ListingEntry] = []
        while true {
            switch listing.next() {
            case .needBlock(let cid, let isRequired):
                let block = await result { () async throws(ContentFailure) in
                    try await blocks.block(cid)
                }
                if isRequired {
                    listing.blockArrived(try block.get())
                } else {
                    listing.blockArrived(try? block.get())
                }
            case .entry(let entry): entries.append(entry)
            case .finished: return entries
            case .failed(let failure): throw .tree(failure)
            }
        }
    }
}

private func result<R>(
    _ body: () async throws(ContentFailure) -> R
) async -> Result<R, ContentFailure> {
    do throws(ContentFailure) { return .success(try await body()) } catch { return .failure(error) }
}
