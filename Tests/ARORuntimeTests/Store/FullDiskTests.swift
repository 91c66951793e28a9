// Full, read-only and forbidden disks: clear failures, nothing lost, and work goes on afterwards.

import AROPrimitives
import AROWire
import Foundation
import Testing

@testable import ARORuntime

/// A small file system in memory; nil where we may not mount one.
private final class SmallDisk {
    let scratch = Scratch()

    init?(mebibytes: Int) {
        guard geteuid() == 0,
            mount("aro-test", scratch.path, "tmpfs", 0, "size=\(mebibytes)m,mode=0700") == 0
        else { return nil }
    }

    func makeReadOnly() -> Bool {
        mount("aro-test", scratch.path, "tmpfs", UInt(MS_REMOUNT) | UInt(MS_RDONLY), nil) == 0
    }

    // MNT_DETACH: also while files are open.
    deinit { umount2(scratch.path, 2) }

    /// Whether this machine lets us mount.
    static let isPossible = SmallDisk(mebibytes: 1) != nil
    static let why: Comment = "SKIPPED: full and read-only disks need the right to mount a tmpfs"
}

@Suite(.serialized) struct FullDiskTests {
    @Test(.enabled(if: SmallDisk.isPossible, SmallDisk.why))
    func aFullDiskIsSaidAndRecoveredFrom() throws {
        let disk = try #require(SmallDisk(mebibytes: 8))
        let store = try disk.scratch.store()
        var kept: [Block] = []
        var failed: StoreFailure?
        for seed in 0..<UInt64(100) where failed == nil {
            let block = Block(seed: seed, byteCount: seed % 2 == 0 ? 500_000 : 10_000)
            failed = failure { () throws(StoreFailure) in
                try store.write(block)
                try store.pin(block.cid)
            }
            if failed == nil { kept.append(block) }
        }
        guard case .diskFull(let path) = failed else {
            Issue.record("\(String(describing: failed))")
            return
        }
        #expect(path.hasPrefix(disk.scratch.path))
        #expect(kept.count > 5)
        #expect(disk.scratch.files(below: "chunks/.incoming").isEmpty)
        for block in kept { #expect(try store.read(block.cid) == block.bytes) }
        for block in kept.prefix(4) { try store.unpin(block.cid) }
        try store.collectGarbage()
        let next = Block(seed: 1_000, byteCount: 500_000)
        try store.write(next)
        #expect(try store.read(next.cid) == next.bytes)
    }

    @Test(.enabled(if: SmallDisk.isPossible, SmallDisk.why))
    func aDiskThatFillsUpEvictsTheCacheBeforeItFails() throws {
        let disk = try #require(SmallDisk(mebibytes: 16))
        var options = StoreOptions(quota: 1 << 30)
        options.freeBytesMin = 4 << 20
        let store = try ChunkStore(in: disk.scratch.path, options: options)
        for seed in 0..<UInt64(60) { try store.write(Block(seed: seed, byteCount: 500_000)) }
        #expect(store.holds(Block(seed: 59, byteCount: 500_000)))
        #expect(try #require(Files.space(at: disk.scratch.path)).free > 2 << 20)
    }

    @Test(.enabled(if: SmallDisk.isPossible, SmallDisk.why))
    func aReadOnlyDiskIsSaid() throws {
        let disk = try #require(SmallDisk(mebibytes: 4))
        try #require(disk.makeReadOnly())
        let path = disk.scratch.path
        let failed = failure { () throws(StoreFailure) in _ = try DataDirectory(path) }
        #expect(failed == .readOnly(path: path + "/lock"))
        let store = failure { () throws(StoreFailure) in _ = try ChunkStore(in: path) }
        #expect(store == .readOnly(path: path + "/chunks"))
    }

    @Test(.enabled(if: geteuid() != 0, "root may write anywhere"))
    func aForbiddenDirectoryIsSaid() throws {
        let scratch = Scratch()
        chmod(scratch.path, 0o500)
        defer { chmod(scratch.path, 0o700) }
        let failed = failure { () throws(StoreFailure) in
            _ = try DataDirectory(scratch.path + "/data")
        }
        #expect(failed == .permission(path: scratch.path + "/data", action: "create"))
    }

    @Test func everyFailureOfTheSystemHasItsType() {
        #expect(StoreFailure.system("write", "/x", code: ENOSPC) == .diskFull(path: "/x"))
        #expect(StoreFailure.system("write", "/x", code: EDQUOT) == .diskFull(path: "/x"))
        #expect(
            StoreFailure.system("write", "/x", code: EACCES)
                == .permission(path: "/x", action: "write"))
        #expect(StoreFailure.system("write", "/x", code: EROFS) == .readOnly(path: "/x"))
        #expect(
            StoreFailure.system("write", "/x", code: EIO).description
                == "cannot write /x: Input/output error")
    }
}
