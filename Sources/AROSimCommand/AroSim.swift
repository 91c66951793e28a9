/// `aro-sim`: the network in one process, in virtual time, from one seed.
///
/// Exit codes: 0, every expectation holds; 1, one does not; 2, the scenario or the command line is
/// wrong, or a file cannot be read or written.

import AROSimulation
import ArgumentParser
import Foundation

@main
struct AroSim: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "aro-sim",
        abstract: "Runs ARO's nodes in a simulated world.",
        discussion: """
            A scenario file names nodes, network, workload and what to expect; Docs/Simulation.md \
            describes it. The same seed gives the same trace hash on every machine.
            """,
        subcommands: [Run.self, Check.self, Compare.self, Bench.self])

    static func main() {
        do {
            var command = try parseAsRoot()
            try command.run()
        } catch let code as ExitCode {
            Foundation.exit(code.rawValue)
        } catch  where exitCode(for: error) == .success {
            exit(withError: error)
        } catch {
            complain(message(for: error))
            Foundation.exit(2)
        }
    }
}

/// Which scenario, and what of it to change.
struct ScenarioOptions: ParsableArguments {
    @Argument(help: "A scenario file.")
    var file: String

    @Option(help: "The seed, in place of the file's.")
    var seed: UInt64?

    @Option(
        help: ArgumentHelp(
            "Change one value, as network.loss=20% or nodes.0.count=100.", valueName: "key=value"))
    var set: [String] = []

    func load() throws -> Scenario {
        var settings: [(path: String, value: String)] = []
        for pair in set {
            guard let equals = pair.firstIndex(of: "=") else {
                throw Complaint("--set \(pair): write it as key=value")
            }
            settings.append((String(pair[..<equals]), String(pair[pair.index(after: equals)...])))
        }
        if let seed { settings.append(("seed", String(seed))) }
        let folder = URL(fileURLWithPath: file).deletingLastPathComponent()
        return try Scenario(yaml: try Self.read(file), file: file, settings: settings) { name in
            try? Self.read(URL(fileURLWithPath: name, relativeTo: folder).path)
        }
    }

    private static func read(_ path: String) throws -> String {
        do {
            return try String(contentsOfFile: path, encoding: .utf8)
        } catch {
            throw Complaint("cannot read \(path): \(error.localizedDescription)")
        }
    }
}

struct Run: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Run a scenario and report.")

    @OptionGroup var options: ScenarioOptions

    @Option(help: "Write the run's files into this new folder.")
    var out: String?

    @Flag(help: "Report as JSON.")
    var json = false

    func run() throws {
        let scenario = try options.load()
        let folder = try out.map { try RunFolder(path: $0) }
        let clock = ProgressLine()
        let played = scenario.play(clock: { clock.seconds }, progress: { clock.show($0) })
        clock.clear()
        try folder?.write(played.files)
        let report = played.report
        print(json ? report.json : report.description)
        if !report.passed { throw ExitCode(1) }
    }
}

struct Check: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Read a scenario, and print it with every default filled in.")

    @OptionGroup var options: ScenarioOptions

    func run() throws { print(try options.load().resolved, terminator: "") }
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

/// A fault in words.
struct Complaint: Error, CustomStringConvertible {
    let description: String
    init(_ description: String) { self.description = description }
}

func complain(_ text: String) { FileHandle.standardError.write(Data("aro-sim: \(text)\n".utf8)) }
