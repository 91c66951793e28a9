/// How a node ends: by a signal, cleanly; by a crash, and what comes after.

import Foundation
import Testing

extension Processes {
    @Suite("Endings")
    struct Endings {
        @Test(
            "SIGTERM and SIGINT end a node cleanly, and its peers notice",
            arguments: [
                SIGTERM, SIGINT,
            ])
        func signals(number: Int32) async throws {
            try await Cluster.run { cluster in
                let one = try await cluster.start("one")
                let two = try await cluster.start("two", bootstrap: one)
                try await one.meets(1)
                #expect(try await one.status().sessions == 1)
                let start = ContinuousClock.now
                #expect(try await two.stop(number) == .exited(0))
                let ended = ContinuousClock.now
                try await Patience.until("the session is closed") {
                    try await one.status().sessions == 0
                }
                Trial.tell(
                    "signal \(number): ended in \(ended - start), "
                        + "noticed \(ContinuousClock.now - ended) later")
                let after = try await two.aro("id")
                #expect(after.ending == .exited(4), "\(after)")
            }
        }

        @Test("a node that ends during a transfer ends, and the command says so")
        func duringTransfer() async throws {
            try await Cluster.run { cluster in
                var chance = Trial.chance("an end during a transfer")
                let one = try await cluster.start("one")
                let two = try await cluster.start("two", bootstrap: one)
                let put = try await one.put(cluster.file("file", chance.bytes(6_000_000)))
                let get = try two.begin(["get", put.cid, "-o", cluster.path("out")])
                try await Patience.until("something came") { !two.chunkFiles().isEmpty }
                #expect(try await two.stop(SIGTERM) == .exited(0))
                let outcome = try await Outcome.of(get)
                #expect(outcome.ending == .exited(1), "\(outcome)")
                #expect(!outcome.errors.isEmpty)
                #expect(!FileManager.default.fileExists(atPath: cluster.path("out")))
            }
        }

        @Test("a node that starts again announces what it has")
        func announcesAgain() async throws {
            try await Cluster.run { cluster in
                let one = try await cluster.start("one")
                let two = try await cluster.start("two", bootstrap: one)
                let put = try await two.put(cluster.file("file", Data("still here".utf8)))
                #expect(try await one.providers(of: put.cid) == [two.peer])
                // Everyone who held the record forgets it: records live in memory.
                #expect(try await two.stop(SIGTERM) == .exited(0))
                one.kill()
                let three = try await cluster.start("three")
                let peer = two.peer
                try await two.start(bootstrap: three.address)
                #expect(two.peer == peer)
                try await Patience.until("the record is there again") {
                    try await three.providers(of: put.cid) == [two.peer]
                }
                let got = try await three.aro("get", put.cid)
                #expect(got.text == "still here", "\(got)")
            }
        }
    }
}
