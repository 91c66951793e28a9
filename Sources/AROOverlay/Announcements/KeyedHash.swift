/// SipHash-2-4 (Aumasson and Bernstein 2012) of one or two words: a fast keyed hash. Which peers a
/// full directory keeps depends on it, so that nobody who lacks the key can make an identity that
/// all directories prefer.

import AROPrimitives

struct KeyedHash: Sendable {
    private let k0, k1: UInt64

    /// The key is as secret as the seed of the generator.
    init(from generator: inout Generator) {
        self.init(k0: generator.next(), k1: generator.next())
    }

    init(k0: UInt64, k1: UInt64) { (self.k0, self.k1) = (k0, k1) }

    /// The hash of the 16 bytes of both words, least significant byte first.
    func callAsFunction(_ a: UInt64, _ b: UInt64 = 0) -> UInt64 {
        var state = State(k0, k1)
        state.compress(a)
        state.compress(b)
        state.compress(16 << 56)
        return state.finish()
    }

    private struct State {
        var v0, v1, v2, v3: UInt64

        init(_ k0: UInt64, _ k1: UInt64) {
            v0 = k0 ^ 0x736f_6d65_7073_6575
            v1 = k1 ^ 0x646f_7261_6e64_6f6d
            v2 = k0 ^ 0x6c79_6765_6e65_7261
            v3 = k1 ^ 0x7465_6462_7974_6573
        }

        mutating func compress(_ word: UInt64) {
            v3 ^= word
            round()
            round()
            v0 ^= word
        }

        mutating func finish() -> UInt64 {
            v2 ^= 0xff
            for _ in 0..<4 { round() }
            return v0 ^ v1 ^ v2 ^ v3
        }

        private mutating func round() {
            v0 &+= v1
            v1 = (v1 << 13 | v1 >> 51) ^ v0
            v0 = v0 << 32 | v0 >> 32
            v2 &+= v3
            v3 = (v3 << 16 | v3 >> 48) ^ v2
            v0 &+= v3
            v3 = (v3 << 21 | v3 >> 43) ^ v0
            v2 &+= v1
            v1 = (v1 << 17 | v1 >> 47) ^ v2
            v2 = v2 << 32 | v2 >> 32
        }
    }
}
