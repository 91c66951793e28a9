/// A voucher: one peer's signed promise of all that it owes another so far. Amounts are cumulative,
/// so the newest voucher stands for all before it, a lost one is made good by the next, and nothing
/// need be settled on line (Docs/Decisions/0012-inference.md).
///
/// ```
/// voucher    version u8 (1) · from 32 · to 32 · amount varint (millionths of the unit) ·
///            sequence varint · issued u64 (seconds) · signature 64            at most 153 bytes
/// signed     "ARO voucher 1" · the voucher without its signature
/// ```

import AROPrimitives
import AROCrypto

public struct Voucher: Hashable, Sendable {
    public let from: PeerID
    public let to: PeerID
    /// All that was promised since the first voucher, in millionths of the unit of account.
    public let amount: UInt64
    public let sequence: UInt64
    public let issued: UnixTime
    public let signature: Signature

    public static let byteCountMax = 1 + 32 + 32 + 8 + 8 + 8 + Signature.byteCount
    private static let domain = Array("ARO voucher 1".utf8)

    /// Numbers above what the encoding holds are lowered to that.
    public init(
        to: PeerID, amount: UInt64, sequence: UInt64, issued: UnixTime,
        signedBy identity: borrowing Identity
    ) {
        (from, self.to, self.issued) = (identity.id, to, issued)
        self.amount = min(amount, OfferLimits.numberMax)
        self.sequence = min(sequence, OfferLimits.numberMax)
        var signed = Self.domain
        Self.appendStatement(
            from: from, to: to, amount: self.amount, sequence: self.sequence, issued: issued,
            to: &signed)
        signature = identity.sign(signed)
    }

    public func verify() throws(RecordFailure) {
        var signed = Self.domain
        appendStatement(to: &signed)
        guard signature.verifies(signed, by: from) else { throw .signature }
    }

    /// Whether it takes the place of an older one of the same two peers: later, and of no less.
    public func supersedes(_ other: Voucher) -> Bool {
        from == other.from && to == other.to && sequence > other.sequence && amount >= other.amount
    }

    // MARK: Coding

    public func append(to out: inout [UInt8]) {
        appendStatement(to: &out)
        out.append(signature)
    }

    public var bytes: [UInt8] {
        var out: [UInt8] = []
        append(to: &out)
        return out
    }

    private func appendStatement(to out: inout [UInt8]) {
        Self.appendStatement(
            from: from, to: to, amount: amount, sequence: sequence, issued: issued, to: &out)
    }

    private static func appendStatement(
        from: PeerID, to: PeerID, amount: UInt64, sequence: UInt64, issued: UnixTime,
        to out: inout [UInt8]
    ) {
        out.append(1)
        out.appendBits256(from.key)
        out.appendBits256(to.key)
        out.appendVarint(amount)
        out.appendVarint(sequence)
        out.append(issued)
    }

    /// Reads the canonical bytes, all of them. Nothing is verified yet.
    public init(bytes: [UInt8]) throws(DecodingFailure) {
        guard bytes.count <= Self.byteCountMax else { throw .outOfBounds }
        var reader = ByteReader(bytes.span.bytes)
        self = try Voucher(from: &reader)
        try reader.finish()
    }

    init(from reader: inout ByteReader) throws(DecodingFailure) {
        guard try reader.u8() == 1 else { throw .unknown }
        from = try reader.peerID()
        to = try reader.peerID()
        amount = try reader.varint()
        sequence = try reader.varint()
        issued = try reader.unixTime()
        signature = try reader.signature()
    }
}
