/// Content that is used while it comes.

import Foundation
import Testing

extension Processes {
    @Suite("Streaming")
    struct Streaming {
        static let byteCount = Trial.isHeavy ? 512 << 20 : 24 << 20

        @Test("the first bytes of a large file come first, and who wants no more ends the fetch")
        func head() async throws {
            try await Cluster.run { cluster in
                var chance = Trial.chance("a stream")
                let (one, two) = try await pair(in: cluster)
                let bytes = chance.bytes(Self.byteCount)
                let put = try await one.put(cluster.file("file", bytes))
                let shell = try Child(
                    [
                        "sh", "-c", "\"$0\" get \(put.cid) --data-dir \"$1\" | head -c 1000",
                        Trial.executable, two.dataDirectory,
                    ], output: cluster.path("head"))
                let outcome = try await Outcome.of(shell)
                #expect(outcome.output == bytes.prefix(1_000), "\(outcome.errors)")
                try await Patience.until("the fetch ends") {
                    try await two.status().fetchesRunning == 0
                }
                let kept = try await two.status().storeBytes
                #expect(kept < Self.byteCount)
                Trial.tell("\(kept) of \(put.bytes) bytes came")

                let whole = try await two.aro("get", put.cid)
                #expect(whole.output == bytes, "\(whole.ending) \(whole.errors)")
            }
        }

        @Test("when the provider dies the output is a part, and the exit code says so")
        func cut() async throws {
            try await Cluster.run { cluster in
                var chance = Trial.chance("a broken stream")
                let (one, two) = try await pair(in: cluster)
                let bytes = chance.bytes(Self.byteCount)
                let put = try await one.put(cluster.file("file", bytes))
                let get = try two.begin(["get", put.cid, "--patience", "5"])
                try await Patience.until("the first bytes") {
                    get.ending != nil || Self.size(get.outputPath) > 0
                }
                one.kill()
                let start = ContinuousClock.now
                let outcome = try await Outcome.of(get)
                Trial.tell("ended \(ContinuousClock.now - start) after its provider")
                try #require(outcome.ending == .exited(3), "\(outcome.errors)")
                #expect(outcome.errors.contains("a new try goes on from there"))
                #expect(outcome.output.count < bytes.count)
                #expect(outcome.output == bytes.prefix(outcome.output.count))

                try await one.start()
                var again: Outcome?
                try await Patience.until("the rest comes") {
                    again = try await two.aro("get", put.cid)
                    return again?.isSuccess == true
                }
                #expect(again?.output == bytes)
            }
        }

        @Test(
            "the files of a directory appear as they come, under a name that says they are not all")
        func directory() async throws {
            try await Cluster.run { cluster in
                var chance = Trial.chance("a directory")
                let (one, two) = try await pair(in: cluster)
                let tree = cluster.path("tree")
                try FileManager.default.createDirectory(
                    atPath: tree, withIntermediateDirectories: true)
                let size = Self.byteCount / 4
                let first = chance.bytes(size)
                try first.write(to: URL(fileURLWithPath: tree + "/0"))
                for i in 1..<4 {
                    try chance.bytes(size).write(to: URL(fileURLWithPath: tree + "/\(i)"))
                }
                let put = try await one.put(tree)
                let copy = cluster.path("copy")
                let get = try two.begin(["get", put.cid, "-o", copy, "--json"])
                let part = cluster.path(".copy.aro-\(get.id).part")
                try await Patience.until("the first file is there") {
                    get.ending != nil || Self.size(part + "/1") > 0
                }
                #expect(get.ending == nil)
                #expect(FileManager.default.contents(atPath: part + "/0") == first)
                #expect(!FileManager.default.fileExists(atPath: copy))
                let outcome = try await Outcome.of(get)
                let got = try #require(try outcome.json(Got.self).first, "\(outcome)")
                #expect(got.cid == put.cid && got.kind == "directory" && got.files == 4)
                #expect(got.bytes == put.bytes && got.fetched >= put.bytes)
                for i in 0..<4 {
                    #expect(
                        FileManager.default.contentsEqual(
                            atPath: "\(tree)/\(i)", andPath: "\(copy)/\(i)"))
                }
                #expect(!FileManager.default.fileExists(atPath: part))
            }
        }

