/// Hashes: SHA-256 by swift-crypto (it uses the processor's SHA extensions: 1.5 GB/s a core against
/// 0.2 of libsodium's portable code), BLAKE2b (RFC 7693) by libsodium.

import AROPrimitives
import CSodium
import Crypto

public enum SHA256Digest {
    /// SHA-256 (FIPS 180-4) of the bytes.
    public static func of(_ bytes: RawSpan) -> Bits256 {
        var hasher = SHA256Hasher()
        hasher.update(bytes)
        return hasher.finish()
    }

    public static func of(_ bytes: [UInt8]) -> Bits256 { of(bytes.span.bytes) }
}

/// SHA-256 of bytes that arrive in pieces.
public struct SHA256Hasher: Sendable {
    private var state = SHA256()

    public init() {}

    public mutating func update(_ bytes: RawSpan) {
        bytes.withUnsafeBytes { state.update(bufferPointer: $0) }
    }

    public func finish() -> Bits256 {
        state.finalize().withUnsafeBytes { Bits256(loadingFrom: $0.baseAddress!) }
    }
}

/// BLAKE2b with a digest of 1 to 64 bytes, with or without a key.
public struct BLAKE2b: ~Copyable {
    private let state: UnsafeMutableRawPointer
    private let digestByteCount: Int

    /// - Parameter key: empty, or at most 64 bytes for a keyed hash (a MAC).
    public init(digestByteCount: Int, key: RawSpan = RawSpan()) {
        precondition((1...64).contains(digestByteCount) && key.byteCount <= 64)
        Sodium.prepare()
        self.digestByteCount = digestByteCount
        state = .allocate(byteCount: crypto_generichash_statebytes(), alignment: 64)
        let state = state
        key.withUnsafeBytes { key in
            _ = crypto_generichash_init(
                OpaquePointer(state), key.bindMemory(to: UInt8.self).baseAddress, key.count,
                digestByteCount)
        }
    }

    public mutating func update(_ bytes: RawSpan) {
        bytes.withUnsafeBytes {
            _ = crypto_generichash_update(
                OpaquePointer(state), $0.bindMemory(to: UInt8.self).baseAddress, UInt64($0.count))
        }
    }

    /// The digest. Nothing may be added afterwards.
    public consuming func finish() -> [UInt8] {
        [UInt8](unsafeUninitializedCapacity: digestByteCount) { out, count in
            _ = crypto_generichash_final(OpaquePointer(state), out.baseAddress!, digestByteCount)
            count = digestByteCount
        }
    }

    deinit {
        sodium_memzero(state, crypto_generichash_statebytes())
        state.deallocate()
    }

    public static func digest(
        of bytes: RawSpan, byteCount: Int, key: RawSpan = RawSpan()
    ) -> [UInt8] {
        var hash = BLAKE2b(digestByteCount: byteCount, key: key)
        hash.update(bytes)
        return hash.finish()
    }
}

extension DHTKey {
    /// Where a peer stands: SHA-256 of its public key.
    public init(peer: PeerID) { self.init(bits: SHA256Digest.of(peer.key.bytes)) }

    /// Where the records of something named by `bytes` stand: SHA-256 of them.
    public init(hashing bytes: [UInt8]) { self.init(bits: SHA256Digest.of(bytes)) }
}

extension PeerBook {
    /// The handle of `id`, made if it is new.
    public mutating func intern(_ id: PeerID) -> PeerHandle { intern(id, key: DHTKey(peer: id)) }
}
