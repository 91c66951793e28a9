/// What announcements want sent and what they found: plain values that the caller drains after each
/// call.

import AROPrimitives
import AROWire

public typealias AnnouncementOutbox = OverlayOutbox<AnnouncementEvent>

extension AnnouncementOutbox {
    mutating func send(_ message: AnnouncementMessage, to peer: PeerHandle) {
        send(to: peer) { message.append(to: &$0) }
    }
}

public enum AnnouncementEvent: Hashable, Sendable {
    /// A peer that was not known, or had left, states what it offers.
    case joined(PeerHandle)
    /// A member's statement was replaced by a newer one.
    case updated(PeerHandle)
    /// A watcher's verdict, ours or another's, was believed.
    case failed(PeerHandle)
    /// The peer said goodbye.
    case left(PeerHandle)
    /// The statement ran out and was not renewed.
    case expired(PeerHandle)
    /// The directory is full, and this member made room.
    case evicted(PeerHandle)
    /// A peer that was held for failed states that it lives, by this sequence.
    case refuted(PeerHandle, sequence: UInt64)
    /// Somebody holds us for dead by this sequence; a higher one is announced.
    case accused(sequence: UInt64)
    /// A member that was asked for an exchange did not answer; a packet may have been lost.
    case unanswered(PeerHandle)
    /// Our own statement went out.
    case announced(sequence: UInt64)
}

/// What was dropped or refused, by stable names.
public enum AnnouncementDrop: Int, CaseIterable, Sendable {
    case malformed, unasked, messagesOverRate, checksOverRate, obituariesOverRate
    case stale, signature, expired, fromFuture, lifetime, ended, full, clash, rumoursFull

    public var name: String {
        switch self {
        case .malformed: "announcement-malformed"
        case .unasked: "announcement-unasked"
        case .messagesOverRate: "announcement-messages-over-rate"
        case .checksOverRate: "announcement-checks-over-rate"
        case .obituariesOverRate: "announcement-obituaries-over-rate"
        case .stale: "announcement-stale"
        case .signature: "announcement-signature"
        case .expired: "announcement-expired"
        case .fromFuture: "announcement-from-future"
        case .lifetime: "announcement-lifetime"
        case .ended: "announcement-ended"
        case .full: "announcement-directory-full"
        case .clash: "announcement-place-clash"
        case .rumoursFull: "announcement-rumours-full"
        }
    }

    init(_ failure: RecordFailure) {
        switch failure {
        case .expired: self = .expired
        case .fromFuture: self = .fromFuture
        case .lifetime: self = .lifetime
        case .signature, .label: self = .signature
        }
    }
}

/// One number for each ``AnnouncementDrop``; nothing is allocated before the first drop.
struct AnnouncementDrops: Sendable {
    private var counts: [UInt64] = []

    mutating func count(_ drop: AnnouncementDrop) {
        if counts.isEmpty {
            counts = Array(repeating: 0, count: AnnouncementDrop.allCases.count)
        }
        counts[drop.rawValue] &+= 1
    }

    subscript(drop: AnnouncementDrop) -> UInt64 { counts.isEmpty ? 0 : counts[drop.rawValue] }
}
