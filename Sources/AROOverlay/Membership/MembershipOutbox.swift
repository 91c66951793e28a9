/// What a membership wants sent and what it found: plain values that the caller drains after each
/// call.

import AROPrimitives
import AROWire

public typealias MembershipOutbox = OverlayOutbox<MembershipEvent>

extension MembershipOutbox {
    mutating func send(_ message: MembershipMessage, to peer: PeerHandle) {
        send(to: peer) { message.append(to: &$0) }
    }
}

public enum MembershipEvent: Hashable, Sendable {
    /// The peer is in the active view: it is to be watched and spoken to.
    case neighbourUp(PeerHandle)
    /// The peer left the active view.
    case neighbourDown(PeerHandle, NeighbourLoss)
    /// A place in the active view is empty and nobody is left to ask: time to try the directory or
    /// the bootstrap addresses. Comes again, ever more rarely, until it is filled; in a network of no
    /// more nodes than places, for ever.
    case isolated
}

/// Why a neighbour is none any more.
public enum NeighbourLoss: String, Hashable, Sendable, CaseIterable {
    /// It was judged dead, or no session with it can be had.
    case failed
    /// It said goodbye to the network.
    case left
    /// It made room for another one.
    case partedByPeer = "parted-by-peer"
    /// We made room for another one.
    case partedByUs = "parted-by-us"
}

/// What was dropped or refused, by stable names.
public enum MembershipDrop: Int, Hashable, CaseIterable, Sendable {
    case foreignSwarm, overAllowance, notNeighbour, unsolicited, pushedOutRate, referralRate,
        hearsayRate
    case contactUnusable, networkFull

    public var name: String {
        switch self {
        case .foreignSwarm: "membership-foreign-swarm"
        case .overAllowance: "membership-over-allowance"
        case .notNeighbour: "membership-not-neighbour"
        case .unsolicited: "membership-unsolicited"
        case .pushedOutRate: "membership-pushed-out-rate"
        case .referralRate: "membership-referral-rate"
        case .hearsayRate: "membership-hearsay-rate"
        case .contactUnusable: "membership-contact-unusable"
        case .networkFull: "membership-network-full"
        }
    }
}

/// One number for each ``MembershipDrop``; nothing is allocated before the first drop.
struct MembershipDrops: Sendable {
    private var counts: [UInt64] = []

    mutating func count(_ drop: MembershipDrop) {
        if counts.isEmpty {
            counts = Array(repeating: 0, count: MembershipDrop.allCases.count)
        }
        counts[drop.rawValue] &+= 1
    }

    subscript(drop: MembershipDrop) -> UInt64 { counts.isEmpty ? 0 : counts[drop.rawValue] }
}
