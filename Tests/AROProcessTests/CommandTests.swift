/// What programs rely on: exit codes, words on standard error, the shapes of `--json`.

import Foundation
import Testing

extension Processes {
    @Suite("Commands")
    struct Commands {
        static let absent = "bafkreifzjut3te2nhyekklss27nh3k72ysco7y32koao5eei66wof36n5e"

        @Test(
            "without a node a command says how to start one",
            arguments: [
                ["put", "/etc/hostname"], ["get", absent], ["ls"], ["providers", absent],
                ["pin", "add", absent], ["pin", "rm", absent], ["pin", "ls"],
                ["publish", "name", absent], ["peers"], ["status"], ["id"], ["prove", absent],
            ])
        func noNode(words: [String]) async throws {
            try await Cluster.run { cluster in
                let outcome = try await Outcome.of(
                    words + ["--data-dir", cluster.path("none")], output: cluster.path("c"))
                #expect(outcome.ending == .exited(4), "\(outcome)")
                #expect(outcome.errors.contains("aro node --data-dir"), "\(outcome)")
                #expect(outcome.output.isEmpty)
                #expect(!FileManager.default.fileExists(atPath: cluster.path("none")))
            }
        }

        @Test("the environment variable ARO_DATA_DIR says which node is meant")
        func environment() async throws {
            try await Cluster.run { cluster in
                let node = try await cluster.start("one")
                let id = try await cluster.aro(
                    "id", environment: ["ARO_DATA_DIR": node.dataDirectory])
                #expect(id.text == node.peer + "\n", "\(id)")
            }
        }

        @Test("a node keeps its identity, its port to itself, and its directory to itself")
        func taken() async throws {
            try await Cluster.run { cluster in
                let node = try await cluster.start("one")
                let port = try await cluster.aro(
                    "node", "--listen", node.address, "--data-dir", cluster.path("two"))
                #expect(port.ending == .exited(1), "\(port)")
                #expect(port.errors.contains("in use"), "\(port)")
                let directory = try await cluster.aro(
                    "node", "--listen", "127.0.0.1:0", "--data-dir", node.dataDirectory)
                #expect(directory.ending == .exited(1), "\(directory)")
                #expect(directory.errors.contains("in use by another node"), "\(directory)")
                let peer = node.peer
                try await node.restart()
                #expect(node.peer == peer)
            }
        }

        @Test("addresses that make no sense are refused by name")
        func addresses() async throws {
            try await Cluster.run { cluster in
                for address in ["127.0.0.1", "127.0.0.1:99999", "::1:4002", "nonsense", ""] {
                    let listen = try await cluster.aro(
                        "node", "--listen", address, "--data-dir", cluster.path("one"))
                    #expect(listen.ending == .exited(64), "\(listen)")
                    #expect(listen.errors.contains("'\(address)' is invalid"), "\(listen)")
                }
                for address in ["nonsense", ":4002", "127.0.0.1:0", "127.0.0.1:x"] {
                    let join = try await cluster.aro(
                        "node", "--bootstrap", address, "--data-dir", cluster.path("one"))
                    #expect(join.ending == .exited(64), "\(join)")
                }
                let foreign = try await cluster.aro(
                    "node", "--listen", "192.0.2.1:0", "--data-dir", cluster.path("one"))
                #expect(foreign.ending == .exited(1), "\(foreign)")
                #expect(foreign.errors.contains("192.0.2.1"), "\(foreign)")
            }
        }

        @Test("a node whose bootstrap address is silent starts all the same")
        func silentBootstrap() async throws {
            try await Cluster.run { cluster in
                let one = try await cluster.start("one")
                one.kill()
                let two = try await cluster.start("two", bootstrap: one)
                let put = try await two.put(cluster.file("file", Data("alone".utf8)))
                #expect(put.holders == 0)
                #expect(put.wanted == 0)
            }
        }

        @Test("CIDs that cannot be understood are refused with the reason")
        func strangeCIDs() async throws {
            try await Cluster.run { cluster in
                let node = try await cluster.start("one")
                let cases = [
                    // dag-cbor, and raw by sha3-256 and by the identity hash
                    ("bafyreifzjut3te2nhyekklss27nh3k72ysco7y32koao5eei66wof36n5e", "codec"),
                    ("bafkrmidejpgh4vsdomcatgnkzcphmixtzjy7xiozol6zjiy4hp57etrzha", "hash"),
                    ("bafkqac3imvwgy3zao5xxe3de", "hash"),
                    ("QmdfTbBqBPQ7VNxZEYEj14VmRuZBkqFbiwReogJgS1zR1n", "version 0"),
                    ("bafkreh5zjut3te2nhyekklss27nh3k72ysco7y32koao5eei66wof36n", "31 bytes"),
                    ("bafkreifzjut3te2nhyekklss27nh3k72ysco7y32koao5eei66wof36n", "not a CID"),
                    ("zb2rhe5P4gXftAwvA4eXQ5HJwsER2owDyS9sKaQRRVQPn93bA", "multibase"),
                    ("", "not a CID"),
                ]
                for (cid, reason) in cases {
                    for words in [["get", cid], ["providers", cid], ["pin", "add", cid]] {
                        let outcome = try await node.aro(words)
                        #expect(outcome.ending == .exited(64), "\(outcome)")
                        #expect(outcome.errors.contains(reason), "\(outcome)")
                    }
                }
            }
        }

