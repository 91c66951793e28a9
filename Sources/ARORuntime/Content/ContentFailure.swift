/// Why putting, reading or exporting content failed; the descriptions are for the user.

import AROContent
import AROWire

public enum ContentFailure: Error, Hashable, Sendable {
    case store(StoreFailure)
    /// The tree is malformed, or the path leads nowhere.
    case tree(FetchFailure)
    /// A block is not in the store, and nobody brings it.
    case missing(CID)
    /// A file or its name cannot be published.
    case unpublishable(path: String, reason: String)
    /// A file became shorter while it was read.
    case changed(path: String)
    /// Where the export should go, something is already.
    case exists(path: String)
    /// A name in a directory that must not become a path.
    case unsafeName(String)
    /// The stream that was to be put broke.
    case stream(String)
    case cancelled
}

extension ContentFailure: CustomStringConvertible {
    public var description: String {
        switch self {
        case .store(let failure): failure.description
        case .tree(let failure): failure.words
        case .missing(let cid): "\(cid) is not in the store"
        case .unpublishable(let path, let reason): "\(path) cannot be put: \(reason)"
        case .changed(let path): "\(path) changed while it was read"
        case .exists(let path):
            "\(path) exists already; it is not overwritten unless you ask for it"
        case .unsafeName(let name): "the name '\(name)' in the directory is not safe to write"
        case .stream(let words): "the input broke: \(words)"
        case .cancelled: "cancelled"
        }
    }
}
