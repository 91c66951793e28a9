/// When to announce ourselves, and with which sequence.

import AROPrimitives
import AROWire

struct OwnStatement: Sendable {
    /// What we offer now.
    private(set) var offer: Offer?
    /// What others were told; nil before the first statement.
    private(set) var announced: Offer?
    /// Whether these two differ in their coordinates at most; both have one then.
    private var isMovedAtMost = false
    private(set) var sequence: UInt64 = 0
    private(set) var isLeaving = false
    /// When the next statement is due.
    private(set) var dueAt: Instant?
    /// Peers outside of the view that hold us for dead and must be told, too.
    private(set) var accusers: [PeerHandle] = []

    private var renewAt: Instant?
    private var isRefuting = false
    private var issuedAt = Instant.origin
    private var minorDelay: Duration
    private var changes: TokenBucket
    private var refutations: TokenBucket
    /// Sequences that others know of us, from before we lost our memory.
    private var floor: UInt64 = 0

    private static let accusersMax = 8

    init(_ configuration: AnnouncementConfiguration, at now: Instant) {
        changes = TokenBucket(full: configuration.changesBurst, at: now)
        refutations = TokenBucket(full: configuration.refutationsBurst, at: now)
        minorDelay = configuration.minorFirst
    }

    // MARK: Facts

    mutating func offer(
        _ new: Offer, members: Int, _ configuration: AnnouncementConfiguration, at now: Instant
    ) {
        let new = new.bounded
        offer = new
        isMovedAtMost = announced.map { new.isMovedAtMost(from: $0) } ?? false
        guard !isLeaving else { return }
        guard let announced else { return dueAt = now }
        guard !isRefuting else { return }
        dueAt = renewAt
        if new.differsMaterially(from: announced) {
            let allowed = changes.next(
                interval: configuration.changeInterval(members: members),
                burst: configuration.changesBurst, at: now)
            dueAt = earliest(dueAt, max(allowed, now + configuration.changeDelay))
        } else if new.differsNoticeably(from: announced) {
            dueAt = earliest(dueAt, max(issuedAt + minorDelay, now))
        }
    }

    /// We are elsewhere, and offer the same as before: ``offer(_:members:_:at:)`` for a change that comes
    /// with every round trip. False where others were told of something else, and that is to be called.
    mutating func moved(to coordinate: Coordinate, at now: Instant) -> Bool {
        guard offer?.coordinate != nil else { return false }
        if !isLeaving, !isRefuting {
            guard isMovedAtMost, let told = announced?.coordinate else { return false }
            dueAt = renewAt
            if coordinate.differsNoticeably(from: told) {
                dueAt = earliest(dueAt, max(issuedAt + minorDelay, now))
            }
        }
        offer?.coordinate = coordinate
        return true
    }

    /// Somebody holds us for dead by this sequence; the claim is not proven.
    mutating func accused(
        _ claimed: UInt64, by accuser: PeerHandle?, wallClock: UnixTime,
        _ configuration: AnnouncementConfiguration, at now: Instant
    ) {
        guard offer != nil, !isLeaving else { return }
        // Not above what is true of the present, lest a liar drive our numbers into the future.
        floor = max(floor, min(claimed, Announcement.sequence(at: wallClock)))
        refute(telling: accuser, configuration, at: now)
    }

    /// A statement that we signed in an earlier life, and higher than ours.
    mutating func outrun(
        by sequence: UInt64, _ configuration: AnnouncementConfiguration, at now: Instant
    ) {
        guard sequence >= self.sequence, !isLeaving else { return }
        floor = max(floor, sequence)
        if offer != nil { refute(telling: nil, configuration, at: now) }
    }

    private mutating func refute(
        telling accuser: PeerHandle?, _ configuration: AnnouncementConfiguration, at now: Instant
    ) {
        if let accuser, !accusers.contains(accuser), accusers.count < Self.accusersMax {
            accusers.append(accuser)
        }
        isRefuting = true
        let allowed = refutations.next(
            interval: configuration.refutationInterval, burst: configuration.refutationsBurst,
            at: now)
        dueAt = earliest(dueAt, allowed)
    }

    mutating func leave() {
        isLeaving = true
        dueAt = nil
        renewAt = nil
    }

    // MARK: Issue

    /// The sequence of the statement that is made now.
    mutating func nextSequence(wallClock: UnixTime) -> UInt64 {
        sequence = max(Announcement.sequence(at: wallClock), sequence + 1, floor + 1)
        return sequence
    }

    /// A statement went out.
    mutating func issued(
        _ offer: Offer, members: Int, jitter: Duration,
        _ configuration: AnnouncementConfiguration, at now: Instant
    ) {
        if isRefuting {
            _ = refutations.take(
                interval: configuration.refutationInterval, burst: configuration.refutationsBurst,
                at: now)
        } else if announced.map({ offer.differsMaterially(from: $0) }) ?? false {
            _ = changes.take(
                interval: configuration.changeInterval(members: members),
                burst: configuration.changesBurst, at: now)
        }
        let period = configuration.period(members: members)
        if announced != nil { minorDelay = min(minorDelay * configuration.minorGrowth, period) }
        announced = offer
        isMovedAtMost = self.offer.map { $0.isMovedAtMost(from: offer) } ?? false
        isRefuting = false
        issuedAt = now
        renewAt = now + period + jitter
        dueAt = isLeaving ? nil : renewAt
        accusers.removeAll()
    }

    func forEachHandle(_ body: (PeerHandle) -> Void) { for peer in accusers { body(peer) } }
}