        @Test("content that nobody has is not found, and leaves no file")
        func nobody() async throws {
            try await Cluster.run { cluster in
                let one = try await cluster.start("one")
                let two = try await cluster.start("two", bootstrap: one)
                for node in [one, two] {
                    let get = try await node.aro(
                        "get", Self.absent, "-o", cluster.path("out"), "--patience", "3")
                    #expect(get.ending == .exited(3), "\(get)")
                    #expect(get.errors.contains(Self.absent), "\(get)")
                    let providers = try await node.aro("providers", Self.absent)
                    #expect(providers.ending == .exited(3), "\(providers)")
                }
                #expect(!FileManager.default.fileExists(atPath: cluster.path("out")))
            }
        }

        @Test("what cannot be read is not put, and what cannot be written is not got")
        func unreadable() async throws {
            try await Cluster.run { cluster in
                let node = try await cluster.start("one")
                let missing = try await node.aro("put", cluster.path("missing"))
                #expect(missing.ending == .exited(1), "\(missing)")
                #expect(missing.errors.contains("No such file"), "\(missing)")
                #expect(missing.output.isEmpty)

                let put = try await node.put(cluster.file("file", Data("readable".utf8)))
                let nowhere = try await node.aro("get", put.cid, "-o", cluster.path("no/file"))
                #expect(nowhere.ending == .exited(1), "\(nowhere)")
                let over = try await node.aro("get", put.cid, "-o", cluster.path("file"))
                #expect(over.isSuccess, "\(over)")
            }
        }

        @Test("files and directories whose mode forbids it are named in the complaint")
        func forbidden() async throws {
            try await Cluster.run { cluster in
                let secret = try cluster.file("secret", Data("secret".utf8))
                let closed = cluster.path("closed")
                #expect(chmod(secret, 0) == 0)
                #expect(mkdir(closed, 0o500) == 0)
                let node = try await cluster.start("one", powerless: true)
                let put = try await node.aro("put", secret)
                #expect(put.ending == .exited(1), "\(put)")
                #expect(put.errors.contains("permission"), "\(put)")
                #expect(put.errors.contains(secret), "\(put)")

                let child = try Child(
                    Trial.powerless + [
                        Trial.executable, "node", "--listen", "127.0.0.1:0", "--data-dir", closed,
                        "--until-stdin-closes",
                    ], output: cluster.path("closed-node"))
                let start = try await Outcome.of(child)
                #expect(start.ending == .exited(1), "\(start)")
                #expect(start.errors.contains(closed), "\(start)")
                #expect(start.output.isEmpty)
            }
        }

        @Test("JSON has the promised shapes")
        func shapes() async throws {
            try await Cluster.run { cluster in
                let one = try await cluster.start("one")
                let two = try await cluster.start("two", bootstrap: one)
                try await one.meets(1)
                let path = try cluster.file("file", Data("shape".utf8))
                func keys(_ node: NodeProcess, _ words: String...) async throws -> [Set<String>] {
                    let outcome = try await node.aro(words + ["--json"])
                    #expect(outcome.isSuccess, "\(outcome)")
                    return try outcome.jsonKeys()
                }
                #expect(
                    try await keys(one, "put", path, path)
                        == Array(
                            repeating: ["path", "cid", "bytes", "holders", "wanted"], count: 2))
                let put = try await one.put(path)
                #expect(put.bytes == 5)
                #expect(put.holders == 1 && put.wanted == 1)
                #expect(
                    try await keys(two, "get", put.cid, "-o", cluster.path("out"))
                        == [["cid", "kind", "files", "bytes", "fetched", "output"]])
                #expect(try await keys(two, "providers", put.cid) == [["peer", "addresses"]])
                #expect(try await keys(one, "ls") == [["cid", "bytes", "name", "pinned"]])
                #expect(try await keys(one, "pin", "ls") == [["cid", "bytes", "name", "pinned"]])
                #expect(try await keys(one, "id") == [["peer", "addresses", "dataDirectory"]])
                #expect(
                    try await keys(one, "publish", "name", put.cid)
                        == [["name", "cid", "holders", "wanted"]])
                #expect(
                    try await keys(two, "resolve", "\(one.peer)/name")
                        == [["cid", "sequence", "expires"]])
                let peers = try await keys(one, "peers")
                #expect(peers.count == 1)
                let plain: Set<String> = [
                    "peer", "address", "connected", "inTable", "bytesIn", "bytesOut",
                ]
                #expect(peers.allSatisfy { $0.isSuperset(of: plain) })
                let status = try await keys(one, "status")
                #expect(
                    status.allSatisfy { $0.isSuperset(of: ["peer", "drops", "tablePeers"]) })

                let bare = try await two.aro("get", put.cid, "--json")
                #expect(bare.ending == .exited(64), "\(bare)")
            }
        }
    }
}
