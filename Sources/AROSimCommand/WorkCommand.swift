/// `work`: plays what it is told on standard input. Not for people.

import AROSimulation
import ArgumentParser
import Foundation

struct Work: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Play what standard input says.", shouldDisplay: false)

    func run() throws {
        // The process that started us answers Control-C.
        signal(SIGINT, SIG_IGN)
        while let line = readLine() {
            let task = try JSONDecoder().decode(WorkTask.self, from: Data(line.utf8))
            var answer = try JSONEncoder().encode(Self.answer(task))
            answer.append(10)
            try FileHandle.standardOutput.write(contentsOf: answer)
        }
    }

    private static func answer(_ task: WorkTask) -> WorkAnswer {
        do {
            let scenario = try Scenario(
                yaml: task.yaml, file: task.file, settings: task.scenarioSettings,
                open: ScenarioFile.reader(in: URL(fileURLWithPath: task.folder)))
            let start = ProcessInfo.processInfo.systemUptime
            let played = scenario.play(clock: { ProcessInfo.processInfo.systemUptime - start })
            if let out = task.out, !(task.keepsFailuresOnly && played.report.passed) {
                try RunFolder(path: out).write(played.filesWithManifest)
            }
            return WorkAnswer(task, played.report)
        } catch {
            return WorkAnswer(task, complaint: "\(error)")
        }
    }
}
