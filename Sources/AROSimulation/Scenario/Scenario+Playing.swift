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
    ///   - limit: ends the run at this virtual time, if that is sooner.
    ///   - log: where every event is noted.
    ///   - progress: is told how far the run is, once a window; false ends it there, with what was
    ///     measured until then.
    public func play(
        clock: () -> Double, until limit: Duration? = nil, log: EventLog? = nil,
        progress: (RunProgress) -> Bool = { _ in true }
    ) -> PlayedScenario {
        if let epidemic {
            var run = EpidemicRun(self, epidemic)
            run.world.log = log
            let start = clock()
            run.run(until: limit, progress: progress)
            let report = run.report(wallTime: clock() - start)
            return PlayedScenario(report: report, files: report.files + run.files)
        }
        return switch fidelity {
        case .datagrams: played(ScenarioRun<Node>(self), clock, limit, log, progress)
        case .messages: played(ScenarioRun<MessageNode>(self), clock, limit, log, progress)
        }
    }

    private func played<Resident: ScenarioNode & ~Copyable>(
        _ run: consuming ScenarioRun<Resident>, _ clock: () -> Double, _ limit: Duration?,
        _ log: EventLog?, _ progress: (RunProgress) -> Bool
    ) -> PlayedScenario { run.play(clock: clock, until: limit, log: log, progress: progress) }
}

extension ScenarioRun where Resident: ~Copyable {
    /// Plays the scenario; for worlds of one's own that ``Scenario/play(clock:until:log:progress:)``
    /// does not know.
    public consuming func play(
        clock: () -> Double, until limit: Duration? = nil, log: EventLog? = nil,
        progress: (RunProgress) -> Bool = { _ in true }
    ) -> PlayedScenario {
        world.log = log
        let start = clock()
        run(until: limit, progress: progress)
        let report = report(wallTime: clock() - start)
        return PlayedScenario(report: report, files: report.files + files)
    }
}
