/// Writes a file or a directory under a temporary name beside the final one, and renames when all of
/// it is there: nobody ever sees a part of it under its name.
///
/// A process that is killed leaves its temporary name behind. The process that writes there holds a
/// lock on it (flock(2)), which ends with it whatever its end: what nobody has locked is removed by the
/// next one that writes to the same place.

import ARO
import Foundation

final class OutputTree {
    private let path: String
    private let temporary: String
    private var file: Int32 = -1
    /// The lock on what is under the temporary name; -1 for a symbolic link, which has none.
    private var lock: Int32 = -1
    private var hasBegun = false

    init(at path: String) {
        self.path = path
        let url = URL(fileURLWithPath: path)
        temporary =
            url.deletingLastPathComponent()
            .appendingPathComponent(".\(url.lastPathComponent).aro-\(getpid()).part").path
    }

    /// Refuses what could only fail at the end.
    func check() throws {
        let parent = URL(fileURLWithPath: path).deletingLastPathComponent().path
        guard access(parent, W_OK | X_OK) == 0 else {
            throw SystemFailure("write into the directory \(parent)")
        }
        var isDirectory: ObjCBool = false
        if FileManager.default.fileExists(atPath: path, isDirectory: &isDirectory),
            isDirectory.boolValue
        {
            throw CommandFailure(.usage, "'\(path)' is a directory that exists already")
        }
        removeLeftovers()
        Interruption.add(temporary)
    }

    /// Removes what processes that died had begun under names like ours.
    private func removeLeftovers() {
        let url = URL(fileURLWithPath: temporary)
        let directory = url.deletingLastPathComponent().path
        let start = ".\(URL(fileURLWithPath: path).lastPathComponent).aro-"
        for name in (try? FileManager.default.contentsOfDirectory(atPath: directory)) ?? [] {
            guard name.hasPrefix(start), name.hasSuffix(".part"),
                let process = pid_t(name.dropFirst(start.count).dropLast(5)),
                process == getpid() || kill(process, 0) != 0 && errno == ESRCH
            else { continue }
            let place = "\(directory)/\(name)"
            // The process may be one of another container: its lock tells.
            let other = open(place, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC)
            defer { if other >= 0 { close(other) } }
            guard other >= 0 ? flock(other, LOCK_EX | LOCK_NB) == 0 : errno == ELOOP else {
                continue
            }
            try? FileManager.default.removeItem(atPath: place)
        }
    }

    /// Whoever holds the lock is alive. Not every file system has locks; there the name alone, which
    /// has the process's number, protects it.
    private func lockTemporary() {
        guard lock < 0 else { return }
        lock = open(temporary, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC)
        if lock >= 0 { _ = flock(lock, LOCK_SH | LOCK_NB) }
    }

    /// Starts the next entry; the first one has no path.
    func begin(_ entry: EntryReport) throws {
        try closeFile()
        guard entry.path.isEmpty != hasBegun else {
            throw CommandFailure("the node sent entries in disorder")
        }
        hasBegun = true
        let place = try ([temporary] + entry.path.map(Self.checked)).joined(separator: "/")
        switch entry.kind {
        case .file:
            file = open(place, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0o666)
            guard file >= 0 else { throw SystemFailure("make the file \(place)") }
        case .directory:
            guard mkdir(place, 0o777) == 0 else {
                throw SystemFailure("make the directory \(place)")
            }
        case .unknown: throw CommandFailure("the node sent an entry of unknown kind")
        case .symlink:
            guard symlink(entry.target ?? "", place) == 0 else {
                throw SystemFailure("make the link \(place)")
            }
        }
        if entry.path.isEmpty { lockTemporary() }
    }

    func write(_ bytes: UnsafeRawBufferPointer) throws {
        guard file >= 0 else { throw CommandFailure("the node sent bytes of no file") }
        try Terminal.write(bytes, to: file)
    }

    /// Gives it its name.
    func finish() throws {
        try closeFile()
        guard hasBegun else { throw CommandFailure("the node sent nothing") }
        guard rename(temporary, path) == 0 else { throw SystemFailure("rename to \(path)") }
        Interruption.remove(temporary)
        if lock >= 0 { close(lock) }
        lock = -1
    }

    func abandon() {
        if file >= 0 { close(file) }
        file = -1
        if lock >= 0 { close(lock) }
        lock = -1
        if hasBegun { try? FileManager.default.removeItem(atPath: temporary) }
        Interruption.remove(temporary)
    }

    private func closeFile() throws {
        guard file >= 0 else { return }
        defer { file = -1 }
        let isSynced = fsync(file) == 0 || errno == EINVAL
        guard close(file) == 0, isSynced else { throw SystemFailure("write \(path)") }
    }

    /// A name that stays in its directory.
    private static func checked(_ name: String) throws -> String {
        guard !name.isEmpty, name != ".", name != "..", !name.contains("/"), !name.contains("\0")
        else { throw CommandFailure(.unverified, "a directory holds the forbidden name '\(name)'") }
        return name
    }
}
