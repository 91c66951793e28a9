/// Every entry of the fuzz executable, by the name that the command line and `ARO_FUZZ_TARGET` use.

enum Target: String, CaseIterable {
    case cid, texts, packet, handshake, frames, kademlia, records
    case exchangeRequests = "exchange-requests"
    case exchangeAnswers = "exchange-answers"
    case ranges
    case membership, probes, announcements, topics
    case block, attestation, proof, walk
    case connection, transport
    case overlay, gossip, serving, fetch
    case callerMessages = "caller-messages"
    case providerMessages = "provider-messages"
    case receipts, inference

    /// Takes one input; returns unless a property is broken.
    func run(_ bytes: [UInt8]) {
        switch self {
        case .cid: WireTargets.cid(bytes)
        case .texts: WireTargets.texts(bytes)
        case .packet: WireTargets.packet(bytes)
        case .handshake: WireTargets.handshake(bytes)
        case .frames: WireTargets.frames(bytes)
        case .kademlia: WireTargets.kademlia(bytes)
        case .records: WireTargets.records(bytes)
        case .exchangeRequests: WireTargets.exchangeRequests(bytes)
        case .exchangeAnswers: WireTargets.exchangeAnswers(bytes)
        case .ranges: WireTargets.ranges(bytes)
        case .membership: GossipWireTargets.membership(bytes)
        case .probes: GossipWireTargets.probes(bytes)
        case .announcements: GossipWireTargets.announcements(bytes)
        case .topics: GossipWireTargets.topics(bytes)
        case .block: ContentTargets.block(bytes)
        case .attestation: ContentTargets.attestation(bytes)
        case .proof: ContentTargets.proof(bytes)
        case .walk: ContentTargets.walk(bytes)
        case .connection: ConnectionTarget.run(bytes)
        case .transport: TransportTarget.run(bytes)
        case .overlay: KademliaTarget.run(bytes)
        case .gossip: GossipTarget.run(bytes)
        case .serving: ServingTarget.run(bytes)
        case .fetch: FetchTarget.run(bytes)
        case .callerMessages: CallTargets.callerMessages(bytes)
        case .providerMessages: CallTargets.providerMessages(bytes)
        case .receipts: CallTargets.receipts(bytes)
        case .inference: InferenceTarget.run(bytes)
        }
    }
}
