/// What a worker process is asked and answers, one JSON object a line.

import AROPrimitives
import Foundation

public struct WorkTask: Codable, Sendable {
    public var number: Int
    /// The scenario, and what errors call it.
    public var yaml: String
    public var file: String
    /// Where the files that it names are looked for.
    public var folder: String
    /// Key and value, by turns.
    public var settings: [[String]]
    /// Where the run's folder is to be written; nil for nowhere.
    public var out: String?
    /// Whether that is wanted of failing runs only.
    public var keepsFailuresOnly: Bool

    public init(
        number: Int, yaml: String, file: String, folder: String,
        settings: [Scenario.Setting] = [], out: String? = nil, keepsFailuresOnly: Bool = false
    ) {
        (self.number, self.yaml, self.file, self.folder) = (number, yaml, file, folder)
        self.settings = settings.map { [$0.path, $0.value] }
        (self.out, self.keepsFailuresOnly) = (out, keepsFailuresOnly)
    }

    public var scenarioSettings: [Scenario.Setting] {
        settings.filter { $0.count == 2 }.map { Scenario.Setting($0[0], $0[1]) }
    }
}

public struct WorkAnswer: Codable, Sendable {
    public var number: Int
    /// nil where the scenario could not be played, or its folder not be written.
    public var run: SweepRun?
    public var failure: Failure?
    /// Why there is no run.
    public var complaint: String?

    public init(_ task: WorkTask, _ report: Report) {
        number = task.number
        run = SweepRun(report)
        failure = Failure(report)
    }

    public init(_ task: WorkTask, complaint: String) {
        (number, self.complaint) = (task.number, complaint)
    }

    /// The program ended while it played.
    public init(_ task: WorkTask, crash: String) {
        (number, failure) = (task.number, Failure(crash: crash))
    }
}
