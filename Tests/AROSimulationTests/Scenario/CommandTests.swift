import Foundation
import Testing

/// The built `aro-sim`, in a process of its own.
struct Command {
    var status: Int32
    var output: String
    var complaint: String

    /// Beside the test bundle, where the build puts it.
    static let url: URL = {
        let bundle = Bundle.allBundles.first { $0.bundlePath.hasSuffix(".xctest") }
        let folder =
            bundle?.bundleURL.deletingLastPathComponent()
            ?? URL(fileURLWithPath: CommandLine.arguments[0]).deletingLastPathComponent()
        return folder.appendingPathComponent("aro-sim")
    }()

    static var isBuilt: Bool { FileManager.default.isExecutableFile(atPath: url.path) }

    init(_ arguments: [String], environment: [String: String]? = nil) throws {
        let process = Process()
        let output = Pipe()
        let complaint = Pipe()
        process.executableURL = Self.url
        process.arguments = arguments
        if let environment { process.environment = environment }
        process.standardOutput = output
        process.standardError = complaint
        try process.run()
        let text = output.fileHandleForReading.readDataToEndOfFile()
        self.complaint = String(
            decoding: complaint.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        status = process.terminationStatus
        self.output = String(decoding: text, as: UTF8.self)
    }
}

/// A folder of its own that goes with the test.
final class Scratch {
    let url = FileManager.default.temporaryDirectory.appendingPathComponent(
        "aro-sim-\(UUID().uuidString)")

    init() throws {
        try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
    }
    deinit { try? FileManager.default.removeItem(at: url) }

    func file(_ name: String, _ text: String) throws -> String {
        let file = url.appendingPathComponent(name)
        try Data(text.utf8).write(to: file)
        return file.path
    }

    func path(_ name: String) -> String { url.appendingPathComponent(name).path }
}

private let scenario = """
    aro_scenario: 1
    name: tiny
    duration: 30s
    nodes: [{count: 6}]
    join: {over: 2s}
    network:
      rtt: {uniform: [20ms, 100ms]}
      jitter: {lognormal: {median: 1ms, sigma: 0.5}}
      loss: 5%
    workload:
      - {publish: {size: 1KiB}, at: 10s, over: 2s, times: 3}
      - {lookup: {}, at: 20s, over: 5s, times: 5}
    """

@Suite(.enabled(if: Command.isBuilt)) struct CommandTests {
    private func hash(_ output: String) throws -> String {
        let object = try JSONSerialization.jsonObject(with: Data(output.utf8)) as? [String: Any]
        return try #require(object?["trace_hash"] as? String)
    }

    @Test func `two processes have the same trace, another seed has another`() throws {
        let scratch = try Scratch()
        let file = try scratch.file("s.yaml", scenario)
        let first = try hash(Command(["run", file, "--json"]).output)
        let second = try hash(Command(["run", file, "--json"]).output)
        let other = try hash(Command(["run", file, "--json", "--seed", "2"]).output)
        #expect(first == second)
        #expect(first != other)
    }

    @Test func `the resolved scenario has the trace of the scenario`() throws {
        let scratch = try Scratch()
        let file = try scratch.file("s.yaml", scenario)
        let first = try Command(["run", file, "--json", "--out", scratch.path("run")])
        #expect(first.status == 0, "\(first.complaint)")
        let resolved = scratch.path("run/scenario.resolved.yaml")
        #expect(try hash(first.output) == hash(Command(["run", resolved, "--json"]).output))
        let rows = try String(contentsOfFile: scratch.path("run/timeseries.csv"), encoding: .utf8)
        #expect(rows.split(separator: "\n").count { $0.contains(",nodes_running,") } == 30)
        let files = try FileManager.default.contentsOfDirectory(atPath: scratch.url.path)
        #expect(files.sorted() == ["run", "s.yaml"], "nothing is left beside the run's folder")
    }

    @Test func `a failed expectation is exit status 1`() throws {
        let scratch = try Scratch()
        let file = try scratch.file("s.yaml", scenario + "\nexpect: [events == 0]")
        let run = try Command(["run", file])
        #expect(run.status == 1)
        #expect(run.output.contains("FAIL  events == 0"))
    }

    @Test func `a bad file or command line is exit status 2, with words`() throws {
        let scratch = try Scratch()
        let bad = try scratch.file("bad.yaml", scenario + "\nnetwrk: {}")
        let good = try scratch.file("s.yaml", scenario)
        let cases: [([String], String)] = [
            (["run", bad], "did you mean 'network'?"),
            (["check", bad], "bad.yaml:13"),
            (["run", scratch.path("none.yaml")], "cannot read"),
            (["run", scratch.url.path], "bad.yaml:13"),
            (["run", good, "--out", scratch.url.path], "exists already"),
            (["run", good, "--set", "seed"], "key=value"),
            (["run", good, "--seed", "x"], "seed"),
            (["fly"], "fly"),
        ]
        for (arguments, words) in cases {
            let run = try Command(arguments)
            #expect(run.status == 2, "\(arguments)")
            #expect(run.complaint.contains(words), "\(arguments): \(run.complaint)")
            #expect(run.output.isEmpty)
        }
    }
}
