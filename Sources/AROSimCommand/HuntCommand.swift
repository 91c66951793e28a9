/// `hunt`: many runs with random faults; `shrink`: a failing run made small.

import AROPrimitives
import AROSimulation
import ArgumentParser
import Foundation

struct Hunt: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Run a scenario with random faults, seed after seed, and keep what fails.")

    @Argument(help: "A scenario file that expects something.")
    var file: String

    @OptionGroup var changes: Changes

    @Option(help: "How many seeds, or which, as 1..1000; without end unless given.")
    var seeds: String?

    @Option(
        name: .customLong("for"), help: "End after this much real time.",
        transform: { try virtualTime($0) })
    var time: VirtualTime?

    @Option(help: "Runs at once; as many as there are processors, unless given.")
    var jobs = Workers.defaultJobs

    @Option(help: "The folder for failing runs, one in a folder each.")
    var out: String?

    @Option(help: "End after so many failing seeds.")
    var failures = 100

    @Flag(help: "Play the scenario's own faults alone.")
    var noSwarm = false

    func validate() throws {
        guard seeds != nil || time != nil else {
            throw ValidationError("how long? give --seeds, --for or both")
        }
    }

    func run() throws {
        let path = ScenarioFile.path(file)
        let base = try ScenarioFile(path).load(try changes.settings())
        let range = try seedRange()
        if let out {
            try FileManager.default.createDirectory(
                atPath: out, withIntermediateDirectories: true)
        }
        let hunted = Hunted(base, folder: folder(path), out: out, noSwarm: noSwarm)
        let line = ProgressLine()
        var next = range.lowerBound
        let limit = time?.span.seconds ?? .infinity
        Workers(jobs: jobs).play({
            guard next <= range.upperBound, line.seconds < limit else { return nil }
            next += 1
            return hunted.task(next - 1)
        }) { task, answer in
            line.clear()
            hunted.heard(task, answer)
            let all = range.count == Int.max ? nil : range.count
            line.show(hunted.progress(of: all, seconds: line.seconds))
            return hunted.complaint == nil && hunted.failed.count < failures
        }
        line.clear()
        if let complaint = hunted.complaint { throw Complaint(complaint) }
        print(hunted.summary(seconds: line.seconds))
        if Interruption.wasAsked { throw ExitCode(130) }
        if !hunted.failed.isEmpty { throw ExitCode(1) }
    }

    private func seedRange() throws -> ClosedRange<UInt64> {
        guard let seeds else { return 1...UInt64(Int.max) }
        if let count = UInt64(seeds), count > 0 { return 1...count }
        guard let range = Sweep.seedRange(seeds) else {
            throw Complaint("--seeds \(seeds): write it as 1000 or 1..1000")
        }
        return range
    }

    private func folder(_ path: String) -> String {
        URL(fileURLWithPath: path).deletingLastPathComponent().path
    }
}

/// What a hunt found so far.
private final class Hunted {
    private let base: Scenario
    private let folder: String
    private let out: String?
    private let noSwarm: Bool
    private var runs = 0
    private var events: UInt64 = 0
    private(set) var failed: [UInt64] = []
    private(set) var complaint: String?

    init(_ base: Scenario, folder: String, out: String?, noSwarm: Bool) {
        (self.base, self.folder, self.out, self.noSwarm) = (base, folder, out, noSwarm)
    }

    private func scenario(_ seed: UInt64) -> Scenario {
        guard noSwarm else { return base.swarmed(seed: seed) }
        var scenario = base
        scenario.seed = seed
        return scenario
    }

    private func place(_ seed: UInt64) -> String? { out.map { "\($0)/seed-\(seed)" } }

    func task(_ seed: UInt64) -> WorkTask {
        WorkTask(
            number: Int(seed), yaml: scenario(seed).resolved, file: "seed \(seed)", folder: folder,
            out: place(seed), keepsFailuresOnly: true)
    }

