/// `sweep:`: one scenario, played with every combination of some values and every seed.
///
/// ```yaml
/// sweep: {network.loss: [0%, 5%, 10%], nodes.0.count: [100, 1000], seeds: 1..10}
/// ```

import AROPrimitives
import Yams

public struct Sweep: Hashable, Sendable {
    public struct Axis: Hashable, Sendable {
        /// Keys and list places, with dots between.
        public var path: String
        public var values: [String]

        public init(path: String, values: [String] = []) {
            (self.path, self.values) = (path, values)
        }
    }

    public var axes: [Axis] = []
    /// Empty where the scenario's own seed is the only one.
    public var seeds: [UInt64] = []

    /// Runs of one sweep; a guess at what nobody means.
    public static let pointsMax = 100_000
    static let seedsMax = 100_000

    public init() {}

    public var isEmpty: Bool { axes.isEmpty && seeds.isEmpty }

    public var pointCount: Int {
        axes.reduce(max(1, seeds.count)) { $0 * $1.values.count }
    }

    /// One run of the sweep.
    public struct Point: Hashable, Sendable {
        /// From 0, in the order of the axes, the seed changing fastest.
        public var number: Int
        /// A value for each axis.
        public var values: [String]
        public var seed: UInt64?
        public var settings: [Scenario.Setting]
    }

    public var points: [Point] {
        var combinations: [[String]] = [[]]
        for axis in axes {
            combinations = combinations.flatMap { head in axis.values.map { head + [$0] } }
        }
        let seeds: [UInt64?] = self.seeds.isEmpty ? [nil] : self.seeds
        var points: [Point] = []
        for values in combinations {
            for seed in seeds {
                var settings = zip(axes, values).map { Scenario.Setting($0.path, $1) }
                if let seed { settings.append(Scenario.Setting("seed", String(seed))) }
                points.append(
                    Point(number: points.count, values: values, seed: seed, settings: settings))
            }
        }
        return points
    }
}

extension Sweep {
    init(_ field: Field) throws(ScenarioFault) {
        guard case .mapping(let mapping) = field.node, !mapping.isEmpty else {
            throw field.fault("keys with lists of values are wanted here")
        }
        for (key, value) in mapping {
            let name = key.scalar?.string ?? "?"
            let inner = Field(node: value, path: "sweep.\(name)", file: field.file)
            if name == "seeds" {
                seeds = try Self.seeds(inner)
            } else {
                axes.append(Axis(path: name, values: try Self.values(inner)))
            }
        }
        guard
            axes.reduce(1.0, { $0 * Double($1.values.count) }) * Double(max(1, seeds.count))
                <= Double(Self.pointsMax)
        else { throw field.fault("more than \(Self.pointsMax) runs") }
    }

    private static func values(_ field: Field) throws(ScenarioFault) -> [String] {
        var values: [String] = []
        for value in try field.list() { values.append(try value.text()) }
        guard !values.isEmpty else { throw field.fault("no value to try") }
        guard Set(values).count == values.count else { throw field.fault("a value stands twice") }
        return values
    }

    /// `1..10`, `[1, 2, 5]` or one number.
    private static func seeds(_ field: Field) throws(ScenarioFault) -> [UInt64] {
        guard field.isScalar else {
            var seeds: [UInt64] = []
            for seed in try field.list() { seeds.append(try seed.unsigned()) }
            guard !seeds.isEmpty, Set(seeds).count == seeds.count else {
                throw field.fault("one number at least, and none twice")
            }
            return seeds
        }
        let text = try field.text()
        guard let range = Self.seedRange(text) else {
            throw field.fault("'\(text)' is no range; write it as 1..10")
        }
        return Array(range)
    }

    /// `1..10`, or a number by itself.
    public static func seedRange(_ text: String) -> ClosedRange<UInt64>? {
        if let one = UInt64(text) { return one...one }
        guard let dots = text.range(of: "..") else { return nil }
        guard let low = UInt64(text[..<dots.lowerBound]),
            let high = UInt64(text[dots.upperBound...]), low <= high,
            high - low < UInt64(seedsMax)
        else { return nil }
        return low...high
    }
}
