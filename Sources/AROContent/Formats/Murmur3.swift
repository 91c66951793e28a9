/// MurmurHash3 x64 (Appleby, public domain reference), the first 64 of its 128 bits: how directory
/// shards spread names. Not a cryptographic hash: whoever chooses names can make them collide.

enum Murmur3 {
    static func hash64(_ bytes: some Sequence<UInt8>) -> UInt64 {
        var h1: UInt64 = 0
        var h2: UInt64 = 0
        var k1: UInt64 = 0
        var k2: UInt64 = 0
        var count: UInt64 = 0
        for byte in bytes {
            let place = count & 15
            if place < 8 {
                k1 |= UInt64(byte) << (8 * place)
            } else {
                k2 |= UInt64(byte) << (8 * (place - 8))
            }
            count += 1
            if place == 15 {
                absorb(&h1, &h2, k1, k2)
                (k1, k2) = (0, 0)
            }
        }
        h2 ^= scramble2(k2)
        h1 ^= scramble1(k1)
        return finish(h1 ^ count, h2 ^ count)
    }

    private static let c1: UInt64 = 0x87c3_7b91_1142_53d5
    private static let c2: UInt64 = 0x4cf5_ad43_2745_937f

    private static func rotate(_ x: UInt64, _ n: UInt64) -> UInt64 { x << n | x >> (64 - n) }
    private static func scramble1(_ k: UInt64) -> UInt64 { rotate(k &* c1, 31) &* c2 }
    private static func scramble2(_ k: UInt64) -> UInt64 { rotate(k &* c2, 33) &* c1 }

    private static func absorb(
        _ h1: inout UInt64, _ h2: inout UInt64, _ k1: UInt64, _ k2: UInt64
    ) {
        h1 = (rotate(h1 ^ scramble1(k1), 27) &+ h2) &* 5 &+ 0x52dc_e729
        h2 = (rotate(h2 ^ scramble2(k2), 31) &+ h1) &* 5 &+ 0x3849_5ab5
    }

    private static func finish(_ a: UInt64, _ b: UInt64) -> UInt64 {
        let h1 = a &+ b
        let h2 = b &+ h1
        return mix(h1) &+ mix(h2)
    }

    private static func mix(_ value: UInt64) -> UInt64 {
        var k = value
        k = (k ^ k >> 33) &* 0xff51_afd7_ed55_8ccd
        k = (k ^ k >> 33) &* 0xc4ce_b9fe_1a85_ec53
        return k ^ k >> 33
    }
}
