/// Every number that an operator or a scenario may set; each part documents the origins of its own.

import AROContent
import AROInference
import AROOverlay
import AROPrimitives
import AROTransport
import AROWire

public struct Configuration: Sendable {
    /// Where the node listens, as far as that tells others where to reach it.
    public var addresses: [SocketAddress] = []
    /// Whether we answer queries of the DHT and keep records for others.
    public var servesDHT = true
    public var transport = TransportConfiguration()
    public var kademlia = KademliaConfiguration()
    public var exchange = ExchangeConfiguration()
    public var gossip = GossipConfiguration()
    public var inference = InferenceConfiguration()
    /// What we offer from the start; addresses and network coordinate are filled in.
    public var offer = Offer()
    /// Providers that one search of a fetch looks for: what a fetch asks at once.
    public var providersWanted = 16
    /// Providers of a model that one search looks for, and how many known by gossip make it needless.
    /// Guesses: enough to choose among, and enough to begin with.
    public var modelProvidersWanted = 16
    public var modelProvidersEnough = 4
    /// Subscribers of a topic that one search looks for. A guess: an active view and spares.
    public var subscribersWanted = 16
    /// Bytes that are taken from one stream at a time, so that many streams share the node evenly.
    /// A guess.
    public var streamReadMax = 64 << 10

    public init() {}

    /// What is offered from the start, with what other fields say of it.
    var ownOffer: Offer {
        var offer = offer
        offer.servesDHT = servesDHT
        return offer
    }
}

/// The same in the pieces that a participant's parts keep. All participants of a simulated world keep
/// the same ones: a thousand numbers for each of them would outweigh much that it knows.
public struct SharedConfiguration: Sendable {
    let whole: Shared<Configuration>
    let kademlia: Shared<KademliaConfiguration>
    let exchange: Shared<ExchangeConfiguration>
    let gossip: SharedGossipConfiguration
    let inference: Shared<InferenceConfiguration>

    public init(_ configuration: Configuration) {
        whole = Shared(configuration)
        kademlia = Shared(configuration.kademlia)
        exchange = Shared(configuration.exchange)
        gossip = SharedGossipConfiguration(configuration.gossip)
        inference = Shared(configuration.inference)
    }
}
