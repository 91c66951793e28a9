/// The runs of a sweep as tables: `runs.csv`, one metric of one run a line; `sweep.csv`, means over
/// seeds with intervals in which the true mean lies with 95 % confidence (Student's t).

import Foundation

/// How one run of a sweep came out.
public struct SweepRun: Codable, Hashable, Sendable {
    public var point: Int
    public var values: [String]
    public var seed: UInt64
    public var passed: Bool
    public var traceHash: String
    public var events: UInt64
    /// In the order of the report.
    public var metrics: [Value]

    public struct Value: Codable, Hashable, Sendable {
        public var name: String
        public var unit: String
        public var value: Double
    }
}

extension SweepRun {
    /// Of no sweep yet: ``at(_:)`` gives it its place.
    public init(_ report: Report) {
        point = 0
        values = []
        seed = report.scenario.seed
        passed = report.passed
        traceHash = report.trace.description
        events = report.events
        metrics = report.metrics.map {
            Value(name: $0.name, unit: $0.unit.column, value: $0.value)
        }
    }

    /// The same, in its place in a sweep.
    public func at(_ place: Sweep.Point) -> SweepRun {
        var run = self
        run.point = place.number
        run.values = place.values
        return run
    }
}

/// What the seeds of one combination have in common.
public struct SweepMean: Hashable, Sendable {
    public var values: [String]
    public var metric: String
    public var unit: String
    public var mean: Double
    /// The half width of the interval; nil of a single run.
    public var halfWidth: Double?
    public var runs: Int
}

public struct SweepTable: Sendable {
    public let axes: [Sweep.Axis]
    public let runs: [SweepRun]

    public init(_ axes: [Sweep.Axis], _ runs: [SweepRun]) {
        self.axes = axes
        self.runs = runs.sorted { $0.point < $1.point }
    }

    /// In the order of the sweep, of each combination in the order of the report.
    public var means: [SweepMean] {
        var combinations: [[String]] = []
        var grouped: [[SweepRun]] = []
        for run in runs {
            if combinations.last == run.values {
                grouped[grouped.count - 1].append(run)
            } else {
                combinations.append(run.values)
                grouped.append([run])
            }
        }
        return zip(combinations, grouped).flatMap { values, runs in
            Self.names(runs).map { Self.mean(of: $0, values, runs) }
        }
    }

    private static func names(_ runs: [SweepRun]) -> [SweepRun.Value] {
        var seen: Set<String> = []
        return runs.flatMap(\.metrics).filter { seen.insert($0.name).inserted }
    }

    private static func mean(
        of metric: SweepRun.Value, _ values: [String], _ runs: [SweepRun]
    ) -> SweepMean {
        let numbers = runs.compactMap { run in
            run.metrics.first { $0.name == metric.name }?.value
        }
        let (mean, halfWidth) = Student.mean(numbers)
        return SweepMean(
            values: values, metric: metric.name, unit: metric.unit, mean: mean,
            halfWidth: halfWidth, runs: numbers.count)
    }

    public var files: [RunFile] {
        [RunFile("runs.csv", runsCSV), RunFile("sweep.csv", meansCSV)]
    }

    private var head: String { axes.map { Self.cell($0.path) + "," }.joined() }

    private var runsCSV: String {
        var out = "run,\(head)seed,passed,events,trace_hash,metric,unit,value\n"
        for run in runs {
            let place = "\(run.point)," + run.values.map { Self.cell($0) + "," }.joined()
            for metric in run.metrics {
                out +=
                    "\(place)\(run.seed),\(run.passed ? 1 : 0),\(run.events),0x\(run.traceHash),"
                    + "\(metric.name),\(metric.unit),\(metric.value)\n"
            }
        }
        return out
    }

    private var meansCSV: String {
        var out = "\(head)metric,unit,mean,ci95_low,ci95_high,runs\n"
        for row in means {
            let low = row.halfWidth.map { "\(row.mean - $0)" } ?? ""
            let high = row.halfWidth.map { "\(row.mean + $0)" } ?? ""
            out += row.values.map { Self.cell($0) + "," }.joined()
            out += "\(row.metric),\(row.unit),\(row.mean),\(low),\(high),\(row.runs)\n"
        }
        return out
    }

    private static func cell(_ text: String) -> String {
        guard text.contains(where: { $0 == "," || $0 == "\"" || $0 == "\n" }) else { return text }
        return "\"" + text.replacingOccurrences(of: "\"", with: "\"\"") + "\""
    }
}

/// Student's t (Gosset 1908).
enum Student {
    /// The 97.5 % quantile by degrees of freedom from 1 on; beyond the table the next lower entry,
    /// which makes intervals a little wider than they need be.
    private static let quantiles: [Double] = [
        12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179,
        2.160, 2.145, 2.131, 2.120, 2.110, 2.101, 2.093, 2.086, 2.080, 2.074, 2.069, 2.064,
        2.060, 2.056, 2.052, 2.048, 2.045, 2.042,
    ]

    static func quantile(degreesOfFreedom: Int) -> Double {
        switch degreesOfFreedom {
        case ..<1: .infinity
        case ...30: quantiles[degreesOfFreedom - 1]
        case ..<40: 2.042
        case ..<60: 2.021
        case ..<120: 2.000
        default: 1.980
        }
    }

    /// The mean, and half the width of its 95 % interval where there are two values at least.
    static func mean(_ values: [Double]) -> (mean: Double, halfWidth: Double?) {
        guard !values.isEmpty else { return (.nan, nil) }
        let count = Double(values.count)
        let mean = values.reduce(0, +) / count
        guard values.count > 1 else { return (mean, nil) }
        let squares = values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) }
        let error = (squares / (count - 1)).squareRoot() / count.squareRoot()
        return (mean, quantile(degreesOfFreedom: values.count - 1) * error)
    }
}