    func heard(_ task: WorkTask, _ answer: WorkAnswer) {
        let seed = UInt64(task.number)
        if let complaint = answer.complaint { return self.complaint = "seed \(seed): \(complaint)" }
        runs += 1
        events += answer.run?.events ?? 0
        guard let failure = answer.failure else { return }
        failed.append(seed)
        if failure.isCrash { keep(task, failure) }
        print("seed \(seed): \(failure)" + (place(seed).map { "  → \($0)" } ?? ""))
    }

    /// Who crashed has written nothing.
    private func keep(_ task: WorkTask, _ failure: Failure) {
        guard let out = task.out else { return }
        let inputs = base.inputs.map { RunFile(Scenario.inputPath($0.name), $0.text) }
        try? RunFolder(path: out).write(
            [
                RunFile("scenario.resolved.yaml", task.yaml),
                RunFile("crash.txt", failure.text + "\n"),
            ] + inputs)
    }

    func progress(of all: Int?, seconds: Double) -> String {
        let share = all.map { " of \($0)" } ?? ""
        let left = all.map {
            String(format: "  %.0f s left", seconds / Double(max(1, runs)) * Double($0 - runs))
        }
        return "\(runs)\(share) runs  \(failed.count) failed\(left ?? "")"
    }

    func summary(seconds: Double) -> String {
        "\(runs) runs, \(failed.count) failed, in "
            + String(
                format: "%.1f s: %.2f runs/s, %.2f M events/s", seconds,
                Double(runs) / max(seconds, 1e-9), Double(events) / max(seconds, 1e-9) / 1e6)
    }
}

struct Shrink: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Make a failing run smaller, as long as it fails alike.")

    @Argument(help: "The folder of a failing run, or a scenario file.")
    var folder: String

    @OptionGroup var changes: Changes

    @Option(help: "Runs at once; the result does not depend on it.")
    var jobs = Workers.defaultJobs

    @Option(help: "The new folder for the small run.")
    var out: String

    func run() throws {
        let path = ScenarioFile.path(folder)
        let scenario = try ScenarioFile(path).load(try changes.settings())
        let target = try RunFolder(path: out)
        let base = URL(fileURLWithPath: path).deletingLastPathComponent().path
        let workers = Workers(jobs: jobs)
        guard let failure = Self.play([scenario], base, workers).first ?? nil else {
            throw Complaint("\(folder) does not fail, so there is nothing to shrink")
        }
        print("\(Self.words(scenario)): \(failure)")
        let line = ProgressLine()
        var shrinking = Shrinking(
            scenario, failing: failure, play: { Self.play($0, base, workers) },
            said: { smaller, runs in
                line.show("\(runs) runs  \(Self.words(smaller))")
            })
        shrinking.run(atOnce: jobs)
        line.clear()
        let small = shrinking.scenario
        print("\(Self.words(small)), after \(shrinking.runs) runs: \(failure)")
        try target.write(files(small, failure))
        print("\(out)/scenario.resolved.yaml")
        if Interruption.wasAsked { throw ExitCode(130) }
    }

    /// A run that ends this process cannot be reported by it.
    private func files(_ scenario: Scenario, _ failure: Failure) -> [RunFile] {
        guard failure.isCrash else { return Player.play(scenario).filesWithManifest }
        return [
            RunFile("scenario.resolved.yaml", scenario.resolved),
            RunFile("crash.txt", failure.text + "\n"),
        ] + scenario.inputs.map { RunFile(Scenario.inputPath($0.name), $0.text) }
    }

    private static func play(
        _ scenarios: [Scenario], _ folder: String, _ workers: Workers
    ) -> [Failure?] {
        let tasks = scenarios.enumerated().map {
            WorkTask(number: $0.offset, yaml: $0.element.resolved, file: "shrink", folder: folder)
        }
        return workers.answers(to: tasks).map(\.failure)
    }

    private static func words(_ scenario: Scenario) -> String {
        "\(scenario.size), \(scenario.faults.count) faults, \(scenario.workload.count) steps"
    }
}
