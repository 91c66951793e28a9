/// A round-trip time in one byte: the position of the highest bit and the two bits below it, so
/// that every class is at most a quarter wide. A table of thousands of contacts keeps one each.

import AROPrimitives

struct RoundTripClass: Hashable, Comparable, Sendable {
    /// 0 means unmeasured; 1 is up to 82 µs, 63 and more are above an hour.
    var number: UInt8

    static let unmeasured = RoundTripClass(number: 0)
    /// Times below 2^16 ns (66 µs) are one class.
    private static let leastExponent = 16

    init(number: UInt8) { self.number = number }

    init(_ time: Duration) {
        let ns = UInt64(max(time.nanoseconds, 1 << Self.leastExponent))
        let exponent = 63 - ns.leadingZeroBitCount
        let quarter = Int(ns >> UInt64(exponent - 2) & 3)
        number = UInt8(min(4 * (exponent - Self.leastExponent) + quarter + 1, 160))
    }

    static func < (a: Self, b: Self) -> Bool { a.number < b.number }

    /// The upper end of the class; nil where nothing was measured.
    var ceiling: Duration? {
        guard number > 0 else { return nil }
        let step = Int64(number) - 1
        let base = Int64(1) << (step / 4 + Int64(Self.leastExponent))
        return Duration(nanoseconds: base + base / 4 * (step % 4 + 1))
    }

    /// Moves a quarter of the way to a new measurement, by one class at least.
    func updated(by sample: RoundTripClass) -> RoundTripClass {
        guard number > 0, sample.number > 0 else { return sample.number > 0 ? sample : self }
        let difference = Int(sample.number) - Int(number)
        let step = difference / 4 == 0 ? difference.signum() : difference / 4
        return RoundTripClass(number: UInt8(Int(number) + step))
    }

    /// Orders contacts that are equal otherwise: an unmeasured one stands where 200 ms would.
    var preference: UInt8 { number == 0 ? 47 : number }
}

extension PopulationTime {
    /// When another peer should be asked in the place of one with round-trip class `known`.
    func expected(of known: RoundTripClass, within configuration: KademliaConfiguration) -> Duration
    {
        let time = known.ceiling.map { $0 + $0 / 2 + .milliseconds(5) } ?? bound
        return min(max(time, configuration.expectedMin), configuration.expectedMax)
    }
}
