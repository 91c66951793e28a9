/// Where keys and nonces come from: a deterministic generator over ChaCha20 that ratchets its key
/// with every draw (fast key erasure, Bernstein 2017).
///
/// A real node seeds it from the system; a simulated world seeds it from the world's seed, so that
/// handshakes repeat bit for bit.

import AROPrimitives
import CSodium

public struct Entropy: ~Copyable, Sendable {
    private let key: SecretKey

    /// Seeded by the operating system's random source.
    public static func system() -> Entropy {
        Sodium.prepare()
        return Entropy(SecretKey { randombytes_buf($0, 32) })
    }

    /// Seeded by 32 given bytes: the same seed gives the same bytes in every process.
    public init(seed: Bits256) {
        Sodium.prepare()
        self.init(SecretKey { seed.store(to: $0) })
    }

    private init(_ key: consuming SecretKey) { self.key = key }

    /// Fills `out` with random bytes and forgets the key that made them.
    public mutating func fill(_ out: UnsafeMutableRawBufferPointer) {
        guard out.count > 0 else { return }
        withUnsafeTemporaryAllocation(byteCount: 32 + out.count, alignment: 16) { block in
            randombytes_buf_deterministic(block.baseAddress!, block.count, key.base)
            UnsafeMutableRawPointer(key.base).copyMemory(from: block.baseAddress!, byteCount: 32)
            out.copyMemory(from: UnsafeRawBufferPointer(rebasing: block[32...]))
            sodium_memzero(block.baseAddress!, block.count)
        }
    }

    public mutating func bytes(_ count: Int) -> [UInt8] {
        [UInt8](unsafeUninitializedCapacity: count) { buffer, initialized in
            fill(UnsafeMutableRawBufferPointer(buffer))
            initialized = count
        }
    }

    public mutating func u64() -> UInt64 {
        var value: UInt64 = 0
        withUnsafeMutableBytes(of: &value) { fill($0) }
        return UInt64(littleEndian: value)
    }

    public mutating func secretKey() -> SecretKey {
        SecretKey { fill(UnsafeMutableRawBufferPointer(start: $0, count: 32)) }
    }
}
