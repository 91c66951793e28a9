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
        let data = try JSONEncoder().encode(
            Self.Result(axes: plan.sweep.axes.map(\.path), runs: runs))
        let url = URL(fileURLWithPath: out).appendingPathComponent("\(number).json")
        try data.write(to: url, options: .atomic)
        print("part \(number) of \(count): \(runs.count) runs")
    }

    struct Result: Codable {
        var axes: [String]
        var runs: [SweepRun]
    }
}

struct SlurmJob {
    let plan: SweepPlan
    let out: String

    /// Jobs of one array; Slurm's default `MaxArraySize` is 1001.
    private static let partsMax = 1_000

    init(_ plan: SweepPlan, out: String) { (self.plan, self.out) = (plan, out) }

    private var count: Int { min(plan.points.count, Self.partsMax) }

    /// Writes the folder of the job, and submits it.
    func submit() throws {
        let folder = try RunFolder(path: out)
        let path = folder.url.path
        try folder.write(
            [
                RunFile("scenario.yaml", plan.file.text), RunFile("job.sh", script(path)),
                RunFile("parts/README", "Each file is what one job of the array has played.\n"),
            ] + plan.scenario.inputs.map { RunFile(Scenario.inputPath($0.name), $0.text) })
        print("\(path)/job.sh: \(plan.points.count) runs in \(count) jobs")
        let submission = Process()
        submission.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        submission.arguments = ["sbatch", "\(path)/job.sh"]
        try submission.run()
        submission.waitUntilExit()
        guard submission.terminationStatus == 0 else {
            throw Complaint("sbatch did not take it; 'sbatch \(path)/job.sh' tries again")
        }
        print("when it is done: aro-sim merge \(out)")
    }

    private func script(_ path: String) -> String {
        let program =
            (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe"))
            ?? CommandLine.arguments[0]
        var arguments = plan.settings.map { "--set \(quoted("\($0.path)=\($0.value)"))" }
        if let seeds = plan.seeds { arguments.append("--seeds \(quoted(seeds))") }
        return """
            #!/bin/sh
            #SBATCH --job-name=\(plan.scenario.name)
            #SBATCH --array=0-\(count - 1)
            #SBATCH --ntasks=1
            #SBATCH --cpus-per-task=1
            #SBATCH --output=\(path)/parts/%a.log
            # runs: \(plan.points.count)
            exec \(quoted(program)) sweep \(quoted(path + "/scenario.yaml")) --jobs 1 \\
                --part "$SLURM_ARRAY_TASK_ID/\(count)" --out \(quoted(path + "/parts")) \
            \(arguments.joined(separator: " "))

            """
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
        let parts = URL(fileURLWithPath: folder).appendingPathComponent("parts")
        let names = try FileManager.default.contentsOfDirectory(atPath: parts.path)
        var axes: [String] = []
        var runs: [SweepRun] = []
        for name in names.filter({ $0.hasSuffix(".json") }).sorted() {
            let data = try Data(contentsOf: parts.appendingPathComponent(name))
            guard let part = try? JSONDecoder().decode(SweepPart.Result.self, from: data) else {
                throw Complaint("\(parts.path)/\(name): not a part of a sweep")
            }
            axes = part.axes
            runs += part.runs
        }
        let wanted = try Self.runCount(folder)
        guard Set(runs.map(\.point)).count == wanted, runs.count == wanted else {
            throw Complaint(
                "\(folder): \(runs.count) of \(wanted) runs are there; see parts/*.log for the others"
            )
        }
        let table = SweepTable(axes.map { Sweep.Axis(path: $0) }, runs)
        for file in table.files {
            let url = URL(fileURLWithPath: folder).appendingPathComponent(file.name)
            try Data(file.text.utf8).write(to: url, options: .atomic)
            print(url.path)
        }
        if !runs.allSatisfy(\.passed) { throw ExitCode(1) }
    }

    /// How many runs the job was written for.
    private static func runCount(_ folder: String) throws -> Int {
        let script = try ScenarioFile.read(folder + "/job.sh")
        guard let line = script.split(separator: "\n").first(where: { $0.hasPrefix("# runs: ") }),
            let count = Int(line.dropFirst("# runs: ".count))
        else { throw Complaint("\(folder)/job.sh does not say how many runs there are") }
        return count
    }
}
