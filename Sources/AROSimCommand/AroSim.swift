/// `aro-sim`: the network in one process, in virtual time, from one seed.
///
/// Exit codes: 0, every expectation holds; 1, one does not, or two runs differ; 2, the scenario or the
/// command line is wrong, or a file cannot be read or written; 130, interrupted.

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
        subcommands: [
            Run.self, Check.self, List.self, SweepCommand.self, Merge.self, Verify.self,
            Replay.self, Trace.self, Diff.self, Hunt.self, Shrink.self, Plot.self, Compare.self,
            Bench.self, Calls.self,
            Work.self,
        ])

    static func main() {
        askForHugePages()
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

/// A fault in words.
struct Complaint: Error, CustomStringConvertible {
    let description: String
    init(_ description: String) { self.description = description }
}

func complain(_ text: String) { FileHandle.standardError.write(Data("aro-sim: \(text)\n".utf8)) }
