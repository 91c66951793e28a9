/// What all nodes of a world of messages share: one peer book, and the outboxes that only one node
/// uses at a time. A hundred thousand nodes that each knew a thousand peers by key and address
/// would need more memory for that than for all else.

import AROCrypto
import ARONode
import AROOverlay
import AROPrimitives
import AROTransport

/// One node works at a time, and none keeps an access open while another begins: what is used many times
/// an event is not checked for that each time.
final class Commons {
    /// Peer `n` of the book is node `n` of the world.
    @exclusivity(unchecked) var book = PeerBook()
    /// What the participant at work wants done, and what is being done of it.
    @exclusivity(unchecked) var outbox = ParticipantOutbox()
    @exclusivity(unchecked) var underWay = ParticipantOutbox()
    @exclusivity(unchecked) var scratch = ParticipantScratch()
    /// Responses of all nodes that their initiators may not have received.
    @exclusivity(unchecked) var responses = Responses()
    /// What all nodes sent, by what it was for.
    @exclusivity(unchecked) var wire = WireBytes()
    /// Copies of the scenario's posts, by all nodes.
    @exclusivity(unchecked) var posts = PostCopies()
    /// Announcements that a node has verified already.
    let statements = StatementPool()
    /// Hostile nodes that name each other.
    var conspiracy = Conspiracy()
    let configuration: SharedConfiguration
    let transport: TransportConfiguration
    var endpoint: EndpointConfiguration { transport.endpoint }
    let servesDHT: Bool
    let sessionLimits: SessionLimits
    /// The transport's encodings that every handshake carries.
    let introductionByteCount: Int

    init(configuration: Configuration) {
        self.configuration = SharedConfiguration(configuration)
        transport = configuration.transport
        servesDHT = configuration.servesDHT
        sessionLimits = SessionLimits(configuration.transport.endpoint)
        var parameters = TransportParameters(configuration.transport)
        parameters.idleTimeout = configuration.transport.endpoint.idleTimeout
        parameters.servesDHT = configuration.servesDHT
        var encoded: [UInt8] = []
        parameters.encode(into: &encoded)
        // Key 32, epoch 8, reset token 16, timestamp 8, and the parameters behind their length.
        introductionByteCount = 64 + 1 + encoded.count
    }

    /// Gives a node's identity its place in the book.
    func register(_ id: PeerID, as node: Int, at address: SocketAddress) -> PeerHandle {
        let handle = book.intern(id)
        precondition(
            handle.index == UInt32(node), "a peer that is no node stands in the book before a node")
        book.heard(handle, at: address)
        return handle
    }
}
