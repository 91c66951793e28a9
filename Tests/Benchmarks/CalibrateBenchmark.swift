/// Whether the simulator tells the truth: the same scenario by real processes, whose datagrams take
/// their time over a ``DelayedNetwork``, and simulated by `aro-sim` in both fidelities, side by
/// side. Identities differ, and with them who is near to whom, so what must agree are distributions.

import ARORuntime
import ArgumentParser
import Foundation

struct Calibrate: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "The same scenario with real processes and simulated, side by side.",
        discussion: """
            Runs in a network namespace of its own, for which it needs root, or unprivileged user \
            namespaces. The ratios in the table are simulated over real.
            """)

    @OptionGroup var plan: CalibrationPlan

    @Option(help: "The simulator; by default the aro-sim beside this program.")
    var sim: String = Sibling.path("aro-sim")

    @Option(help: "Seeds of the simulated side; means of their runs are shown.")
    var seeds = 5

    @Flag(help: .hidden) var inside = false

    func run() async throws {
        guard inside else { throw ExitCode(try Self.runAgainInside()) }
        let real = try CalibrationPlay(plan).play()
        var simulated: [(name: String, figures: Figures)] = []
        for fidelity in ["datagrams", "messages"] {
            simulated.append((fidelity, try simulate(fidelity)))
        }
        print(CalibrationTable(real: real, simulated: simulated, plan: plan).text)
    }

    private static func runAgainInside() throws -> Int32 {
        let own = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments =
            [
                "unshare", "--user", "--map-root-user", "--net", "--", "sh", "-c",
                // Foundation wakes its run loops over the loopback.
                "ip link set lo up && exec \"$0\" \"$@\"", own,
            ] + CommandLine.arguments.dropFirst() + ["--inside"]
        try process.run()
        process.waitUntilExit()
        return process.terminationStatus
    }

    private func simulate(_ fidelity: String) throws -> Figures {
        var all: [Figures] = []
        for seed in 1...seeds {
            let folder = NSTemporaryDirectory() + "aro-calibrate-\(getpid())"
            let file = folder + ".yaml"
            try Data(plan.yaml(fidelity, seed: seed).utf8).write(to: URL(fileURLWithPath: file))
            defer {
                try? FileManager.default.removeItem(atPath: folder)
                try? FileManager.default.removeItem(atPath: file)
            }
            let process = Process()
            process.executableURL = URL(fileURLWithPath: sim)
            process.arguments = ["run", file, "--out", folder]
            process.standardOutput = FileHandle.nullDevice
            try process.run()
            process.waitUntilExit()
            guard process.terminationStatus == 0 else {
                throw ValidationError("aro-sim could not play the scenario")
            }
            let text = try String(contentsOfFile: folder + "/metrics.csv", encoding: .utf8)
            all.append(Figures(metricsCSV: text, plan))
        }
        return Figures(meanOf: all)
    }
}

/// Where a program stands that was built with this one.
enum Sibling {
    static func path(_ name: String) -> String {
        let own = try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
        return URL(fileURLWithPath: own ?? CommandLine.arguments[0])
            .deletingLastPathComponent().appendingPathComponent(name).path
    }
}

/// Who does what when, in both worlds. Times in seconds.
struct CalibrationPlan: ParsableArguments {
    @Option(help: "Nodes.") var nodes = 50
    @Option(help: "Milliseconds that a datagram is under way.") var delay = 25
    @Option(help: "Publications.") var publishes = 50
    @Option(help: "Look-ups, ten a second.") var lookups = 500
    @Option(help: "Contacts of a bucket.") var k = 20
    @Flag(help: "Look-ups do not start from members that gossip has told of.")
    var noDirectory = false
    @Option(
        help: """
            Median milliseconds by which a datagram is late on the simulated side (lognormal, sigma 1): \
            what processes wait for a processor, which the simulator has not.
            """)
    var jitter: Double?
    @Option(
        help: """
            What a node's processor takes for each packet on the simulated side, as \
            'handshake: 300us, packet: 50us'.
            """)
    var processing: String?

    var joinOver: Double { 10 }
    var publishAt: Double { 20 }
    var publishOver: Double { 10 }
    var lookupAt: Double { 40 }
    var lookupRate: Double { 10 }
    /// After the last request of a phase, for its answer and what follows from it.
    var rest: Double { 5 }
    var idle: Double { 30 }

    /// Messages are counted at these times: what each phase sent lies between two.
    var phases: [(name: String, end: Double)] {
        let lookupEnd = lookupAt + Double(lookups) / lookupRate + rest
        return [
            ("join", publishAt), ("publish", lookupAt), ("look-ups", lookupEnd),
            ("idle", lookupEnd + idle),
        ]
    }

