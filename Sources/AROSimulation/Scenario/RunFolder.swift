/// The files of one run: `summary.json`, `scenario.resolved.yaml`, `timeseries.csv`, `lookups.csv`,
/// `hist/*.csv`. They are written beside their place and moved there at once, so a folder that is
/// there is whole.

import AROPrimitives
import Foundation

public struct RunFolder {
    public let url: URL

    public enum Failure: Error, CustomStringConvertible {
        case exists(String)
        case cannotWrite(String, String)

        public var description: String {
            switch self {
            case .exists(let path): "\(path) exists already; runs are not written over"
            case .cannotWrite(let path, let reason): "cannot write \(path): \(reason)"
            }
        }
    }

    /// - Parameter path: must not exist, but its parent must.
    public init(path: String) throws(Failure) {
        url = URL(fileURLWithPath: path)
        if FileManager.default.fileExists(atPath: url.path) { throw .exists(path) }
    }

    public func write(_ files: [RunFile]) throws(Failure) {
        let temporary = url.deletingLastPathComponent()
            .appendingPathComponent(
                ".\(url.lastPathComponent).\(ProcessInfo.processInfo.processIdentifier)")
        do {
            try FileManager.default.createDirectory(
                at: temporary.appendingPathComponent("hist"), withIntermediateDirectories: true)
            for file in files {
                try Data(file.text.utf8).write(to: temporary.appendingPathComponent(file.name))
            }
            try FileManager.default.moveItem(at: temporary, to: url)
        } catch {
            try? FileManager.default.removeItem(at: temporary)
            throw .cannotWrite(url.path, "\(error.localizedDescription)")
        }
    }
}

/// One file of a run's folder.
public struct RunFile: Hashable, Sendable {
    public let name: String
    public let text: String

    init(_ name: String, _ text: String) { (self.name, self.text) = (name, text) }
}

extension Report {
    var files: [RunFile] {
        [
            RunFile("summary.json", json + "\n"),
            RunFile("scenario.resolved.yaml", scenario.resolved),
        ]
    }
}

extension ScenarioRun where Resident: ~Copyable {
    /// The tables and histograms of a finished run.
    var files: [RunFile] {
        var files = [
            RunFile("timeseries.csv", seriesCSV), RunFile("lookups.csv", outcomesCSV),
        ]
        let spreads = [
            ("join_latency", tally.join.latency), ("publish_latency", tally.publish.latency),
            ("lookup_latency", tally.lookup.latency), ("fetch_latency", tally.fetch.latency),
            ("time_to_first_provider", tally.firstProvider),
        ]
        for (name, spread) in spreads where spread.count > 0 {
            files.append(RunFile("hist/\(name).csv", spread.csv))
        }
        return files
    }

    /// Sums since the start, at the end of each window.
    private var seriesCSV: String {
        var out =
            "t_s,nodes,events,datagrams_sent,datagrams_delivered,bytes_sent,joined,published,"
            + "lookups,lookups_found,fetched\n"
        for row in series {
            let c = row.counters
            out +=
                "\(row.end.seconds),\(row.running),\(c.events),\(c.datagramsSent),"
                + "\(c.datagramsDelivered),\(c.bytesSent),\(row.joined),\(row.published),"
                + "\(row.lookups),\(row.found),\(row.fetched)\n"
        }
        return out
    }

    private var outcomesCSV: String {
        var out = "t_s,kind,node,latency_ms,providers,succeeded\n"
        for o in outcomes {
            out +=
                "\(o.at.seconds),\(o.kind.rawValue),\(o.node),\(o.took.milliseconds),"
                + "\(o.providers),\(o.succeeded)\n"
        }
        return out
    }
}
