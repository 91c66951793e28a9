/// How far `.messages` is from `.datagrams`: one scenario played in both, metric beside metric.

import AROPrimitives
import Foundation

public struct FidelityGap: Sendable, CustomStringConvertible {
    public struct Row: Hashable, Sendable {
        public var name: String
        /// nil where a fidelity does not measure it.
        public var datagrams, messages: Metric?

        /// The difference over the value in `.datagrams`; nil where there is none.
        public var share: Double? {
            guard let a = datagrams?.value, let b = messages?.value else { return nil }
            if a == b { return 0 }
            return a == 0 ? nil : (b - a) / a
        }
    }

    public let rows: [Row]
    public let datagrams, messages: Report

    public init(datagrams: Report, messages: Report) {
        (self.datagrams, self.messages) = (datagrams, messages)
        var rows = datagrams.metrics.map { metric in
            Row(
                name: metric.name, datagrams: metric,
                messages: messages.metrics.first { $0.name == metric.name })
        }
        rows += messages.metrics.filter { metric in
            !datagrams.metrics.contains { $0.name == metric.name }
        }.map { Row(name: $0.name, datagrams: nil, messages: $0) }
        self.rows = rows
    }

    public subscript(name: String) -> Row? { rows.first { $0.name == name } }

    public var description: String {
        let width = rows.map(\.name.count).max() ?? 0
        func column(_ text: String) -> String {
            String(repeating: " ", count: max(1, 14 - text.count)) + text
        }
        func row(_ name: String, _ cells: [String]) -> String {
            name + String(repeating: " ", count: max(0, width - name.count))
                + cells.map(column).joined()
        }
        var lines = [row("", ["datagrams", "messages", "gap"])]
        for one in rows {
            let gap = one.share.map { String(format: "%+.1f %%", $0 * 100) } ?? "-"
            lines.append(
                row(one.name, [one.datagrams?.text ?? "-", one.messages?.text ?? "-", gap]))
        }
        let times = [datagrams, messages].map { String(format: "%.2f s", $0.wallTime) }
        lines.append(row("real time", times))
        return lines.joined(separator: "\n")
    }
}

extension Scenario {
    /// Plays the scenario in both fidelities, whichever it names.
    public func compareFidelities(
        clock: () -> Double, progress: (RunProgress) -> Bool = { _ in true }
    ) -> FidelityGap {
        func played(_ fidelity: Fidelity) -> Report {
            var scenario = self
            scenario.fidelity = fidelity
            return scenario.play(clock: clock, progress: progress).report
        }
        return FidelityGap(datagrams: played(.datagrams), messages: played(.messages))
    }
}
