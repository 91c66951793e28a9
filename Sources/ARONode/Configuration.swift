/// Every number that an operator or a scenario may set; each part documents the origins of its own.

import AROContent
import AROOverlay
import AROPrimitives
import AROTransport

public struct Configuration: Sendable {
    /// Where the node listens, as far as that tells others where to reach it.
    public var addresses: [SocketAddress] = []
    /// Whether we answer queries of the DHT and keep records for others.
    public var servesDHT = true
    public var transport = TransportConfiguration()
    public var kademlia = KademliaConfiguration()
    public var exchange = ExchangeConfiguration()
    /// Providers that one search of a fetch looks for. A guess: half of what a fetch asks at once.
    public var providersWanted = 8
    /// Bytes that are taken from one stream at a time, so that many streams share the node evenly.
    /// A guess.
    public var streamReadMax = 64 << 10

    public init() {}
}
