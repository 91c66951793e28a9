/// `identity.key`: the node's Ed25519 seed, 32 bytes, for its owner's eyes only.

import AROCrypto
import AROPrimitives
import Foundation

public enum KeyFile {
    static let byteCount = 32

    /// The identity in `directory`, made from the system's entropy if there is none yet.
    public static func load(in directory: borrowing DataDirectory) throws(StoreFailure) -> Identity
    {
        let path = directory.file("identity.key")
        if !Files.exists(path) {
            var entropy = Entropy.system()
            try write(Identity(from: &entropy), to: path, in: directory.path)
        }
        return try read(path)
    }

    /// Refuses a key that others may read or that is not ours.
    static func read(_ path: String) throws(StoreFailure) -> Identity {
        let file = try OpenFile(path, O_RDONLY)
        let status = try file.status()
        guard status.st_uid == geteuid() else {
            throw .foreignOwner(path: path, owner: status.st_uid)
        }
        guard status.st_mode & 0o077 == 0 else {
            throw .insecure(path: path, mode: status.st_mode & 0o777)
        }
        guard status.st_mode & S_IFMT == S_IFREG, status.st_size == byteCount else {
            throw .damagedKey(path: path, byteCount: Int(status.st_size))
        }
        var seed = try file.read(upTo: byteCount)
        defer { wipe(&seed) }
        guard seed.count == byteCount else {
            throw .damagedKey(path: path, byteCount: seed.count)
        }
        return Identity(seed: SecretKey(copying: seed))
    }

    /// Writes under a temporary name and renames, so that a crash leaves a whole key or none. The
    /// directory's lock keeps any other node from doing the same.
    private static func write(
        _ identity: borrowing Identity, to path: String, in directory: String
    ) throws(StoreFailure) {
        let temporary = path + ".new"
        try Files.remove(temporary)
        let file = try OpenFile(temporary, O_WRONLY | O_CREAT | O_EXCL, mode: 0o600)
        var failure: StoreFailure?
        identity.withSeed { seed in
            do throws(StoreFailure) { try file.write(seed) } catch { failure = error }
        }
        if let failure { throw failure }
        guard fsync(file.number) == 0 else { throw .system("sync", temporary) }
        try Files.rename(temporary, to: path)
        try Files.syncDirectory(directory)
    }
}
