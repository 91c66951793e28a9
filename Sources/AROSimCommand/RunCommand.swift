/// `run`: plays scenarios and judges them.

import AROSimulation
import ArgumentParser
import Foundation

struct Run: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Run scenarios and report; fails where an expectation does not hold.")

    @Argument(help: "Scenario files, folders of them, or folders of runs.")
    var files: [String]

    @OptionGroup var changes: Changes

    @Option(
        help: """
            Write the run's files into this new folder; of several scenarios, into a folder each \
            in it.
            """)
    var out: String?

    @Option(help: "End the run at this virtual time.", transform: { try virtualTime($0) })
    var until: VirtualTime?

    @Flag(help: "Report as JSON.")
    var json = false

    func run() throws {
        let scenarios = try files.flatMap { try ScenarioFile.all(at: $0) }
            .map { try ScenarioFile($0).load(try changes.settings()) }
        let folders = try folders(for: scenarios)
        var failed = 0
        for (i, scenario) in scenarios.enumerated() {
            let played = Player.play(scenario, until: until?.span)
            let report = played.report
            let interrupted = Interruption.wasAsked
            try folders?[i].write(played.filesWithManifest)
            if scenarios.count == 1 || json {
                print(json ? report.json : report.description)
            } else {
                print(report.brief)
            }
            if interrupted { throw ExitCode(130) }
            if !(until == nil ? report.passed : report.outcomes.allSatisfy(\.holds)) { failed += 1 }
        }
        if failed > 0, scenarios.count > 1 { print("\(failed) of \(scenarios.count) failed") }
        if failed > 0 { throw ExitCode(1) }
    }

    private func folders(for scenarios: [Scenario]) throws -> [RunFolder]? {
        guard let out else { return nil }
        guard scenarios.count > 1 else { return [try RunFolder(path: out)] }
        _ = try RunFolder(path: out)
        try FileManager.default.createDirectory(
            atPath: out, withIntermediateDirectories: true)
        return try scenarios.map { try RunFolder(path: "\(out)/\($0.name)") }
    }
}

struct Check: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Read scenarios without running them; of one, print it with every default.")

    @Argument(help: "Scenario files, or folders of them.")
    var files: [String]

    @OptionGroup var changes: Changes

    func run() throws {
        let paths = try files.flatMap { try ScenarioFile.all(at: $0) }
        let settings = try changes.settings()
        var failed = false
        for path in paths {
            do {
                let scenario = try ScenarioFile(path).load(settings)
                if paths.count == 1 {
                    print(scenario.resolved, terminator: "")
                } else {
                    print("ok  \(path)")
                }
            } catch {
                complain("\(error)")
                failed = true
            }
        }
        if failed { throw ExitCode(2) }
    }
}

struct List: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "List scenarios with what they are about.")

    @Argument(help: "Folders of scenarios.")
    var folders = ["Simulations", "Simulations/light"]

    func run() throws {
        for folder in folders {
            for path in try ScenarioFile.all(at: folder) {
                let file = try ScenarioFile(path)
                let scenario = try file.load()
                let title = file.text.split(separator: "\n").first { $0.hasPrefix("# ") }
                let runs = scenario.sweep.pointCount
                print(path)
                print(
                    "    \(scenario.size)\(runs > 1 ? ", \(runs) runs" : "")"
                        + (scenario.expect.isEmpty ? "" : ", \(scenario.expect.count) expectations")
                )
                if let title { print("    \(title.dropFirst(2))") }
            }
        }
    }
}

struct Compare: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Run a scenario in both fidelities, and show where they differ.")

    @OptionGroup var options: ScenarioOptions

    func run() throws {
        let scenario = try options.load()
        guard scenario.epidemic == nil else {
            throw Complaint("\(options.file): an epidemic has no fidelities")
        }
        let clock = ProgressLine()
        let gap = scenario.compareFidelities(
            clock: { clock.seconds }, progress: { clock.show($0) })
        clock.clear()
        print(gap)
    }
}

struct Bench: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Measure the event engine without the node, or with participants.")

    @Option(help: "Measure a world of this many participants instead; may be repeated.")
    var participants: [Int] = []

    @Option(help: "Let participants gossip for so many seconds of virtual time.")
    var gossip = 60

    @Option(help: "Look so many keys up among participants.")
    var lookups = 10_000

    @Option(help: "Let a participant's directory hold so many members at most.")
    var directory: Int?

    @Flag(inversion: .prefixedNo, help: "Whether participants take part in gossip at all.")
    var membership = true

    func validate() throws {
        guard gossip >= 0, lookups >= 0, directory ?? 1 > 0 else {
            throw ValidationError("--gossip, --lookups and --directory are no negative numbers")
        }
        guard participants.allSatisfy({ (2...Scenario.nodesMax).contains($0) }) else {
            throw ValidationError("--participants: 2 to \(Scenario.nodesMax)")
        }
    }

    func run() {
        for nodes in participants { print(measure(nodes)) }
        guard participants.isEmpty else { return }

        for pending in [1_000, 10_000, 100_000, 1_000_000] {
            show(EngineBenchmark.hold(pending: pending, events: 5_000_000))
        }
        for nodes in [1_000, 10_000, 100_000] {
            show(EngineBenchmark.tokens(nodes: nodes, tokens: 10_000, events: 5_000_000))
        }
    }

    private func measure(_ nodes: Int) -> ParticipantBenchmark {
        var options = ParticipantBenchmark.Options(nodes: nodes)
        options.gossip = .seconds(Int64(gossip))
        options.lookups = lookups
        options.configuration.gossip.isOn = membership
        if let directory {
            options.configuration.gossip.announcements.directoryMax = directory
        }
        return ParticipantBenchmark(options)
    }

    private func show(_ result: EngineBenchmark.Result) {
        let millions = String(format: "%.2f", result.eventsPerSecond / 1e6)
        print("\(result.name): \(millions) M events/s")
    }
}
