/// From a scenario to a report and the files of its run, whatever lives in its world.

import ARONode
import AROPrimitives

/// A scenario that was played to its end.
public struct PlayedScenario: Sendable {
    public let report: Report
    /// What a ``RunFolder`` takes.
    public let files: [RunFile]
}

extension Scenario {
    /// Plays the scenario.
    ///
    /// - Parameters:
    ///   - clock: seconds of real time since any moment.
    ///   - progress: is told how far the run is, once a window.
    public func play(
        clock: () -> Double, progress: (RunProgress) -> Void = { _ in }
    ) -> PlayedScenario {
        if let epidemic { return play(EpidemicRun(self, epidemic), clock, progress) }
        return switch fidelity {
        case .datagrams: play(ScenarioRun<Node>(self), clock, progress)
        case .messages: play(ScenarioRun<MessageNode>(self), clock, progress)
        }
    }

    private func play<Resident: ScenarioNode & ~Copyable>(
        _ run: consuming ScenarioRun<Resident>, _ clock: () -> Double,
        _ progress: (RunProgress) -> Void
    ) -> PlayedScenario {
        let start = clock()
        run.run(progress: progress)
        let report = run.report(wallTime: clock() - start)
        return PlayedScenario(report: report, files: report.files + run.files)
    }

    private func play(
        _ run: consuming EpidemicRun, _ clock: () -> Double, _ progress: (RunProgress) -> Void
    ) -> PlayedScenario {
        let start = clock()
        run.run(progress: progress)
        let report = run.report(wallTime: clock() - start)
        return PlayedScenario(report: report, files: report.files + run.files)
    }
}
