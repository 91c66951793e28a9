/// How expectations come out.

import AROPrimitives

/// What expectations are judged by.
struct Evidence {
    var atEnd: [Metric]
    var windows: [WindowRow] = []
    var lastFaultAt: Duration?
    /// Whether the run was ended before its time: what was to come later is not known.
    var isCut = false
}

extension Expectation {
    func judge(_ evidence: Evidence) -> Outcome {
        switch when {
        case .atEnd:
            let found = evidence.atEnd.first { $0.name == metric }
            return Outcome(
                expectation: self, value: found, holds: found.map { isMet(by: $0.value) } ?? false)
        case .always(let from, let until):
            let rows = evidence.windows.filter { $0.end >= from && $0.end <= until ?? $0.end }
            return judgeAlways(rows)
        case .sometimes: return judgeOnce(evidence.windows)
        case .eventually(let span, let after):
            let start: Duration? =
                switch after {
                case .time(let time): time
                case .lastFault: evidence.lastFaultAt
                }
            guard let start else { return judgeOnce(evidence.windows) }
            return judgeOnce(evidence.windows.filter { $0.end >= start && $0.end <= start + span })
        }
    }

    /// Holds where no window contradicts, and one at least says something.
    private func judgeAlways(_ rows: [WindowRow]) -> Outcome {
        var last: (value: Metric, at: Duration)?
        for row in rows {
            guard let found = row.metrics.first(where: { $0.name == metric }) else { continue }
            last = (found, row.end)
            if !isMet(by: found.value) {
                return Outcome(expectation: self, value: found, holds: false, at: row.end)
            }
        }
        return Outcome(expectation: self, value: last?.value, holds: last != nil, at: last?.at)
    }

    private func judgeOnce(_ rows: [WindowRow]) -> Outcome {
        var last: (value: Metric, at: Duration)?
        for row in rows {
            guard let found = row.metrics.first(where: { $0.name == metric }) else { continue }
            last = (found, row.end)
            if isMet(by: found.value) {
                return Outcome(expectation: self, value: found, holds: true, at: row.end)
            }
        }
        return Outcome(expectation: self, value: last?.value, holds: false, at: last?.at)
    }
}

extension Expectation {
    /// As an item of `expect:`.
    var resolved: String {
        let quoted = Scenario.quoted(text)
        switch when {
        case .atEnd: return quoted
        case .always(let from, let until):
            let end = until.map { ", until: \(Quantity.text($0))" } ?? ""
            return "{always: \(quoted), from: \(Quantity.text(from))\(end)}"
        case .sometimes: return "{sometimes: \(quoted)}"
        case .eventually(let span, let after):
            let start =
                switch after {
                case .time(let time): Quantity.text(time)
                case .lastFault: "last-fault"
                }
            return "{eventually: \(quoted), within: \(Quantity.text(span)), after: \(start)}"
        }
    }

    /// For a person.
    public var words: String {
        switch when {
        case .atEnd: text
        case .always(.zero, nil): "always \(text)"
        case .always(let from, nil): "always from \(Quantity.text(from)) \(text)"
        case .always(let from, let until?):
            "always from \(Quantity.text(from)) until \(Quantity.text(until)) \(text)"
        case .sometimes: "sometimes \(text)"
        case .eventually(let span, .lastFault):
            "eventually, within \(Quantity.text(span)) of the last fault, \(text)"
        case .eventually(let span, .time(let time)):
            "eventually, within \(Quantity.text(span)) of \(Quantity.text(time)), \(text)"
        }
    }
}

extension Scenario {
    /// Whether windows need metrics that only who sees into all nodes can tell.
    var watchesState: Bool {
        expect.contains { $0.when != .atEnd && MetricCatalogue.isState($0.metric) }
    }
}
