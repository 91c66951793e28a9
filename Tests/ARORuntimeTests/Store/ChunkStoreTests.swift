// Blocks in, the same blocks out, damage noticed, crashes cleaned up.

import AROPrimitives
import AROWire
import Foundation
import Testing

@testable import ARORuntime

@Suite struct ChunkStoreTests {
    /// One that lives in a row, one at the border, two in files.
    static let sizes = [0, 1, BlockFiles.rowBytesMax, BlockFiles.rowBytesMax + 1, 1 << 20]

    static let blocks = sizes.enumerated().map { Block(seed: UInt64($0), byteCount: $1) }

    @Test func whatIsWrittenIsReadAlsoAfterReopening() throws {
        let scratch = Scratch()
        try scratch.store().write(Self.blocks)
        let store = try scratch.store()
        for block in Self.blocks {
            #expect(try store.read(block.cid) == block.bytes)
            #expect(store.holds(block))
        }
        let other = Block(seed: 99, byteCount: 100)
        #expect(store.failure(reading: other) == .notFound(other.cid))
        #expect(!store.holds(other))
    }

    @Test func aBlockWrittenTwiceIsHeldOnce() throws {
        let scratch = Scratch()
        let store = try scratch.store()
        try store.write(Self.blocks)
        let usage = store.usage
        try store.write(Self.blocks + Self.blocks)
        #expect(store.usage == usage)
        #expect(usage.blocks == UInt64(Self.blocks.count))
        #expect(scratch.files(below: "chunks").filter { !$0.hasPrefix(".") }.count == 2)
    }

    @Test func blocksByBothHashesAreKept() throws {
        let scratch = Scratch()
        let store = try scratch.store()
        let bytes = Block(seed: 5, byteCount: 40_000).bytes
        let hash = Multihash(.blake2b256, of: bytes.span.bytes)
        let cid = CID(codec: .raw, hash: hash)
        try store.write(cid, bytes)
        #expect(try store.read(cid) == bytes)
    }

