import Foundation
import Testing

@testable import AROSimulation

/// Without Slurm: what the jobs of an array would do is done one after the other.
@Suite(.enabled(if: Command.isBuilt)) struct SweepsInParts {
    private static let scenario = """
        aro_scenario: 1
        name: it's in parts
        fidelity: messages
        duration: 10s
        nodes: [{count: 4}]
        join: {over: 1s}
        network: {rtt: {matrix: m.csv}}
        workload:
          - {find: {}, at: 4s, over: 4s, times: 3}
        expect: [find.success_rate == 1]
        sweep: {network.loss: [0%, 1%], seeds: 1..2}
        """

    /// The folder of the job, written but not submitted: there is no sbatch on an empty path.
    private func folder(_ scratch: Scratch) throws -> (job: String, whole: String) {
        let file = try scratch.file("s.yaml", Self.scenario)
        _ = try scratch.file("m.csv", "region,a,b\na,1,40\nb,40,1\n")
        let (job, whole) = (scratch.path("job of 50%"), scratch.path("whole"))
        let changes = ["--set", "nodes.0.count=5", "--seeds", "3..4"]
        let submitted = try Command(
            ["sweep", file, "--slurm", "--out", job] + changes, environment: ["PATH": "/nowhere"])
        #expect(submitted.status == 2 && submitted.complaint.contains("not submitted"))
        let played = try Command(["sweep", file, "--out", whole] + changes)
        #expect(played.status == 0, "\(played.complaint)")
        return (job, whole)
    }

    /// Runs the script as Slurm does for one job.
    private func play(_ number: Int, of job: String) throws {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/bin/sh")
        process.arguments = [job + "/job.sh"]
        process.environment = ["SLURM_ARRAY_TASK_ID": String(number)]
        process.standardOutput = FileHandle.nullDevice
        try process.run()
        process.waitUntilExit()
        #expect(process.terminationStatus == 0)
    }

    @Test func `merge to the same bytes as the sweep in one piece`() throws {
        let scratch = try Scratch()
        let (job, whole) = try folder(scratch)
        for number in 0..<4 { try play(number, of: job) }
        let merged = try Command(["merge", job])
        #expect(merged.status == 0, "\(merged.complaint)")
        #expect(merged.output.contains("4 of 4 runs, 0 failed"))
        for name in try FileManager.default.subpathsOfDirectory(atPath: whole)
        where !name.hasSuffix("inputs") {
            let (a, b) = (
                try String(contentsOfFile: "\(job)/\(name)", encoding: .utf8),
                try String(contentsOfFile: "\(whole)/\(name)", encoding: .utf8)
            )
            #expect(a == b, "\(name)")
        }
    }

    @Test func `that lack some say which jobs owe them`() throws {
        let scratch = try Scratch()
        let (job, _) = try folder(scratch)
        try play(0, of: job)
        try play(2, of: job)
        let merged = try Command(["merge", job])
        #expect(merged.status == 2 && merged.complaint.contains("2 of 4 runs are there"))
        #expect(merged.complaint.contains("--array=1,3"), "\(merged.complaint)")
        #expect(!FileManager.default.fileExists(atPath: job + "/runs.csv"))
        let beyond = ["sweep", job + "/scenario.yaml", "--part", "4/4", "--out", job + "/parts"]
        #expect(try Command(beyond).status == 2)
    }

    @Test func `of two programs are not mixed, and rubbish is named`() throws {
        let scratch = try Scratch()
        let (job, _) = try folder(scratch)
        for number in 0..<4 { try play(number, of: job) }
        let part = job + "/parts/2.json"
        let text = try String(contentsOfFile: part, encoding: .utf8)
        let hash = try #require(text.range(of: "\"sha256\":\""))
        let other = text.replacingCharacters(
            in: hash.upperBound..<text.index(hash.upperBound, offsetBy: 4), with: "0000")
        try other.write(toFile: part, atomically: true, encoding: .utf8)
        #expect(try Command(["merge", job]).complaint.contains("different programs"))
        try "{".write(toFile: part, atomically: true, encoding: .utf8)
        #expect(try Command(["merge", job]).complaint.contains("2.json: not a part"))
        #expect(try Command(["merge", scratch.path("none")]).complaint.contains("cannot read"))
    }
}
