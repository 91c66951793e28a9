/// What gossip found, for the user and for the rest of the node.

import AROPrimitives
import AROWire

public typealias GossipOutbox = OverlayOutbox<GossipEvent>

/// The outboxes between gossip's parts, which are empty between two inputs: nodes of one world need
/// no more than one set of them.
package struct GossipScratch: ~Copyable {
    var membership = MembershipOutbox()
    var failure = FailureOutbox()
    var announcements = AnnouncementOutbox()
    var topics = TopicsOutbox()

    package init() {}
}

extension Gossip {
    package mutating func swapScratch(_ scratch: inout GossipScratch) {
        swap(&membershipOut, &scratch.membership)
        swap(&failureOut, &scratch.failure)
        swap(&announcementsOut, &scratch.announcements)
        swap(&topicsOut, &scratch.topics)
    }
}

public enum GossipEvent: Hashable, Sendable {
    case member(MemberChange, PeerHandle)
    case topic(TopicsEvent)
    /// We have judged the peer ourselves: nothing comes from it, whoever else may hear it.
    case silent(PeerHandle)
    /// Nobody is left to gossip with: time to try the bootstrap addresses again. Repeated, ever more
    /// rarely, while it lasts.
    case isolated
}

/// What happened to a member of the network.
public enum MemberChange: String, Hashable, Sendable, CaseIterable {
    /// Its announcement came, and none was known.
    case joined
    /// It announced something new.
    case updated
    /// Neither we nor its other neighbours hear from our neighbour.
    case suspected
    /// A suspected neighbour gave a sign of life.
    case cleared
    /// It was judged dead.
    case failed
    /// A member held for dead lives.
    case refuted
    /// It said goodbye.
    case left
    /// Its announcement ran out.
    case expired
    /// The directory is full, and it made room; it may well be alive.
    case evicted
    case neighbourUp = "neighbour-up"
    case neighbourDown = "neighbour-down"
}
