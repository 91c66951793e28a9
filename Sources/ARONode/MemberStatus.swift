/// Members and topics, as the local user is told of them.

import AROOverlay
import AROPrimitives
import AROWire

/// One row of `aro members`.
public struct MemberStatus: Hashable, Sendable {
    public enum State: String, Hashable, Sendable { case alive, suspected, failed, left }

    public var id: PeerID
    public var state: State
    /// Whether it stands in our active view, so that we watch each other.
    public var isNeighbour: Bool
    /// Its newest announcement: addresses, offers, sequence and dates.
    public var announcement: Announcement
    /// How long we have known this statement, or the member has been in this state.
    public var age: Duration
    /// Measured by probes.
    public var roundTrip: Duration?
    /// Predicted by network coordinates.
    public var predictedRoundTrip: Duration?
}

/// What a subscriber of a topic is told.
public enum TopicNews: Hashable, Sendable {
    case post(publisher: PeerID, sequence: UInt64, payload: [UInt8])
    /// So many posts are missing here: the subscriber was too slow, or they were lost.
    case missed(Int)
    /// So many of our posts were heard by nobody: there are no other subscribers.
    case unheard(Int)
}

extension Participant {
    func memberStatus(at now: Instant, book: borrowing PeerBook) -> [MemberStatus] {
        var rows: [MemberStatus] = []
        for member in gossip.members { rows.append(status(of: member, at: now)) }
        return rows
    }

    func memberStatus(
        of peer: PeerHandle, at now: Instant, book: borrowing PeerBook
    ) -> MemberStatus? {
        gossip.member(peer, book: book).map { status(of: $0, at: now) }
    }

    private func status(of member: Member, at now: Instant) -> MemberStatus {
        let state: MemberStatus.State =
            switch member.state {
            case .alive: gossip.isSuspected(member.peer) ? .suspected : .alive
            case .failed: .failed
            case .left: .left
            }
        let isSelf = member.announcement.peer == id
        let place = isSelf ? nil : member.announcement.offer.coordinate
        return MemberStatus(
            id: member.announcement.peer, state: state,
            isNeighbour: gossip.isNeighbour(member.peer), announcement: member.announcement,
            age: now - member.since, roundTrip: gossip.roundTrip(of: member.peer),
            predictedRoundTrip: gossip.coordinate == nil
                ? nil : place.map { gossip.predict(to: $0) })
    }
}
