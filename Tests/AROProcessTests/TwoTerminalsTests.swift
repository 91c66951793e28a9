/// A node in one terminal, a second one in another: what one puts, the other gets.

import Foundation
import Testing

extension Processes {
    @Suite("Two terminals")
    struct TwoTerminals {
        /// Light: three chunks, the last one short. Debug builds move about half a megabyte a second.
        static let lightByteCount = 2_500_000

        @Test("a file put on one node is got from the other, byte for byte")
        func file() async throws {
            try await Cluster.run { cluster in
                let (one, two) = try await pair(in: cluster)
                let file = try sample(in: cluster)
                let put = try await one.put(file.path)
                if let cid = file.cid { #expect(put.cid == cid) }
                let copy = cluster.path("copy")
                let start = ContinuousClock.now
                let got = try await two.get(put.cid, to: copy)
                Trial.tell("got \(got.bytes) bytes in \(ContinuousClock.now - start)")
                #expect(got.cid == put.cid)
                #expect(got.bytes == put.bytes)
                #expect(got.fetched >= put.bytes)
                #expect(FileManager.default.contentsEqual(atPath: file.path, andPath: copy))
                try await Patience.until("the second one provides it too") {
                    try await one.providers(of: put.cid).contains(two.peer)
                }
            }
        }

        /// Heavy: the file whose CID IPFS tools give as published in the vectors of IPIP-0499.
        private func sample(in cluster: Cluster) throws -> (path: String, cid: String?) {
            guard Trial.isHeavy else {
                var chance = Trial.chance("a file")
                return (try cluster.file("file", chance.bytes(Self.lightByteCount)), nil)
            }
            let path = cluster.path("file")
            let shell = try Process.run(
                URL(fileURLWithPath: "/bin/sh"),
                arguments: [
                    "-c",
                    """
                    head -c 1073741824 /dev/zero | openssl enc -chacha20 -iv \
                    00000000000000000000000000000000 -K \
                    $(printf v1-2025-seed | sha256sum | cut -c 1-64) > "$0"
                    """, path,
                ])
            shell.waitUntilExit()
            return (path, "bafybeihmf37wcuvtx4hpu7he5zl5qaf2ineo2lqlfrapokkm5zzw7zyhvm")
        }

        @Test("a directory comes back as it was, and its parts can be got and listed alone")
        func directory() async throws {
            try await Cluster.run { cluster in
                let (one, two) = try await pair(in: cluster)
                let tree = cluster.path("tree")
                let files = FileManager.default
                try files.createDirectory(
                    atPath: tree + "/sub/deep", withIntermediateDirectories: true)
                try files.createDirectory(
                    atPath: tree + "/nothing", withIntermediateDirectories: true)
                try Data("hello world".utf8).write(to: URL(fileURLWithPath: tree + "/hello"))
                try Data().write(to: URL(fileURLWithPath: tree + "/sub/empty"))
                try Data("ü\n".utf8).write(to: URL(fileURLWithPath: tree + "/sub/deep/name ü"))
                #expect(symlink("../hello", tree + "/sub/link") == 0)
                let put = try await one.put(tree)

                let copy = cluster.path("copy")
                let got = try await two.get(put.cid, to: copy)
                #expect(got.kind == "directory")
                #expect(got.files == 3)
                #expect(try listing(of: copy) == listing(of: tree))

                let part = try await two.aro("get", "\(put.cid)/sub/deep/name ü")
                #expect(part.output == Data("ü\n".utf8), "\(part)")
                let rows = try await two.ask("ls", put.cid, as: Entry.self)
                #expect(rows.map(\.path) == [["hello"], ["nothing"], ["sub"]])
                #expect(rows.map(\.kind) == ["file", "directory", "directory"])
                #expect(
                    rows[0].cid == "bafkreifzjut3te2nhyekklss27nh3k72ysco7y32koao5eei66wof36n5e")

                let missing = try await two.aro("get", "\(put.cid)/sub/none")
                #expect(missing.ending == .exited(3), "\(missing)")
                let bare = try await two.aro("get", put.cid)
                #expect(bare.ending == .exited(64), "\(bare)")
                let taken = try await two.aro("get", put.cid, "-o", copy)
                #expect(taken.ending == .exited(64), "\(taken)")
            }
        }

