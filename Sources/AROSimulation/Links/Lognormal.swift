/// A lognormal factor, the usual shape of delays on the Internet, in integers only: `log` and `exp`
/// of two C libraries differ in their last bits, and one differing bit is another run.
///
/// A table of 257 standard normal quantiles (one every 256th, in 1/65,536; the ends cut at
/// 3.4 standard deviations) is taken through a fixed-point exponential once; a draw picks a cell by
/// eight bits and interpolates by sixteen more.

import AROPrimitives

public struct Lognormal: Hashable, Sendable {
    /// The standard deviation of the logarithm, in thousandths: 500 is a sigma of 0.5.
    public let sigmaThousandths: Int
    /// Factors in 1/65,536, rising; the middle one is 1.
    private let table: [UInt64]

    /// - Parameter sigmaThousandths: 0 to 2,000.
    public init(sigmaThousandths: Int) {
        precondition((0...2_000).contains(sigmaThousandths), "sigma lies between 0 and 2")
        self.sigmaThousandths = sigmaThousandths
        table = (0...256).map { i in
            let z = i < 128 ? -Self.quantiles[128 - i] : Self.quantiles[i - 128]
            return Self.exponential(Int64(z) * Int64(sigmaThousandths) / 1_000)
        }
    }

    /// The factor at a place between 0 (least) and 2^64 - 1 (greatest), in 1/65,536.
    func factor(at place: UInt64) -> UInt64 {
        let cell = Int(place >> 56)
        let part = place >> 40 & 0xffff
        return table[cell] + ((table[cell + 1] - table[cell]) * part) >> 16
    }

    /// `span` times the factor at `place`.
    func scale(_ span: Duration, at place: UInt64) -> Duration {
        let product = UInt64(max(0, span.nanoseconds)).multipliedFullWidth(by: factor(at: place))
        return .nanoseconds(Int64(product.high << 48 | product.low >> 16))
    }

    /// The greatest factor there is, in 1/65,536.
    var factorMax: UInt64 { table[256] }

    /// e to the power of x, both in 1/65,536: 2 to the whole part of x / ln 2, times the Taylor
    /// series of what remains, in 1/2^32.
    static func exponential(_ x: Int64) -> UInt64 {
        let ln2: Int64 = 2_977_044_472  // ln 2 in 1/2^32
        let wide = x << 16
        let whole = wide >= 0 ? wide / ln2 : -((-wide + ln2 - 1) / ln2)
        let rest = wide - whole * ln2
        var term: Int64 = 1 << 32
        var sum = term
        for k in 1...14 {
            term = Int64((Int128(term) * Int128(rest)) >> 32) / Int64(k)
            sum += term
        }
        let shift = 16 - whole
        return shift >= 0 ? UInt64(sum) >> UInt64(shift) : UInt64(sum) << UInt64(-shift)
    }

    /// The standard normal quantiles at 0.5 + i / 256, in 1/65,536.
    private static let quantiles: [Int] = [
        0, 642, 1283, 1925, 2567, 3210, 3852, 4495, 5139, 5783, 6427, 7072, 7718, 8365, 9012, 9660,
        10310, 10960, 11611, 12263, 12917, 13572, 14228, 14886, 15545, 16206, 16869, 17533, 18199,
        18867, 19536, 20208, 20882, 21559, 22237, 22918, 23601, 24287, 24976, 25668, 26362, 27059,
        27759, 28463, 29170, 29880, 30594, 31311, 32032, 32758, 33487, 34220, 34958, 35700, 36446,
        37198, 37954, 38715, 39482, 40254, 41032, 41816, 42605, 43401, 44203, 45012, 45828, 46651,
        47482, 48320, 49166, 50021, 50884, 51756, 52637, 53528, 54428, 55340, 56262, 57195, 58140,
        59097, 60067, 61051, 62048, 63060, 64087, 65131, 66191, 67268, 68364, 69480, 70616, 71774,
        72954, 74159, 75389, 76647, 77933, 79250, 80600, 81985, 83408, 84871, 86377, 87931, 89536,
        91196, 92917, 94704, 96565, 98507, 100540, 102675, 104924, 107304, 109834, 112540, 115453,
        118613, 122076, 125918, 130248, 135235, 141156, 148519, 158437, 174330, 222822,
    ]
}
