/// `kill -9` at random moments: what was acknowledged is there, what was not is whole or absent, and
/// what came before is not fetched again.

import Foundation
import Testing

extension Processes {
    @Suite("Crashes")
    struct Crashes {
        static let rounds = Trial.isHeavy ? 100 : 6
        static let byteCounts = Trial.isHeavy ? 1_000_000...60_000_000 : 1_000_000...4_000_000

        static let typicalByteCount = (byteCounts.lowerBound + byteCounts.upperBound) / 2

        /// A file that was to be put, and its CID once that was acknowledged.
        struct Sample {
            var path: String
            var cid: String?
        }

        @Test("no put that was acknowledged is lost")
        func puts() async throws {
            try await Cluster.run { cluster in
                var chance = Trial.chance("kill -9 during puts")
                let node = try await cluster.start("one")
                var acknowledged: [Sample] = []
                var whole: Set<String> = []
                var cut = 0
                // How long a put takes here, learned from those that were not interrupted.
                var usual = try await Self.duration {
                    _ = try await node.put(
                        cluster.file("first", chance.bytes(Self.typicalByteCount)))
                }
                for round in 1...Self.rounds {
                    let count = Int.random(in: Self.byteCounts, using: &chance)
                    let path = try cluster.file("file\(round)", chance.bytes(count))
                    let moment = usual * Double.random(in: 0...1.5, using: &chance)
                    let (outcome, took) = try await Self.kill(
                        node, after: moment, during: ["put", path, "--json"])
                    let put = try outcome.json(Put.self).first
                    if put != nil, took < moment { usual = (usual + took) / 2 }
                    if put == nil { cut += 1 }
                    acknowledged.append(Sample(path: path, cid: put?.cid))
                    try await node.start()
                    try await Self.check(node, acknowledged.suffix(4), &whole, in: cluster)
                    let again = try await node.put(path)
                    #expect(put == nil || put?.cid == again.cid, "round \(round)")
                    acknowledged[acknowledged.count - 1].cid = again.cid
                    if acknowledged.count > 8 { unlink(acknowledged.removeFirst().path) }
                }
                Trial.tell("\(cut) of \(Self.rounds) puts were cut short")
                whole = []
                try await Self.check(node, acknowledged[...], &whole, in: cluster)
                let kept = Set(try await node.ask("pin", "ls", as: Root.self).map(\.cid))
                #expect(kept.isSuperset(of: acknowledged.compactMap(\.cid)))
                #expect(kept.count == Self.rounds + 1)
            }
        }

        /// All that the node acknowledged is there; all that it lists is whole. What was found whole
        /// before is not looked at again.
        static func check(
            _ node: NodeProcess, _ samples: ArraySlice<Sample>, _ whole: inout Set<String>,
            in cluster: Cluster
        ) async throws {
            let copy = cluster.path("copy")
            for sample in samples {
                guard let cid = sample.cid else { continue }
                try await node.get(cid, to: copy)
                #expect(FileManager.default.contentsEqual(atPath: sample.path, andPath: copy))
            }
            let acknowledged = Set(samples.compactMap(\.cid))
            let listed = try await node.ask("ls", as: Root.self).map(\.cid)
            #expect(acknowledged.isSubset(of: listed))
            whole.formUnion(acknowledged)
            for cid in listed where whole.insert(cid).inserted {
                let got = try await node.aro("get", cid, "-o", copy)
                #expect(got.isSuccess, "listed, but not whole: \(got)")
            }
            unlink(copy)
        }

        /// Who dies during a get.
        enum Victim: CaseIterable {
            case getter, command, provider
        }

        @Test("a get that was cut short leaves nothing half, and goes on where it was")
        func gets() async throws {
            try await Cluster.run { cluster in
                var chance = Trial.chance("kill -9 during gets")
                let one = try await cluster.start("one")
                let two = try await cluster.start("two", bootstrap: one)
                try await one.meets(1)
                let first = try await one.put(
                    cluster.file("first", chance.bytes(Self.typicalByteCount)))
                let usual = try await Self.duration {
                    try await two.get(first.cid, to: cluster.path("copy"))
                }
                var midway = 0
                for round in 1...Self.rounds {
                    let victim = Victim.allCases[(round - 1) % Victim.allCases.count]
                    let count = Int.random(in: Self.byteCounts, using: &chance)
                    let share =
                        Double(count) / Double(Self.typicalByteCount)
                        * Double.random(in: 0...1, using: &chance)
                    if try await cutShort(
                        round, victim, one, two, cluster.file("file", chance.bytes(count)),
                        after: usual * share, in: cluster)
                    {
                        midway += 1
                    }
                }
                Trial.tell("\(midway) of \(Self.rounds) gets were cut short")
            }
        }

        /// One round; whether the get did not come to its end.
        private func cutShort(
            _ round: Int, _ victim: Victim, _ one: NodeProcess, _ two: NodeProcess,
            _ path: String, after moment: Duration, in cluster: Cluster
        ) async throws -> Bool {
            let put = try await one.put(path)
            let before = try await two.status().storeBytes
            let copy = cluster.path("copy\(round)")
            let get = try two.begin(["get", put.cid, "-o", copy, "--json"])
            try await Task.sleep(for: moment)
            switch victim {
            case .getter: two.kill()
            case .command: get.send(SIGKILL)
            case .provider: one.kill()
            }
            let outcome = try await Outcome.of(get)
            let isWhole = FileManager.default.contentsEqual(atPath: path, andPath: copy)
            let exists = FileManager.default.fileExists(atPath: copy)
            #expect(isWhole == exists, "round \(round): something half under the final name")
            #expect(isWhole || !outcome.isSuccess, "round \(round): \(outcome)")

            if victim == .getter { try await two.start() }
            if victim == .provider { try await one.start() }
            let kept = try await two.status().storeBytes - before
            var got: Outcome?
            try await Patience.until("the rest comes") {
                got = try await two.aro("get", put.cid, "-o", copy, "--json")
                return got?.isSuccess == true
            }
            let fetched = try got?.json(Got.self).first?.fetched ?? 0
            #expect(
                fetched + kept <= put.bytes + Sizes.slack,
                "round \(round), \(victim): \(kept) bytes were there, \(fetched) came again")
            #expect(FileManager.default.contentsEqual(atPath: path, andPath: copy))
            Trial.tell(
                "round \(round): \(victim) killed after \(moment), \(outcome.ending); "
                    + "\(kept) of \(put.bytes) bytes kept, \(fetched) fetched then")
            unlink(copy)
            return !outcome.isSuccess
        }

        /// Kills a node in the middle of a command; what the command said, and how long it ran.
        static func kill(
            _ node: NodeProcess, after moment: Duration, during words: [String]
        ) async throws -> (Outcome, Duration) {
            let command = try node.begin(words)
            command.closeInput()
            let start = ContinuousClock.now
            while ContinuousClock.now - start < moment, command.ending == nil {
                try await Task.sleep(for: .milliseconds(1))
            }
            let took = ContinuousClock.now - start
            node.kill()
            return (try await Outcome.of(command), took)
        }

        static func duration(_ body: () async throws -> Void) async rethrows -> Duration {
            let start = ContinuousClock.now
            try await body()
            return ContinuousClock.now - start
        }
    }
}
