/// What a fetch is asked for and what it tells.

import AROPrimitives
import AROWire

/// A fetch, as the local user's side names it.
public struct FetchID: Hashable, Sendable {
    public var number: UInt64
    public init(number: UInt64) { self.number = number }
}

public struct FetchOptions: Hashable, Sendable {
    public enum Scope: Hashable, Sendable {
        /// What the path leads to, with everything below.
        case all
        /// What lists the directory that the path leads to, without what is in it; of a file its
        /// first block.
        case listing
    }

    /// In which order blocks are asked for.
    public enum Order: Hashable, Sendable {
        /// One of this fetch's own, so that those who fetch the same at the same time have different
        /// blocks to give each other. Nodes of the tree come first all the same.
        case any
        /// That of the tree, at least of what comes next: somebody reads along.
        case reading
    }

    public var root: CID
    /// Names to follow from the root through directories; empty for the root itself.
    public var path: [String]
    /// The bytes of a file that are wanted; nil for all. Only the blocks that hold them are fetched.
    /// As in HTTP, it must begin inside of the file, and what lies beyond the end is cut off.
    public var range: Range<UInt64>?
    /// Content is refused unless this peer signed its root.
    public var publisher: PeerID?
    /// Read and hash every block that the disk says it holds, instead of trusting its index.
    public var checksHeld: Bool
    public var scope: Scope
    public var order: Order
    /// How long to go on without a new block from the network; nil for
    /// ``ExchangeConfiguration/patience``.
    public var patience: Duration?

    public init(
        root: CID, path: [String] = [], range: Range<UInt64>? = nil, publisher: PeerID? = nil,
        checksHeld: Bool = false, scope: Scope = .all, order: Order = .any,
        patience: Duration? = nil
    ) {
        (self.root, self.path, self.range, self.publisher) = (root, path, range, publisher)
        (self.checksHeld, self.scope) = (checksHeld, scope)
        (self.order, self.patience) = (order, patience)
    }
}

public enum FetchEvent: Hashable, Sendable {
    /// Told when it changes, at most five times a second.
    case progress(FetchProgress)
    /// Everything asked for is in the store.
    case finished(FetchProgress)
    case failed(FetchFailure)

    public var isFinal: Bool {
        if case .progress = self { false } else { true }
    }
}

public struct FetchProgress: Hashable, Sendable {
    /// The CID that the path leads to, once known.
    public var target: CID?
    /// File bytes asked for, once known; of a directory only when all of it was walked.
    public var bytesWanted: UInt64?
    /// Of these, bytes in the store, whether fetched now or held before.
    public var bytesStored: UInt64 = 0
    public var blocksStored: UInt64 = 0
    /// Bytes that came over the network.
    public var bytesFetched: UInt64 = 0
    /// Peers that are serving us now.
    public var providers = 0
    /// Who signed the root, where an attestation was found.
    public var publisher: PeerID?

    public init() {}
}

public enum FetchFailure: Error, Hashable, Sendable {
    /// Nobody is known to hold a block that is needed.
    case noProviders(CID)
    /// Every provider failed, went away or cannot be reached, and no new one was found.
    case providersLost(CID)
    /// No attestation of the demanded publisher was found.
    case notPublishedBy(PeerID)
    /// The path names something that is not there.
    case pathNotFound(String)
    /// A path leads through something that is no directory.
    case notADirectory(String)
    /// The range begins beyond the end.
    case rangeOutside(fileBytes: UInt64)
    /// A range was asked of a directory or a symbolic link.
    case rangeOfDirectory
    /// The tree breaks the format or a bound: too deep, too wide, cyclic, sizes that do not add up.
    case malformed(CID, String)
    /// As many fetches as are allowed are under way.
    case tooManyFetches
    case diskFull
    case disk(String)
}
