/// What failure detection found: plain values that the caller drains after each call.

import AROPrimitives
import AROWire

public typealias FailureOutbox = OverlayOutbox<FailureEvent>

extension FailureOutbox {
    mutating func send(_ message: ProbeMessage, to peer: PeerHandle) {
        send(to: peer) { message.append(to: &$0) }
    }
}

public enum FailureEvent: Hashable, Sendable {
    /// A watched peer answers neither us nor its other neighbours.
    case suspected(PeerHandle)
    /// A suspected peer gave a sign of life, or somebody vouched for it.
    case cleared(PeerHandle)
    /// Our verdict: the peer has failed, and with it every statement of its up to this incarnation
    /// (0 where none is known). It is not watched any more.
    case failed(PeerHandle, incarnation: UInt64)
    /// The peer lives, as others say, but not for us: the path between us is broken, or they lie. It
    /// is not watched any more; there is no ground for an obituary.
    case lost(PeerHandle)
    /// A neighbour of a peer that has just failed, by that one's word, is silent as well: its watchers
    /// may all have died with it. See ``FailureDetector/visit(_:incarnation:at:)``.
    case orphaned(PeerHandle)
    /// A neighbour suspects us in our newest incarnation. Our ack has told it better.
    case suspectedSelf(incarnation: UInt64)
    /// An ack came, this long after its ping.
    case roundTrip(PeerHandle, Duration, Coordinate?)
    /// A watched peer listed its neighbours, with or without us.
    case neighbours(of: PeerHandle, includeUs: Bool)
}

/// What is known of a watched peer.
public enum WatchState: Hashable, Sendable {
    case alive
    /// It has not answered the last ping yet.
    case probed
    case suspected
}

/// Messages of peers that had no effect, by reason.
public enum FailureDrop: Int, Hashable, Sendable, CaseIterable {
    case malformed
    /// The peer, or all strangers together, exceeded what is answered in a second.
    case tooMany
    /// A suspicion of a peer that we do not watch.
    case notWatched
    /// An ack, a vouch or a nack that nobody awaits.
    case unasked
    /// A suspicion by a peer that the suspect does not name as its neighbour: it makes us look, but
    /// confirms nothing.
    case notCoWatcher
    /// A suspicion of an incarnation that the suspect has left behind.
    case stale
    /// A request to probe a link that was just probed on request.
    case askedAgain
    /// More peers to watch than there is room for.
    case noRoom

    public var name: String {
        switch self {
        case .malformed: "probe-malformed"
        case .tooMany: "probe-over-rate"
        case .notWatched: "probe-not-watched"
        case .unasked: "probe-unasked"
        case .notCoWatcher: "probe-not-co-watcher"
        case .stale: "probe-stale"
        case .askedAgain: "probe-asked-again"
        case .noRoom: "probe-no-room"
        }
    }
}

struct FailureDropCounts: Sendable {
    private var counts: [UInt64] = []

    mutating func count(_ drop: FailureDrop) {
        if counts.isEmpty { counts = Array(repeating: 0, count: FailureDrop.allCases.count) }
        counts[drop.rawValue] &+= 1
    }

    subscript(drop: FailureDrop) -> UInt64 { counts.isEmpty ? 0 : counts[drop.rawValue] }
}
