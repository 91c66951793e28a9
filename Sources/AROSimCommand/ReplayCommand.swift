/// `replay`: the events of a run, one a line; `trace`: what led to one of them.

import AROPrimitives
import AROSimulation
import ArgumentParser
import Foundation

struct Replay: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Play a run again and print its events.")

    @Argument(help: "The folder of a run, or a scenario file.")
    var folder: String

    @Option(help: "Only events of this node.")
    var node: Int?

    @Option(help: "Only events from this virtual time on.", transform: { try virtualTime($0) })
    var from: VirtualTime?

    @Option(help: "End at this virtual time.", transform: { try virtualTime($0) })
    var until: VirtualTime?

    @Option(help: "Only events with these numbers, as 100..200.")
    var events: String?

    @Flag(help: "Add the hash of everything before each event.")
    var hashes = false

    func run() throws {
        let scenario = try ScenarioFile(ScenarioFile.path(folder)).load()
        var range: Range<UInt64> = 0..<UInt64.max
        if let events {
            let parts = events.split(separator: ".").compactMap { UInt64($0) }
            guard events.contains(".."), parts.count == 2, parts[0] <= parts[1] else {
                throw Complaint("--events \(events): write it as 100..200")
            }
            range = parts[0]..<parts[1] + 1
        }
        let log = EventLog(events: range, node: node)
        let played = Player.play(scenario, until: until?.span, log: log)
        var answers = log.answers[...]
        for entry in log.entries where entry.at >= from?.span ?? .zero {
            print(hashes ? "\(Self.line(entry))  before: \(entry.trace)" : Self.line(entry))
            while let answer = answers.first, answer.event <= entry.number {
                answers.removeFirst()
                if answer.event == entry.number {
                    print("    answers \(answer.request): \(answer.text)")
                }
            }
        }
        complain("\(played.report.events) events, trace hash \(played.report.trace)")
    }

    static func line(_ entry: EventLog.Entry) -> String { entry.description }

    static let program =
        (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe"))
        ?? CommandLine.arguments[0]

    /// What another process says happened.
    static func lines(_ folder: String, _ range: Range<UInt64>, program: String) throws -> [String]
    {
        let process = Process()
        let output = Pipe()
        process.executableURL = URL(fileURLWithPath: program)
        process.arguments = [
            "replay", folder, "--events", "\(range.lowerBound)..\(range.upperBound - 1)",
        ]
        process.standardOutput = output
        process.standardError = FileHandle.nullDevice
        do {
            try process.run()
        } catch {
            throw Complaint("cannot run \(program): \(error.localizedDescription)")
        }
        let text = output.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        return String(decoding: text, as: UTF8.self).split(separator: "\n").map(String.init)
            .filter { $0.hasPrefix("#") }
    }
}

struct Trace: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Play a run again and show what led to an event, an answer or a delivery.")

    @Argument(help: "The folder of a run, or a scenario file.")
    var folder: String

    @Option(help: "The number of an event.")
    var event: UInt64?

    @Option(help: "The number of a request, as replay shows it: the path to its last answer.")
    var request: UInt64?

    @Option(help: "The number of a broadcast, from 0: the path to each delivery.")
    var message: Int?

    @Option(help: "A node: all its events with their causes, or of a message the path to it.")
    var node: Int?

    @Option(help: "End at this virtual time.", transform: { try virtualTime($0) })
    var until: VirtualTime?

    func validate() throws {
        guard event != nil || request != nil || message != nil || node != nil else {
            throw ValidationError("one of --event, --request, --message, --node is wanted")
        }
    }

    func run() throws {
        let scenario = try ScenarioFile(ScenarioFile.path(folder)).load()
        let log = EventLog()
        _ = Player.play(scenario, until: until?.span, log: log)
        if let event {
            guard log[event] != nil else { throw Complaint("there is no event \(event)") }
            show(log.path(to: event))
        } else if let request {
            let path = log.path(ofRequest: request)
            guard !path.isEmpty else { throw Complaint("there is no request \(request)") }
            show(path)
            for answer in log.answers where answer.request == request {
                print("answered at #\(answer.event): \(answer.text)")
            }
        } else if let message {
            try show(message: message, log)
        } else if let node {
            for entry in log.entries where entry.node == node { print(entry) }
        }
    }

    private func show(_ path: [EventLog.Entry]) {
        for entry in path { print(entry) }
    }

    private func show(message: Int, _ log: EventLog) throws {
        let deliveries = log.answers.filter {
            $0.post == message && (node == nil || $0.node == node)
        }
        guard !deliveries.isEmpty else {
            throw Complaint(
                "broadcast \(message) was not delivered\(node.map { " to node \($0)" } ?? "")")
        }
        for delivery in deliveries {
            let path = log.path(to: delivery.event)
            if node != nil {
                show(path)
            } else {
                let nodes = path.map { "\($0.node)" }.reduce(into: [String]()) {
                    if $0.last != $1 { $0.append($1) }
                }
                let at = log[delivery.event]?.at.seconds ?? 0
                print("node \(delivery.node) at \(at) s: \(nodes.joined(separator: " → "))")
            }
        }
    }
}
