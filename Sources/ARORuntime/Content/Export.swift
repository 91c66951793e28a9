/// Trees onto a disk: written beside their place under a temporary name, and renamed when complete,
/// so that nobody ever sees a half.
///
/// Names were checked when the blocks were decoded, and are checked again here. Everything is made
/// anew and exclusively inside a directory of our own making, so no name and no symbolic link of the
/// content can lead a write elsewhere.

import AROContent
import AROPrimitives
import AROWire
import Foundation

extension Library {
    /// Writes a file or a directory to `destination`, which must not exist unless `overwrite`. What
    /// was there is replaced as a whole.
    public func export(
        _ root: CID, path: [String] = [], range: Range<UInt64>? = nil, to destination: String,
        overwrite: Bool = false, wait: BlockWait? = nil, progress: ContentProgress? = nil
    ) async throws(ContentFailure) {
        if !overwrite, FileTree.exists(destination) { throw .exists(path: destination) }
        let reader = read(root, path: path, range: range, wait: wait)
        let tree = try FileTree(for: destination)
        let meter = Meter(total: nil, progress)
        while let step = try await reader.step() {
            if Task.isCancelled { throw .cancelled }
            if case .bytes(let bytes, _) = step { meter.add(bytes.count) }
            try await readers.run { _ throws(ContentFailure) in try tree.take(step) }
        }
        try await jobs.run { _ throws(ContentFailure) in
            try tree.finish(destination, overwrite: overwrite)
        }
        meter.finish()
    }
}

/// A tree being written. Used by one thread at a time.
private final class FileTree: @unchecked Sendable {
    /// The name of the top while it is incomplete.
    private let top: String
    /// The directories that we are in, the top being the first.
    private var directories: [String] = []
    private var file: Int32 = -1
    private var filePath = ""
    private var isFinished = false

    init(for destination: String) throws(ContentFailure) {
        let parent = (destination as NSString).deletingLastPathComponent
        let directory = parent.isEmpty ? "." : parent
        var random = SystemRandomNumberGenerator()
        let name = String(random.next(), radix: 36)
        top = directory + "/.aro-\(name).part"
    }

    deinit {
        if file >= 0 { close(file) }
        if !isFinished { Self.remove(top) }
    }

    static func exists(_ path: String) -> Bool {
        var status = stat()
        return lstat(path, &status) == 0
    }

    func take(_ step: ExportStep) throws(ContentFailure) {
        switch step {
        case .beginFile(let name, _, _): try begin(file: place(name))
        case .bytes(let bytes, _): try write(bytes)
        case .endFile: try endFile()
        case .enterDirectory(let name, _): try enter(place(name))
        case .leaveDirectory: directories.removeLast()
        case .symlink(let name, _, let target):
            let path = try place(name)
            guard symlink(target, path) == 0 else { throw .store(.system("create", path)) }
        case .needBlock, .finished, .failed: break
        }
    }

    /// Where an entry of the directory that we are in goes.
    private func place(_ name: String?) throws(ContentFailure) -> String {
        guard let directory = directories.last else { return top }
        let name = name ?? ""
        guard !name.isEmpty, name != ".", name != "..",
            !name.utf8.contains(where: { $0 == UInt8(ascii: "/") || $0 == 0 })
        else { throw .unsafeName(name) }
        return directory + "/" + name
    }

    private func begin(file path: String) throws(ContentFailure) {
        file = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0o666)
        filePath = path
        guard file >= 0 else { throw .store(.system("create", path)) }
    }

    private func write(_ bytes: ArraySlice<UInt8>) throws(ContentFailure) {
        var done = 0
        while done < bytes.count {
            let count = bytes.withUnsafeBytes {
                Glibc.write(file, $0.baseAddress! + done, $0.count - done)
            }
            if count < 0 && errno == EINTR { continue }
            guard count > 0 else { throw .store(.system("write", filePath)) }
            done += count
        }
    }

    private func endFile() throws(ContentFailure) {
        let number = file
        file = -1
        guard close(number) == 0 else { throw .store(.system("write", filePath)) }
    }

    private func enter(_ path: String) throws(ContentFailure) {
        guard mkdir(path, 0o777) == 0 else { throw .store(.system("create", path)) }
        directories.append(path)
    }

    /// Gives the tree its name.
    func finish(_ destination: String, overwrite: Bool) throws(ContentFailure) {
        if overwrite { try replace(destination) } else { try name(destination) }
        isFinished = true
    }

    /// A file by a second link, which never replaces; a directory by a rename, which never replaces
    /// more than an empty one. Not every file system has links.
    private func name(_ destination: String) throws(ContentFailure) {
        if link(top, destination) == 0 {
            unlink(top)
            return
        }
        if errno == EEXIST || Self.exists(destination) { throw .exists(path: destination) }
        guard rename(top, destination) == 0 else {
            throw .store(.system("create", destination))
        }
    }

    private func replace(_ destination: String) throws(ContentFailure) {
        if rename(top, destination) == 0 { return }
        // Between two kinds, or over a directory that is not empty.
        guard [EISDIR, ENOTDIR, ENOTEMPTY, EEXIST].contains(errno) else {
            throw .store(.system("create", destination))
        }
        let old = top + ".old"
        guard rename(destination, old) == 0, rename(top, destination) == 0 else {
            throw .store(.system("replace", destination))
        }
        Self.remove(old)
    }

    private static func remove(_ path: String) {
        guard exists(path) else { return }
        try? FileManager.default.removeItem(atPath: path)
    }
}
