/// Benchmarks of real nodes on loopback UDP, run by hand in a release build; no test asserts them.
///
///     swift run -c release aro-bench transfer [--size 1GiB]
///     swift run -c release aro-bench latency
///     swift run -c release aro-bench lookups [--nodes 100]
///     swift run -c release aro-bench idle
///     swift run -c release aro-bench members [--nodes 50] [--kills 20]
///     swift run -c release aro-bench calibrate [--nodes 50] [--delay 25]
///     swift run -c release aro-bench calls [--streams 64] [--backend URL --model NAME]
///
/// Nodes run in this process, each on its own loop thread with its own sockets and store, so that
/// what is measured is theirs alone (but for `members` and `calibrate`, where each is a process);
/// figures are printed one a line.

import ARO
import ArgumentParser
import Foundation
import Logging

@main
struct Benchmarks: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "aro-bench", abstract: "Measures real nodes on loopback.",
        subcommands: [
            Transfer.self, Latency.self, Lookups.self, Idle.self, Members.self, Calls.self,
            Calibrate.self, CalibratedNode.self,
        ])
}

/// Nodes on loopback, joined through the first, with data directories that go at the end.
final class Cluster: Sendable {
    let nodes: [NodeHandle]
    private let directory: String

    init(_ count: Int) async throws {
        directory = NSTemporaryDirectory() + "aro-bench-\(getpid())"
        try FileManager.default.createDirectory(
            atPath: directory, withIntermediateDirectories: true)
        var logger = Logger(label: "aro-bench")
        logger.logLevel = .error
        var nodes: [NodeHandle] = []
        for i in 0..<count {
            let node = try await NodeHandle.start(
                NodeConfiguration(
                    listen: [SocketAddress("127.0.0.1:0")!], dataDirectory: "\(directory)/\(i)",
                    quota: nil, logger: logger))
            if let first = nodes.first { try await node.join([first.addresses[0]]) }
            nodes.append(node)
        }
        self.nodes = nodes
    }

    func end() async {
        for node in nodes { await node.shutdown() }
        try? FileManager.default.removeItem(atPath: directory)
    }

    /// Datagrams that all nodes sent so far.
    func datagramsSent() async throws -> UInt64 {
        var sum: UInt64 = 0
        for node in nodes { sum += try await node.status().datagramsOut }
        return sum
    }
}

/// Samples of a time, printed as percentiles.
struct Samples {
    private var seconds: [Double] = []

    mutating func measure<T>(_ body: () async throws -> T) async rethrows -> T {
        let start = ContinuousClock.now
        let result = try await body()
        let time = ContinuousClock.now - start
        seconds.append(Double(time.components.seconds) + Double(time.components.attoseconds) / 1e18)
        return result
    }

    func describe(_ name: String) {
        let sorted = seconds.sorted()
        func at(_ share: Double) -> String {
            let i = min(sorted.count - 1, Int(Double(sorted.count) * share))
            return String(format: "%.3f ms", sorted[i] * 1_000)
        }
        print("\(name): p50 \(at(0.5)), p90 \(at(0.9)), p99 \(at(0.99)), n \(sorted.count)")
    }

    var last: Double { seconds.last ?? 0 }
}

/// Bytes that differ in every run, so that no store has them already.
func randomBytes(_ count: Int) -> [UInt8] {
    var state = UInt64.random(in: 0...UInt64.max)
    var bytes = [UInt8](repeating: 0, count: count)
    bytes.withUnsafeMutableBytes { bytes in
        for i in stride(from: 0, to: count, by: 8) {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            withUnsafeBytes(of: state ^ state >> 32) {
                bytes[i...].copyBytes(from: $0.prefix(count - i))
            }
        }
    }
    return bytes
}

/// Memory that this process has resident, bytes.
func residentBytes() -> UInt64 {
    guard let text = try? String(contentsOfFile: "/proc/self/statm", encoding: .utf8),
        let pages = UInt64(text.split(separator: " ")[1])
    else { return 0 }
    return pages * UInt64(getpagesize())
}
