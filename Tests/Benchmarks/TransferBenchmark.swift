/// Publishing a file on one node and fetching it on another: MB/s of each.

import ARO
import ArgumentParser
import Foundation

struct Transfer: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Put a file on one node, get it on another.")

    @Option(help: "Size of the file, MiB.") var mebibytes = 1_024
    @Option(help: "Nodes that hold the file before it is fetched.") var providers = 1
    @Option(help: "Times.") var runs = 3

    func run() async throws {
        let path = NSTemporaryDirectory() + "aro-bench-\(getpid()).bin"
        defer { try? FileManager.default.removeItem(atPath: path) }
        for run in 1...runs {
            try write(path)
            let cluster = try await Cluster(providers + 1)
            try await measure(cluster, path, run)
            await cluster.end()
        }
    }

    private func measure(_ cluster: Cluster, _ path: String, _ run: Int) async throws {
        var time = Samples()
        var root: CID?
        for node in cluster.nodes.prefix(providers) {
            let put = try await time.measure { try await node.put(path: path) }
            root = put.root
            report("put", run, time.last)
        }
        guard let root, let last = cluster.nodes.last else { return }
        try await time.measure {
            for try await _ in last.fetch(FetchOptions(root: root)) {}
        }
        report("get", run, time.last)
        print("run \(run): resident \(residentBytes() >> 20) MiB, all nodes together")
    }

    private func report(_ what: String, _ run: Int, _ seconds: Double) {
        let rate = Double(mebibytes) * 1.048576 / seconds
        print(
            "run \(run): \(what) \(mebibytes) MiB in \(String(format: "%.2f s, %.0f MB/s", seconds, rate))"
        )
    }

    private func write(_ path: String) throws {
        _ = FileManager.default.createFile(atPath: path, contents: nil)
        let file = try FileHandle(forWritingTo: URL(fileURLWithPath: path))
        for _ in 0..<mebibytes { try file.write(contentsOf: Data(randomBytes(1 << 20))) }
        try file.close()
    }
}
