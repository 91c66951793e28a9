/// What a membership remembers of peers beyond its views: flat rows, most of the time none.

import AROPrimitives

/// An entry of the active view.
struct Neighbour: Sendable {
    var peer: PeerHandle
    /// Acknowledgements in a row that named the peer's neighbours without us.
    var denials: UInt8 = 0
    var since: Instant
    /// When a shuffle last took its first step over this link.
    var shuffledAt: Instant
}

/// A link that we asked for and that is not agreed yet.
struct LinkRequest: Sendable {
    enum Purpose: UInt8, Sendable {
        /// To enter the overlay.
        case join
        /// The peer is a newcomer whose forwarded join ended here.
        case newcomer
        /// To fill an empty place.
        case refill
        /// The peer is a lost one; it may be back.
        case lost
    }

    var peer: PeerHandle
    var purpose: Purpose
    var transmissions: UInt8
    /// When to send it again, or to give up.
    var at: Instant
}

/// A neighbour that we dropped and that has not confirmed it yet.
struct Parting: Sendable {
    var peer: PeerHandle
    var transmissions: UInt8
    var at: Instant
}

/// A peer that failed and is asked again.
struct LostPeer: Sendable {
    var peer: PeerHandle
    var attempts: UInt8
    var at: Instant
}

/// How fast empty places are filled.
struct RefillPace: Sendable {
    /// Nobody is asked before.
    private(set) var notBefore: Instant
    private var delay = Duration.zero
    /// Refusals since a link was last made or lost.
    private(set) var refusals = 0
    /// Set while a place is empty and only the pace forbids to ask.
    var waitsUntil: Instant?

    init(at now: Instant) { notBefore = now }

    mutating func hurry(at now: Instant) {
        delay = .zero
        refusals = 0
        notBefore = now
    }

    /// Counts, but does not slow down.
    mutating func refusedOnce() { refusals += 1 }

    mutating func refused(
        at now: Instant, neighbours: Int, _ configuration: MembershipConfiguration,
        _ generator: inout Generator
    ) {
        refusals += 1
        let longest =
            neighbours == 0
            ? configuration.refillFirst
            : neighbours + 1 < configuration.activeMax
                ? configuration.refillUrgent : configuration.refillLast
        delay = min(max(delay * 2, configuration.refillFirst), longest)
        notBefore = max(notBefore, now + generator.spread(delay))
    }
}

/// When the next shuffle is due, and which reply is awaited.
struct ShuffleClock: Sendable {
    var at: Instant
    var interval: Duration
    var number: UInt32 = 0
    /// The passive peers that the awaited reply replaces first.
    var given: [PeerHandle] = []
    /// nil: no reply is awaited.
    var repliesUntil: Instant?
}

extension Generator {
    /// A span within a quarter of `mean`, so that nodes that began together drift apart.
    mutating func spread(_ mean: Duration) -> Duration { between(mean * 3 / 4, mean * 5 / 4) }
}
