/// A node's own directory: only its owner may use it, and only one node at a time.
///
/// ```
/// DATA/                 0700
///   lock                held by flock(2) while a node runs; its text is the node's process id
///   identity.key        0600: the 32-byte Ed25519 seed
///   index.sqlite        (-wal, -shm)  what is held, and why
///   ledger.sqlite       (-wal, -shm)  receipts, vouchers and balances of calls of models
///   chunks/             blocks as files; chunks/.incoming holds those not yet complete
///   quarantine/         blocks that were found damaged
/// ```

import Foundation

public struct DataDirectory: ~Copyable, Sendable {
    public let path: String
    private let lock: LockFile

    /// Opens or makes the directory and takes its lock, which is held until release.
    public init(_ path: String) throws(StoreFailure) {
        let absolute = (NSString(string: path).expandingTildeInPath as NSString).standardizingPath
        self.path = absolute
        try Files.makeDirectory(absolute)
        try Self.check(absolute)
        lock = try LockFile(absolute + "/lock")
    }

    public func file(_ name: String) -> String { path + "/" + name }

    /// Others may not write here, or they could put their own files in place of ours. A directory
    /// that is still empty is closed to others altogether; one in use keeps its mode, as every file
    /// of ours has its own.
    private static func check(_ path: String) throws(StoreFailure) {
        guard let status = Files.status(of: path) else { throw .system("stat", path) }
        guard status.st_uid == geteuid() else {
            throw .foreignOwner(path: path, owner: status.st_uid)
        }
        guard status.st_mode & 0o077 != 0 else { return }
        if try Files.names(in: path).isEmpty {
            guard chmod(path, 0o700) == 0 else { throw .system("chmod", path) }
        } else if status.st_mode & 0o022 != 0 {
            throw .insecure(path: path, mode: status.st_mode & 0o777)
        }
    }
}

/// An advisory lock by flock(2): the kernel drops it when the process ends, however it ends.
struct LockFile: ~Copyable, Sendable {
    private let number: Int32

    init(_ path: String) throws(StoreFailure) { number = try Self.take(path) }

    private static func take(_ path: String) throws(StoreFailure) -> Int32 {
        let file = try OpenFile(path, O_RDWR | O_CREAT)
        guard flock(file.number, LOCK_EX | LOCK_NB) == 0 else {
            guard errno == EWOULDBLOCK else { throw .system("lock", path) }
            let text = String(decoding: try file.read(upTo: 32), as: UTF8.self)
            let pid = Int32(text.trimmingCharacters(in: .whitespacesAndNewlines))
            throw .locked(path: (path as NSString).deletingLastPathComponent, pid: pid)
        }
        guard ftruncate(file.number, 0) == 0 else { throw .system("write", path) }
        try file.write(Array("\(getpid())\n".utf8))
        let kept = fcntl(file.number, F_DUPFD_CLOEXEC, 0)
        guard kept >= 0 else { throw .system("lock", path) }
        return kept
    }

    deinit { close(number) }
}
