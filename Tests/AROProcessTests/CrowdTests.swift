/// Many processes that joined through one address: everyone finds what anybody published, also after
/// many of them, the first one among them, were killed.

import Foundation
import Testing

extension Processes {
    @Suite("Crowds")
    struct Crowds {
        static let count = Trial.isHeavy ? 50 : 8
        static let killed = Trial.isHeavy ? 20 : 3

        /// Something that was published, and who ought to have it.
        struct Publication: Sendable {
            var cid: String
            var text: String
            var holders: [Int]
        }

        @Test("everyone resolves what anybody published; after crashes, what anybody still holds")
        func crowd() async throws {
            try await Cluster.run { cluster in
                var chance = Trial.chance("a crowd")
                let nodes = try await join(cluster)
                let everything = try await publish("first", on: nodes, in: cluster)
                try await resolve(everything, on: Array(nodes.indices), of: nodes, "all")

                // Fresh content, on its publisher and one other node each.
                var scarce = try await publish("second", on: nodes, in: cluster)
                for i in nodes.indices {
                    let other = (i + Int.random(in: 1..<nodes.count, using: &chance)) % nodes.count
                    try await fetch(scarce[i], on: nodes[other])
                    scarce[i].holders.append(other)
                }
                try await settle(scarce, nodes)
                var victims = Array(1..<nodes.count).shuffled(using: &chance)
                victims = [0] + victims.prefix(Self.killed - 1)
                for i in victims { nodes[i].kill() }
                let living = nodes.indices.filter { !victims.contains($0) }
                let held = scarce.filter { $0.holders.contains(where: living.contains) }
                Trial.tell(
                    "killed \(victims.count) of \(nodes.count); "
                        + "\(held.count) of \(scarce.count) contents have a living provider")
                try await resolve(held, on: living, of: nodes, "after the crashes")

                let lost = try #require(
                    scarce.first { !$0.holders.contains(where: living.contains) } ?? scarce.first)
                if !held.contains(where: { $0.cid == lost.cid }) {
                    let get = try await nodes[living[0]].aro("get", lost.cid, "--patience", "5")
                    #expect(get.ending == .exited(3), "\(get)")
                }
            }
        }

        private func join(_ cluster: Cluster) async throws -> [NodeProcess] {
            let start = ContinuousClock.now
            let first = try await cluster.start("n0")
            var nodes = [first]
            for i in 1..<Self.count {
                nodes.append(try await cluster.start("n\(i)", bootstrap: first))
            }
            // A bucket holds 20: in a larger crowd nobody needs to know everyone.
            for node in nodes { try await node.meets(min(Self.count - 1, 15)) }
            Trial.tell("\(nodes.count) nodes joined in \(ContinuousClock.now - start)")
            return nodes
        }

        private func publish(
            _ name: String, on nodes: [NodeProcess], in cluster: Cluster
        ) async throws -> [Publication] {
            let start = ContinuousClock.now
            var all: [Publication] = []
            for (i, node) in nodes.enumerated() {
                let text = "\(name) of \(node.peer)"
                let path = try cluster.file(name, Data(text.utf8))
                var put = try await node.put(path)
                // Who is slow to answer is not counted; a put that is repeated asks again.
                try await Patience.until("most keep the record of \(put.cid)") {
                    if put.wanted > 0, put.holders * 2 > put.wanted { return true }
                    Trial.tell("n\(i): held by \(put.holders) of \(put.wanted)")
                    put = try await node.put(path)
                    return false
                }
                all.append(Publication(cid: put.cid, text: text, holders: [i]))
            }
            Trial.tell("\(all.count) puts took \(ContinuousClock.now - start)")
            return all
        }

        /// Every node gets everything, two at a time.
        private func resolve(
            _ publications: [Publication], on asking: [Int], of nodes: [NodeProcess],
            _ what: String
        ) async throws {
            let start = ContinuousClock.now
            let times = try await withThrowingTaskGroup(of: [Duration].self) { group in
                for half in 0..<2 {
                    group.addTask {
                        var times: [Duration] = []
                        for i in asking where i % 2 == half {
                            for publication in publications {
                                let start = ContinuousClock.now
                                try await fetch(publication, on: nodes[i])
                                times.append(ContinuousClock.now - start)
                            }
                        }
                        return times
                    }
                }
                return try await group.reduce(into: []) { $0 += $1 }.sorted()
            }
            Trial.tell(
                "\(what): \(times.count) gets in \(ContinuousClock.now - start), median "
                    + "\(times[times.count / 2]), 99 % \(times[times.count * 99 / 100]), "
                    + "slowest \(times.last!)")
        }

        private func fetch(_ publication: Publication, on node: NodeProcess) async throws {
            let get = try await node.aro("get", publication.cid)
            #expect(get.text == publication.text, "\(node.name), \(publication.holders): \(get)")
        }

        /// Waits until every second holder is known as a provider.
        private func settle(_ publications: [Publication], _ nodes: [NodeProcess]) async throws {
            for publication in publications {
                let holders = publication.holders.map { nodes[$0].peer }
                let asking = nodes.indices.first { !publication.holders.contains($0) }!
                try await Patience.until("the holders of \(publication.cid) are known") {
                    try await nodes[asking].providers(of: publication.cid).isSuperset(of: holders)
                }
            }
        }
    }
}
