/// An announcement: a node's newest signed statement of where it is reached and what it offers.
/// Anyone may carry it; nobody else can make it.
///
/// ```
/// statement  peer 32 · sequence u64 · issued u64 (seconds) · lifetime u32 (seconds) ·
///            fields count u16 · fields (AnnouncementFields.swift) · signature 64
///                                                                        118...880 bytes
/// signed     "ARO announcement 1" · the statement without its signature
/// ```
///
/// Of two statements of one peer the higher sequence counts. A sequence is the time of issue in
/// seconds times 256, or one more than the last where that is higher: so a node that comes back
/// without memory goes on higher, and nobody can use up the numbers of years ahead.

import AROPrimitives
import AROCrypto

public struct Announcement: Hashable, Sendable {
    public let peer: PeerID
    public let sequence: UInt64
    public let issued: UnixTime
    public let lifetimeSeconds: UInt32
    public let offer: Offer
    /// The peer's goodbye.
    public let isLeaving: Bool
    /// Fields that this version does not know, as they came.
    let later: [UInt8]
    public let signature: Signature

    /// A message with one statement and its header rides in the first packet of a handshake.
    public static let byteCountMax = 880
    /// Nodes of the largest directories renew every few hours. A guess.
    public static let lifetimeMax = Duration.hours(24)

    static let domain = Array("ARO announcement 1".utf8)
    private static let headerByteCount = 32 + 8 + 8 + 4 + 2
    private static let fieldsByteCountMax =
        byteCountMax - headerByteCount - Signature.byteCount

    public var expires: UnixTime { UnixTime(seconds: issued.seconds + Int64(lifetimeSeconds)) }

    /// States and signs what `identity` offers. What does not fit the bounds is left out: see
    /// ``Offer/bounded``; then models from the last one on, until the statement fits.
    public init(
        offer: Offer, isLeaving: Bool = false, sequence: UInt64, issued: UnixTime,
        lifetime: Duration, signedBy identity: borrowing Identity
    ) {
        self.init(
            offer: offer, isLeaving: isLeaving, later: [], sequence: sequence, issued: issued,
            lifetime: lifetime, signedBy: identity)
    }

    init(
        offer: Offer, isLeaving: Bool, later: [UInt8], sequence: UInt64, issued: UnixTime,
        lifetime: Duration, signedBy identity: borrowing Identity
    ) {
        var fields = AnnouncementFields(offer: offer.bounded, isLeaving: isLeaving, later: later)
        var encoded: [UInt8] = []
        fields.append(to: &encoded)
        while encoded.count > Self.fieldsByteCountMax, !fields.offer.models.isEmpty {
            fields.offer.models.removeLast()
            encoded.removeAll()
            fields.append(to: &encoded)
        }
        let lifetime = min(max(lifetime, .seconds(1)), Self.lifetimeMax)
        peer = identity.id
        self.sequence = sequence
        self.issued = issued
        lifetimeSeconds = UInt32(lifetime.nanoseconds / 1_000_000_000)
        (self.offer, self.isLeaving, self.later) = (fields.offer, isLeaving, later)
        var signed = Self.domain
        Self.appendStatement(
            peer: identity.id, sequence: sequence, issued: issued,
            lifetimeSeconds: lifetimeSeconds, fields: encoded, to: &signed)
        signature = identity.sign(signed)
    }

    // MARK: Sequences

    /// Sequence numbers of one second of issue. No node may announce that often.
    public static let sequencesPerSecond: UInt64 = 256

    /// The least sequence number of a statement issued at `time`.
    public static func sequence(at time: UnixTime) -> UInt64 {
        UInt64(min(max(time.seconds, 0), Int64(RecordLimits.secondsBound))) * sequencesPerSecond
    }

    // MARK: Verifying

    /// Throws unless the statement is valid at `now`: dates first, as they cost nothing, then the
    /// signature.
    public func verify(at now: UnixTime) throws(RecordFailure) {
        try verifyDates(at: now)
        try verifySignature()
    }

    /// A sequence number from the future is refused as a date from there is: it would be hard to
    /// refute.
    public func verifyDates(at now: UnixTime) throws(RecordFailure) {
        guard lifetimeSeconds > 0, .seconds(Int64(lifetimeSeconds)) <= Self.lifetimeMax else {
            throw .lifetime
        }
        let latest = now + RecordLimits.clockSkewMax
        guard issued <= latest, sequence < Self.sequence(at: latest + .seconds(1)) else {
            throw .fromFuture
        }
        guard expires > now else { throw .expired }
    }

    public func verifySignature() throws(RecordFailure) {
        var signed = Self.domain
        appendStatement(to: &signed)
        guard signature.verifies(signed, by: peer) else { throw .signature }
    }

    // MARK: Writing

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
        var fields: [UInt8] = []
        AnnouncementFields(offer: offer, isLeaving: isLeaving, later: later).append(to: &fields)
        Self.appendStatement(
            peer: peer, sequence: sequence, issued: issued, lifetimeSeconds: lifetimeSeconds,
            fields: fields, to: &out)
    }

    private static func appendStatement(
        peer: PeerID, sequence: UInt64, issued: UnixTime, lifetimeSeconds: UInt32,
        fields: [UInt8], to out: inout [UInt8]
    ) {
        out.appendBits256(peer.key)
        out.appendU64(sequence)
        out.append(issued)
        out.appendU32(lifetimeSeconds)
        out.appendU16(UInt16(fields.count))
        out.append(contentsOf: fields)
    }

    // MARK: Reading

    /// Reads a statement. Nothing is verified yet.
    public init(decoding bytes: RawSpan) throws(DecodingFailure) {
        guard bytes.byteCount <= Self.byteCountMax else { throw .outOfBounds }
        var reader = ByteReader(bytes)
        peer = try reader.peerID()
        sequence = try reader.u64()
        issued = try reader.unixTime()
        lifetimeSeconds = try reader.u32()
        let fields = try AnnouncementFields(decoding: reader.span(Int(reader.u16())))
        (offer, isLeaving, later) = (fields.offer, fields.isLeaving, fields.later)
        signature = try reader.signature()
        try reader.finish()
    }

    /// Who states, and the sequence, without reading the rest; nil where the bytes are too few.
    package static func head(of bytes: RawSpan) -> (peer: PeerID, sequence: UInt64)? {
        var reader = ByteReader(bytes)
        guard let peer = try? reader.peerID(), let sequence = try? reader.u64() else { return nil }
        return (peer, sequence)
    }
}
