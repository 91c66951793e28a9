/// The numbers of gossip; each part documents the origins of its own.

import AROPrimitives

public struct GossipConfiguration: Sendable {
    /// Whether the node takes part at all. One that does not is a peer of the DHT alone: no member,
    /// without neighbours, a directory and topics, at a third of the memory.
    public var isOn = true
    public var membership = MembershipConfiguration()
    public var failure = FailureConfiguration()
    public var coordinates = VivaldiConfiguration()
    public var announcements = AnnouncementConfiguration()
    public var topics = TopicsConfiguration()
    /// Members that the passive view is offered when no neighbour is left. A guess: as many as the
    /// passive view holds.
    public var offeredWhenIsolated = 30

    public init() {}
}

/// The same in the pieces that the parts keep: all nodes of a simulated world keep the same ones.
public struct SharedGossipConfiguration: Sendable {
    let membership: Shared<MembershipConfiguration>
    let failure: Shared<FailureConfiguration>
    let coordinates: Shared<VivaldiConfiguration>
    let announcements: Shared<AnnouncementConfiguration>
    let topics: Shared<TopicsConfiguration>
    let offeredWhenIsolated: Int
    let isOn: Bool

    public init(_ configuration: GossipConfiguration) {
        membership = Shared(configuration.membership)
        failure = Shared(configuration.failure)
        coordinates = Shared(configuration.coordinates)
        announcements = Shared(configuration.announcements)
        topics = Shared(configuration.topics)
        offeredWhenIsolated = configuration.offeredWhenIsolated
        isOn = configuration.isOn
    }
}
