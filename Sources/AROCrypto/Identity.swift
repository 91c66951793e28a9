/// Who we are: an Ed25519 signing key (RFC 8032), and the X25519 key (RFC 7748) derived from it for
/// handshakes.

import AROPrimitives
import CSodium

/// An Ed25519 signature, 64 bytes.
public struct Signature: Hashable, Sendable {
    public var r, s: Bits256

    public static let byteCount = 64

    public init(r: Bits256, s: Bits256) { (self.r, self.s) = (r, s) }

    /// Whether `peer` signed just these bytes. 82 µs on the machine of the design's figures.
    public func verifies(_ message: [UInt8], by peer: PeerID) -> Bool {
        Sodium.prepare()
        return withUnsafeTemporaryAllocation(byteCount: 96, alignment: 8) { block in
            let base = block.baseAddress!
            r.store(to: base)
            s.store(to: base + 32)
            peer.key.store(to: base + 64)
            return crypto_sign_verify_detached(
                base.assumingMemoryBound(to: UInt8.self), message, UInt64(message.count),
                (base + 64).assumingMemoryBound(to: UInt8.self)) == 0
        }
    }
}

extension ByteReader {
    @_lifetime(self: copy self)
    public mutating func signature() throws(DecodingFailure) -> Signature {
        Signature(r: try bits256(), s: try bits256())
    }

    @_lifetime(self: copy self)
    public mutating func peerID() throws(DecodingFailure) -> PeerID { PeerID(key: try bits256()) }
}

extension [UInt8] {
    public mutating func append(_ signature: Signature) {
        appendBits256(signature.r)
        appendBits256(signature.s)
    }
}

/// An X25519 public key.
public struct AgreementPublicKey: Hashable, Sendable {
    public var bits: Bits256

    public init(bits: Bits256) { self.bits = bits }

    /// The X25519 key that belongs to a peer's Ed25519 key; nil where that is no valid point of the
    /// main subgroup. Costs 70 µs: keep the result.
    public init?(of peer: PeerID) {
        Sodium.prepare()
        var out = Bits256.zero
        let status = withUnsafeTemporaryAllocation(byteCount: 64, alignment: 8) { block in
            let base = block.baseAddress!.assumingMemoryBound(to: UInt8.self)
            peer.key.store(to: base)
            let status = crypto_sign_ed25519_pk_to_curve25519(base + 32, base)
            if status == 0 { out = Bits256(loadingFrom: base + 32) }
            return status
        }
        guard status == 0 else { return nil }
        bits = out
    }
}

/// An X25519 key pair; the secret is wiped on release.
public struct AgreementKey: ~Copyable, Sendable {
    private let secret: SecretKey
    public let publicKey: AgreementPublicKey

    public init(secret: consuming SecretKey) {
        Sodium.prepare()
        var out = Bits256.zero
        withUnsafeTemporaryAllocation(byteCount: 32, alignment: 8) { block in
            let base = block.baseAddress!.assumingMemoryBound(to: UInt8.self)
            _ = crypto_scalarmult_base(base, secret.base)
            out = Bits256(loadingFrom: base)
        }
        self.secret = secret
        publicKey = AgreementPublicKey(bits: out)
    }

    public init(from entropy: inout Entropy) { self.init(secret: entropy.secretKey()) }

    /// X25519; nil for a low-order point, which would make the secret known to everyone.
    public func sharedSecret(with peer: AgreementPublicKey) -> SecretKey? {
        var status: Int32 = -1
        let shared = SecretKey { out in
            withUnsafeTemporaryAllocation(byteCount: 32, alignment: 8) { block in
                peer.bits.store(to: block.baseAddress!)
                status = crypto_scalarmult(
                    out, secret.base, block.baseAddress!.assumingMemoryBound(to: UInt8.self))
            }
        }
        if status == 0 { return shared }
        return nil
    }

    public func copy() -> AgreementKey { AgreementKey(secret: secret.copy(), publicKey) }

    private init(secret: consuming SecretKey, _ publicKey: AgreementPublicKey) {
        self.secret = secret
        self.publicKey = publicKey
    }
}

/// A node's identity: it signs as ``id`` and shakes hands with ``agreement``.
public struct Identity: ~Copyable, Sendable {
    private let seed: SecretKey
    private let signing: SigningSecret
    public let id: PeerID
    public let agreement: AgreementKey

    /// - Parameter seed: the 32-byte Ed25519 seed (RFC 8032 §5.1.5): all there is to keep.
    public init(seed: consuming SecretKey) {
        Sodium.prepare()
        var publicKey = Bits256.zero
        let signing = SigningSecret()
        withUnsafeTemporaryAllocation(byteCount: 32, alignment: 8) { block in
            let base = block.baseAddress!.assumingMemoryBound(to: UInt8.self)
            _ = crypto_sign_seed_keypair(base, signing.base, seed.base)
            publicKey = Bits256(loadingFrom: base)
        }
        agreement = AgreementKey(
            secret: SecretKey { _ = crypto_sign_ed25519_sk_to_curve25519($0, signing.base) })
        id = PeerID(key: publicKey)
        self.signing = signing
        self.seed = seed
    }

    public init(from entropy: inout Entropy) { self.init(seed: entropy.secretKey()) }

    /// Signs the bytes (Ed25519, detached). 27 µs on the machine of the design's figures.
    public func sign(_ message: [UInt8]) -> Signature {
        withUnsafeTemporaryAllocation(byteCount: 64, alignment: 8) { block in
            let base = block.baseAddress!
            _ = crypto_sign_detached(
                base.assumingMemoryBound(to: UInt8.self), nil, message, UInt64(message.count),
                signing.base)
            return Signature(
                r: Bits256(loadingFrom: base), s: Bits256(loadingFrom: base + 32))
        }
    }

    /// Lends the seed, for writing the key file.
    public func withSeed<R>(_ body: (UnsafeRawBufferPointer) throws -> R) rethrows -> R {
        try seed.withBytes(body)
    }

    public func copy() -> Identity {
        Identity(seed: seed.copy(), signing: signing.copy(), id, agreement.copy())
    }

    private init(
        seed: consuming SecretKey, signing: consuming SigningSecret, _ id: PeerID,
        _ agreement: consuming AgreementKey
    ) {
        self.seed = seed
        self.signing = signing
        self.id = id
        self.agreement = agreement
    }
}

/// libsodium's 64-byte form of an Ed25519 secret key, wiped on release. Not private: the optimiser
/// takes apart an ``Identity`` that another target owns, and then needs this type's symbol.
package struct SigningSecret: ~Copyable, @unchecked Sendable {
    let base: UnsafeMutablePointer<UInt8>

    init() {
        base = .allocate(capacity: 64)
        base.initialize(repeating: 0, count: 64)
    }

    func copy() -> SigningSecret {
        let copy = SigningSecret()
        copy.base.update(from: base, count: 64)
        return copy
    }

    deinit {
        sodium_memzero(base, 64)
        base.deallocate()
    }
}
