/// Who is in the network, as real processes see it: all know all, newcomers, the dead and those who
/// leave, and none of the living is declared dead.

import Foundation
import Testing

extension Processes {
    @Suite("Members")
    struct Members {
        static let count = Trial.isHeavy ? 50 : 6
        static let kills = Trial.isHeavy ? 10 : 1

        @Test("all know all, with what they offer; then a newcomer, the dead, and who leaves")
        func lives() async throws {
            try await Cluster.run { cluster in
                var nodes = try await Self.join(cluster, Self.count)
                let watch = try nodes[0].begin(["members", "--watch", "--json"])
                defer { watch.send(SIGKILL) }
                try await Self.allKnowAll(nodes)

                let start = ContinuousClock.now
                let newcomer = try await cluster.start("newcomer", bootstrap: nodes[1])
                nodes.append(newcomer)
                try await Self.all(of: nodes, see: newcomer, as: "alive")
                Trial.tell("a newcomer was started and known after \(ContinuousClock.now - start)")
                try await Patience.until("the newcomer is told") {
                    try watch.changes(of: newcomer).contains("joined")
                }

                var chance = Trial.chance("kill -9 of members")
                for _ in 0..<Self.kills {
                    let victim = nodes.remove(at: Int.random(in: 1..<nodes.count, using: &chance))
                    victim.kill()
                    let start = ContinuousClock.now
                    try await Patience.until("the death is told") {
                        try watch.changes(of: victim).contains("failed")
                    }
                    Trial.tell("a death was told after \(ContinuousClock.now - start)")
                    try await Self.all(of: nodes, see: victim, as: "failed")
                }

                let leaver = nodes.removeLast()
                #expect(try await leaver.stop(SIGTERM) == .exited(0))
                let end = ContinuousClock.now
                try await Patience.until("the goodbye is told") {
                    try watch.changes(of: leaver).contains("left")
                }
                Trial.tell("a goodbye was told \(ContinuousClock.now - end) after the end")
                try await Self.all(of: nodes, see: leaver, as: "left")
                #expect(try !watch.changes(of: leaver).contains("failed"))
                for node in nodes.dropFirst() {
                    #expect(try !watch.changes(of: node).contains("left"))
                }
            }
        }

        @Test("a process that stops for three seconds lives on", .enabled(if: Trial.isHeavy))
        func stopped() async throws {
            try await Cluster.run { cluster in
                var chance = Trial.chance("SIGSTOP of members")
                let nodes = try await Self.join(cluster, Self.count)
                try await Self.allKnowAll(nodes)
                let watches = try nodes.map { try $0.begin(["members", "--watch", "--json"]) }
                defer { for watch in watches { watch.send(SIGKILL) } }
                for _ in 0..<60 {
                    let sleeper = nodes.randomElement(using: &chance)!
                    sleeper.send(SIGSTOP)
                    try await Task.sleep(for: .seconds(3))
                    sleeper.send(SIGCONT)
                    try await Task.sleep(for: .seconds(7))
                }
                for watch in watches {
                    #expect(try !watch.changes().contains { $0.event == "failed" })
                }
            }
        }

        @Test("peers are shown as members, too")
        func peers() async throws {
            try await Cluster.run { cluster in
                let nodes = try await Self.join(cluster, 2)
                try await Self.allKnowAll(nodes)
                let peers = try await nodes[0].ask("peers", as: Peer.self)
                #expect(peers.map(\.peer) == [nodes[1].peer])
                let table = try await nodes[0].aro("members")
                #expect(table.lines.count == 2, "\(table)")
                #expect(table.lines.last?.hasPrefix(nodes[1].peer) == true, "\(table)")
                let none = try await nodes[0].aro("members", "--model", "nobody's", "--json")
                #expect(none.isSuccess && none.output.isEmpty, "\(none)")
            }
        }

        // MARK: Details

        static func join(_ cluster: Cluster, _ count: Int) async throws -> [NodeProcess] {
            var nodes = [try await cluster.start("m0")]
            for i in 1..<count {
                nodes.append(try await cluster.start("m\(i)", bootstrap: nodes[0]))
            }
            return nodes
        }

        static func allKnowAll(_ nodes: [NodeProcess]) async throws {
            let start = ContinuousClock.now
            for node in nodes {
                let others = Set(nodes.map(\.peer)).subtracting([node.peer])
                try await Patience.until("\(node.name) knows all and what they offer") {
                    let members = try await node.ask("members", as: Member.self)
                    let known = members.filter { $0.state == "alive" && $0.storageOffered > 0 }
                    return Set(known.map(\.peer)) == others
                }
            }
            Trial.tell("\(nodes.count) knew all after \(ContinuousClock.now - start)")
        }

        static func all(
            of nodes: [NodeProcess], see other: NodeProcess, as state: String
        ) async throws {
            for node in nodes where node.peer != other.peer {
                try await Patience.until("\(node.name) sees \(other.name) as \(state)") {
                    try await node.ask("members", as: Member.self).contains {
                        $0.peer == other.peer && $0.state == state
                    }
                }
            }
        }
    }
}

struct Member: Decodable, Hashable, Sendable {
    var peer: String
    var state: String
    var neighbour: Bool
    var addresses: [String]
    var storageOffered: UInt64
    var storageFree: UInt64
}

struct Peer: Decodable, Hashable, Sendable {
    var peer: String
    var connected: Bool
}

/// A line of `aro members --watch --json` after the list.
struct MemberNews: Decodable, Hashable, Sendable {
    var event: String?
    var peer: String
}

extension Child {
    /// The whole lines that were printed so far.
    var lines: [String] {
        let text = output
        guard let end = text.lastIndex(of: "\n") else { return [] }
        return text[..<end].split(separator: "\n").map(String.init)
    }

    func json<Shape: Decodable>(_ shape: Shape.Type = Shape.self) throws -> [Shape] {
        try lines.map { try JSONDecoder().decode(Shape.self, from: Data($0.utf8)) }
    }

    func changes() throws -> [MemberNews] { try json().filter { $0.event != nil } }

    func changes(of node: NodeProcess) throws -> [String] {
        try changes().filter { $0.peer == node.peer }.compactMap(\.event)
    }
}
