// `kill -9` at random moments: what was acknowledged is there, what was not leaves nothing behind.
//
// A child process writes blocks and notes each acknowledgement in a log, until a thread of its own
// kills it. Twenty rounds; ARO_CRASH_ROUNDS asks for another number.

import AROPrimitives
import AROWire
import Foundation
import Testing

@testable import ARORuntime

private enum Crash {
    static let rounds =
        ProcessInfo.processInfo.environment["ARO_CRASH_ROUNDS"].flatMap { Int($0) } ?? 20

    /// Where the child works and what it draws from; handed on by the environment.
    static let variable = "ARO_CRASH_CHILD"

    static func block(_ seed: UInt64) -> Block {
        Block(seed: seed, byteCount: [200, 9_000, 40_000, 300_000][Int(seed % 4)])
    }

    /// Kills this process after `microseconds`.
    static func fuse(_ microseconds: Int) {
        Thread.detachNewThread {
            usleep(UInt32(microseconds))
            kill(getpid(), SIGKILL)
        }
    }

    /// What the child does: puts of a few blocks each, with pins, unpins and evictions between.
    static func run(_ path: String, seed: UInt64) throws {
        var generator = Generator(seed: seed)
        let store = try ChunkStore(in: path, options: Scratch.options(quota: 24 << 20))
        let log = try OpenFile(path + "/acknowledged", O_WRONLY | O_CREAT | O_APPEND)
        fuse(generator.below(150_000))
        while true {
            let seeds = (0..<1 + generator.below(12)).map { _ in generator.next() >> 1 }
            let blocks = seeds.map(block)
            let root = Block(linkingTo: blocks.map(\.cid))
            let use = store.beginUse()
            try store.write(blocks + [root])
            if generator.chance(1, in: 2) {
                for pin in try store.pins() where try store.pins().count > 3 {
                    try log.write(Array("unpin \(pin.cid)\n".utf8))
                    try store.unpin(pin.cid)
                }
                try store.pin(root.cid)
                try log.write(Array(line(root, seeds).utf8))
            }
            withExtendedLifetime(use) {}
            _ = try store.settleSome()
        }
    }

    /// What the other child does: puts of files of some MiB.
    static func runPuts(_ path: String, seed: UInt64) async throws {
        var generator = Generator(seed: seed)
        let library = Library(
            try ChunkStore(in: path, options: Scratch.options(quota: 1 << 30)))
        let log = try OpenFile(path + "/acknowledged", O_WRONLY | O_CREAT | O_APPEND)
        fuse(generator.below(400_000))
        while true {
            let bytes = Block(
                seed: generator.next(), byteCount: 1 + generator.below(5 << 20)
            ).bytes
            try Data(bytes).write(to: URL(filePath: path + "/source"))
            let put = try await library.put(path: path + "/source")
            try log.write(Array("pin \(put.root) \(put.byteCount)\n".utf8))
        }
    }

    private static func line(_ root: Block, _ seeds: [UInt64]) -> String {
        "pin \(root.cid) " + seeds.map { "\($0)" }.joined(separator: " ") + "\n"
    }

    /// The pins that were acknowledged and not taken back, each with the seeds of its blocks.
    static func acknowledged(_ path: String) -> [CID: [UInt64]] {
        let text = (try? String(contentsOfFile: path + "/acknowledged", encoding: .utf8)) ?? ""
        var out: [CID: [UInt64]] = [:]
        for line in text.split(separator: "\n") {
            let words = line.split(separator: " ")
            guard words.count > 1, let cid = try? CID(words[1]) else { continue }
            out[cid] = words[0] == "pin" ? words.dropFirst(2).compactMap { UInt64($0) } : nil
        }
        return out
    }

    /// Whether every file has its row and every row its file, and the sums are right.
    static func check(_ store: ChunkStore, _ context: Comment) throws {
        var held = Set<CID>()
        for shard in 0..<256 { held.formUnion(try store.files.cids(inShard: shard)) }
        let rows = try store.index.read { db in
            try db.rows("SELECT cid, bytes, place FROM block WHERE place > 0")
        }
        let inFiles = rows.filter { $0["place"] == 1 }.compactMap { CID(stored: $0["cid"]) }
        #expect(Set(inFiles) == held, context)
        let charged = rows.reduce(0) { $0 + BlockTable.charge($1["bytes"]) }
        #expect(store.usage.bytes == UInt64(charged), context)
        #expect(store.usage.blocks == UInt64(rows.count), context)
        #expect(try Files.names(in: store.files.path + "/.incoming").isEmpty, context)
    }
}

@Suite(.serialized) struct CrashTests {
    @Test func killedAtAnyMomentNothingAcknowledgedIsLost() async throws {
        let scratch = Scratch()
        let start = UInt64.random(in: 0..<1_000_000)
        for round in 0..<UInt64(Crash.rounds) {
            setenv(Crash.variable, "\(start + round) \(scratch.path)", 1)
            defer { unsetenv(Crash.variable) }
            await #expect(processExitsWith: .signal(SIGKILL)) {
                let words = ProcessInfo.processInfo.environment[Crash.variable]!
                    .split(separator: " ", maxSplits: 1)
                try Crash.run(String(words[1]), seed: UInt64(words[0])!)
            }
            let store = try ChunkStore(in: scratch.path, options: Scratch.options(quota: 24 << 20))
            try Crash.check(store, "seed \(start + round)")
            for (root, seeds) in Crash.acknowledged(scratch.path) {
                #expect(throws: Never.self, "seed \(start + round)") {
                    _ = try store.read(root)
                    for seed in seeds { _ = try store.read(Crash.block(seed).cid) }
                }
            }
        }
        let pins = Crash.acknowledged(scratch.path)
        #expect(!pins.isEmpty || Crash.rounds < 5)
    }

    @Test func aPutThatWasAcknowledgedComesBackWhole() async throws {
        let scratch = Scratch()
        let start = UInt64.random(in: 0..<1_000_000)
        for round in 0..<UInt64(Crash.rounds / 2) {
            setenv(Crash.variable, "\(start + round) \(scratch.path)", 1)
            defer { unsetenv(Crash.variable) }
            await #expect(processExitsWith: .signal(SIGKILL)) {
                let words = ProcessInfo.processInfo.environment[Crash.variable]!
                    .split(separator: " ", maxSplits: 1)
                try await Crash.runPuts(String(words[1]), seed: UInt64(words[0])!)
            }
        }
        let store = try scratch.store()
        try Crash.check(store, "seed \(start)")
        try store.collectGarbage()
        let library = Library(store)
        for (root, byteCount) in Crash.acknowledged(scratch.path) {
            let count = try await library.bytes(root).count
            #expect(count == byteCount.first.map(Int.init), "seed \(start)")
        }
    }
}
