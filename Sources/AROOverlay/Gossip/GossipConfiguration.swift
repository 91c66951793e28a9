/// The numbers of gossip; each part documents the origins of its own.

import AROPrimitives

public struct GossipConfiguration: Sendable {
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
