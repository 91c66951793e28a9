/// `verify`: whether a run still goes as it went; `diff`: in what two runs differ.

import AROPrimitives
import AROSimulation
import ArgumentParser
import Foundation

struct Verify: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract:
            "Play runs again and compare the traces; of one that differs, find the first event.")

    @Argument(help: "Folders of runs.")
    var folders: [String]

    @Option(help: "Another aro-sim, that which played the run or is to be compared with this one.")
    var against: String?

    func run() throws {
        var isSame = true
        for folder in folders where try !verify(RunOnDisk(folder)) { isSame = false }
        if !isSame { throw ExitCode(1) }
    }

    private func verify(_ run: RunOnDisk) throws -> Bool {
        let report = Player.play(run.scenario, until: run.limit).report
        if Interruption.wasAsked { throw ExitCode(130) }
        if report.trace.description == run.manifest.traceHash {
            print("ok    \(run.path): trace hash \(report.trace), \(report.events) events")
            return true
        }
        print("DIFFERS  \(run.path): trace hash \(run.manifest.traceHash), now \(report.trace)")
        let range =
            Checkpoint.firstDifference(run.checkpoints, report.checkpoints)
            ?? (run.checkpoints.last?.events ?? 0)..<max(run.manifest.events, report.events) + 1
        print(
            "the first \(range.lowerBound) events are the same; the first that differs is one of "
                + "\(range.lowerBound + 1) to \(range.upperBound)")
        try bisect(run, range.lowerBound + 1..<range.upperBound + 1)
        return false
    }

    /// Plays the events here and in another process, and shows the first that differs.
    private func bisect(_ run: RunOnDisk, _ range: Range<UInt64>) throws {
        let ours = run.events(range).map(Replay.line)
        let theirs = try Replay.lines(
            run.path, range, program: against ?? Replay.program)
        if let difference = FirstDifference(ours, theirs) {
            print("first event that differs:")
            print("  here:   \(difference.ours ?? "none")")
            print("  there:  \(difference.theirs ?? "none")")
        } else {
            let who = run.manifest.program
            print(
                "two processes of \(against == nil ? "this program" : "both programs") agree, so "
                    + "another program played the run: \(who.commit ?? "unknown commit"), "
                    + "\(who.build); give it with --against")
            for line in ours.prefix(Self.shown) { print("  \(line)") }
            if ours.count > Self.shown { print("  … \(ours.count - Self.shown) more") }
        }
    }

    private static let shown = 16
}

/// The first place at which two lists differ.
struct FirstDifference {
    var ours, theirs: String?

    init?(_ ours: [String], _ theirs: [String]) {
        for i in 0..<max(ours.count, theirs.count) {
            let (a, b) = (i < ours.count ? ours[i] : nil, i < theirs.count ? theirs[i] : nil)
            if a != b {
                (self.ours, self.theirs) = (a, b)
                return
            }
        }
        return nil
    }
}

struct Diff: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Show in what two runs differ: scenario, metrics, first event.")

    @Argument(help: "The folder of a run.")
    var first: String

    @Argument(help: "The folder of another.")
    var second: String

    @Option(help: "Leave out metrics that differ by fewer per cent.")
    var threshold = 0.0

    func run() throws {
        let (a, b) = (try RunOnDisk(first), try RunOnDisk(second))
        guard a.manifest.traceHash != b.manifest.traceHash else {
            print("the same: trace hash \(a.manifest.traceHash), \(a.manifest.events) events")
            return
        }
        showLines(a.scenario.resolved, b.scenario.resolved)
        try showMetrics()
        try showFirstEvent(a, b)
        throw ExitCode(1)
    }

    private func showLines(_ a: String, _ b: String) {
        let (a, b) = (a.split(separator: "\n"), b.split(separator: "\n"))
        for change in b.difference(from: a).inferringMoves() {
            switch change {
            case .remove(_, let line, _): print("- \(line)")
            case .insert(_, let line, _): print("+ \(line)")
            }
        }
    }

    private func showMetrics() throws {
        let (a, b) = (try Self.metrics(first), try Self.metrics(second))
        let names = Set(a.keys).union(b.keys).sorted()
        for name in names where a[name] != b[name] {
            let (x, y) = (a[name], b[name])
            let change = x.flatMap { x in y.map { x == 0 ? .infinity : ($0 - x) / abs(x) * 100 } }
            if let change, abs(change) < threshold { continue }
            func text(_ value: Double?) -> String {
                value.map { String(format: "%.6g", $0) } ?? "-"
            }
            let share = change.map { $0.isFinite ? String(format: "  %+.2f %%", $0) : "" } ?? ""
            print("\(name)  \(text(x)) -> \(text(y))\(share)")
        }
    }

    private static func metrics(_ folder: String) throws -> [String: Double] {
        let data = try Data(contentsOf: URL(fileURLWithPath: folder + "/summary.json"))
        let object = try JSONSerialization.jsonObject(with: data) as? [String: Any]
        return object?["metrics"] as? [String: Double] ?? [:]
    }

    private func showFirstEvent(_ a: RunOnDisk, _ b: RunOnDisk) throws {
        let range =
            Checkpoint.firstDifference(a.checkpoints, b.checkpoints)
            ?? (a.checkpoints.last?.events ?? 0)..<max(a.manifest.events, b.manifest.events) + 1
        let events = range.lowerBound + 1..<range.upperBound + 1
        let (ours, theirs) = (a.events(events), b.events(events))
        guard let difference = FirstDifference(ours.map(Replay.line), theirs.map(Replay.line))
        else {
            return print("this program plays both alike up to event \(range.upperBound)")
        }
        print("first event that differs, after \(range.lowerBound) that do not:")
        print("  \(first):  \(difference.ours ?? "none")")
        print("  \(second):  \(difference.theirs ?? "none")")
    }
}
