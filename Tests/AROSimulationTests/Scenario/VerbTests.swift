import Foundation
import Testing

@testable import AROSimulation

private let scenario = """
    aro_scenario: 1
    name: verbs
    fidelity: messages
    duration: 12s
    nodes: [{count: 4}]
    join: {over: 1s}
    network: {rtt: {uniform: [20ms, 100ms]}, loss: 1%}
    workload:
      - {publish: {size: 1KiB}, at: 4s}
      - {lookup: {}, at: 8s, over: 1s, times: 3}
    measure: {at: [5s], graph: [6s]}
    expect: [lookup.success_rate == 1]
    """

@Suite(.enabled(if: Command.isBuilt)) struct Verbs {
    private func played(_ scratch: Scratch, _ arguments: [String] = []) throws -> String {
        let file = try scratch.file("s.yaml", scenario)
        let folder = scratch.path("run-\(UUID().uuidString)")
        let run = try Command(["run", file, "--out", folder] + arguments)
        #expect(run.complaint.isEmpty)
        return folder
    }

    @Test func `a run's folder is whole, and every table is one`() throws {
        let scratch = try Scratch()
        let folder = try played(scratch)
        let files = try FileManager.default.subpathsOfDirectory(atPath: folder)
        for wanted in [
            "manifest.json", "summary.json", "scenario.resolved.yaml", "timeseries.csv",
            "metrics.csv", "checkpoints.csv", "requests.csv", "graph/6s.csv", "graph/6s.graphml",
            "hist/lookup_latency.csv", "hist/lookup_latency.hgrm",
        ] {
            #expect(files.contains(wanted))
        }
        for file in files where file.hasSuffix(".csv") {
            let text = try String(contentsOfFile: "\(folder)/\(file)", encoding: .utf8)
            let table = try #require(ResultTable(csv: text), "\(file)")
            #expect(!table.rows.isEmpty, "\(file)")
        }
    }

    @Test func `verify agrees with the run, and finds where a changed one differs`() throws {
        let scratch = try Scratch()
        let folder = try played(scratch)
        let same = try Command(["verify", folder])
        #expect(same.status == 0 && same.output.hasPrefix("ok"), "\(same.complaint)")

        // Another program's run: the hashes from event 100 on are others.
        let table = folder + "/checkpoints.csv"
        let lines = try String(contentsOfFile: table, encoding: .utf8).split(separator: "\n")
        let changed = lines.map { line in
            guard let events = Int(line.prefix { $0 != "," }), events >= 100 else { return line }
            return line.dropLast(16) + "00000000000000aa"
        }
        try changed.joined(separator: "\n").write(toFile: table, atomically: true, encoding: .utf8)
        let manifest = folder + "/manifest.json"
        let text = try String(contentsOfFile: manifest, encoding: .utf8)
        let hash = try Manifest(json: Data(text.utf8)).traceHash
        try text.replacingOccurrences(of: hash, with: "00000000000000aa")
            .write(toFile: manifest, atomically: true, encoding: .utf8)
        let other = try Command(["verify", folder])
        #expect(other.status == 1)
        #expect(other.output.contains("the first 99 events are the same"), "\(other.output)")
        #expect(other.output.contains("#100 "), "\(other.output)")
    }

    @Test func `a changed scenario is no run any more`() throws {
        let scratch = try Scratch()
        let folder = try played(scratch)
        let file = folder + "/scenario.resolved.yaml"
        let text = try String(contentsOfFile: file, encoding: .utf8)
        try (text + "\n").write(toFile: file, atomically: true, encoding: .utf8)
        let verify = try Command(["verify", folder])
        #expect(verify.status == 2 && verify.complaint.contains("was changed"))
        #expect(try Command(["verify", scratch.url.path]).complaint.contains("no manifest.json"))
    }

    @Test func `diff shows what was changed and the first event that differs`() throws {
        let scratch = try Scratch()
        let (a, b) = (try played(scratch), try played(scratch, ["--set", "workload.1.at=9s"]))
        let diff = try Command(["diff", a, b])
        #expect(diff.status == 1)
        #expect(diff.output.contains("first event that differs"), "\(diff.output)")
        #expect(diff.output.contains("lookup: "))
        #expect(try Command(["diff", a, try played(scratch)]).status == 0)
    }

    @Test func `replay shows events, trace what led to them`() throws {
        let scratch = try Scratch()
        let folder = try played(scratch)
        let replay = try Command(["replay", folder, "--node", "2", "--until", "5s"])
        let lines = replay.output.split(separator: "\n").filter { $0.hasPrefix("#") }
        #expect(!lines.isEmpty && lines.allSatisfy { $0.contains("node 2") })
        let some = try Command(["replay", folder, "--events", "20..29"]).output
        #expect(some.split(separator: "\n").count { $0.hasPrefix("#") } == 10)
        let trace = try Command(["trace", folder, "--event", "50"])
        #expect(trace.output.contains("#50 "))
        #expect(try Command(["trace", folder]).status == 2)
        #expect(try Command(["trace", folder, "--event", "99999999"]).status == 2)
    }

    @Test func `a sweep gives the same tables with any number of jobs`() throws {
        let scratch = try Scratch()
        let file = try scratch.file(
            "s.yaml", scenario + "\nsweep: {nodes.0.count: [3, 4], seeds: 1..2}")
        for jobs in ["1", "2"] {
            let sweep = try Command(
                ["sweep", file, "--jobs", jobs, "--out", scratch.path("sweep-\(jobs)")])
            #expect(sweep.complaint.isEmpty)
        }
        for name in ["runs.csv", "sweep.csv"] {
            let one = try String(contentsOfFile: scratch.path("sweep-1/\(name)"), encoding: .utf8)
            let two = try String(contentsOfFile: scratch.path("sweep-2/\(name)"), encoding: .utf8)
            #expect(one == two)
            #expect(ResultTable(csv: one) != nil)
        }
        let plot = try Command(["plot", scratch.path("sweep-1"), "--metric", "lookup_latency_p50"])
        #expect(plot.output.hasSuffix("lookup_latency_p50-by-nodes.0.count.svg\n"))
        #expect(try Command(["sweep", scratch.file("p.yaml", scenario), "--out", "x"]).status == 2)
    }

    @Test func `a hunt keeps what fails, and shrink makes it small`() throws {
        let scratch = try Scratch()
        let file = try scratch.file(
            "s.yaml",
            scenario + "\nfaults: [{at: 6s, kill: {count: 3}}, {at: 7s, loss: 2%, for: 1s}]")
        let hunt = try Command(
            ["hunt", file, "--seeds", "2..3", "--no-swarm", "--out", scratch.path("found")])
        #expect(hunt.status == 1)
        #expect(hunt.output.contains("2 runs, 2 failed"), "\(hunt.output) \(hunt.complaint)")
        let shrink = try Command(
            ["shrink", scratch.path("found/seed-2"), "--out", scratch.path("small")])
        #expect(shrink.status == 0, "\(shrink.complaint)")
        let small = try Scenario(
            yaml: try String(
                contentsOfFile: scratch.path("small/scenario.resolved.yaml"), encoding: .utf8),
            file: "small")
        #expect(small.faults.count == 1 && small.nodeCount <= 4)
        #expect(try Command(["verify", scratch.path("small")]).status == 0)
    }

    @Test func `a full disk leaves nothing behind`() throws {
        let scratch = try Scratch()
        let file = try scratch.file("s.yaml", scenario)
        // No process writes there; a device that is full says so at another moment, in the same place.
        let run = try Command(["run", file, "--out", "/proc/aro-sim-run"])
        #expect(run.status == 2)
        #expect(run.complaint.contains("cannot write /proc/aro-sim-run"), "\(run.complaint)")
    }

    @Test func `an interrupted run keeps what was measured`() throws {
        let scratch = try Scratch()
        let file = try scratch.file(
            "s.yaml", scenario.replacingOccurrences(of: "duration: 12s", with: "duration: 8000h"))
        let process = Process()
        process.executableURL = Command.url
        process.arguments = ["run", file, "--out", scratch.path("cut")]
        process.standardOutput = FileHandle.nullDevice
        process.standardError = FileHandle.nullDevice
        try process.run()
        Thread.sleep(forTimeInterval: 3)
        process.interrupt()
        process.waitUntilExit()
        #expect(process.terminationStatus == 130)
        let manifest = try Manifest(
            json: Data(contentsOf: URL(fileURLWithPath: scratch.path("cut/manifest.json"))))
        #expect(!manifest.whole && !manifest.passed)
        #expect(manifest.virtualTimeS > 0 && manifest.virtualTimeS < 8_000 * 3_600)
        #expect(try Command(["verify", scratch.path("cut")]).status == 0)
    }
}
