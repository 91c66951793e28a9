// The directory, its lock and the key: only for their owner, only for one node.

import AROCrypto
import AROPrimitives
import Foundation
import Testing

@testable import ARORuntime

@Suite struct DataDirectoryTests {
    private func mode(_ path: String) -> mode_t {
        (Files.status(of: path)?.st_mode ?? 0) & 0o777
    }

    @Test func isMadeForItsOwnerAlone() throws {
        let scratch = Scratch()
        let path = scratch.path + "/deep/er/data"
        let directory = try DataDirectory(path)
        let store = try ChunkStore(in: directory)
        _ = try KeyFile.load(in: directory)
        try store.write([Block(seed: 1, byteCount: 10), Block(seed: 2, byteCount: 100_000)])
        for name in ["", "/chunks", "/chunks/00", "/chunks/.incoming", "/quarantine"] {
            #expect(mode(path + name) == 0o700, "\(name)")
        }
        for name in scratch.files(below: "deep/er/data") {
            #expect(mode(path + "/" + name) == 0o600, "\(name)")
        }
    }

    @Test func anEmptyOneOfTheUserIsClosedToOthers() throws {
        let scratch = Scratch()
        chmod(scratch.path, 0o755)
        _ = try DataDirectory(scratch.path)
        #expect(mode(scratch.path) == 0o700)
    }

    @Test func oneThatOthersMayWriteToIsRefused() throws {
        let scratch = Scratch()
        try Data().write(to: URL(filePath: scratch.path + "/something"))
        chmod(scratch.path, 0o777)
        let failure = failure { () throws(StoreFailure) in _ = try DataDirectory(scratch.path) }
        #expect(failure == .insecure(path: scratch.path, mode: 0o777))
        #expect(failure?.description.contains("chmod go-rwx") == true)
    }

    @Test func aFileInItsPlaceIsRefused() throws {
        let scratch = Scratch()
        try Data().write(to: URL(filePath: scratch.path + "/data"))
        let path = scratch.path + "/data"
        let failure = failure { () throws(StoreFailure) in _ = try DataDirectory(path) }
        #expect(failure == .io(path: path, action: "use as a directory", code: ENOTDIR))
    }

    @Test func oneNodeAtATime() throws {
        let scratch = Scratch()
        do {
            let first = try DataDirectory(scratch.path)
            let failure = failure { () throws(StoreFailure) in _ = try DataDirectory(scratch.path) }
            #expect(failure == .locked(path: scratch.path, pid: getpid()))
            #expect(failure?.description.contains("process \(getpid())") == true)
            #expect(first.path == scratch.path)
        }
        _ = try DataDirectory(scratch.path)
    }
}

@Suite struct KeyFileTests {
    private func load(_ scratch: Scratch) throws -> PeerID {
        let directory = try DataDirectory(scratch.path)
        let identity = try KeyFile.load(in: directory)
        return identity.id
    }

    private func failureOfLoading(_ scratch: Scratch) -> StoreFailure? {
        failure { () throws(StoreFailure) in
            let directory = try DataDirectory(scratch.path)
            _ = try KeyFile.load(in: directory)
        }
    }

    @Test func theSameKeyComesBack() throws {
        let scratch = Scratch()
        let id = try load(scratch)
        #expect(try load(scratch) == id)
        #expect(try load(Scratch()) != id)
        let path = scratch.path + "/identity.key"
        #expect(Files.status(of: path)?.st_size == 32)
        #expect(scratch.files(below: "") == ["identity.key", "lock"])
    }

    @Test(arguments: [0o640, 0o604, 0o610, 0o666] as [mode_t])
    func aKeyThatOthersMayUseIsRefused(_ mode: mode_t) throws {
        let scratch = Scratch()
        _ = try load(scratch)
        let path = scratch.path + "/identity.key"
        chmod(path, mode)
        #expect(failureOfLoading(scratch) == .insecure(path: path, mode: mode))
        chmod(path, 0o400)
        #expect(failureOfLoading(scratch) == nil)
    }

    @Test(arguments: [0, 31, 33, 5_000])
    func aKeyOfAnotherLengthIsRefused(_ count: Int) throws {
        let scratch = Scratch()
        let path = scratch.path + "/identity.key"
        try Data(repeating: 1, count: count).write(to: URL(filePath: path))
        chmod(path, 0o600)
        #expect(failureOfLoading(scratch) == .damagedKey(path: path, byteCount: count))
    }

    @Test(.enabled(if: geteuid() == 0, "only root can give a file away"))
    func aKeyOfAnotherUserIsRefused() throws {
        let scratch = Scratch()
        _ = try load(scratch)
        let path = scratch.path + "/identity.key"
        chown(path, 4_321, 4_321)
        #expect(failureOfLoading(scratch) == .foreignOwner(path: path, owner: 4_321))
    }

    @Test func aKeyHalfWrittenByACrashIsMadeAnew() throws {
        let scratch = Scratch()
        try Data([1, 2]).write(to: URL(filePath: scratch.path + "/identity.key.new"))
        _ = try load(scratch)
        #expect(scratch.files(below: "") == ["identity.key", "lock"])
    }
}