        /// Each path with what is there.
        private func listing(of directory: String) throws -> [String: String] {
            let files = FileManager.default
            var all: [String: String] = [:]
            for name in try files.subpathsOfDirectory(atPath: directory) {
                let path = directory + "/" + name
                if let target = try? files.destinationOfSymbolicLink(atPath: path) {
                    all[name] = "link to \(target)"
                } else if let bytes = files.contents(atPath: path) {
                    all[name] = bytes.base64EncodedString()
                } else {
                    all[name] = "directory"
                }
            }
            return all
        }

        @Test("standard input is put, and standard output takes what is got")
        func streams() async throws {
            try await Cluster.run { cluster in
                let (one, two) = try await pair(in: cluster)
                var chance = Trial.chance("standard input")
                let bytes = chance.bytes(1_200_000)
                let put = try await one.aro("put", "-", input: bytes)
                try #require(put.isSuccess && put.lines.count == 1, "\(put)")
                let same = try await one.put(cluster.file("same", bytes))
                #expect(put.lines == [same.cid])
                let got = try await two.aro("get", put.lines[0])
                #expect(got.output == bytes, "\(got.ending) \(got.errors)")

                // Their names mean the command's own streams, not the node's.
                for name in ["/dev/stdin", "/dev/fd/0"] {
                    let named = try await one.aro("put", name, input: bytes)
                    #expect(named.lines == [same.cid], "\(named)")
                }
            }
        }

        @Test("a named pipe is put as soon as somebody fills it, and holds up nobody else")
        func namedPipe() async throws {
            try await Cluster.run { cluster in
                let node = try await cluster.start("one")
                let path = cluster.path("pipe")
                #expect(mkfifo(path, 0o600) == 0)
                let put = try node.begin(["put", path])
                try await Task.sleep(for: .milliseconds(100))
                #expect(put.ending == nil)
                #expect(try await node.put(cluster.file("file", Data("else".utf8))).bytes == 4)
                var pipe: Int32 = -1
                try await Patience.until("somebody reads") {
                    pipe = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC)
                    return pipe >= 0
                }
                #expect(write(pipe, "hello world", 11) == 11)
                close(pipe)
                let outcome = try await Outcome.of(put)
                #expect(outcome.lines == [Commands.absent], "\(outcome)")
            }
        }

