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
            for _ in 0..<lost[i].attempts { delay = min(delay * 2, configuration.lostLast) }
            lost[i].at = now + generator.spread(delay)
            i += 1
            guard mayAsk(peer), requests.count < configuration.requestsMax else { continue }
            ask(peer, .lost, at: now, book, into: &out)
        }
    }

    /// Nobody is a neighbour and nobody is left to become one.
    mutating func noteIsolation(
        at now: Instant, _ book: borrowing PeerBook, into out: inout MembershipOutbox
    ) {
        guard neighbours.isEmpty else { return isolation = nil }
        guard requests.isEmpty, pace.waitsUntil == nil else { return }
        if let isolation, now < isolation.at { return }
        let delay =
            isolation.map { min($0.delay * 2, configuration.isolatedLast) }
            ?? configuration.isolatedFirst
        isolation = (now + generator.spread(delay), delay)
        out.events.append(.isolated)
        for peer in lost.map(\.peer).sample(3, &generator) where mayAsk(peer) {
            ask(peer, .lost, at: now, book, into: &out)
        }
    }
}
