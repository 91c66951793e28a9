/// `sweep`: one scenario with many values and seeds.

import AROSimulation
import ArgumentParser
import Foundation

struct SweepCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "sweep",
        abstract: "Run a scenario with every combination of its 'sweep:' values and seeds.")

    @Argument(help: "A scenario file.")
    var file: String

    @OptionGroup var changes: Changes

    @Option(help: "Seeds in place of the file's, as 1..10.")
    var seeds: String?

    @Option(help: "Runs at once; as many as there are processors, unless given.")
    var jobs = Workers.defaultJobs

    @Option(help: "The new folder for the tables.")
    var out: String

    @Flag(help: "Keep the folder of every run, too.")
    var keepRuns = false

    @Flag(help: "Write a job array for Slurm and submit it; 'merge' puts the parts together.")
    var slurm = false

    @Option(help: ArgumentHelp("Play one part of many, as 3/8, and write it.", visibility: .hidden))
    var part: String?

    func run() throws {
        let plan = try SweepPlan(
            ScenarioFile(ScenarioFile.path(file)), try changes.settings(), seeds: seeds)
        if slurm { return try SlurmJob(plan, out: out).submit() }
        if let part { return try SweepPart(part).play(plan, out: out, jobs: jobs) }
        let folder = try RunFolder(path: out)
        let runs = try plan.play(plan.points, jobs: jobs, keepingIn: keepRuns ? out + ".runs" : nil)
        try folder.write(plan.files(runs))
        print(plan.summary(runs))
        if Interruption.wasAsked { throw ExitCode(130) }
        if !runs.allSatisfy(\.passed) { throw ExitCode(1) }
    }
}

/// A sweep as it is to be played.
struct SweepPlan {
    let file: ScenarioFile
    let settings: [Scenario.Setting]
    let scenario: Scenario
    let sweep: Sweep
    let points: [Sweep.Point]
    /// As the command line gave them.
    let seeds: String?

    init(_ file: ScenarioFile, _ settings: [Scenario.Setting], seeds: String?) throws {
        (self.file, self.settings, self.seeds) = (file, settings, seeds)
        scenario = try file.load(settings)
        var sweep = scenario.sweep
        if let seeds {
            guard let range = Sweep.seedRange(seeds) else {
                throw Complaint("--seeds \(seeds): write it as 1..10")
            }
            sweep.seeds = Array(range)
        }
        guard !sweep.isEmpty else {
            throw Complaint("\(file.path): nothing to sweep; write 'sweep:', or give --seeds")
        }
        self.sweep = sweep
        points = sweep.points
        // What cannot be played is better said now than after an hour.
        var seen: Set<[String]> = []
        for point in points where seen.insert(point.values).inserted {
            do {
                _ = try file.load(settings + point.settings)
            } catch {
                throw Complaint("sweep, \(Self.words(point, sweep)): \(error)")
            }
        }
    }

    static func words(_ point: Sweep.Point, _ sweep: Sweep) -> String {
        var parts = zip(sweep.axes, point.values).map { "\($0.path)=\($1)" }
        if let seed = point.seed { parts.append("seed=\(seed)") }
        return parts.joined(separator: " ")
    }

    /// Plays some points; what was played when somebody pressed Control-C is kept.
    func play(_ points: [Sweep.Point], jobs: Int, keepingIn folder: String?) throws -> [SweepRun] {
        if let folder {
            try FileManager.default.createDirectory(
                atPath: folder, withIntermediateDirectories: true)
        }
        let line = ProgressLine()
        var left = points[...]
        var runs: [SweepRun] = []
        var complaint: String?
        Workers(jobs: jobs).play({
            left.popFirst().map { task($0, folder) }
        }) { task, answer in
            let point = self.points[task.number]
            if let run = answer.run {
                runs.append(run.at(point))
            } else {
                let reason = answer.complaint ?? answer.failure?.description ?? "no answer"
                complaint = "\(Self.words(point, sweep)): \(reason)"
            }
            line.show(done: runs.count, of: points.count, what: "runs")
            return complaint == nil
        }
        line.clear()
        if let complaint { throw Complaint(complaint) }
        return runs
    }

    private func task(_ point: Sweep.Point, _ folder: String?) -> WorkTask {
        WorkTask(
            number: point.number, yaml: file.text, file: file.path,
            folder: URL(fileURLWithPath: file.path).deletingLastPathComponent().path,
            settings: settings + point.settings, out: folder.map { "\($0)/\(point.number)" })
    }

    func files(_ runs: [SweepRun], by program: Manifest.Program = .current) -> [RunFile] {
        SweepTable(sweep.axes, runs).files + [manifest(runs.count, program)]
            + [RunFile("scenario.resolved.yaml", scenario.resolved)]
            + scenario.inputs.map { RunFile(Scenario.inputPath($0.name), $0.text) }
    }

    private func manifest(_ count: Int, _ program: Manifest.Program) -> RunFile {
        let manifest = SweepManifest(
            name: scenario.name, axes: sweep.axes.map(\.path), runs: count,
            whole: count == points.count, program: program)
        return manifest.file
    }

    func summary(_ runs: [SweepRun]) -> String {
        let failed = runs.count { !$0.passed }
        var lines = ["\(scenario.name): \(runs.count) of \(points.count) runs, \(failed) failed"]
        let means = SweepTable(sweep.axes, runs).means
        let wanted = scenario.expect.map { $0.words.split(separator: " ")[0] }.map(String.init)
        let names = Set(wanted.map { $0.replacingOccurrences(of: ".", with: "_") })
        for row in means where names.contains(row.metric) {
            let place = zip(sweep.axes, row.values).map { "\($0.path)=\($1)" }
            let width = row.halfWidth.map { String(format: " ± %.4g", $0) } ?? ""
            lines.append(
                "\(place.joined(separator: " "))  \(row.metric) "
                    + String(format: "%.6g", row.mean) + width
                    + (row.unit == "s" || row.unit == "B" ? " " + row.unit : ""))
        }
        return lines.joined(separator: "\n")
    }
}

/// `manifest.json` of a sweep.
struct SweepManifest: Codable {
    var name: String
    var axes: [String]
    var runs: Int
    /// Whether every run of the sweep is in it.
    var whole: Bool
    var program: Manifest.Program

    var file: RunFile {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        let data = (try? encoder.encode(self)) ?? Data()
        return RunFile("manifest.json", String(decoding: data, as: UTF8.self) + "\n")
    }
}
