/// Looking into gossip from outside.

import AROPrimitives
import AROWire

extension Gossip {
    /// The active view, the passive one.
    public var neighbours: [PeerHandle] { membership.active }
    public var passiveView: [PeerHandle] { membership.passive }

    /// Members held for alive, without us.
    public var memberCount: Int { announcements.count }
    public var memberCounts: MemberCounts { announcements.counts }
    /// In the order of their places in the key space.
    public var members: [Member] { announcements.list }

    public func member(_ peer: PeerHandle, book: borrowing PeerBook) -> Member? {
        announcements.entry(of: peer, book: book)
    }

    /// Live members that offer a model of this name, and what they say of it.
    public func providers(ofModel name: String) -> [(member: Member, model: ModelOffer)] {
        announcements.providers(ofModel: name)
    }

    /// Where we stand in the space of round-trip times; nil before the first measurement.
    public var coordinate: Coordinate? {
        coordinates.sampleCount > 0 ? coordinates.coordinate : nil
    }

    /// The round trip to expect to a peer that is at this place.
    public func predict(to place: Coordinate) -> Duration { coordinates.predict(to: place) }

    /// The neighbours, of the base overlay and of topics, for whose watch there was room.
    public var watched: [PeerHandle] { detector.watched }
    public func isNeighbour(_ peer: PeerHandle) -> Bool { membership.isNeighbour(peer) }
    public func isSuspected(_ peer: PeerHandle) -> Bool { detector.state(of: peer) == .suspected }
    public func roundTrip(of peer: PeerHandle) -> Duration? { detector.roundTrip(of: peer) }
    /// Lifeguard's local health: 0 is well.
    public var localHealth: Int { detector.localHealth }
    public var topicCount: Int { topics.topicCount }
    public func neighbours(in topic: TopicID) -> [PeerHandle] { topics.neighbours(in: topic) }

    /// What was dropped or refused, by stable names; only what happened.
    public func forEachDrop(_ body: (String, UInt64) -> Void) {
        if malformed > 0 { body("membership-malformed", malformed) }
        for drop in MembershipDrop.allCases where membership.dropCount(drop) > 0 {
            body(drop.name, membership.dropCount(drop))
        }
        for drop in FailureDrop.allCases where detector.dropCount(drop) > 0 {
            body(drop.name, detector.dropCount(drop))
        }
        for drop in AnnouncementDrop.allCases where announcements.dropCount(drop) > 0 {
            body(drop.name, announcements.dropCount(drop))
        }
        for drop in TopicDrop.allCases where topics.dropCount(drop) > 0 {
            body(drop.name, topics.dropCount(drop))
        }
    }

    /// Every peer that must stay in the book. The outbox must have been drained.
    public func forEachUsedHandle(_ body: (PeerHandle) -> Void) {
        membership.forEachUsedHandle(body)
        detector.forEachUsedHandle(body)
        coordinates.forEachUsedHandle(body)
        announcements.forEachUsedHandle(body)
        topics.forEachUsedHandle(body)
        watches.forEachHandle(body)
    }
}
