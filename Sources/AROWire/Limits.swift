/// Bounds that several layers share.

import AROPrimitives

public enum WireLimits {
    /// The UDP payload that every path carries: IPv6's least MTU (1,280, RFC 8200 §5) less 48 bytes
    /// of IPv6 and UDP headers.
    public static let datagramFloor = 1_232
    /// The largest unreliable message: it fits one packet of ``datagramFloor`` with every overhead.
    public static let messageMax = 1_180
    /// The largest message that may ride in the first packet of a handshake.
    public static let firstMessageMax = 900
    /// The largest block that is accepted: as in IPFS's Bitswap, 2 MiB; the profile's leaves have 1.
    public static let blockMax = 2 << 20
}

/// The first byte of an unreliable message says whose it is.
public enum MessageFamily: UInt8, Sendable {
    case kademlia = 0x10
    case membership = 0x20
    case announcement = 0x30
    case topic = 0x40
}

/// The first byte that the opener of a stream sends says what the stream is for.
public enum StreamProtocol: UInt8, Sendable {
    case content = 0x01
    case inference = 0x02
}
