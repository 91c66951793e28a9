/// What can go wrong on the disk, as types: each names the path and says what the operator can do.

import AROContent
import AROPrimitives
import AROWire
import Foundation
import GRDB

public enum StoreFailure: Error, Hashable, Sendable {
    case notFound(CID)
    /// The bytes on the disk were not those that the CID names; they lie in `quarantine` now.
    case corrupt(CID)
    /// The quota is used up by content that must stay.
    case full(quota: UInt64, used: UInt64, wanted: UInt64)
    case diskFull(path: String)
    case permission(path: String, action: String)
    case readOnly(path: String)
    /// Another process holds the data directory.
    case locked(path: String, pid: Int32?)
    case insecure(path: String, mode: UInt32)
    case foreignOwner(path: String, owner: UInt32)
    case damagedKey(path: String, byteCount: Int)
    /// The index was written by a newer release.
    case futureSchema(path: String)
    case blockTooLarge(CID, byteCount: Int)
    case io(path: String, action: String, code: Int32)
    case index(String)
}

extension StoreFailure: CustomStringConvertible {
    public var description: String {
        switch self {
        case .notFound(let cid): "\(cid) is not in the store"
        case .corrupt(let cid): "\(cid) was damaged on the disk; it was moved to quarantine"
        case .full(let quota, let used, let wanted):
            "the quota of \(quota) bytes is full: \(used) bytes are held and \(wanted) more are "
                + "needed, but what is left is pinned or in use; raise --quota or unpin something"
        case .diskFull(let path): "no space left on the disk of \(path)"
        case .permission(let path, let action):
            "no permission to \(action) \(path); check its owner and mode"
        case .readOnly(let path): "\(path) is on a read-only file system"
        case .locked(let path, let pid):
            "\(path) is in use by another node"
                + (pid.map { " (process \($0))" } ?? "")
                + "; stop it or choose another --data-dir"
        case .insecure(let path, let mode):
            "\(path) may be used by others (mode \(String(mode, radix: 8))); "
                + "run: chmod go-rwx '\(path)'"
        case .foreignOwner(let path, let owner):
            "\(path) belongs to another user (uid \(owner)); run the node as its owner"
        case .damagedKey(let path, let byteCount):
            "\(path) is no key file: it has \(byteCount) bytes instead of 32"
        case .futureSchema(let path):
            "\(path) was written by a newer release of aro; use that one"
        case .blockTooLarge(let cid, let byteCount):
            "\(cid) has \(byteCount) bytes, more than a block may have"
        case .io(let path, let action, let code):
            "cannot \(action) \(path): \(String(cString: strerror(code)))"
        case .index(let words): "the database failed: \(words)"
        }
    }
}

extension StoreFailure {
    /// The failure of a system call on `path`, by the `errno` that it left.
    static func system(_ action: String, _ path: String, code: Int32 = errno) -> StoreFailure {
        switch code {
        case ENOSPC, EDQUOT: .diskFull(path: path)
        case EACCES, EPERM: .permission(path: path, action: action)
        case EROFS: .readOnly(path: path)
        default: .io(path: path, action: action, code: code)
        }
    }

    /// The failure of the index at `path`.
    static func index(_ error: any Error, path: String) -> StoreFailure {
        if let failure = error as? StoreFailure { return failure }
        guard let error = error as? DatabaseError else { return .index("\(path): \(error)") }
        switch error.resultCode {
        case .SQLITE_FULL: return .diskFull(path: path)
        case .SQLITE_READONLY: return .readOnly(path: path)
        case .SQLITE_CANTOPEN, .SQLITE_PERM, .SQLITE_AUTH:
            return .permission(path: path, action: "open")
        default: return .index("\(path): \(error.description)")
        }
    }

    /// What the core is told.
    public var forNode: DiskFailure {
        switch self {
        case .notFound: .notFound
        case .corrupt: .corrupt
        case .full, .diskFull: .full
        default: .failed(description)
        }
    }
}
