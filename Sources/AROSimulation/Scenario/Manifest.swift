/// `manifest.json`: what a run was, for who finds its folder later, and for the verbs that play it
/// again.

import AROCrypto
import AROPrimitives
import Foundation

public struct Manifest: Codable, Sendable {
    public var name: String
    public var seed: UInt64
    public var fidelity: String
    public var nodes: Int
    /// Of `scenario.resolved.yaml`.
    public var scenarioSHA256: String
    public var traceHash: String
    public var events: UInt64
    public var virtualTimeS: Double
    public var wallTimeS: Double
    public var eventsPerS: Double
    /// Whether the run came to its end; false where it was interrupted or limited.
    public var whole: Bool
    public var passed: Bool
    /// Expectations that did not hold.
    public var failed: [String]
    public var started: String
    public var program: Program

    /// What played it.
    public struct Program: Codable, Hashable, Sendable {
        /// Of the source that it was built from, where that is known.
        public var commit: String?
        /// `debug` or `release`.
        public var build: String
        public var sha256: String?
        public var system: String
        public var processors: Int

        public init(
            commit: String?, build: String, sha256: String?, system: String, processors: Int
        ) {
            (self.commit, self.build, self.sha256) = (commit, build, sha256)
            (self.system, self.processors) = (system, processors)
        }
    }

    enum CodingKeys: String, CodingKey {
        case name, seed, fidelity, nodes
        case scenarioSHA256 = "scenario_sha256"
        case traceHash = "trace_hash"
        case events
        case virtualTimeS = "virtual_time_s"
        case wallTimeS = "wall_time_s"
        case eventsPerS = "events_per_s"
        case whole, passed, failed, started, program
    }

    /// - Parameter started: when, in words of ISO 8601.
    public init(_ report: Report, program: Program, started: String) {
        let scenario = report.scenario
        name = scenario.name
        seed = scenario.seed
        fidelity = scenario.epidemic == nil ? scenario.fidelity.rawValue : "epidemic"
        nodes = scenario.nodeCount
        scenarioSHA256 = SHA256Digest.of(Array(scenario.resolved.utf8)).description
        traceHash = report.trace.description
        events = report.events
        virtualTimeS = report.reached.seconds
        wallTimeS = report.wallTime
        eventsPerS = report.eventsPerSecond
        whole = report.isWhole
        passed = report.passed
        failed = report.outcomes.filter { !$0.holds }.map(\.expectation.words)
        self.program = program
        self.started = started
    }

    public init(json: Data) throws { self = try JSONDecoder().decode(Self.self, from: json) }

    /// In hexadecimal.
    public static func sha256(_ data: Data) -> String {
        var hasher = SHA256Hasher()
        data.withUnsafeBytes { hasher.update($0.bytes) }
        return hasher.finish().description
    }

    public var file: RunFile {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        let data = (try? encoder.encode(self)) ?? Data()
        return RunFile("manifest.json", String(decoding: data, as: UTF8.self) + "\n")
    }
}
