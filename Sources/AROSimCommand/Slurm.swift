/// A sweep in parts, for many machines: a job array of Slurm plays them, `merge` puts them together.

import AROSimulation
import ArgumentParser
import Foundation

/// Every `count`-th run, from `number` (from 0) on.
struct SweepPart {
    let number, count: Int

    init(_ text: String) throws {
        let parts = text.split(separator: "/").compactMap { Int($0) }
        guard parts.count == 2, parts[1] > 0, (0..<parts[1]).contains(parts[0]) else {
            throw Complaint("--part \(text): write it as 0/8 to 7/8")
        }
        (number, count) = (parts[0], parts[1])
    }

    /// Writes `NUMBER.json`, at once or not at all.
    func play(_ plan: SweepPlan, out: String, jobs: Int) throws {
        let points = plan.points.filter { $0.number % count == number }
        let runs = try plan.play(points, jobs: jobs, keepingIn: nil)
        guard runs.count == points.count else { throw ExitCode(130) }
        let data = try JSONEncoder().encode(Self.Result(program: .current, runs: runs))
        let url = URL(fileURLWithPath: out).appendingPathComponent("\(number).json")
        try data.write(to: url, options: .atomic)
        print("part \(number) of \(count): \(runs.count) runs")
    }

    struct Result: Codable {
        var program: Manifest.Program
        var runs: [SweepRun]
    }
}

/// `sweep.json`: what the command line said beside the scenario, for who merges.
private struct SweepOrder: Codable {
    static let name = "sweep.json"

    /// Pairs of path and value.
    var settings: [[String]]
    var seeds: String?

    init(_ plan: SweepPlan) {
        settings = plan.settings.map { [$0.path, $0.value] }
        seeds = plan.seeds
    }

    var file: RunFile {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        let data = (try? encoder.encode(self)) ?? Data()
        return RunFile(Self.name, String(decoding: data, as: UTF8.self) + "\n")
    }

    /// The sweep that a folder was written for.
    static func plan(of folder: String) throws -> SweepPlan {
        let text = try ScenarioFile.read("\(folder)/\(name)")
        guard let order = try? JSONDecoder().decode(SweepOrder.self, from: Data(text.utf8)),
            order.settings.allSatisfy({ $0.count == 2 })
        else { throw Complaint("\(folder)/\(name): not what 'sweep --slurm' wrote") }
        return try SweepPlan(
            ScenarioFile("\(folder)/scenario.yaml"),
            order.settings.map { Scenario.Setting($0[0], $0[1]) }, seeds: order.seeds)
    }
}

struct SlurmJob {
    let plan: SweepPlan
    let out: String

    /// Jobs of one array; Slurm's default `MaxArraySize` is 1001.
    private static let partsMax = 1_000

    init(_ plan: SweepPlan, out: String) { (self.plan, self.out) = (plan, out) }

    static func count(of plan: SweepPlan) -> Int { min(plan.points.count, partsMax) }
    private var count: Int { Self.count(of: plan) }

    /// Writes the folder of the job, and submits it.
    func submit() throws {
        let folder = try RunFolder(path: out)
        let path = folder.url.path
        try folder.write(
            [
                RunFile("scenario.yaml", plan.file.text), SweepOrder(plan).file,
                RunFile("job.sh", script(path)),
                RunFile("parts/README", "Each file is what one job of the array has played.\n"),
            ] + plan.scenario.inputs.map { RunFile(Scenario.inputPath($0.name), $0.text) })
        print("\(path)/job.sh: \(plan.points.count) runs in \(count) jobs")
        fflush(nil)
        let submission = Process()
        submission.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        submission.arguments = ["sbatch", "\(path)/job.sh"]
        try submission.run()
        submission.waitUntilExit()
        guard submission.terminationStatus == 0 else {
            throw Complaint(
                "not submitted; where Slurm is, sbatch \(quoted(path + "/job.sh")) does it")
        }
        print("when it is done: aro-sim merge \(quoted(out))")
    }

    private func script(_ path: String) -> String {
        let program =
            (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe"))
            ?? CommandLine.arguments[0]
        var arguments = plan.settings.map { "--set \(quoted("\($0.path)=\($0.value)"))" }
        if let seeds = plan.seeds { arguments.append("--seeds \(quoted(seeds))") }
        return """
            #!/bin/sh
            #SBATCH --job-name=\(jobName)
            #SBATCH --array=0-\(count - 1)
            #SBATCH --ntasks=1
            #SBATCH --cpus-per-task=1
            #SBATCH --output="\(directive(path))/parts/%a.log"
            exec \(quoted(program)) sweep \(quoted(path + "/scenario.yaml")) --jobs 1 \\
                --part "$SLURM_ARRAY_TASK_ID/\(count)" --out \(quoted(path + "/parts")) \
            \(arguments.joined(separator: " "))

            """
    }

    /// Slurm reads its lines like a shell that knows no more than this.
    private var jobName: String {
        String(plan.scenario.name.map { $0.isASCII && ($0.isLetter || $0.isNumber) ? $0 : "-" })
    }

    /// A path in double quotes, in which Slurm puts numbers for letters behind `%`.
    private func directive(_ path: String) -> String {
        path.replacingOccurrences(of: "%", with: "%%")
            .replacingOccurrences(of: "\"", with: "\\\"")
    }

    private func quoted(_ text: String) -> String {
        "'" + text.replacingOccurrences(of: "'", with: "'\\''") + "'"
    }
}

struct Merge: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Put the parts of a sweep together that 'sweep --slurm' has played.")

    @Argument(help: "The folder of the sweep.")
    var folder: String

    func run() throws {
        let plan = try SweepOrder.plan(of: folder)
        let parts = try self.parts()
        let runs = parts.flatMap(\.runs)
        try complain(plan, runs)
        guard let program = parts.first?.program,
            parts.allSatisfy({ $0.program.sha256 == program.sha256 })
        else { throw Complaint("\(folder): its parts were played by different programs") }
        for file in plan.files(runs, by: program) {
            let url = URL(fileURLWithPath: folder).appendingPathComponent(file.name)
            try FileManager.default.createDirectory(
                at: url.deletingLastPathComponent(), withIntermediateDirectories: true)
            try Data(file.text.utf8).write(to: url, options: .atomic)
        }
        print(plan.summary(runs))
        if !runs.allSatisfy(\.passed) { throw ExitCode(1) }
    }

    private func parts() throws -> [SweepPart.Result] {
        let place = URL(fileURLWithPath: folder).appendingPathComponent("parts")
        let names = (try? FileManager.default.contentsOfDirectory(atPath: place.path)) ?? []
        return try names.filter { $0.hasSuffix(".json") }.sorted().map { name in
            let data = try Data(contentsOf: place.appendingPathComponent(name))
            guard let part = try? JSONDecoder().decode(SweepPart.Result.self, from: data) else {
                throw Complaint("\(place.path)/\(name): not a part of a sweep")
            }
            return part
        }
    }

    /// About runs that are not there, by the jobs that owe them.
    private func complain(_ plan: SweepPlan, _ runs: [SweepRun]) throws {
        let count = SlurmJob.count(of: plan)
        let there = Set(runs.map(\.point))
        let missing = Set(
            plan.points.map(\.number).filter { !there.contains($0) }.map { $0 % count })
        guard !missing.isEmpty || runs.count != plan.points.count else { return }
        let jobs = missing.sorted().map(String.init).joined(separator: ",")
        throw Complaint(
            "\(folder): \(there.count) of \(plan.points.count) runs are there; see parts/*.log for "
                + "the others, and play them again by: sbatch --array=\(jobs) \(folder)/job.sh")
    }
}
