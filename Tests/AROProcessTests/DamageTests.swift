/// Disks that flip bits: damaged chunks are noticed, never served, and fetched again.

import Foundation
import Testing

extension Processes {
    @Suite("Damaged chunks")
    struct DamagedChunks {
        @Test("a chunk that rotted on disk is not served, and comes again from another provider")
        func rotten() async throws {
            try await Cluster.run { cluster in
                var chance = Trial.chance("rotten chunks")
                let one = try await cluster.start("one")
                let two = try await cluster.start("two", bootstrap: one)
                let three = try await cluster.start("three", bootstrap: one)
                try await one.meets(2)
                let file = try cluster.file("file", chance.bytes(2_500_000))
                let put = try await two.put(file)
                let victim = try #require(two.chunkFiles().sorted().first)
                try Self.flip(victim, &chance)

                // The only holder has it damaged: whoever asks gets an error, and no bad bytes.
                let copy = cluster.path("copy")
                let refused = try await three.aro("get", put.cid, "-o", copy)
                #expect(!refused.isSuccess, "\(refused)")
                #expect(!FileManager.default.fileExists(atPath: copy))
                let own = try await two.aro("get", put.cid, "-o", copy)
                #expect(!own.isSuccess, "\(own)")
                #expect(!FileManager.default.fileExists(atPath: copy))

                // Another one puts the same file; with its help both have all of it.
                try await one.put(file)
                for node in [three, two] {
                    try await Patience.until("\(node.name) gets it") {
                        try await node.aro("get", put.cid, "-o", copy).isSuccess
                    }
                    #expect(FileManager.default.contentsEqual(atPath: file, andPath: copy))
                    unlink(copy)
                }
                one.kill()
                three.kill()
                let healed = try await two.aro("get", put.cid, "-o", copy)
                #expect(healed.isSuccess, "\(healed)")
                #expect(FileManager.default.contentsEqual(atPath: file, andPath: copy))
            }
        }

        @Test(
            "a put of the same file repairs what rotted, even if it was never read",
            arguments: [
                true, false,
            ])
        func repaired(restarts: Bool) async throws {
            try await Cluster.run { cluster in
                var chance = Trial.chance("repair")
                let node = try await cluster.start("one")
                let file = try cluster.file("file", chance.bytes(1_500_000))
                let put = try await node.put(file)
                for path in node.chunkFiles() { try Self.flip(path, &chance) }
                if restarts { try await node.restart() }
                #expect(try await node.put(file).cid == put.cid)
                let copy = cluster.path("copy")
                try await node.get(put.cid, to: copy)
                #expect(FileManager.default.contentsEqual(atPath: file, andPath: copy))
            }
        }

        @Test("chunks that are cut short, empty or gone are noticed too")
        func cut() async throws {
            try await Cluster.run { cluster in
                var chance = Trial.chance("cut chunks")
                let one = try await cluster.start("one")
                let two = try await cluster.start("two", bootstrap: one)
                try await one.meets(1)
                let file = try cluster.file("file", chance.bytes(3 << 20))
                let put = try await one.put(file)
                try await two.get(put.cid, to: cluster.path("copy"))
                let paths = two.chunkFiles().sorted()
                try #require(paths.count == 3)
                #expect(truncate(paths[0], 1_000) == 0)
                #expect(truncate(paths[1], 0) == 0)
                #expect(unlink(paths[2]) == 0)
                try await two.get(put.cid, to: cluster.path("again"))
                #expect(
                    FileManager.default.contentsEqual(atPath: file, andPath: cluster.path("again")))
            }
        }

        /// Flips one bit somewhere.
        static func flip(_ path: String, _ chance: inout Chance) throws {
            let url = URL(fileURLWithPath: path)
            var bytes = try Data(contentsOf: url)
            let i = Int.random(in: 0..<bytes.count, using: &chance)
            bytes[i] ^= 1 << UInt8.random(in: 0..<8, using: &chance)
            try bytes.write(to: url)
        }
    }
}
