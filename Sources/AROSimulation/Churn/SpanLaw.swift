/// By which law spans of time are drawn: how long nodes stay, stay away, and how long faults last.
/// Draws are integer arithmetic (`FixedPoint`), so that they fall alike on every machine.

import AROPrimitives

public enum SpanLaw: Hashable, Sendable {
    case fixed(Duration)
    case uniform(Duration, Duration)
    case exponential(mean: Duration)
    /// Scale times (-ln u)^(1/shape): the shape that sessions have in every network that was
    /// measured (Stutzbach and Rejaie 2006: 0.34 to 0.59). Thousandths.
    case weibull(shapeThousandths: Int, scale: Duration)
    case lognormal(median: Duration, sigma: Lognormal)

    /// A Weibull shape below 0.2 spreads over ten powers of ten; no network was measured there.
    public static let shapes = 200...10_000
    /// What is drawn longer is cut to this: 100 years.
    public static let longest = Duration.hours(24 * 365 * 100)

    /// The law of this shape half of whose draws lie below `median`.
    public static func weibull(shapeThousandths: Int, median: Duration) -> SpanLaw {
        let share = FixedPoint.power(
            UInt64(FixedPoint.ln2), -1_000, over: Int64(shapeThousandths))
        return .weibull(shapeThousandths: shapeThousandths, scale: times(median, share))
    }

    public static func exponential(median: Duration) -> SpanLaw {
        .exponential(mean: times(median, UInt64((Int128(1) << 64) / Int128(FixedPoint.ln2))))
    }

    public func draw(_ chance: inout Generator) -> Duration {
        let drawn: Duration
        switch self {
        case .fixed(let span): drawn = span
        case .uniform(let low, let high): drawn = chance.between(low, high)
        case .exponential(let mean): drawn = Self.times(mean, FixedPoint.minusLog(chance.next()))
        case .weibull(let shape, let scale):
            let even = FixedPoint.minusLog(chance.next())
            drawn = Self.times(scale, FixedPoint.power(even, 1_000, over: Int64(shape)))
        case .lognormal(let median, let sigma): drawn = sigma.scale(median, at: chance.next())
        }
        return min(drawn, Self.longest)
    }

    /// A span times a factor with 32 bits of fraction.
    private static func times(_ span: Duration, _ factor: UInt64) -> Duration {
        let product = (Int128(span.nanoseconds) * Int128(factor)) >> 32
        return min(.nanoseconds(Int64(clamping: product)), longest)
    }
}
