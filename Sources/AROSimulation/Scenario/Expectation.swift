/// One line of `expect:`: a metric, a comparison, a value with its unit, and when it shall hold. It
/// makes a scenario a test.

import AROPrimitives

public struct Expectation: Hashable, Sendable {
    enum Comparison: String, Sendable, CaseIterable {
        case atMost = "<=", atLeast = ">=", equal = "==", below = "<", above = ">"
    }

    /// As it was written.
    public let text: String
    let metric: String
    let comparison: Comparison
    /// In the metric's own unit: seconds, share, bytes or count.
    let bound: Double

    public internal(set) var when = When.atEnd

    /// When it shall hold. What is not the end is judged on the series, a value a window; windows
    /// that do not measure the metric do not count.
    public enum When: Hashable, Sendable {
        case atEnd
        /// In every window between two moments.
        case always(from: Duration, until: Duration?)
        /// In one window at least: the run came into an interesting state.
        case sometimes
        /// In a window that ends at most so long after a moment.
        case eventually(within: Duration, after: After)
    }

    public enum After: Hashable, Sendable {
        case time(Duration)
        /// The beginning or end, whichever came last, of the last fault.
        case lastFault
    }

    /// How an expectation came out.
    public struct Outcome: Hashable, Sendable {
        public var expectation: Expectation
        /// nil where the run did not measure it, which fails the expectation.
        public var value: Metric?
        public var holds: Bool
        /// When it was decided, where that was a window.
        public var at: Duration?
    }

    /// Reads `METRIC OP VALUE`; dots in the metric's name are as good as underscores.
    init(_ text: String) throws(Failure) {
        let words = text.split(separator: " ").map(String.init)
        guard words.count == 3 else { throw .shape }
        let metric = String(words[0].map { $0 == "." ? "_" : $0 })
        guard let unit = MetricCatalogue.unit(of: metric) else { throw .unknownMetric(metric) }
        guard let comparison = Comparison(rawValue: words[1]) else { throw .comparison(words[1]) }
        guard let bound = Self.value(words[2], unit) else { throw .value(words[2], unit) }
        (self.text, self.metric) = (text, metric)
        (self.comparison, self.bound) = (comparison, bound)
    }

    enum Failure: Error, CustomStringConvertible {
        case shape
        case unknownMetric(String)
        case comparison(String)
        case value(String, MetricUnit)

        var description: String {
            switch self {
            case .shape: "write it as METRIC <= VALUE"
            case .unknownMetric(let name):
                "unknown metric '\(name)'"
                    + (nearest(to: name, among: MetricCatalogue.names)
                        .map { "; did you mean '\($0)'?" }
                        ?? "; known: \(MetricCatalogue.names.joined(separator: ", "))")
            case .comparison(let word): "'\(word)' is none of <=, >=, ==, <, >"
            case .value(let text, let unit): "'\(text)' is no \(unit.rawValue)"
            }
        }
    }

    private static func value(_ text: String, _ unit: MetricUnit) -> Double? {
        switch unit {
        case .duration: Quantity.duration(text)?.seconds
        case .bytes: Quantity.byteCount(text).map { Double($0) }
        case .share: Quantity.chance(text).map { Double($0.partsPerMillion) / 1e6 } ?? plain(text)
        case .count, .number: plain(text)
        }
    }

    private static func plain(_ text: String) -> Double? {
        Quantity.decimal(text, times: 1_000_000).map { Double($0) / 1e6 }
    }

    func isMet(by value: Double) -> Bool {
        switch comparison {
        case .atMost: value <= bound
        case .atLeast: value >= bound
        case .equal: value == bound
        case .below: value < bound
        case .above: value > bound
        }
    }
}
