/// A provider record: "I hold the content of this key, and may be reached here", signed by the one
/// who says so. Anyone may carry it; nobody else can make it.
///
/// ```
/// body       provider 32 · issued u64 (seconds) · lifetime u32 (seconds) ·
///            address count u8 (0...4) · addresses · signature 64
/// signed     "ARO provider record 1" · key 32 · the body without its signature
/// ```
///
/// The key is not in the body: a message that carries several records of one key carries it once.
/// Of two records of one provider for one key, the later issued counts.

import AROPrimitives
import AROCrypto

public struct ProviderRecord: Hashable, Sendable {
    public var key: DHTKey
    public var provider: PeerID
    public var addresses: [SocketAddress]
    public var issued: UnixTime
    public var lifetimeSeconds: UInt32
    public var signature: Signature

    public var expires: UnixTime { UnixTime(seconds: issued.seconds + Int64(lifetimeSeconds)) }

    static let domain = Array("ARO provider record 1".utf8)

    /// States and signs that `identity` provides `key`, reachable at the first
    /// ``Contact/addressesMax`` of `addresses`.
    public init(
        key: DHTKey, addresses: [SocketAddress], issued: UnixTime, lifetime: Duration,
        signedBy identity: borrowing Identity
    ) {
        self.key = key
        provider = identity.id
        self.addresses = Array(addresses.prefix(Contact.addressesMax))
        self.issued = issued
        lifetimeSeconds = UInt32(lifetime.nanoseconds / 1_000_000_000)
        signature = Signature(r: .zero, s: .zero)
        signature = identity.sign(signedBytes)
    }

    /// Throws unless the record is valid at `now`: dates first, as they cost nothing, then the
    /// signature.
    public func verify(at now: UnixTime) throws(RecordFailure) {
        try verifyDates(at: now)
        guard signature.verifies(signedBytes, by: provider) else { throw .signature }
    }

    public func verifyDates(at now: UnixTime) throws(RecordFailure) {
        guard lifetimeSeconds > 0, .seconds(Int64(lifetimeSeconds)) <= Self.lifetimeMax else {
            throw .lifetime
        }
        guard issued <= now + RecordLimits.clockSkewMax else { throw .fromFuture }
        guard expires > now else { throw .expired }
    }

    private static let lifetimeMax = RecordLimits.providerLifetimeMax

    private var signedBytes: [UInt8] {
        var out = Self.domain
        out.appendBits256(key.bits)
        appendStatement(to: &out)
        return out
    }

    private func appendStatement(to out: inout [UInt8]) {
        out.appendBits256(provider.key)
        out.append(issued)
        out.appendU32(lifetimeSeconds)
        out.appendCompact(addresses)
    }

    /// Appends the body: all but the key.
    package func appendBody(to out: inout [UInt8]) {
        appendStatement(to: &out)
        out.append(signature)
    }

    package var bodyByteCount: Int {
        addresses.reduce(32 + 8 + 4 + 1 + 64) { $0 + compactByteCount($1) }
    }
}

extension ProviderRecord {
    private init(
        key: DHTKey, provider: PeerID, addresses: [SocketAddress], issued: UnixTime,
        lifetimeSeconds: UInt32, signature: Signature
    ) {
        (self.key, self.provider, self.addresses) = (key, provider, addresses)
        (self.issued, self.lifetimeSeconds) = (issued, lifetimeSeconds)
        self.signature = signature
    }

    /// Reads a body. Nothing is verified yet.
    package static func body(
        of key: DHTKey, from reader: inout ByteReader
    ) throws(DecodingFailure) -> ProviderRecord {
        let provider = try reader.peerID()
        let issued = try reader.unixTime()
        let lifetime = try reader.u32()
        let addresses = try reader.compactAddresses()
        return ProviderRecord(
            key: key, provider: provider, addresses: addresses, issued: issued,
            lifetimeSeconds: lifetime, signature: try reader.signature())
    }
}