        @Test("what a killed get left is removed by the next one, and nothing that others write")
        func leftovers() async throws {
            try await Cluster.run { cluster in
                var chance = Trial.chance("leftovers")
                let (one, two) = try await pair(in: cluster)
                let file = try cluster.file("file", chance.bytes(Self.byteCount))
                let put = try await one.put(file)
                let copy = cluster.path("copy")
                let get = try two.begin(["get", put.cid, "-o", copy])
                let part = cluster.path(".copy.aro-\(get.id).part")
                try await Patience.until("the get writes") {
                    get.ending != nil || Self.size(part) > 0
                }
                get.send(SIGKILL)
                #expect(try await Outcome.of(get).ending == .signalled(SIGKILL))
                #expect(FileManager.default.fileExists(atPath: part))
                // Process 1 lives; the others are no names of ours.
                let foreign = [".copy.aro-1.part", ".copy.aro-x.part", ".other.aro-2.part"]
                for name in foreign { _ = try cluster.file(name, Data()) }

                try await two.get(put.cid, to: copy)
                #expect(FileManager.default.contentsEqual(atPath: file, andPath: copy))
                #expect(!FileManager.default.fileExists(atPath: part))
                for name in foreign {
                    #expect(FileManager.default.fileExists(atPath: cluster.path(name)), "\(name)")
                }
            }
        }

        @Test("a directory that is not here is listed without what is in it")
        func listing() async throws {
            try await Cluster.run { cluster in
                var chance = Trial.chance("a listing")
                let (one, two) = try await pair(in: cluster)
                let tree = cluster.path("tree")
                try FileManager.default.createDirectory(
                    atPath: tree + "/sub", withIntermediateDirectories: true)
                try Data("hello world".utf8).write(to: URL(fileURLWithPath: tree + "/hello"))
                try chance.bytes(3 << 20).write(to: URL(fileURLWithPath: tree + "/large"))
                try Data("below".utf8).write(to: URL(fileURLWithPath: tree + "/sub/below"))
                let put = try await one.put(tree)

                let rows = try await two.ask("ls", put.cid, as: Entry.self)
                #expect(rows.map(\.path) == [["hello"], ["large"], ["sub"]])
                #expect(rows.map(\.kind) == ["file", "unknown", "unknown"])
                let below = try await two.ask("ls", "\(put.cid)/sub", as: Entry.self)
                #expect(below.map(\.path) == [["below"]])
                #expect(below.map(\.bytes) == [5])
                let again = try await two.ask("ls", put.cid, as: Entry.self)
                #expect(again.map(\.kind) == ["file", "unknown", "directory"])
                #expect(try await two.status().storeBytes < 100_000)
                #expect(try await two.ask("ls", as: Root.self).isEmpty)

                let none = try await two.aro("ls", "\(put.cid)/none")
                #expect(none.ending == .exited(3), "\(none)")
                let through = try await two.aro("ls", "\(put.cid)/hello/none")
                #expect(through.ending == .exited(64), "\(through)")
                let absent = try await two.aro(
                    "ls", Commands.absent.replacing("fzju", with: "gzju"))
                #expect(absent.ending == .exited(3), "\(absent)")
            }
        }

        private static func size(_ path: String) -> Int {
            var status = stat()
            return stat(path, &status) == 0 ? Int(status.st_size) : 0
        }

        private func pair(in cluster: Cluster) async throws -> (NodeProcess, NodeProcess) {
            let one = try await cluster.start("one")
            let two = try await cluster.start("two", bootstrap: one)
            try await one.meets(1)
            return (one, two)
        }
    }
}
