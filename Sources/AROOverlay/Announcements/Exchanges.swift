/// Anti-entropy's own state: when to compare what we know with whom, the one exchange that we wait
/// for an answer of, and what we may be sent because we asked.

import AROPrimitives
import AROWire

/// An exchange that we began. One at a time: what the first neighbour tells, the next need not.
struct Exchange: Sendable {
    enum Purpose: Sendable {
        /// The comparison with a new neighbour, which covers the ring.
        case sync
        /// One that was due.
        case tick
        /// One with a member whose statement runs out.
        case renewal
        /// One with a member that failed, as it may be back.
        case knock
    }

    var peer: PeerHandle
    var number: UInt16
    /// The slice of the ring whose digest was sent.
    var from, to: UInt64
    var purpose: Purpose
    /// Slices that may still follow.
    var rounds: Int
    var tries: Int
    var deadline: Instant
    /// Slices in a row that hardly differed.
    var quietRounds = 0
    /// Where the first slice began, and whether the end of the ring was passed since.
    private let start: UInt64
    private var hasWrapped = false

    init(
        peer: PeerHandle, number: UInt16, purpose: Purpose, from: UInt64, rounds: Int,
        deadline: Instant
    ) {
        (self.peer, self.number, self.purpose) = (peer, number, purpose)
        (start, self.from, to) = (from, from, from)
        (self.rounds, self.deadline, tries) = (rounds, deadline, 0)
    }

    /// The next slice begins behind a place. False where there is none: a comparison goes once round
    /// the ring, everything else to the end of its slice.
    mutating func moveOn(behind covered: UInt64) -> Bool {
        guard purpose == .sync else {
            guard covered < to else { return false }
            from = covered + 1
            return true
        }
        if covered == .max {
            guard !hasWrapped else { return false }
            hasWrapped = true
        }
        from = covered &+ 1
        return !hasWrapped || from < start
    }
}

struct Exchanges: Sendable {
    private struct Asked: Sendable {
        var peer: PeerHandle
        var number: UInt16
        var datagrams: Int
        var until: Instant
    }

    var current: Exchange?
    /// New neighbours to compare with, first come first served.
    private(set) var queued: [(peer: PeerHandle, at: Instant)] = []
    /// When the next exchange is due that nobody asked for.
    private(set) var tickAt: Instant
    private(set) var interval: Duration
    /// Statements that exchanges brought to either side since the last one began.
    var gained = 0
    private var asked: [Asked] = []
    private var lastNumber: UInt16

    /// Questions whose answers are still taken. A guess: two for each neighbour, and some.
    private static let askedMax = 24
    /// A guess: several answers' time.
    private static let askedFor = Duration.seconds(10)

    init(
        _ configuration: AnnouncementConfiguration, generator: inout Generator, at now: Instant
    ) {
        interval = configuration.exchangeMin
        tickAt = now + .nanoseconds(Int64(generator.below(Int(interval.nanoseconds))))
        lastNumber = UInt16(truncatingIfNeeded: generator.next())
    }

    @inline(__always)
    var nextDeadline: Instant? {
        var next = tickAt
        if let current { return min(next, current.deadline) }
        for row in queued { next = min(next, row.at) }
        return next
    }

    mutating func nextNumber() -> UInt16 {
        lastNumber &+= 1
        return lastNumber
    }

    // MARK: Who is next

    mutating func queue(_ peer: PeerHandle, at: Instant) {
        if !queued.contains(where: { $0.peer == peer }) { queued.append((peer, at)) }
    }

    mutating func unqueue(_ peer: PeerHandle) { queued.removeAll { $0.peer == peer } }

    mutating func nextQueued(at now: Instant) -> PeerHandle? {
        guard let i = queued.firstIndex(where: { $0.at <= now }) else { return nil }
        return queued.remove(at: i).peer
    }

    mutating func ended(with peer: PeerHandle) {
        if current?.peer == peer { current = nil }
        unqueue(peer)
    }

    /// Plans the next tick: sooner where the last exchanges found much, later where they did not.
    mutating func ticked(
        _ configuration: AnnouncementConfiguration, generator: inout Generator, at now: Instant
    ) {
        interval =
            gained >= configuration.exchangeGain
            ? max(interval / 2, configuration.exchangeMin)
            : min(interval * 3 / 2, configuration.exchangeMax)
        gained = 0
        let half = Int(interval.nanoseconds / 2)
        tickAt = now + interval * 3 / 4 + .nanoseconds(Int64(generator.below(max(half, 1))))
    }

    // MARK: What was asked for

    mutating func ask(_ peer: PeerHandle, _ number: UInt16, datagrams: Int, at now: Instant) {
        asked.removeAll { $0.until <= now || ($0.peer == peer && $0.number == number) }
        if asked.count >= Self.askedMax { asked.removeFirst() }
        asked.append(
            Asked(peer: peer, number: number, datagrams: datagrams, until: now + Self.askedFor))
    }

    /// Whether NEWS of this number was asked for; each asks for so many datagrams.
    mutating func wasAsked(_ peer: PeerHandle, _ number: UInt16, at now: Instant) -> Bool {
        guard
            let i = asked.firstIndex(where: {
                $0.peer == peer && $0.number == number && $0.until > now
            })
        else { return false }
        asked[i].datagrams -= 1
        if asked[i].datagrams <= 0 { asked.remove(at: i) }
        return true
    }

    var heapByteCount: Int { queued.heapByteCount + asked.heapByteCount }

    func forEachHandle(_ body: (PeerHandle) -> Void) {
        if let current { body(current.peer) }
        for row in queued { body(row.peer) }
        for row in asked { body(row.peer) }
    }
}
