/// Finding back: lost peers are asked again, ever more rarely, so that the halves of a partition
/// that healed find each other (the paper leaves this open); and who has nobody left says so.

import AROPrimitives
import AROWire

extension HyParView {
    mutating func rememberLost(_ peer: PeerHandle, at now: Instant) {
        guard isMember, configuration.lostMax > 0, !lost.contains(where: { $0.peer == peer })
        else { return }
        if lost.count >= configuration.lostMax {
            // The one that is least likely to come back.
            var oldest = 0
            for i in lost.indices where lost[i].attempts > lost[oldest].attempts { oldest = i }
            lost.remove(at: oldest)
        }
        let at = now + generator.spread(configuration.lostFirst)
        lost.append(LostPeer(peer: peer, attempts: 0, at: at))
    }

    mutating func askLostPeers(
        at now: Instant, _ book: borrowing PeerBook, into out: inout MembershipOutbox
    ) {
        var i = 0
        while i < lost.count {
            guard lost[i].at <= now else {
                i += 1
                continue
            }
            guard Int(lost[i].attempts) < configuration.lostAttemptsMax else {
                lost.remove(at: i)
                continue
            }
            let peer = lost[i].peer
            lost[i].attempts += 1
            var delay = configuration.lostFirst
            for _ in 0..<lost[i].attempts { delay = min(delay * 3 / 2, configuration.lostLast) }
            lost[i].at = now + generator.spread(delay)
            i += 1
            guard mayAsk(peer), requests.count < configuration.requestsMax else { continue }
            ask(peer, .lost, at: now, book, into: &out)
        }
    }

    /// The peer is there. If it was lost, what kept it away may have kept others away.
    mutating func foundLost(_ peer: PeerHandle, at now: Instant) {
        guard let i = lost.firstIndex(where: { $0.peer == peer }) else { return }
        lost.remove(at: i)
        for i in lost.indices {
            let soon = now + generator.between(.zero, configuration.lostHurry)
            lost[i].at = min(lost[i].at, soon)
        }
    }

    /// A lost peer spoke to us: it is asked soon.
    mutating func hurryLost(_ peer: PeerHandle, at now: Instant) {
        guard let i = lost.firstIndex(where: { $0.peer == peer }) else { return }
        lost[i].at = min(lost[i].at, now + generator.between(.zero, configuration.lostHurry))
    }

    /// Somebody is asked to fill a place, or will be.
    var isAsking: Bool { !requests.isEmpty || pace.waitsUntil != nil }

    /// A place is empty and nobody is left to fill it. With neighbours that can be a small network,
    /// or a few nodes that lost the others: then we knock again where we came in.
    mutating func noteIsolation(
        at now: Instant, _ book: borrowing PeerBook, into out: inout MembershipOutbox
    ) {
        guard !isAsking else { return }
        guard neighbours.count < configuration.activeMax else { return isolation = nil }
        guard let (at, delay) = isolation else {
            guard neighbours.isEmpty else {
                return waitIsolated(configuration.isolatedTogether, now)
            }
            waitIsolated(configuration.isolatedFirst, now)
            return seekAnybody(at: now, book, into: &out)
        }
        guard at <= now else { return }
        waitIsolated(min(delay * 2, configuration.isolatedLast), now)
        seekAnybody(at: now, book, into: &out)
    }

    private mutating func waitIsolated(_ delay: Duration, _ now: Instant) {
        isolation = (now + generator.spread(delay), delay)
    }

    private mutating func seekAnybody(
        at now: Instant, _ book: borrowing PeerBook, into out: inout MembershipOutbox
    ) {
        out.events.append(.isolated)
        if let door, mayAsk(door) { ask(door, .join, at: now, book, into: &out) }
        guard neighbours.isEmpty else { return }
        for peer in lost.map(\.peer).sample(3, &generator) where mayAsk(peer) {
            ask(peer, .lost, at: now, book, into: &out)
        }
    }
}