        @Test("several paths give several CIDs, one a line, the known one for known bytes")
        func severalPaths() async throws {
            try await Cluster.run { cluster in
                let node = try await cluster.start("one")
                let hello = try cluster.file("hello", Data("hello world".utf8))
                let empty = try cluster.file("empty", Data())
                let put = try await node.aro("put", hello, empty)
                #expect(
                    put.text == """
                        bafkreifzjut3te2nhyekklss27nh3k72ysco7y32koao5eei66wof36n5e
                        bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku

                        """, "\(put)")
            }
        }

        @Test("a range brings these bytes, and only the chunks that hold them")
        func ranges() async throws {
            try await Cluster.run { cluster in
                let (one, two) = try await pair(in: cluster)
                var chance = Trial.chance("ranges")
                let bytes = chance.bytes(Self.lightByteCount)
                let put = try await one.put(cluster.file("file", bytes))
                func range(_ words: String) async throws -> Outcome {
                    try await two.aro("get", put.cid, "--range", words)
                }
                // Across the border between the first two chunks of 1 MiB.
                let middle = try await range("1048570-1048585")
                #expect(middle.output == bytes[1_048_570...1_048_585], "\(middle.ending)")
                #expect(try await two.status().storeBytes < bytes.count)
                let tail = try await range("2499999-")
                #expect(tail.output == bytes.suffix(1), "\(tail.ending) \(tail.errors)")
                let beyond = try await range("2499999-9999999")
                #expect(
                    beyond.output == bytes.suffix(1) || beyond.ending == .exited(64), "\(beyond)")
                let outside = try await range("2500000-")
                #expect(outside.ending == .exited(64), "\(outside)")
                #expect(outside.output.isEmpty)
                for words in ["5-3", "x", "-5", "1-2-3", "99999999999999999999-"] {
                    let wrong = try await range(words)
                    #expect(wrong.ending == .exited(64), "\(wrong)")
                }
            }
        }

        @Test("a demanded publisher must have signed it")
        func publisher() async throws {
            try await Cluster.run { cluster in
                let (one, two) = try await pair(in: cluster)
                let put = try await one.put(cluster.file("file", Data("signed by one".utf8)))
                let wrong = try await two.aro("get", put.cid, "--publisher", two.peer)
                #expect(wrong.ending == .exited(5), "\(wrong)")
                #expect(wrong.output.isEmpty)
                let right = try await two.aro("get", put.cid, "--publisher", one.peer)
                #expect(right.text == "signed by one", "\(right)")
                // What is here already is not trusted more than what comes.
                let again = try await two.aro("get", put.cid, "--publisher", two.peer)
                #expect(again.ending == .exited(5), "\(again)")
            }
        }

        @Test("a proof shows anybody, without a node, who published a file")
        func proofs() async throws {
            try await Cluster.run { cluster in
                let (one, two) = try await pair(in: cluster)
                var chance = Trial.chance("proofs")
                let bytes = chance.bytes(1_200_000)
                let path = try cluster.file("file", bytes)
                let put = try await one.put(path)
                try await two.get(put.cid, to: cluster.path("copy"))
                let proof = cluster.path("proof")
                let prove = try await two.aro("prove", put.cid, "-o", proof)
                #expect(prove.isSuccess, "\(prove)")
                one.kill()
                two.kill()

                let right = try await cluster.aro("verify", proof, path, "--publisher", one.peer)
                #expect(right.isSuccess, "\(right)")
                #expect(right.text.contains(one.peer))
                let other = try await cluster.aro("verify", proof, path, "--publisher", two.peer)
                #expect(other.ending == .exited(5), "\(other)")
                var flipped = bytes
                flipped[Int.random(in: 0..<bytes.count, using: &chance)] ^= 1
                let changed = try await cluster.aro(
                    "verify", proof, cluster.file("flipped", flipped))
                #expect(changed.ending == .exited(5), "\(changed)")
                let cut = try await cluster.aro(
                    "verify", proof, cluster.file("cut", bytes.dropLast()))
                #expect(cut.ending == .exited(5), "\(cut)")
                let noise = try await cluster.aro("verify", path, path)
                #expect(noise.ending == .exited(5), "\(noise)")
            }
        }

        @Test("names lead to content, and can be changed by their owner")
        func names() async throws {
            try await Cluster.run { cluster in
                let (one, two) = try await pair(in: cluster)
                let first = try await one.put(cluster.file("first", Data("1".utf8)))
                let second = try await one.put(cluster.file("second", Data("2".utf8)))
                for put in [first, second] {
                    let publish = try await one.aro("publish", "site", put.cid)
                    #expect(publish.text == "\(one.peer)/site\n", "\(publish)")
                    let resolve = try await two.aro("resolve", "\(one.peer)/site")
                    #expect(resolve.text == "\(put.cid)\n", "\(resolve)")
                }
                let unknown = try await two.aro("resolve", "\(one.peer)/none")
                #expect(unknown.ending == .exited(3), "\(unknown)")
                let wrong = try await one.aro("publish", "a/b", first.cid)
                #expect(wrong.ending == .exited(64), "\(wrong)")
            }
        }

        @Test("what is pinned is listed as kept, here and fetched from elsewhere")
        func pins() async throws {
            try await Cluster.run { cluster in
                let (one, two) = try await pair(in: cluster)
                let put = try await one.put(cluster.file("file", Data("keep me".utf8)))
                let owned = try await one.ask("pin", "ls", as: Root.self)
                #expect(owned == [Root(cid: put.cid, bytes: 7, name: "file", pinned: true)])
                #expect(try await two.ask("ls", as: Root.self).isEmpty)

                let add = try await two.aro("pin", "add", put.cid)
                #expect(add.isSuccess, "\(add)")
                #expect(try await two.ask("pin", "ls", as: Root.self).map(\.cid) == [put.cid])
                let remove = try await two.aro("pin", "rm", put.cid)
                #expect(remove.isSuccess, "\(remove)")
                #expect(try await two.ask("pin", "ls", as: Root.self).isEmpty)
                #expect(try await two.ask("ls", as: Root.self).map(\.pinned) == [false])
                let absent = try await two.aro("pin", "rm", put.cid)
                #expect(!absent.isSuccess || absent.errors.isEmpty, "\(absent)")
            }
        }

        private func pair(in cluster: Cluster) async throws -> (NodeProcess, NodeProcess) {
            let one = try await cluster.start("one")
            let two = try await cluster.start("two", bootstrap: one)
            try await one.meets(1)
            return (one, two)
        }
    }
}
