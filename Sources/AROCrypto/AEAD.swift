/// Packet encryption: AES-256-GCM where the processor has it, else ChaCha20-Poly1305 (RFC 8439), both
/// by libsodium with 96-bit nonces and 16-byte tags.

import AROPrimitives
import CSodium

public enum CipherSuite: UInt8, Sendable, CaseIterable {
    case chaCha20Poly1305 = 1
    case aes256GCM = 2

    /// AES-256-GCM needs AES-NI and CLMUL; libsodium has no portable version.
    public static var hasAES: Bool {
        Sodium.prepare()
        return crypto_aead_aes256gcm_is_available() != 0
    }
}

/// A key for one direction, made ready for many packets. Wiped on release.
public struct PacketKey: ~Copyable, @unchecked Sendable {
    public let suite: CipherSuite
    /// The 32-byte key, or libsodium's 512-byte precomputed AES state.
    private let state: UnsafeMutableRawPointer

    public static let tagByteCount = 16
    private static let stateByteCount = 512

    public init(_ suite: CipherSuite, key: borrowing SecretKey) {
        Sodium.prepare()
        self.suite = suite
        state = .allocate(byteCount: Self.stateByteCount, alignment: 64)
        state.initializeMemory(as: UInt8.self, repeating: 0, count: Self.stateByteCount)
        switch suite {
        case .chaCha20Poly1305: state.copyMemory(from: key.base, byteCount: 32)
        case .aes256GCM:
            precondition(CipherSuite.hasAES, "AES-256-GCM was chosen on a machine without it")
            _ = crypto_aead_aes256gcm_beforenm(
                state.assumingMemoryBound(to: crypto_aead_aes256gcm_state.self), key.base)
        }
    }

    deinit {
        sodium_memzero(state, Self.stateByteCount)
        state.deallocate()
    }

    /// Encrypts `count` bytes at `text` in place and writes the tag behind them: `text` must be
    /// writable for `count + 16` bytes. The nonce is `sequence`, which must never repeat under a key.
    public func seal(
        _ text: UnsafeMutableRawPointer, count: Int, sequence: UInt64,
        header: UnsafeRawBufferPointer
    ) {
        let bytes = text.assumingMemoryBound(to: UInt8.self)
        let ad = header.bindMemory(to: UInt8.self).baseAddress
        withNonce(sequence) { nonce in
            switch suite {
            case .chaCha20Poly1305:
                _ = crypto_aead_chacha20poly1305_ietf_encrypt(
                    bytes, nil, bytes, UInt64(count), ad, UInt64(header.count), nil, nonce,
                    state.assumingMemoryBound(to: UInt8.self))
            case .aes256GCM:
                _ = crypto_aead_aes256gcm_encrypt_afternm(
                    bytes, nil, bytes, UInt64(count), ad, UInt64(header.count), nil, nonce,
                    state.assumingMemoryBound(to: crypto_aead_aes256gcm_state.self))
            }
        }
    }

    /// Decrypts `count` bytes at `text`, the last 16 of them the tag, in place.
    /// Returns whether they were authentic; where not, the bytes are of no use any more.
    public func open(
        _ text: UnsafeMutableRawPointer, count: Int, sequence: UInt64,
        header: UnsafeRawBufferPointer
    ) -> Bool {
        guard count >= Self.tagByteCount else { return false }
        let bytes = text.assumingMemoryBound(to: UInt8.self)
        let ad = header.bindMemory(to: UInt8.self).baseAddress
        return withNonce(sequence) { nonce in
            switch suite {
            case .chaCha20Poly1305:
                return crypto_aead_chacha20poly1305_ietf_decrypt(
                    bytes, nil, nil, bytes, UInt64(count), ad, UInt64(header.count), nonce,
                    state.assumingMemoryBound(to: UInt8.self)) == 0
            case .aes256GCM:
                return crypto_aead_aes256gcm_decrypt_afternm(
                    bytes, nil, nil, bytes, UInt64(count), ad, UInt64(header.count), nonce,
                    state.assumingMemoryBound(to: crypto_aead_aes256gcm_state.self)) == 0
            }
        }
    }

    /// Four zero bytes, then the sequence number in little-endian: the nonce of the Noise framework's
    /// ChaChaPoly (revision 34, §12.3).
    private func withNonce<R>(_ sequence: UInt64, _ body: (UnsafePointer<UInt8>) -> R) -> R {
        var nonce: (UInt32, UInt32, UInt32) = (
            0, UInt32(truncatingIfNeeded: sequence).littleEndian,
            UInt32(truncatingIfNeeded: sequence >> 32).littleEndian
        )
        return withUnsafeBytes(of: &nonce) {
            body($0.baseAddress!.assumingMemoryBound(to: UInt8.self))
        }
    }
}
