/// The folder of a run, read again.

import AROPrimitives
import AROSimulation
import Foundation

struct RunOnDisk {
    let path: String
    let manifest: Manifest
    let checkpoints: [Checkpoint]
    let scenario: Scenario

    init(_ path: String) throws {
        self.path = path
        let data: Data
        do {
            data = try Data(contentsOf: URL(fileURLWithPath: path + "/manifest.json"))
        } catch {
            throw Complaint("\(path): not the folder of a run: there is no manifest.json")
        }
        guard let manifest = try? Manifest(json: data) else {
            throw Complaint("\(path)/manifest.json: not the manifest of a run")
        }
        self.manifest = manifest
        let table = try ScenarioFile.read(path + "/checkpoints.csv")
        guard let checkpoints = Checkpoint.read(csv: table) else {
            throw Complaint("\(path)/checkpoints.csv: not a table of checkpoints")
        }
        self.checkpoints = checkpoints
        let file = try ScenarioFile(path + "/scenario.resolved.yaml")
        scenario = try file.load()
        guard Manifest.sha256(Data(file.text.utf8)) == manifest.scenarioSHA256 else {
            throw Complaint("\(path)/scenario.resolved.yaml was changed since the run")
        }
    }

    /// Where the run ended, if not at the scenario's end.
    var limit: AROPrimitives.Duration? {
        manifest.whole ? nil : .nanoseconds(Int64((manifest.virtualTimeS * 1e9).rounded()))
    }

    /// The events of a range, played again. The run goes on to the end of the window that holds the
    /// last of them.
    func events(_ range: Range<UInt64>) -> [EventLog.Entry] {
        let log = EventLog(events: range)
        let end = checkpoints.first { $0.events >= range.upperBound }?.at
        _ = Player.play(scenario, until: end.map { $0 + scenario.window } ?? limit, log: log)
        return log.entries
    }
}