    func yaml(_ fidelity: String, seed: Int) -> String {
        let ends = phases.map(\.end)
        let directory = noDirectory ? ", kademlia.heardOfStart: 0" : ""
        let late =
            jitter.map {
                ", jitter: {lognormal: {median: \(Int($0 * 1_000))us, sigma: 1}}"
            } ?? ""
        let work = processing.map { ", processing: {\($0)}" } ?? ""
        return """
            aro_scenario: 1
            name: calibration
            seed: \(seed)
            fidelity: \(fidelity)
            duration: \(ends.last!)s
            nodes: [{count: \(nodes)}]
            config: {kademlia.k: \(k)\(directory)}
            join: {bootstrap: 1, schedule: uniform, over: \(joinOver)s}
            network: {rtt: {constant: \(2 * delay)ms}\(late)\(work)}
            workload:
              - {publish: {size: 1KiB}, at: \(publishAt)s, over: \(publishOver)s, times: \(publishes)}
              - {lookup: {}, at: \(lookupAt)s, over: \(Double(lookups) / lookupRate)s, times: \(lookups)}
            measure: {at: [\(ends.dropLast().map { "\($0)s" }.joined(separator: ", "))]}
            """
    }
}

/// What one side measured, by name.
struct Figures {
    var values: [String: Double] = [:]

    static let families = ["kademlia", "membership", "announcement", "topic"]

    init() {}

    init(meanOf all: [Figures]) {
        for name in Set(all.flatMap { $0.values.keys }) {
            let present = all.compactMap { $0.values[name] }
            values[name] = present.reduce(0, +) / Double(present.count)
        }
    }

    /// `t_s,metric,unit,value`, at the end of each phase.
    init(metricsCSV text: String, _ plan: CalibrationPlan) {
        var at: [Double: [String: Double]] = [:]
        for line in text.split(separator: "\n").dropFirst() {
            let cells = line.split(separator: ",", omittingEmptySubsequences: false)
            guard cells.count == 4, let time = Double(cells[0]), let value = Double(cells[3]) else {
                continue
            }
            at[time, default: [:]][String(cells[1])] = value
        }
        values = at[plan.phases.last!.end] ?? [:]
        let names =
            ["datagrams_sent", "bytes_per_node"] + Self.families.map { "messages_\($0)" }
        var before: [String: Double] = [:]
        for phase in plan.phases {
            let sums = at[phase.end] ?? [:]
            for name in names {
                let share = name == "bytes_per_node" ? 1 : Double(plan.nodes)
                values["\(phase.name) \(name)"] =
                    ((sums[name] ?? 0) - (before[name] ?? 0)) / share
            }
            before = sums
        }
    }

    /// Percentiles of times, seconds, under the simulator's names.
    mutating func add(_ name: String, _ times: [Double]) {
        let sorted = times.sorted()
        guard !sorted.isEmpty else { return }
        for (part, share) in [("p50", 0.5), ("p90", 0.9), ("p99", 0.99)] {
            let place = Int((Double(sorted.count) * share).rounded(.up)) - 1
            values["\(name)_\(part)"] = sorted[max(0, place)]
        }
    }
}

/// The sides beside each other.
private struct CalibrationTable {
    let real: Figures
    let simulated: [(name: String, figures: Figures)]
    let plan: CalibrationPlan

    var text: String {
        var lines: [String?] = [row("", ["real"] + simulated.flatMap { [$0.name, "ratio"] })]
        for (name, title) in [
            ("join_success_rate", "joins that succeeded"),
            ("publish_success_rate", "publications that succeeded"),
            ("publish_holders", "holders of a record"),
            ("lookup_success_rate", "look-ups that succeeded"),
            ("lookup_hops_mean", "hops of a look-up"), ("lookup_hops_max", "hops, the most"),
            ("lookup_rpcs", "messages of a look-up"),
        ] {
            lines.append(line(name, title, 1))
        }
        for (name, title) in [
            ("join_latency", "join"), ("publish_latency", "publication"),
            ("time_to_first_provider", "first provider"), ("lookup_latency", "whole look-up"),
        ] {
            for part in ["p50", "p90", "p99"] {
                lines.append(line("\(name)_\(part)", "\(title), ms, \(part)", 1_000))
            }
        }
        for phase in plan.phases.map(\.name) {
            lines.append(line("\(phase) datagrams_sent", "\(phase): datagrams a node", 1))
            lines.append(line("\(phase) bytes_per_node", "\(phase): bytes a node", 1))
            for family in Figures.families {
                lines.append(
                    line("\(phase) messages_\(family)", "\(phase): \(family) messages a node", 1))
            }
        }
        return lines.compactMap { $0 }.joined(separator: "\n")
    }

    private func line(_ name: String, _ title: String, _ scale: Double) -> String? {
        guard let value = real.values[name] else { return nil }
        var cells = [Self.number(value * scale)]
        for side in simulated {
            guard let other = side.figures.values[name] else {
                cells += ["", ""]
                continue
            }
            let ratio = value == other ? 1 : other / value
            cells += [
                Self.number(other * scale), ratio.isFinite ? String(format: "%.3f", ratio) : "",
            ]
        }
        return row(title, cells)
    }

    private static func number(_ value: Double) -> String {
        String(format: value >= 1_000 ? "%.0f" : "%.2f", value)
    }

    private func row(_ title: String, _ cells: [String]) -> String {
        let padded = cells.map { String(repeating: " ", count: max(0, 10 - $0.count)) + $0 }
        return title.padding(toLength: 40, withPad: " ", startingAt: 0) + padded.joined()
    }
}
