/// `plot`: figures of runs and sweeps.

import AROSimulation
import ArgumentParser
import Foundation

struct Plot: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Draw figures as SVG: distributions and series of runs, lines of a sweep.")

    @Argument(help: "Folders of runs, to be drawn into one figure each; or that of one sweep.")
    var folders: [String]

    @Option(help: "Which metrics; of runs those of the series. May be repeated.")
    var metric: [String] = []

    @Option(help: "The swept key on the horizontal axis; the first unless given.")
    var x: String?

    @Option(help: "The folder for the figures; 'plots' in the first folder unless given.")
    var out: String?

    func run() throws {
        let figures = try isSweep ? ofSweep() : ofRuns()
        guard !figures.isEmpty else { throw Complaint("nothing to draw") }
        let target = URL(fileURLWithPath: out ?? folders[0] + "/plots")
        try FileManager.default.createDirectory(at: target, withIntermediateDirectories: true)
        for (name, figure) in figures {
            let url = target.appendingPathComponent(name + ".svg")
            try Data(figure.svg.utf8).write(to: url, options: .atomic)
            print(url.path)
        }
    }

    private var isSweep: Bool {
        FileManager.default.fileExists(atPath: folders[0] + "/sweep.csv")
    }

    private static func table(_ path: String) throws -> ResultTable {
        guard let table = ResultTable(csv: try ScenarioFile.read(path)) else {
            throw Complaint("\(path): lines have different numbers of cells")
        }
        return table
    }

    // MARK: A sweep

    private func ofSweep() throws -> [(String, Figure)] {
        let table = try Self.table(folders[0] + "/sweep.csv")
        let keys = Array(table.columns.prefix { $0 != "metric" })
        guard let key = x ?? keys.first, keys.contains(key) else {
            throw Complaint("--x: one of the swept keys is wanted: \(keys.joined(separator: ", "))")
        }
        let column = table.index(of: "metric")!
        var names = metric
        if names.isEmpty {
            for row in table.rows where !names.contains(row[column]) { names.append(row[column]) }
        }
        return try names.map { name in
            guard let figure = Figures.sweep(of: name, against: key, table) else {
                throw Complaint("\(folders[0])/sweep.csv has no '\(name)'")
            }
            return ("\(name)-by-\(key)", figure)
        }
    }

    // MARK: Runs

    private func ofRuns() throws -> [(String, Figure)] {
        var figures: [(String, Figure)] = []
        if metric.isEmpty {
            for name in try histograms() {
                let tables = try folders.compactMap { folder -> (String, ResultTable)? in
                    let path = "\(folder)/hist/\(name).csv"
                    guard FileManager.default.fileExists(atPath: path) else { return nil }
                    return (Self.label(folder), try Self.table(path))
                }
                figures.append(("cdf-" + name, Figures.distribution(of: name, tables)))
            }
        }
        let series = try folders.map { (Self.label($0), try Self.table($0 + "/timeseries.csv")) }
        for name in metric.isEmpty ? Self.usual : metric {
            if let figure = Figures.series(of: name, series) {
                figures.append((name, figure))
            } else if !metric.isEmpty {
                throw Complaint("no series has '\(name)'")
            }
        }
        return figures
    }

    private func histograms() throws -> [String] {
        var names: [String] = []
        for folder in folders {
            let files = try? FileManager.default.contentsOfDirectory(atPath: folder + "/hist")
            for file in (files ?? []).sorted() where file.hasSuffix(".csv") {
                let name = String(file.dropLast(4))
                if !names.contains(name) { names.append(name) }
            }
        }
        return names
    }

    private static func label(_ folder: String) -> String {
        URL(fileURLWithPath: folder).lastPathComponent
    }

    /// Of the series what says something of any run.
    private static let usual = [
        "nodes_running", "datagrams_per_node_per_second", "bytes_per_node_per_second",
        "lookup_success_rate", "lookup_latency_p50", "lookup_latency_p99", "delivery_latency_p99",
        "false_positives",
    ]
}
