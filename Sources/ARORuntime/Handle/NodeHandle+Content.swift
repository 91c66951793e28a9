/// Content by a handle: put, get, list, pin, publish.

import ARONode
import AROContent
import AROPrimitives
import AROWire
import NIOConcurrencyHelpers

/// What a `put` did.
public struct PutResult: Hashable, Sendable {
    public var root: CID
    public var byteCount: UInt64
    /// How many peers were seen to keep the record that says that this node holds it; nil where
    /// there is nobody to tell yet. The content is stored in either case, and the record follows
    /// when peers are there.
    public var announced: Held?
}

extension NodeHandle {
    /// Stores a file or a directory in this node, signed by it and pinned, and tells the network.
    public func put(
        path: String, progress: @escaping JobProgress = { _, _ in }
    ) async throws -> PutResult {
        try await announce(
            importing(progress) { [content] progress in
                try await content.importPath(StandardPaths.absolute(path), progress: progress)
            })
    }

    /// Stores bytes as a file, like ``put(path:progress:)``.
    ///
    /// - Parameter next: gives the bytes in order, nil at their end.
    public func put(
        next: @escaping @Sendable () async throws -> [UInt8]?,
        progress: @escaping JobProgress = { _, _ in }
    ) async throws -> PutResult {
        try await announce(
            importing(progress) { [content] progress in
                try await content.importStream(next: next, progress: progress)
            })
    }

    public func put(bytes: [UInt8]) async throws -> PutResult {
        let once = Once(bytes)
        return try await put(next: { once.take() })
    }

    private func announce(_ imported: Imported) async throws -> PutResult {
        PutResult(
            root: imported.root, byteCount: imported.byteCount,
            announced: try await announce(imported.root))
    }

    /// Tells the network of content held here; nil where there is nobody to tell yet.
    public func announce(_ root: CID) async throws -> Held? {
        do {
            let held = try await provide(root)
            return held.wanted > 0 ? held : nil
        } catch RequestFailure.noPeers {
            return nil
        }
    }

    /// What a root and a path lead to, from what this node holds: ``fetch(_:)`` it first.
    public func entry(_ root: CID, path: [String] = []) async throws -> ContentEntry {
        try await content.entry(root, path: path)
    }

    /// The entries of a directory that this node holds.
    public func list(_ directory: CID) async throws -> [ContentEntry] {
        try await content.list(directory)
    }

    /// The bytes of a file that this node holds, in order, each block checked against its name.
    public func read(
        _ file: CID, range: Range<UInt64>? = nil
    ) -> AsyncThrowingStream<[UInt8], any Error> {
        content.read(file, range: range)
    }

    /// All of a file, fetched where it is not here: for small ones.
    public func bytes(
        of root: CID, path: [String] = [], publisher: PeerID? = nil
    ) async throws -> [UInt8] {
        var target = root
        for try await progress in fetch(
            FetchOptions(root: root, path: path, publisher: publisher))
        {
            target = progress.target ?? target
        }
        var bytes: [UInt8] = []
        for try await chunk in read(target) { bytes += chunk }
        return bytes
    }

    /// Everything kept here.
    public func roots() async throws -> [HeldRoot] { try await content.roots() }

    /// Keeps content for good: it is fetched where it is not here, and never evicted.
    public func pin(_ root: CID) async throws {
        for try await _ in fetch(FetchOptions(root: root)) {}
        try await content.pin(root)
    }

    /// Lets content go when space is needed. Returns false where it was not pinned.
    public func unpin(_ root: CID) async throws -> Bool { try await content.unpin(root) }

    public func usage() async throws -> StoreUsage { try await content.usage() }

    /// How long a published name is valid unless renewed; a running node renews its names. A
    /// provider record's day, doubled, so that a night's pause loses nothing: a guess.
    public static let nameLifetime = Duration.hours(48)

    /// Lets a name of this node point to `target`, from now on.
    @discardableResult
    public func publish(_ label: String, target: CID) async throws -> Held {
        let name = try await content.nextName(
            label, target: target, lifetime: Self.nameLifetime)
        return try await held(
            .publishName(
                label: label, target: target, sequence: name.sequence, lifetime: name.lifetime))
    }

    /// The statement of its publisher about a root held here, as bytes that anyone can check offline
    /// together with the content.
    ///
    /// - Parameters:
    ///   - path: names to follow from the root to what is to be proven.
    ///   - offset: where only the chunk that holds this byte of the file is to be proven.
    public func proof(
        of root: CID, path: [String] = [], offset: UInt64? = nil
    ) async throws -> Proof {
        try await content.proof(root, path: path, offset: offset)
    }
}

/// Gives its bytes once, then the end.
private final class Once: Sendable {
    private let bytes: NIOLockedValueBox<[UInt8]?>

    init(_ bytes: [UInt8]) { self.bytes = NIOLockedValueBox(bytes) }

    func take() -> [UInt8]? {
        bytes.withLockedValue { bytes in
            defer { bytes = nil }
            return bytes?.isEmpty == true ? nil : bytes
        }
    }
}
