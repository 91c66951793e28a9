/// Replay protection of first messages (WireGuard §5.1 and §5.4.2): the latest timestamp of each peer,
/// in a bounded table.
///
/// WireGuard knows its peers beforehand; we do not. So the table forgets, and a forgotten timestamp
/// raises a watermark (at first the time of our start): a first message of an unknown peer at or below
/// it might be a replay. Such a message is not refused but challenged with a cookie. As the cookie is
/// part of the authenticated prologue, the peer must make a new first message to answer, which no
/// replayer can. Nor does a clock that was set back lock a peer out: it costs a round trip.

import AROPrimitives

struct InitiationLedger: Sendable {
    enum Verdict: Sendable { case fresh, mustBeChallenged, replayed }

    private struct Entry {
        var key: Bits256
        var latest: UInt64
        /// The latest among those that answered a challenge, and when that was.
        var latestChallenged: UInt64 = 0
        var challengedAt: Instant?
        /// Used since the clock's hand last passed: one more round to live.
        var isRecent = true
    }

    private var entries: [Entry] = []
    private var places: [Bits256: Int] = [:]
    private var hand = 0
    private let capacity: Int
    private let lead: UInt64
    private let cookieLife: Duration
    /// Nanoseconds since 1970: what unknown peers must exceed.
    private(set) var watermark: UInt64

    init(configuration: EndpointConfiguration, startedAt: UInt64) {
        capacity = configuration.timestampsMax
        lead = UInt64(configuration.timestampLead.nanoseconds)
        cookieLife = configuration.cookiePeriod * 2
        watermark = startedAt
    }

    var count: Int { entries.count }

    /// What to do with a first message of the peer whose static key is `key`.
    ///
    /// - Parameters:
    ///   - isChallenged: it carries a valid cookie.
    ///   - wall: the time of day, nanoseconds since 1970.
    func verdict(
        on timestamp: UInt64, of key: Bits256, isChallenged: Bool, at now: Instant, wall: UInt64
    ) -> Verdict {
        let known = places[key].map { entries[$0] }
        if isChallenged {
            guard let known, let at = known.challengedAt, now - at <= cookieLife else {
                return .fresh
            }
            return timestamp > known.latestChallenged ? .fresh : .replayed
        }
        let isNew = timestamp > (known?.latest ?? watermark)
        return isNew && timestamp <= wall &+ lead ? .fresh : .mustBeChallenged
    }

    /// Notes a first message that was accepted. Returns whether a peer was forgotten whose cookies may
    /// still be valid: then they must all become invalid.
    mutating func record(
        _ timestamp: UInt64, of key: Bits256, isChallenged: Bool, at now: Instant, wall: UInt64
    ) -> Bool {
        var mustRevoke = false
        let place: Int
        if let known = places[key] {
            place = known
        } else {
            let entry = Entry(key: key, latest: 0)
            if entries.count < capacity {
                place = entries.count
                entries.append(entry)
            } else {
                place = nextVictim()
                mustRevoke = forget(place, at: now, wall: wall)
                entries[place] = entry
            }
            places[key] = place
        }
        entries[place].isRecent = true
        entries[place].latest = max(entries[place].latest, timestamp)
        if isChallenged {
            let isLive = entries[place].challengedAt.map { now - $0 <= cookieLife } ?? false
            let before = isLive ? entries[place].latestChallenged : 0
            entries[place].latestChallenged = max(before, timestamp)
            entries[place].challengedAt = now
        }
        return mustRevoke
    }

    /// The clock algorithm: the next entry that was not used since the hand passed it.
    private mutating func nextVictim() -> Int {
        while true {
            let place = hand
            hand = (hand + 1) % entries.count
            if !entries[place].isRecent { return place }
            entries[place].isRecent = false
        }
    }

    private mutating func forget(_ place: Int, at now: Instant, wall: UInt64) -> Bool {
        let entry = entries[place]
        places[entry.key] = nil
        // A peer may claim any time; it must not lift the watermark into the far future.
        watermark = max(watermark, min(entry.latest, wall &+ lead))
        return entry.challengedAt.map { now - $0 <= cookieLife } ?? false
    }
}
