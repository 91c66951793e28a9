/// The figures that runs and sweeps give.

import AROPrimitives
import Foundation

public enum Figures {
    /// A cumulative distribution, from `hist/*.csv`, one curve for each run.
    public static func distribution(of name: String, _ runs: [(name: String, table: ResultTable)])
        -> Figure
    {
        let curves = runs.map { run in
            let points = run.table.rows.compactMap { row -> Figure.Curve.Point? in
                guard row.count == 3, let x = Double(row[0]), let y = Double(row[2]) else {
                    return nil
                }
                return Figure.Curve.Point(x: max(x, 0.001), y: y)
            }
            let start = points.first.map { [Figure.Curve.Point(x: $0.x, y: 0)] } ?? []
            return Figure.Curve(run.name, start + points)
        }
        let values = curves.flatMap { $0.points.map(\.x) }
        let isWide = (values.max() ?? 1) / max(values.min() ?? 1, 1e-9) > 50
        return Figure(
            x: Axis("\(words(name)) (ms)", scale: isWide ? .logarithmic : .linear),
            y: Axis("cumulative share"), style: .steps, curves: curves)
    }

    /// A metric over time, from `timeseries.csv`; nil where no run has it.
    public static func series(of metric: String, _ runs: [(name: String, table: ResultTable)])
        -> Figure?
    {
        let curves = runs.map { run in
            Figure.Curve(
                run.name,
                run.table.rows.compactMap { row in
                    guard row.count == 3, row[1] == metric, let x = Double(row[0]),
                        let y = Double(row[2])
                    else { return nil }
                    return Figure.Curve.Point(x: x, y: y)
                })
        }.filter { !$0.points.isEmpty }
        guard !curves.isEmpty else { return nil }
        return Figure(
            x: Axis("virtual time (s)"), y: Axis(label(metric)), style: .plain, curves: curves)
    }

    /// A metric of a sweep with its intervals, from `sweep.csv`, against one of the keys, one curve for
    /// each combination of the others; nil where there is no such key or metric.
    public static func sweep(of metric: String, against key: String, _ table: ResultTable)
        -> Figure?
    {
        guard let x = table.index(of: key), let name = table.index(of: "metric"),
            let mean = table.index(of: "mean"), let low = table.index(of: "ci95_low")
        else { return nil }
        let rows = table.rows.filter { $0[name] == metric }
        guard !rows.isEmpty else { return nil }
        let others = (0..<name).filter { $0 != x }
        var texts: [String] = []
        for row in rows where !texts.contains(row[x]) { texts.append(row[x]) }
        let scale = Values(texts)
        var curves: [Figure.Curve] = []
        for row in rows {
            guard let y = Double(row[mean]) else { continue }
            let label = others.map { "\(table.columns[$0]) = \(row[$0])" }.joined(separator: ", ")
            let point = Figure.Curve.Point(
                x: scale.number(row[x]), y: y, halfWidth: Double(row[low]).map { y - $0 })
            if let i = curves.firstIndex(where: { $0.name == label }) {
                curves[i].points.append(point)
            } else {
                curves.append(Figure.Curve(label, [point]))
            }
        }
        return Figure(
            x: Axis(
                key + scale.unit, scale: scale.isWide ? .logarithmic : .linear, words: scale.words),
            y: Axis(label(metric)), style: .marked, curves: curves)
    }

    static func label(_ metric: String) -> String {
        let unit =
            switch MetricCatalogue.unit(of: metric) {
            case .duration: " (s)"
            case .bytes: metric.hasSuffix("per_second") ? " (B/s)" : " (B)"
            case .share: " (share)"
            case .count, .number, nil: ""
            }
        return words(metric) + unit
    }

    private static func words(_ name: String) -> String {
        String(name.map { $0 == "_" ? " " : $0 })
    }
}

/// Values of a swept key, as numbers where they are quantities of one kind.
private struct Values {
    private let texts: [String]
    private let numbers: [Double]?
    /// In brackets, for the axis.
    let unit: String

    init(_ texts: [String]) {
        self.texts = texts
        let kinds: [(unit: String, read: (String) -> Double?)] = [
            ("", { Double($0) }),
            (" (%)", { Quantity.chance($0).map { Double($0.partsPerMillion) / 1e4 } }),
            (" (s)", { Quantity.duration($0)?.seconds }),
            (" (B)", { Quantity.byteCount($0).map(Double.init) }),
            (" (bit/s)", { Quantity.bitRate($0).map(Double.init) }),
        ]
        for kind in kinds {
            let numbers = texts.compactMap(kind.read)
            if numbers.count == texts.count {
                (self.numbers, unit) = (numbers, kind.unit)
                return
            }
        }
        (numbers, unit) = (nil, "")
    }

    /// The texts themselves, where they are no numbers.
    var words: [String] { numbers == nil ? texts : [] }

    /// Whether decades are between them.
    var isWide: Bool {
        guard let numbers, let low = numbers.min(), let high = numbers.max(), low > 0 else {
            return false
        }
        return high / low >= 50
    }

    func number(_ text: String) -> Double {
        let i = texts.firstIndex(of: text) ?? 0
        return numbers?[i] ?? Double(i)
    }
}
