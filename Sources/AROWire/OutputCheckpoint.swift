/// A provider's signature on what it has put out so far, so that a stream which breaks off is its
/// own all the same: inference output has no root whose hash could be signed (DESIGN's signed
/// chunks), hence a running hash.
///
/// ```
/// checkpoint events varint · bytes varint · running hash 32 · signature 64   at most 112 bytes
/// signed     "ARO output checkpoint 1" · provider 32 · caller 32 · key 16 · request hash 32 ·
///            events u64 · bytes u64 · running hash 32
/// ```
///
/// Whose call it is, both sides of a stream know; to show a checkpoint to others, show those too.

import AROPrimitives
import AROCrypto

public struct OutputCheckpoint: Hashable, Sendable {
    public let eventCount: UInt64
    public let byteCount: UInt64
    public let hash: Bits256
    public let signature: Signature

    public static let byteCountMax = 8 + 8 + 32 + Signature.byteCount
    private static let domain = Array("ARO output checkpoint 1".utf8)

    /// Which call an output belongs to.
    public struct Subject: Hashable, Sendable {
        public var provider: PeerID
        public var caller: PeerID
        public var key: CallKey
        public var requestHash: Bits256

        public init(provider: PeerID, caller: PeerID, key: CallKey, requestHash: Bits256) {
            (self.provider, self.caller, self.key) = (provider, caller, key)
            self.requestHash = requestHash
        }
    }

    public init(
        of output: OutputDigest, _ subject: Subject, signedBy provider: borrowing Identity
    ) {
        precondition(subject.provider == provider.id, "a checkpoint in another's name")
        (eventCount, byteCount, hash) = (output.eventCount, output.byteCount, output.hash)
        signature = provider.sign(
            Self.signedBytes(
                subject, eventCount: eventCount, byteCount: byteCount, hash: hash))
    }

    /// Whether the provider signed just this of this call.
    public func verifies(_ subject: Subject) -> Bool {
        signature.verifies(
            Self.signedBytes(subject, eventCount: eventCount, byteCount: byteCount, hash: hash),
            by: subject.provider)
    }

    /// Whether it speaks of just this output.
    public func matches(_ output: OutputDigest) -> Bool {
        eventCount == output.eventCount && byteCount == output.byteCount && hash == output.hash
    }

    private static func signedBytes(
        _ subject: Subject, eventCount: UInt64, byteCount: UInt64, hash: Bits256
    ) -> [UInt8] {
        var out = domain
        out.appendBits256(subject.provider.key)
        out.appendBits256(subject.caller.key)
        out.append(subject.key)
        out.appendBits256(subject.requestHash)
        out.appendU64(eventCount)
        out.appendU64(byteCount)
        out.appendBits256(hash)
        return out
    }

    func append(to out: inout [UInt8]) {
        out.appendVarint(eventCount)
        out.appendVarint(byteCount)
        out.appendBits256(hash)
        out.append(signature)
    }

    init(from reader: inout ByteReader) throws(DecodingFailure) {
        eventCount = try reader.varint()
        byteCount = try reader.varint()
        hash = try reader.bits256()
        signature = try reader.signature()
    }
}
