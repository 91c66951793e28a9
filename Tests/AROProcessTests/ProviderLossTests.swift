/// Providers die while content is fetched from them.

import Foundation
import Testing

extension Processes {
    @Suite("Lost providers")
    struct LostProviders {
        @Test("a provider that is killed mid-transfer is replaced by another one")
        func midTransfer() async throws {
            try await Cluster.run { cluster in
                var chance = Trial.chance("a killed provider")
                let one = try await cluster.start("one")
                let two = try await cluster.start("two", bootstrap: one)
                let three = try await cluster.start("three", bootstrap: one)
                try await one.meets(2)
                // Where a transfer is over before anybody can be killed, a larger one is next.
                var byteCount = Trial.isHeavy ? 256 << 20 : 4 << 20
                for round in 1...5 {
                    let file = try cluster.file("file\(round)", chance.bytes(byteCount))
                    let put = try await two.put(file)
                    try await one.get(put.cid, to: cluster.path("one\(round)"))
                    try await Patience.until("both provide it") {
                        try await three.providers(of: put.cid).isSuperset(of: [one.peer, two.peer])
                    }
                    let before = three.chunkFiles().count
                    let copy = cluster.path("three\(round)")
                    let get = try three.begin(["get", put.cid, "-o", copy, "--json"])
                    try await Patience.until("the first chunks came") {
                        get.ending != nil || three.chunkFiles().count > before
                    }
                    let came = three.chunkFiles().count - before
                    two.kill()
                    let isMidway = get.ending == nil && came < byteCount >> 20
                    let outcome = try await Outcome.of(get)
                    try #require(outcome.isSuccess, "\(outcome)")
                    #expect(FileManager.default.contentsEqual(atPath: file, andPath: copy))
                    Trial.tell("killed when \(came) of \(byteCount >> 20) chunks were there")
                    if isMidway { return }
                    byteCount *= 2
                    try await two.start()
                }
                Issue.record("no transfer lasted long enough")
            }
        }

        @Test("when the only provider is gone a get ends, and goes on when it is back")
        func onlyOne() async throws {
            try await Cluster.run { cluster in
                var chance = Trial.chance("the only provider")
                let one = try await cluster.start("one")
                let two = try await cluster.start("two", bootstrap: one)
                let three = try await cluster.start("three", bootstrap: one)
                let byteCount = Trial.isHeavy ? 256 << 20 : 6 << 20
                let file = try cluster.file("file", chance.bytes(byteCount))
                let put = try await two.put(file)
                let copy = cluster.path("copy")
                let get = try three.begin(["get", put.cid, "-o", copy, "--patience", "5"])
                try await Patience.until("the first chunks came") {
                    get.ending != nil || !three.chunkFiles().isEmpty
                }
                two.kill()
                let outcome = try await Outcome.of(get)
                try #require(outcome.ending == .exited(3), "\(outcome)")
                #expect(!FileManager.default.fileExists(atPath: copy))

                let kept = try await three.status().storeBytes
                try await two.start()
                try await two.meets(1)
                let start = ContinuousClock.now
                var got: Outcome?
                try await Patience.until("the rest comes") {
                    got = try await three.aro("get", put.cid, "-o", copy, "--json")
                    return got?.isSuccess == true
                }
                Trial.tell("went on \(ContinuousClock.now - start) after the return")
                let fetched = try got?.json(Got.self).first?.fetched ?? 0
                #expect(fetched + kept <= byteCount + Sizes.slack)
                #expect(FileManager.default.contentsEqual(atPath: file, andPath: copy))
            }
        }
    }
}

enum Sizes {
    /// What the tree, its signature and the store's own rows add to some megabytes of content: far
    /// less than the one chunk of 1 MiB that must not be fetched twice.
    static let slack = 200_000
}
