/// A mutable name: a publisher's key and a label, pointing to a value that the publisher may
/// change.
///
/// ```
/// record     publisher 32 · label count u8 (1...63) · label · value count u8 (0...128) · value ·
///            sequence u64 · expires u64 (seconds) · signature 64
/// signed     "ARO name record 1" · the record without its signature
/// place      DHT key = SHA-256("name:" · publisher · label)
/// ```
///
/// The highest valid sequence wins; of equal ones the later expiry (a renewal), of those the larger
/// bytes, so that all peers that saw the same records agree.

import AROPrimitives
import AROCrypto

public struct NameRecord: Hashable, Sendable {
    public var publisher: PeerID
    public var label: [UInt8]
    /// What the name stands for: a CID's bytes. Opaque here.
    public var value: [UInt8]
    public var sequence: UInt64
    public var expires: UnixTime
    public var signature: Signature

    static let domain = Array("ARO name record 1".utf8)
    static let placePrefix = Array("name:".utf8)

    /// States and signs that the label stands for `value` until `expires`. The label must have 1 to
    /// 63 bytes, the value at most 128.
    public init(
        label: [UInt8], value: [UInt8], sequence: UInt64, expires: UnixTime,
        signedBy identity: borrowing Identity
    ) {
        precondition(Self.isLabel(label) && value.count <= RecordLimits.valueBytesMax)
        publisher = identity.id
        (self.label, self.value) = (label, value)
        (self.sequence, self.expires) = (sequence, expires)
        signature = Signature(r: .zero, s: .zero)
        signature = identity.sign(signedBytes)
    }

    public static func isLabel(_ label: [UInt8]) -> Bool {
        (1...RecordLimits.labelBytesMax).contains(label.count)
    }

    /// Where the DHT keeps this name.
    public var key: DHTKey { Self.key(of: publisher, label: label) }

    public static func key(of publisher: PeerID, label: [UInt8]) -> DHTKey {
        DHTKey(hashing: placePrefix + publisher.key.bytes + label)
    }

    /// Throws unless the record is valid at `now`.
    public func verify(at now: UnixTime) throws(RecordFailure) {
        try verifyDates(at: now)
        guard Self.isLabel(label) else { throw .label }
        guard signature.verifies(signedBytes, by: publisher) else { throw .signature }
    }

    public func verifyDates(at now: UnixTime) throws(RecordFailure) {
        guard expires > now else { throw .expired }
        let last = now + RecordLimits.nameLifetimeMax + RecordLimits.clockSkewMax
        guard expires <= last else { throw .lifetime }
    }

    /// Whether this record replaces `other` of the same name.
    public func supersedes(_ other: NameRecord) -> Bool {
        if sequence != other.sequence { return sequence > other.sequence }
        if expires != other.expires { return expires > other.expires }
        if value != other.value { return other.value.lexicographicallyPrecedes(value) }
        return (other.signature.r, other.signature.s) < (signature.r, signature.s)
    }

    private var signedBytes: [UInt8] {
        var out = Self.domain
        appendStatement(to: &out)
        return out
    }

    private func appendStatement(to out: inout [UInt8]) {
        out.appendBits256(publisher.key)
        out.append(UInt8(label.count))
        out.append(contentsOf: label)
        out.append(UInt8(value.count))
        out.append(contentsOf: value)
        out.appendU64(sequence)
        out.append(expires)
    }

    package func append(to out: inout [UInt8]) {
        appendStatement(to: &out)
        out.append(signature)
    }

    package var byteCount: Int { 32 + 1 + label.count + 1 + value.count + 8 + 8 + 64 }
}

extension NameRecord {
    /// Reads a record. Nothing is verified yet.
    package init(from reader: inout ByteReader) throws(DecodingFailure) {
        publisher = try reader.peerID()
        let labelCount = Int(try reader.u8())
        guard (1...RecordLimits.labelBytesMax).contains(labelCount) else { throw .outOfBounds }
        label = try reader.bytes(labelCount)
        let valueCount = Int(try reader.u8())
        guard valueCount <= RecordLimits.valueBytesMax else { throw .outOfBounds }
        value = try reader.bytes(valueCount)
        sequence = try reader.u64()
        expires = try reader.unixTime()
        signature = try reader.signature()
    }
}
