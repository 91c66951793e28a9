/// What makes a signed record acceptable besides its signature: dates that are neither past, nor
/// from the future, nor absurd.

import AROPrimitives

public enum RecordLimits {
    /// How wrong two honest clocks may be against each other. A guess; RFC 4120 §8.2 (Kerberos)
    /// recommends five minutes for machines that somebody administers.
    public static let clockSkewMax = Duration.minutes(10)
    /// As the IPFS DHT had it for years; it takes 48 h now.
    public static let providerLifetimeMax = Duration.hours(24)
    /// A guess: a publisher that is away for a week loses its names.
    public static let nameLifetimeMax = Duration.hours(7 * 24)
    /// Dates are seconds below this number (the year 36812), so that sums of them cannot overflow.
    public static let secondsBound: UInt64 = 1 << 40
    /// As a label of the DNS (RFC 1035 §2.3.4).
    public static let labelBytesMax = 63
    /// A CID takes 38; the rest is room for later forms.
    public static let valueBytesMax = 128
}

/// Why a record was not believed.
public enum RecordFailure: String, Error, Hashable, Sendable, CaseIterable {
    case expired = "record-expired"
    case fromFuture = "record-from-future"
    case lifetime = "record-lifetime"
    case signature = "record-signature"
    case label = "record-label"
}

extension ByteReader {
    /// A date in seconds since 1970, below ``RecordLimits/secondsBound``.
    @_lifetime(self: copy self)
    package mutating func unixTime() throws(DecodingFailure) -> UnixTime {
        let seconds = try u64()
        guard seconds < RecordLimits.secondsBound else { throw .outOfBounds }
        return UnixTime(seconds: Int64(seconds))
    }
}

extension [UInt8] {
    package mutating func append(_ time: UnixTime) { appendU64(UInt64(time.seconds)) }
}
