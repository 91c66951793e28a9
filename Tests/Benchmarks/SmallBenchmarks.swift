/// Latency of small fetches, cost of look-ups in a cluster, and what an idle node takes.

import ARO
import ArgumentParser
import Foundation

struct Latency: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Get 64 KiB on a new and on an open session.")

    @Option(help: "Times.") var count = 100

    func run() async throws {
        var (new, open) = (Samples(), Samples())
        for _ in 0..<count {
            let cluster = try await Cluster(3)
            let (asker, holder) = (cluster.nodes[2], cluster.nodes[1])
            let first = try await holder.put(bytes: randomBytes(64 << 10)).root
            let second = try await holder.put(bytes: randomBytes(64 << 10)).root
            try await new.measure { try await get(first, asker) }
            try await open.measure { try await get(second, asker) }
            await cluster.end()
        }
        new.describe("get 64 KiB, first fetch from the peer")
        open.describe("get 64 KiB, open session")
    }

    private func get(_ root: CID, _ node: NodeHandle) async throws {
        for try await _ in node.fetch(FetchOptions(root: root)) {}
    }
}

struct Lookups: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Find providers in a cluster: latency and datagrams.")

    @Option(help: "Nodes.") var nodes = 100
    @Option(help: "Published contents.") var contents = 50
    @Option(help: "Look-ups.") var count = 1_000

    func run() async throws {
        let cluster = try await Cluster(nodes)
        var roots: [CID] = []
        var publishing = Samples()
        for i in 0..<contents {
            let node = cluster.nodes[publisher(of: i)]
            let cid = CID(.raw, hashing: randomBytes(32).span.bytes)
            let held = try await publishing.measure { try await node.provide(cid) }
            if held.held == 0 { print("published, but nobody holds it: \(cid)") }
            roots.append(cid)
        }
        publishing.describe("publish, \(nodes) nodes")
        for phase in ["first", "again"] { try await measure(cluster, roots, phase) }
        await cluster.end()
    }

    private func publisher(of content: Int) -> Int { (content * 7 + 1) % nodes }

    private func measure(_ cluster: Cluster, _ roots: [CID], _ phase: String) async throws {
        var times = Samples()
        var found = 0
        let before = try await cluster.datagramsSent()
        for i in 0..<count {
            // Who holds the content itself has nobody to find, and would ask all of the k nearest.
            var asker = (i * 13 + 5) % nodes
            if asker == publisher(of: i % roots.count) { asker = (asker + 1) % nodes }
            let node = cluster.nodes[asker]
            let hit = try await times.measure {
                for try await _ in node.providers(of: roots[i % roots.count], limit: 1) {
                    return true
                }
                return false
            }
            if hit { found += 1 }
        }
        let sent = try await cluster.datagramsSent() - before
        times.describe("DHT get, \(phase) round")
        print(
            "DHT get, \(phase) round: \(found) of \(count) found, "
                + String(format: "%.1f datagrams a get", Double(sent) / Double(count)))
    }
}

struct Idle: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "What idle nodes send, and what they keep in memory.")

    @Option(help: "Nodes.") var nodes = 50
    @Option(help: "Seconds to watch.") var seconds = 60

    func run() async throws {
        let empty = residentBytes()
        let cluster = try await Cluster(nodes)
        try await Task.sleep(for: .seconds(10))
        let before = try await cluster.datagramsSent()
        try await Task.sleep(for: .seconds(seconds))
        let sent = try await cluster.datagramsSent() - before
        let perNode = Double(sent) / Double(nodes) / Double(seconds)
        print(String(format: "idle: %.3f datagrams a second and node", perNode))
        let resident = (residentBytes() - empty) / UInt64(nodes)
        print("idle: \(resident >> 10) KiB resident a node, its threads and store with it")
        await cluster.end()
    }
}
