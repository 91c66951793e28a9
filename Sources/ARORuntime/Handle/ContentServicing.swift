/// The content that a node keeps on this machine, as the handle and the control channel use it:
/// work on files and blocks that needs no network. Blocking work is done on threads of its own.

import AROContent
import AROPrimitives
import AROWire

/// Told as a job goes on: bytes done, and bytes in all where that is known.
public typealias JobProgress = @Sendable (_ done: UInt64, _ total: UInt64?) -> Void

package protocol ContentServicing: Sendable {
    /// The blocks, for the node.
    var disk: any DiskServicing { get }

    /// Stores a file or a directory, signed and pinned; durable on return.
    func importPath(_ path: String, progress: @escaping JobProgress) async throws -> Imported

    /// Stores a stream of bytes as a file, signed and pinned; durable on return. `next` gives nil at
    /// the end.
    func importStream(
        next: @escaping @Sendable () async throws -> [UInt8]?, progress: @escaping JobProgress
    ) async throws -> Imported

    /// What a root and a path lead to, from blocks held here.
    func entry(_ root: CID, path: [String]) async throws -> ContentEntry
    /// The entries of a directory held here, in the order of their names.
    func list(_ directory: CID) async throws -> [ContentEntry]
    /// The bytes of a file held here, in order, each block checked against its name.
    func read(_ file: CID, range: Range<UInt64>?) -> AsyncThrowingStream<[UInt8], any Error>

    /// What lies below a root and a path, in order; blocks that are not here are waited for.
    func reader(_ options: FetchOptions, wait: @escaping BlockWait) -> ContentReader
    /// The blocks of a walk, in order; blocks that are not here are waited for.
    func blocks(_ walk: BlockWalk, repeats: Bool, wait: @escaping BlockWait) -> BlockReader

    /// Everything kept here under a name of its own, in a stable order.
    func roots() async throws -> [HeldRoot]
    /// What this node told the network that it holds.
    func providedRoots() async throws -> [CID]
    /// A root was fetched: from now on it is offered to others and listed.
    func noteFetched(_ root: CID, byteCount: UInt64) async throws
    func pin(_ root: CID) async throws
    /// False where it was not pinned.
    func unpin(_ root: CID) async throws -> Bool
    func usage() async throws -> StoreUsage
    /// Bytes that may be kept.
    var quota: UInt64 { get }

    /// The next statement about a name of ours, kept before it is used.
    func nextName(
        _ label: String, target: CID, lifetime: Duration
    ) async throws -> PublishedName
    /// Our names, to be renewed while we run.
    func names() async throws -> [PublishedName]

    /// The proof that a root, or what a path leads to below it, or the chunk there that holds the
    /// byte at `offset`, was signed by this node, or by whom it came from.
    func proof(_ root: CID, path: [String], offset: UInt64?) async throws -> Proof

    /// Returns when everything acknowledged is on disk.
    func close() async
}

/// What an import made.
public struct Imported: Hashable, Sendable {
    public var root: CID
    /// As a user counts: a file's bytes, a directory's sum of files.
    public var byteCount: UInt64

    public init(root: CID, byteCount: UInt64) { (self.root, self.byteCount) = (root, byteCount) }
}

/// One line of a directory's listing.
public struct ContentEntry: Hashable, Sendable {
    public enum Kind: String, Codable, Sendable {
        case file, directory, symlink
        /// The block that would tell is not held.
        case unknown
    }

    public var name: String
    public var kind: Kind
    public var cid: CID
    /// A file's bytes; nil for others, and where the block that says it is not held.
    public var byteCount: UInt64?
    /// Where a symbolic link points.
    public var target: String?

    public init(
        name: String, kind: Kind, cid: CID, byteCount: UInt64? = nil, target: String? = nil
    ) {
        (self.name, self.kind, self.cid) = (name, kind, cid)
        (self.byteCount, self.target) = (byteCount, target)
    }
}

/// Content that is kept here.
public struct HeldRoot: Hashable, Sendable {
    public var root: CID
    /// As a user counts, where an attestation says it.
    public var byteCount: UInt64?
    public var name: String
    public var isPinned: Bool

    public init(root: CID, byteCount: UInt64?, name: String, isPinned: Bool) {
        (self.root, self.byteCount, self.name, self.isPinned) = (root, byteCount, name, isPinned)
    }
}
