/// Topics between real processes: who subscribes hears what is published, in the promised order, and
/// is told what was missed.

import Foundation
import Testing

extension Processes {
    @Suite("Topics")
    struct TopicTrials {
        static let topic = "news of the day"

        @Test("all subscribers hear what is published, also two of one node, until they hang up")
        func publishAndSubscribe() async throws {
            try await Cluster.run { cluster in
                let nodes = try await Members.join(cluster, 3)
                let text = try nodes[1].begin(["topic", "subscribe", Self.topic])
                let json = try nodes[1].begin(["topic", "subscribe", Self.topic, "--json"])
                let ordered = try nodes[2].begin(
                    ["topic", "subscribe", Self.topic, "--ordered", "--json"])
                let all = [text, json, ordered]
                defer { for child in all { child.send(SIGKILL) } }
                try await Self.tune(all, to: nodes[0])

                let lines = (1...20).map { "line \($0) — ünïcode" }
                let input = Data(lines.map { $0 + "\n" }.joined().utf8)
                let publish = try await nodes[0].aro(
                    ["topic", "publish", Self.topic, "--json"], input: input)
                #expect(publish.isSuccess, "\(publish)")
                #expect(publish.lines.count == lines.count)
                try await Patience.until("every line was heard by everybody") {
                    try Set(text.lines).isSuperset(of: lines)
                        && Set(json.posts()).isSuperset(of: lines)
                        && Set(ordered.posts()).isSuperset(of: lines)
                }
                #expect(try ordered.posts().filter(lines.contains) == lines)
                #expect(text.lines.filter(lines.contains).count == lines.count)
                let posts = try json.json(Post.self)
                #expect(posts.allSatisfy { $0.topic == Self.topic })
                #expect(Set(posts.compactMap(\.publisher)) == [nodes[0].peer])

                // Each has its own order, and hears what its own node publishes.
                let other = try nodes[1].begin(["topic", "subscribe", Self.topic, "--ordered"])
                try await Patience.until("a node hears itself") {
                    let own = try await nodes[1].aro("topic", "publish", Self.topic, "our own")
                    #expect(own.isSuccess, "\(own)")
                    return Set(other.lines) == ["our own"] && text.lines.last == "our own"
                }
                other.send(SIGINT)
                _ = try await other.end()

                #expect(try await nodes[1].status().topics == 1)
                for child in all { child.send(SIGINT) }
                for child in all { _ = try await child.end() }
                for node in nodes[1...] {
                    try await Patience.until("\(node.name) has left the topic") {
                        try await node.status().topics == 0
                    }
                }
            }
        }

        @Test("a subscriber that wants only so many posts ends after them")
        func limit() async throws {
            try await Cluster.run { cluster in
                let nodes = try await Members.join(cluster, 2)
                let child = try nodes[1].begin(["topic", "subscribe", "few", "--limit", "3"])
                var count = 0
                try await Patience.until("three posts came") {
                    count += 1
                    let publish = try await nodes[0].aro("topic", "publish", "few", "post \(count)")
                    #expect(publish.isSuccess, "\(publish)")
                    return child.ending != nil
                }
                let outcome = try await Outcome.of(child)
                #expect(outcome.isSuccess, "\(outcome)")
                #expect(outcome.lines.count == 3, "\(outcome)")
            }
        }

        @Test("what cannot be published is refused with the reason")
        func refusals() async throws {
            try await Cluster.run { cluster in
                let node = try await cluster.start("one")
                let large = String(repeating: "x", count: 1_025)
                for (words, input, reason) in [
                    (["publish", "news", large], "", "at most 1024 bytes"),
                    (["publish", "news"], large + "\n", "at most 1024 bytes"),
                    (["publish", "", "post"], "", "1 to 255 bytes"),
                    (["subscribe", large], "", "1 to 255 bytes"),
                    (["subscribe", "news", "--limit", "0"], "", "--limit"),
                ] {
                    let outcome = try await node.aro(["topic"] + words, input: Data(input.utf8))
                    #expect(outcome.ending == .exited(64), "\(outcome)")
                    #expect(outcome.errors.contains(reason), "\(outcome)")
                }
                let full = try await node.aro("topic", "publish", "news", String(large.dropLast()))
                #expect(full.isSuccess, "\(full)")
            }
        }

        @Test("a reader that does not read holds up nobody, and is told how much it missed")
        func slowReader() async throws {
            try await Cluster.run { cluster in
                let nodes = try await Members.join(cluster, 2)
                let slow = try nodes[1].begin(["topic", "subscribe", Self.topic])
                let quick = try nodes[1].begin(["topic", "subscribe", Self.topic])
                defer { for child in [slow, quick] { child.send(SIGKILL) } }
                try await Self.tune([slow, quick], to: nodes[0])
                slow.send(SIGSTOP)

                // More than the node gives ahead and the kernel keeps for a reader.
                let filler = String(repeating: "-", count: 1_000)
                var sent = 0
                while sent < 2_000 {
                    let lines = (sent..<sent + 100).map { "\($0) \(filler)\n" }.joined()
                    let publish = try await nodes[0].aro(
                        ["topic", "publish", Self.topic, "--json"], input: Data(lines.utf8))
                    // Too fast is refused, and what was not refused is published.
                    sent += publish.lines.count
                }
                func heard(_ child: Child) -> Int {
                    child.lines.filter { $0.hasSuffix(filler) }.count
                }
                try await Patience.until("the quick reader heard all that it did not miss") {
                    heard(quick) + Self.missed(quick) >= sent
                }
                #expect(heard(slow) < heard(quick))
                slow.send(SIGCONT)
                try await Patience.until("the slow reader is told") { Self.missed(slow) > 0 }
                Trial.tell(
                    "of \(sent) posts the slow reader heard \(heard(slow)) and missed "
                        + "\(Self.missed(slow)), the quick one missed \(Self.missed(quick))")
            }
        }

        // MARK: Details

        /// Publishes until everybody hears it.
        static func tune(_ children: [Child], to node: NodeProcess) async throws {
            try await Patience.until("all subscribers hear the publisher") {
                let publish = try await node.aro("topic", "publish", Self.topic, "tuning")
                #expect(publish.isSuccess, "\(publish)")
                try await Task.sleep(for: .milliseconds(200))
                return children.allSatisfy { !$0.lines.isEmpty }
            }
        }

        static func missed(_ child: Child) -> Int {
            child.errors.split(separator: "\n").reduce(0) { sum, line in
                let words = line.split(separator: " ")
                guard words.first == "missed", words.count == 3 else { return sum }
                return sum + (Int(words[1]) ?? 0)
            }
        }
    }
}

/// A line of `aro topic subscribe --json`.
struct Post: Decodable, Hashable, Sendable {
    var topic: String
    var publisher: String?
    var payload: Data?
}

extension Child {
    func posts() throws -> [String] {
        try json(Post.self).compactMap(\.payload).map { String(decoding: $0, as: UTF8.self) }
    }
}
