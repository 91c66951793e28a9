/// The symmetric half of a Noise handshake: the CipherState and SymmetricState objects of The Noise
/// Protocol Framework, revision 34, §5.1 and §5.2, for ChaChaPoly and BLAKE2b (HASHLEN 64).
///
/// One deviation in form: a failed decryption must leave a handshake able to read the true message
/// that follows a forged one, so the state can be copied before it is risked (``copy()``).

import AROCrypto
import AROPrimitives

/// Why a handshake message was refused.
package enum HandshakeFailure: Error, Hashable, Sendable {
    case truncated
    /// A tag did not match: a forgery, a wrong prologue, or a key that is not ours.
    case notAuthentic
    /// A public key whose shared secret everybody knows (RFC 7748 §6.1).
    case lowOrderPoint
}

package struct SymmetricState: ~Copyable, Sendable {
    /// `h`: everything that was said so far.
    package private(set) var hash: [UInt8]
    /// `ck`, its first and second half: wiped with the state.
    private var firstHalf, secondHalf: SecretKey
    /// `k` and `n` of the CipherState; no key means plaintext.
    private var key: SecretKey?
    private var nonce: UInt64 = 0

    package static let hashByteCount = 64
    package static let tagByteCount = PacketKey.tagByteCount

    package init(protocolName: String) {
        let name = Array(protocolName.utf8)
        precondition(name.count <= Self.hashByteCount)
        let first = name + Array(repeating: 0, count: Self.hashByteCount - name.count)
        firstHalf = SecretKey(copying: first.span.bytes.extracting(first: 32))
        secondHalf = SecretKey(copying: first.span.bytes.extracting(last: 32))
        hash = first
    }

    private init(copying other: borrowing SymmetricState) {
        hash = other.hash
        firstHalf = other.firstHalf.copy()
        secondHalf = other.secondHalf.copy()
        if other.key != nil { key = other.key!.copy() } else { key = nil }
        nonce = other.nonce
    }

    package func copy() -> SymmetricState { SymmetricState(copying: self) }

    package mutating func mixHash(_ data: RawSpan) {
        var digest = BLAKE2b(digestByteCount: Self.hashByteCount)
        digest.update(hash.span.bytes)
        digest.update(data)
        hash = digest.finish()
    }

    package mutating func mixKey(_ input: borrowing SecretKey) {
        var (next, temporary) = input.withBytes { expanded($0.bytes) }
        firstHalf = SecretKey(copying: next.span.bytes.extracting(first: 32))
        secondHalf = SecretKey(copying: next.span.bytes.extracting(last: 32))
        key = SecretKey(copying: temporary.span.bytes.extracting(first: 32))
        wipe(&next)
        wipe(&temporary)
        nonce = 0
    }

    /// Appends the encryption of `plaintext` (or itself, while there is no key) to `out`.
    package mutating func encryptAndHash(_ plaintext: RawSpan, into out: inout [UInt8]) {
        let start = out.count
        out.append(plaintext)
        if key != nil {
            out.append(contentsOf: repeatElement(0, count: Self.tagByteCount))
            let packetKey = PacketKey(.chaCha20Poly1305, key: key!)
            hash.withUnsafeBytes { ad in
                out.withUnsafeMutableBytes {
                    packetKey.seal(
                        $0.baseAddress! + start, count: plaintext.byteCount, sequence: nonce,
                        header: ad)
                }
            }
            nonce += 1
        }
        mixHash(out.span.bytes.extracting(start..<out.count))
    }

    package mutating func decryptAndHash(
        _ ciphertext: RawSpan
    ) throws(HandshakeFailure) -> [UInt8] {
        var text = ciphertext.array
        if key != nil {
            guard text.count >= Self.tagByteCount else { throw .truncated }
            let packetKey = PacketKey(.chaCha20Poly1305, key: key!)
            let isAuthentic = hash.withUnsafeBytes { ad in
                text.withUnsafeMutableBytes {
                    packetKey.open($0.baseAddress!, count: $0.count, sequence: nonce, header: ad)
                }
            }
            guard isAuthentic else { throw .notAuthentic }
            nonce += 1
            text.removeLast(Self.tagByteCount)
        }
        mixHash(ciphertext)
        return text
    }

    /// Whether what is encrypted next carries a tag.
    package var hasKey: Bool { key != nil }

    private func expanded(_ input: RawSpan) -> ([UInt8], [UInt8]) {
        var chain = firstHalf.withBytes { [UInt8]($0) }
        secondHalf.withBytes { chain.append(contentsOf: $0) }
        defer { wipe(&chain) }
        return KeyDerivation.pair(chainingKey: chain, input: input)
    }

    /// The two transport keys: of the initiator's packets first.
    package func split() -> TransportSecrets {
        var (first, second) = expanded(RawSpan())
        defer {
            wipe(&first)
            wipe(&second)
        }
        return TransportSecrets(
            fromInitiator: SecretKey(copying: first.span.bytes.extracting(first: 32)),
            fromResponder: SecretKey(copying: second.span.bytes.extracting(first: 32)))
    }
}

/// What a completed handshake leaves: a secret for each direction.
package struct TransportSecrets: ~Copyable, Sendable {
    package let fromInitiator, fromResponder: SecretKey
}

/// HKDF as Noise §4.3 defines it, over HMAC (RFC 2104) with BLAKE2b (block length 128).
package enum KeyDerivation {
    package static let blockByteCount = 128

    /// HKDF with two outputs of 64 bytes each.
    package static func pair(chainingKey: [UInt8], input: RawSpan) -> ([UInt8], [UInt8]) {
        var temporary = hmac(key: chainingKey, input, RawSpan())
        defer { wipe(&temporary) }
        let one: [UInt8] = [1]
        let two: [UInt8] = [2]
        let first = hmac(key: temporary, one.span.bytes, RawSpan())
        let second = hmac(key: temporary, first.span.bytes, two.span.bytes)
        return (first, second)
    }

    /// HMAC-BLAKE2b of `a` followed by `b`; the key has at most 128 bytes.
    package static func hmac(key: [UInt8], _ a: RawSpan, _ b: RawSpan) -> [UInt8] {
        precondition(key.count <= blockByteCount)
        var pad = Array(repeating: UInt8(0x36), count: blockByteCount)
        for i in key.indices { pad[i] ^= key[i] }
        var inner = BLAKE2b(digestByteCount: SymmetricState.hashByteCount)
        inner.update(pad.span.bytes)
        inner.update(a)
        inner.update(b)
        var digest = inner.finish()
        defer { wipe(&digest) }
        for i in pad.indices { pad[i] ^= 0x36 ^ 0x5c }
        var outer = BLAKE2b(digestByteCount: SymmetricState.hashByteCount)
        outer.update(pad.span.bytes)
        outer.update(digest.span.bytes)
        wipe(&pad)
        return outer.finish()
    }
}
