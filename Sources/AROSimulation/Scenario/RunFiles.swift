/// What a finished run writes. Every table opens with the names of its columns, has one observation a
/// line, and is read as it is by whatever reads CSV; times end on `_s`, hashes begin with `0x`.

import AROPrimitives
import Foundation
import Histogram

extension Report {
    var files: [RunFile] {
        [
            RunFile("summary.json", json + "\n"),
            RunFile("scenario.resolved.yaml", scenario.resolved),
            RunFile("checkpoints.csv", checkpointsCSV),
        ] + scenario.inputs.map { RunFile(Scenario.inputPath($0.name), $0.text) }
    }

    private var checkpointsCSV: String {
        var out = "events,t_s,trace_hash\n"
        for one in checkpoints { out += "\(one.events),\(one.at.seconds),0x\(one.trace)\n" }
        return out
    }
}

extension Checkpoint {
    /// Reads `checkpoints.csv`; nil where it is not one.
    public static func read(csv: String) -> [Checkpoint]? {
        var rows: [Checkpoint] = []
        for line in csv.split(separator: "\n").dropFirst() {
            let cells = line.split(separator: ",")
            guard cells.count == 3, let events = UInt64(cells[0]), let seconds = Double(cells[1]),
                cells[2].hasPrefix("0x"), let trace = TraceHash(cells[2].dropFirst(2))
            else { return nil }
            rows.append(
                Checkpoint(
                    events: events, at: .nanoseconds(Int64(seconds * 1e9)), trace: trace))
        }
        return rows
    }
}

extension ScenarioRun where Resident: ~Copyable {
    /// The tables and histograms of a finished run.
    var files: [RunFile] {
        var files = [
            RunFile("timeseries.csv", seriesCSV), RunFile("metrics.csv", metricsCSV),
            RunFile("requests.csv", outcomesCSV),
        ]
        if !faultRows.isEmpty { files.append(RunFile("faults.csv", faultsCSV)) }
        if !gossip.rows.isEmpty { files.append(RunFile("broadcasts.csv", broadcastsCSV)) }
        let spreads = [
            ("join_latency", tally.join.latency), ("publish_latency", tally.publish.latency),
            ("lookup_latency", tally.lookup.latency), ("fetch_latency", tally.fetch.latency),
            ("time_to_first_provider", tally.firstProvider), ("find_latency", tally.find.latency),
            ("call_latency", tally.call.latency), ("first_token", tally.firstToken),
            ("delivery_latency", gossip.deliveries), ("detection", gossip.detections),
        ]
        for (name, spread) in spreads where spread.count > 0 {
            files.append(RunFile("hist/\(name).csv", spread.csv))
            files.append(RunFile("hist/\(name).hgrm", spread.hgrm))
        }
        for one in graphs {
            let time = Quantity.text(one.at)
            files.append(RunFile("graph/\(time).csv", one.edgesCSV))
            files.append(RunFile("graph/\(time).graphml", one.graphML))
        }
        return files
    }

    /// One metric of one window a line.
    private var seriesCSV: String {
        var out = "t_s,metric,value\n"
        for row in series {
            for metric in row.metrics {
                out += "\(row.end.seconds),\(metric.name),\(metric.value)\n"
            }
        }
        return out
    }

    /// Of the moments that the scenario names, and of the end.
    private var metricsCSV: String {
        var out = "t_s,metric,unit,value\n"
        for sample in samples + [Sample(at: reached, metrics: metricsAtEnd)] {
            for metric in sample.metrics {
                out += "\(sample.at.seconds),\(metric.name),\(metric.unit.column),\(metric.value)\n"
            }
        }
        return out
    }

    private var outcomesCSV: String {
        var out = "t_s,kind,node,latency_s,providers,succeeded\n"
        for o in outcomes {
            out +=
                "\(o.at.seconds),\(o.kind.rawValue),\(o.node),\(o.took.seconds),"
                + "\(o.providers),\(o.succeeded ? 1 : 0)\n"
        }
        return out
    }

    private var faultsCSV: String {
        var out = "t_s,fault\n"
        for row in faultRows {
            let text = row.text.split(separator: "\"").joined(separator: "'")
            out += "\(row.at.seconds),\"\(text)\"\n"
        }
        return out
    }

    private var broadcastsCSV: String {
        var out = "t_s,step,subscribers,reached,reliability,copies,last_hop\n"
        for row in gossip.rows {
            out +=
                "\(row.at.seconds),\(row.step),\(row.wanted),\(row.reached),\(row.reliability),"
                + "\(row.copies),\(row.lastHop)\n"
        }
        return out
    }
}

extension MetricUnit {
    /// What values of it are counted in.
    public var column: String {
        switch self {
        case .duration: "s"
        case .bytes: "B"
        case .share: "share"
        case .count: "count"
        case .number: "number"
        }
    }
}

extension Spread {
    /// The percentile distribution that HdrHistogram's plotters read, in milliseconds.
    var hgrm: String {
        var out = Text()
        histogram.outputPercentileDistribution(
            to: &out, outputValueUnitScalingRatio: 1_000, percentileTicksPerHalfDistance: 5)
        return out.text
    }

    private struct Text: TextOutputStream {
        var text = ""
        mutating func write(_ string: String) { text += string }
    }
}
