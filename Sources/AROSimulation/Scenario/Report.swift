/// What a finished run has to say: to a person as text, to a program as JSON.

import AROPrimitives
import Foundation

public struct Report: Sendable {
    public let scenario: Scenario
    public let metrics: [Metric]
    public let outcomes: [Expectation.Outcome]
    public let trace: TraceHash
    public let events: UInt64
    /// Why requests failed and how often, each in one line.
    public let failures: [String]
    /// Seconds of real time.
    public let wallTime: Double
    /// How far the run came.
    public let reached: Duration
    public let checkpoints: [Checkpoint]
    /// What the world weighs, by part, the heaviest first; empty where nobody counts.
    public var weights: [WeightOfPart] = []
    /// The most that the process has had in memory until now, in this run or one before, bytes; nil
    /// where the system does not tell, or nobody asked.
    public var residentByteCount: Int?

    /// Whether every expectation holds.
    public var passed: Bool { isWhole && outcomes.allSatisfy(\.holds) }

    /// Whether the run came to its end.
    public var isWhole: Bool { reached >= scenario.duration }

    public var eventsPerSecond: Double { Double(events) / max(wallTime, 1e-9) }

    public subscript(metric: String) -> Metric? { metrics.first { $0.name == metric } }
}

extension ScenarioRun where Resident: ~Copyable {
    /// The report of a finished run.
    public func report(wallTime: Double) -> Report {
        let metrics = metricsAtEnd
        let evidence = Evidence(
            atEnd: metrics, windows: series, lastFaultAt: lastFaultAt,
            isCut: reached < scenario.duration)
        return Report(
            scenario: scenario, metrics: metrics,
            outcomes: scenario.expect.map { $0.judge(evidence) },
            trace: tally.traceAtEnd, events: tally.countersAtEnd.events,
            failures: tally.failures.map {
                "\($0.kind.rawValue) failed \($0.count)x: \($0.reason)"
            },
            wallTime: wallTime, reached: reached, checkpoints: checkpointsAtEnd,
            weights: Resident.weights(of: world), residentByteCount: ResidentMemory.most)
    }
}

extension Metric {
    /// The value with its unit, for a person.
    public var text: String {
        switch unit {
        case .count: grouped(UInt64(value))
        case .number: decimals(value, value < 100 ? 2 : 0)
        case .share: value == 1 ? "100 %" : decimals(value * 100, 3) + " %"
        case .duration:
            value < 1 ? decimals(value * 1e3, 1) + " ms" : decimals(value, 3) + " s"
        case .bytes:
            value < 1e6 ? decimals(value / 1e3, 1) + " kB" : decimals(value / 1e6, 2) + " MB"
        }
    }
}

private func decimals(_ value: Double, _ digits: Int) -> String {
    String(format: "%.\(digits)f", value)
}

/// With commas between groups of three digits.
private func grouped(_ value: UInt64) -> String {
    var out = ""
    for (i, digit) in String(value).reversed().enumerated() {
        if i > 0, i % 3 == 0 { out.append(",") }
        out.append(digit)
    }
    return String(out.reversed())
}

extension Scenario {
    /// How many nodes for how long.
    public var size: String {
        "\(grouped(UInt64(nodeCount))) nodes, \(Quantity.text(duration)) of virtual time"
    }
}

extension Report: CustomStringConvertible {
    public var description: String {
        var lines = [
            "\(scenario.name), seed \(scenario.seed): \(scenario.size)", "",
        ]
        if !isWhole { lines += ["ended at \(Quantity.text(reached))", ""] }
        lines += metricLines
        if !failures.isEmpty { lines += [""] + failures }
        lines += ["", engineLine] + memoryLine + ["trace hash  \(trace)"]
        if !outcomes.isEmpty { lines += [""] + outcomes.map(\.line) }
        return lines.joined(separator: "\n")
    }

