/// The input of the profile's public vectors: the ChaCha20 keystream (RFC 8439, zero nonce) under
/// the SHA-256 of a text, as in Kubo's `cid_profiles` tests.

import AROCrypto
import AROPrimitives
import CSodium

func keystream(_ seed: String, count: Int) -> [UInt8] {
    let key = SHA256Digest.of(Array(seed.utf8)).bytes
    let nonce = [UInt8](repeating: 0, count: 12)
    return [UInt8](unsafeUninitializedCapacity: count) { buffer, initialized in
        _ = crypto_stream_chacha20_ietf(buffer.baseAddress!, UInt64(count), nonce, key)
        initialized = count
    }
}

/// A part of the same keystream, for vectors that are larger than memory should be. A block of
/// ChaCha20 has 64 bytes; `block` counts them.
func keystream(_ seed: String, fromBlock block: UInt32, count: Int) -> [UInt8] {
    let key = SHA256Digest.of(Array(seed.utf8)).bytes
    let nonce = [UInt8](repeating: 0, count: 12)
    var bytes = [UInt8](repeating: 0, count: count)
    _ = crypto_stream_chacha20_ietf_xor_ic(&bytes, bytes, UInt64(count), nonce, block, key)
    return bytes
}
