/// Chance for the core: a small seeded generator, one per subsystem.
///
/// xoshiro256** (Blackman and Vigna 2018) seeded by SplitMix64. Not for keys or nonces: those come
/// from `Entropy` in AROCrypto. A subsystem gets its own by ``fork(_:)``, so that one more draw in
/// one subsystem does not reshuffle another.

public struct Generator: RandomNumberGenerator, Sendable {
    @usableFromInline var s0, s1, s2, s3: UInt64

    public init(seed: UInt64) {
        var state = seed
        s0 = Self.splitMix(&state)
        s1 = Self.splitMix(&state)
        s2 = Self.splitMix(&state)
        s3 = Self.splitMix(&state)
    }

    @inlinable public mutating func next() -> UInt64 {
        let product = s1 &* 5
        let result = (product << 7 | product >> 57) &* 9
        let t = s1 << 17
        s2 ^= s0
        s3 ^= s1
        s1 ^= s2
        s0 ^= s3
        s2 ^= t
        s3 = s3 << 45 | s3 >> 19
        return result
    }

    /// A generator for the subsystem called `label`, independent of every other label's. Takes one
    /// draw from this one.
    public mutating func fork(_ label: StaticString) -> Generator {
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325  // FNV-1a
        label.withUTF8Buffer { for byte in $0 { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3 } }
        return Generator(seed: next() ^ hash)
    }

    /// A number in `0 ..< bound`; `bound` must be positive. Lemire's multiplication without the
    /// rejection step: the bias is below `bound / 2^64`.
    @inlinable public mutating func below(_ bound: Int) -> Int {
        precondition(bound > 0)
        return Int(next().multipliedFullWidth(by: UInt64(bound)).high)
    }

    /// True with a probability of `numerator / denominator`.
    @inlinable public mutating func chance(_ numerator: Int, in denominator: Int) -> Bool {
        below(denominator) < numerator
    }

    /// A uniform number in [0, 1) with 53 random bits.
    @inlinable public mutating func unit() -> Double { Double(next() >> 11) * 0x1p-53 }

    /// A span in `low ..< high`, or `low` where they are equal.
    @inlinable public mutating func between(_ low: Duration, _ high: Duration) -> Duration {
        guard high > low else { return low }
        return low + .nanoseconds(Int64(below(Int(high.nanoseconds - low.nanoseconds))))
    }

    /// Puts the elements into a random order (Fisher and Yates).
    public mutating func shuffle<T>(_ items: inout [T]) {
        guard items.count > 1 else { return }
        for i in stride(from: items.count - 1, to: 0, by: -1) { items.swapAt(i, below(i + 1)) }
    }

    /// 256 random bits, for look-up targets.
    public mutating func bits256() -> Bits256 { .init(next(), next(), next(), next()) }

    private static func splitMix(_ state: inout UInt64) -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var z = state
        z = (z ^ z >> 30) &* 0xbf58_476d_1ce4_e5b9
        z = (z ^ z >> 27) &* 0x94d0_49bb_1331_11eb
        return z ^ z >> 31
    }
}
