/// An axis of a figure: from values to places on paper, and where the ticks are.

import Foundation

public struct Axis: Sendable {
    public enum Scale: Sendable { case linear, logarithmic }

    /// With its unit.
    public var label: String
    public var scale = Scale.linear
    /// In the place of numbers: value `n` is the `n`-th of them.
    public var words: [String] = []
    private(set) var low = 0.0
    private(set) var high = 1.0

    public init(_ label: String, scale: Scale = .linear, words: [String] = []) {
        (self.label, self.scale, self.words) = (label, scale, words)
        if scale == .logarithmic { (low, high) = (1, 10) }
    }

    /// Takes in these values, and widens to whole ticks. A linear axis that comes near to zero begins
    /// there.
    mutating func fit(_ values: [Double]) {
        let finite = values.filter { $0.isFinite && (scale == .linear || $0 > 0) }
        guard var low = finite.min(), var high = finite.max() else { return }
        guard words.isEmpty else {
            (self.low, self.high) = (-0.5, Double(words.count) - 0.5)
            return
        }
        if scale == .logarithmic {
            low = pow(10, floor(log10(low)))
            high = pow(10, ceil(log10(high)))
            if low == high { high *= 10 }
        } else {
            if low > 0, low < high / 2 || low == high { low = 0 }
            if low == high { high = low + max(1, abs(low)) }
            let step = Self.step(high - low)
            low = floor(low / step + 1e-9) * step
            high = ceil(high / step - 1e-9) * step
        }
        (self.low, self.high) = (low, high)
    }

    /// From 0 to 1.
    func place(_ value: Double) -> Double {
        switch scale {
        case .linear: (value - low) / (high - low)
        case .logarithmic: (log10(max(value, low)) - log10(low)) / (log10(high) - log10(low))
        }
    }

    var ticks: [(value: Double, text: String)] {
        guard words.isEmpty else {
            return words.enumerated().map { (Double($0.offset), $0.element) }
        }
        switch scale {
        case .linear:
            let step = Self.step(high - low)
            let count = Int(((high - low) / step).rounded())
            return (0...count).map { i in
                let value = low + Double(i) * step
                return (value, Self.text(value, step))
            }
        case .logarithmic:
            let first = Int(log10(low).rounded())
            let last = Int(log10(high).rounded())
            return (first...max(first, last)).map { (pow(10, Double($0)), Self.power($0)) }
        }
    }

    /// Between the ticks of a logarithmic axis.
    var minorTicks: [Double] {
        guard scale == .logarithmic else { return [] }
        return ticks.dropLast().flatMap { tick in (2...9).map { tick.value * Double($0) } }
    }

    /// 1, 2 or 5 times a power of ten, four to eight of them.
    private static func step(_ span: Double) -> Double {
        let rough = span / 5
        let power = pow(10, floor(log10(rough)))
        let factor = [1, 2, 5, 10].first { $0 * power >= rough * 0.999 } ?? 10
        return factor * power
    }

    private static func text(_ value: Double, _ step: Double) -> String {
        if value == 0 || abs(value) < step / 1e6 { return "0" }
        if abs(value) >= 1e6 { return String(format: "%g", value) }
        return String(format: "%.\(max(0, Int(ceil(-log10(step) - 1e-9))))f", value)
    }

    private static func power(_ exponent: Int) -> String {
        (-3...4).contains(exponent)
            ? String(format: "%g", pow(10, Double(exponent))) : "1e\(exponent)"
    }
}