    @Test func aBlockAboveTheBoundIsRefused() throws {
        let scratch = Scratch()
        let store = try scratch.store()
        let block = Block(seed: 1, byteCount: WireLimits.blockMax + 1)
        #expect(
            failure { () throws(StoreFailure) in try store.write(block) }
                == .blockTooLarge(block.cid, byteCount: block.bytes.count))
    }

    @Test(arguments: ["flip", "truncate", "empty", "grow"])
    func damageIsNoticedSetAsideAndHealedByTheNextWrite(_ damage: String) throws {
        let scratch = Scratch()
        let store = try scratch.store()
        let block = Block(seed: 7, byteCount: 100_000)
        try store.write(block)
        var bytes = block.bytes
        switch damage {
        case "flip": bytes[70_000] ^= 1
        case "truncate": bytes.removeLast()
        case "empty": bytes = []
        default: bytes.append(0)
        }
        try Data(bytes).write(to: URL(filePath: store.files.path(of: block.cid)))
        #expect(store.failure(reading: block) == .corrupt(block.cid))
        #expect(store.failure(reading: block) == .notFound(block.cid))
        #expect(!store.holds(block))
        #expect(store.usage == StoreUsage())
        #expect(scratch.files(below: "quarantine") == [block.cid.description])
        try store.write(block)
        #expect(try store.read(block.cid) == block.bytes)
    }

    @Test func damageInARowOfTheIndexIsNoticedToo() throws {
        let scratch = Scratch()
        let store = try scratch.store()
        let block = Block(seed: 8, byteCount: 1_000)
        try store.write(block)
        try store.index.write { try $0.execute(sql: "UPDATE small SET data = x'0102'") }
        #expect(store.failure(reading: block) == .corrupt(block.cid))
        #expect(!store.holds(block))
        try store.write(block)
        #expect(try store.read(block.cid) == block.bytes)
    }

    @Test func aFileThatSomebodyRemovedIsForgotten() throws {
        let scratch = Scratch()
        let store = try scratch.store()
        let block = Block(seed: 9, byteCount: 100_000)
        try store.write(block)
        try FileManager.default.removeItem(atPath: store.files.path(of: block.cid))
        #expect(store.failure(reading: block) == .notFound(block.cid))
        #expect(!store.holds(block))
        #expect(store.usage.bytes == 0)
    }

    @Test func writingAgainHealsADamagedFileThatNobodyRead() throws {
        let scratch = Scratch()
        let store = try scratch.store()
        let block = Block(seed: 10, byteCount: 100_000)
        try store.write(block)
        try Data([1, 2, 3]).write(to: URL(filePath: store.files.path(of: block.cid)))
        try store.write(block)
        #expect(try store.read(block.cid) == block.bytes)
        #expect(store.usage.blocks == 1)
    }

    @Test func writingAgainHealsADamagedRowThatNobodyRead() throws {
        let scratch = Scratch()
        let store = try scratch.store()
        let block = Block(seed: 10, byteCount: 1_000)
        try store.write(block)
        try store.index.write { try $0.execute(sql: "UPDATE small SET data = x'0102'") }
        try store.write(block)
        #expect(try store.read(block.cid) == block.bytes)
    }

    @Test func theQuarantineIsBounded() throws {
        let scratch = Scratch()
        let store = try scratch.store()
        for seed in 0..<UInt64(BlockFiles.quarantineMax + 5) {
            let block = Block(seed: seed, byteCount: 20_000)
            try store.write(block)
            try Data([1]).write(to: URL(filePath: store.files.path(of: block.cid)))
            _ = store.failure(reading: block)
        }
        #expect(scratch.files(below: "quarantine").count == BlockFiles.quarantineMax)
    }

    @Test func stagedBlocksThatAreDroppedLeaveNothing() throws {
        let scratch = Scratch()
        let store = try scratch.store()
        for block in Self.blocks { _ = try store.stage(block.cid, block.bytes) }
        #expect(scratch.files(below: "chunks") == [".pending"])
        #expect(store.usage.blocks == 0)
    }

    @Test func whatACrashLeftIsSortedOutAtOpening() throws {
        let scratch = Scratch()
        let blocks = (0..<3).map { Block(seed: $0, byteCount: 50_000) }
        let (kept, whole, torn) = (blocks[0], blocks[1], blocks[2])
        do {
            let store = try scratch.store()
            try store.write(kept)
            // As after a crash between the renames and the commit of the index.
            try store.files.announce(blocks.map(\.cid))
            try Data(whole.bytes).write(to: URL(filePath: store.files.path(of: whole.cid)))
            try Data(torn.bytes.dropLast()).write(
                to: URL(filePath: store.files.path(of: torn.cid)))
            try Data(torn.bytes).write(to: URL(filePath: scratch.path + "/chunks/.incoming/17"))
        }
        let store = try scratch.store()
        #expect(blocks.map(store.holds) == [true, true, false])
        #expect(!Files.exists(store.files.path(of: torn.cid)))
        #expect(scratch.files(below: "chunks/.incoming").isEmpty)
        #expect(try store.read(kept.cid) == kept.bytes)
        #expect(try store.read(whole.cid) == whole.bytes)
        #expect(store.usage.blocks == 2)
    }

    @Test func aRowWhoseFileNeverCameIsForgottenAtOpening() throws {
        let scratch = Scratch()
        let block = Block(seed: 3, byteCount: 50_000)
        do {
            let store = try scratch.store()
            try store.write(block)
            try store.files.remove(block.cid)
        }
        let store = try scratch.store()
        #expect(!store.holds(block))
        #expect(store.usage.bytes == 0)
    }

    @Test func commitsSyncTheLogOfTheIndex() throws {
        let scratch = Scratch()
        let store = try scratch.store()
        let (mode, level) = try store.index.writeWithoutTransaction { db in
            (
                try db.row("PRAGMA journal_mode")?[0] as String?,
                try db.row("PRAGMA synchronous")?[0] as Int?
            )
        }
        #expect(mode == "wal")
        #expect(level == 2)  // FULL
    }

    @Test func anIndexOfANewerReleaseIsRefused() throws {
        let scratch = Scratch()
        try scratch.store().index.write { db in
            try db.execute(sql: "INSERT INTO grdb_migrations VALUES ('9: from the future')")
        }
        let failure = failure { () throws(StoreFailure) in
            _ = try ChunkStore(in: scratch.path)
        }
        #expect(failure == .futureSchema(path: scratch.path + "/index.sqlite"))
    }

    @Test func aDamagedIndexIsATypedFailure() throws {
        let scratch = Scratch()
        try Data(repeating: 0x41, count: 8_192).write(
            to: URL(filePath: scratch.path + "/index.sqlite"))
        let failure = failure { () throws(StoreFailure) in
            _ = try ChunkStore(in: scratch.path)
        }
        guard case .index = failure else {
            Issue.record("\(String(describing: failure))")
            return
        }
    }

    @Test func readersAndWritersWorkAtTheSameTime() async throws {
        let scratch = Scratch()
        let store = try scratch.store()
        let blocks = (0..<96).map { Block(seed: 1_000 + $0, byteCount: $0 % 3 == 0 ? 900 : 40_000) }
        await withTaskGroup(of: Void.self) { group in
            for lane in 0..<3 {
                group.addTask {
                    for i in stride(from: lane, to: blocks.count, by: 3) {
                        #expect(throws: Never.self) { try store.write(blocks[i]) }
                    }
                }
                group.addTask {
                    for block in blocks {
                        guard let bytes = try? store.read(block.cid) else { continue }
                        #expect(bytes == block.bytes)
                    }
                }
            }
        }
        for block in blocks { #expect(try store.read(block.cid) == block.bytes) }
        #expect(store.usage.blocks == 96)
    }
}
