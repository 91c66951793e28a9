/// Logarithm and square root in integers, for draws that must fall alike on every machine: `log`
/// of two C libraries differs in its last bits, and one differing bit is another run.

enum FixedPoint {
    /// 1 in the numbers of this file: 32 bits of fraction.
    static let one: Int64 = 1 << 32
    /// ln 2.
    static let ln2: Int64 = 2_977_044_472

    /// The binary logarithm of `value`, a positive number with 32 bits of fraction. Each squaring of
    /// the mantissa gives one more bit.
    static func log2(_ value: UInt64) -> Int64 {
        precondition(value > 0, "zero has no logarithm")
        let whole = Int64(63 - value.leadingZeroBitCount)
        // 1 to 2, with 63 bits of fraction.
        var mantissa = value << UInt64(value.leadingZeroBitCount)
        var fraction: Int64 = 0
        for bit in 1...32 {
            let square = mantissa.multipliedFullWidth(by: mantissa)
            if square.high >> 63 == 1 {
                fraction |= 1 << Int64(32 - bit)
                mantissa = square.high
            } else {
                mantissa = square.high << 1 | square.low >> 63
            }
        }
        return (whole - 32) << 32 + fraction
    }

    /// Minus the natural logarithm of a place between 0 and 2^64: exponentially distributed with
    /// a mean of 1 where the place is even. 32 bits of fraction.
    static func minusLog(_ place: UInt64) -> UInt64 {
        // The place with its lowest bit set is positive, and log2 takes it for place / 2^32.
        let log = log2(place | 1) - 32 << 32
        return UInt64((Int128(-log) * Int128(ln2)) >> 32)
    }

    /// 2 to the power of `exponent`, both with 32 bits of fraction, cut at what fits: a Taylor
    /// series of the fraction.
    static func exp2(_ exponent: Int64) -> UInt64 {
        let whole = exponent >> 32
        if whole >= 31 { return .max }
        if whole < -32 { return 0 }
        let x = Int64((Int128(exponent & (one - 1)) * Int128(ln2)) >> 32)
        var (term, sum) = (one, one)
        for k in 1...14 {
            term = Int64((Int128(term) * Int128(x)) >> 32) / Int64(k)
            sum += term
        }
        return whole >= 0 ? UInt64(sum) << UInt64(whole) : UInt64(sum) >> UInt64(-whole)
    }

    /// `base` to the power of `numerator / denominator`, with 32 bits of fraction.
    static func power(_ base: UInt64, _ numerator: Int64, over denominator: Int64) -> UInt64 {
        guard base > 0 else { return 0 }
        let product = Int128(log2(base)) * Int128(numerator) / Int128(denominator)
        return exp2(Int64(clamping: product))
    }

    /// The whole square root, rounded down. The hardware's is right to the last bit everywhere.
    static func squareRoot(_ value: UInt64) -> UInt64 {
        var root = UInt64(Double(value).squareRoot())
        while root.multipliedReportingOverflow(by: root).overflow || root * root > value {
            root -= 1
        }
        while !(root + 1).multipliedReportingOverflow(by: root + 1).overflow,
            (root + 1) * (root + 1) <= value
        { root += 1 }
        return root
    }
}