    /// One line, and one for each expectation that does not hold.
    public var brief: String {
        let head =
            "\(passed ? "ok  " : "FAIL")  \(scenario.name), seed \(scenario.seed): "
            + "\(scenario.size), \(grouped(events)) events in \(decimals(wallTime, 1)) s, "
            + "trace hash \(trace)"
        let failed = outcomes.filter { !$0.holds }.map { "      " + $0.line }
        let cut = isWhole ? [] : ["      ended at \(Quantity.text(reached))"]
        return ([head] + cut + failed).joined(separator: "\n")
    }

    private var engineLine: String {
        "\(grouped(events)) events in \(decimals(wallTime, 2)) s: "
            + "\(grouped(UInt64(eventsPerSecond))) events/s, "
            + "\(decimals(reached.seconds / max(wallTime, 1e-9), 1)) virtual seconds a second"
    }

    private var memoryLine: [String] {
        guard let residentByteCount else { return [] }
        let total = decimals(Double(residentByteCount) / 1e6, 0) + " MB in memory at most"
        let heaviest = weights.prefix(3).filter { bytesPerNode($0) >= 1 }.map {
            "\($0.part) \(grouped(UInt64(bytesPerNode($0))))"
        }
        guard !heaviest.isEmpty else { return [total] }
        return [total + "; bytes a node: " + heaviest.joined(separator: ", ")]
    }

    private func bytesPerNode(_ weight: WeightOfPart) -> Double {
        Double(weight.byteCount) / Double(max(1, scenario.nodeCount))
    }

    /// One metric a line; the parts of a distribution share one.
    private var metricLines: [String] {
        var lines: [String] = []
        var i = 0
        let width = metrics.map(\.name.count).max() ?? 0
        while i < metrics.count {
            let name = metrics[i].name
            let spread = metrics[i...].prefix(Spread.parts.count)
            let stem = name.dropLast(4)
            if name.hasSuffix("_p50"), spread.map(\.name) == Spread.parts.map({ "\(stem)_\($0)" }) {
                let parts = zip(Spread.parts, spread).map { "\($0) \($1.text)" }
                lines.append(
                    padded(String(stem), width) + parts.joined(separator: "  "))
                i += spread.count
            } else {
                lines.append(padded(name, width) + metrics[i].text)
                i += 1
            }
        }
        return lines
    }

    private func padded(_ name: String, _ width: Int) -> String {
        name + String(repeating: " ", count: max(0, width - name.count) + 2)
    }
}

extension Expectation.Outcome {
    fileprivate var line: String {
        let found = value?.text ?? "not measured"
        let moment = at.map { " at \(Quantity.text($0))" } ?? ""
        return "\(holds ? "ok  " : "FAIL")  \(expectation.words)  (\(found)\(moment))"
    }
}

extension Report {
    /// One JSON object. Durations are in seconds, shares from 0 to 1.
    public var json: String {
        var object: [String: Any] = [
            "name": scenario.name, "seed": scenario.seed, "nodes": scenario.nodeCount,
            "virtual_time_s": reached.seconds, "whole": isWhole, "wall_time_s": wallTime,
            "events": events, "events_per_s": eventsPerSecond, "trace_hash": trace.description,
            "passed": passed, "failures": failures,
            "metrics": Dictionary(uniqueKeysWithValues: metrics.map { ($0.name, $0.value) }),
            "expect": outcomes.map(\.json),
            "memory_bytes_per_node": Dictionary(
                uniqueKeysWithValues: weights.map { ($0.part, bytesPerNode($0)) }),
        ]
        object["memory_bytes_max"] = residentByteCount
        let options: JSONSerialization.WritingOptions = [.prettyPrinted, .sortedKeys]
        let data = (try? JSONSerialization.data(withJSONObject: object, options: options)) ?? Data()
        return String(decoding: data, as: UTF8.self)
    }
}

extension Expectation.Outcome {
    fileprivate var json: [String: Any] {
        var object: [String: Any] = ["expect": expectation.words, "holds": holds]
        object["value"] = value?.value
        object["at_s"] = at?.seconds
        return object
    }
}
