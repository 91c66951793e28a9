/// What a node does unasked: renew what it publishes, refresh quiet buckets, forget what has
/// expired, replace contacts that died, and find back to the network when all of them did.

import AROPrimitives
import AROCrypto
import AROWire

extension Kademlia {
    /// Expired records are not handed out; they are thrown away this often. A guess.
    static let expiryInterval = Duration.minutes(10)

    mutating func keepUp(
        at now: Instant, book: inout PeerBook, identity: borrowing Identity,
        into out: inout KademliaOutbox
    ) {
        expire(at: now)
        rescue(at: now, book: book, into: &out)
        while mayWorkUnasked {
            let didStart =
                renew(at: now, book: &book, identity: identity, into: &out)
                || refresh(at: now, book: &book, into: &out)
            guard didStart else { return }
        }
    }

    private mutating func expire(at now: Instant) {
        guard let at = expiryAt, at <= now else { return }
        store.expire(at: wallClock(at: now))
        expiryAt = store.count > 0 ? now + Self.expiryInterval : nil
    }

    private mutating func renew(
        at now: Instant, book: inout PeerBook, identity: borrowing Identity,
        into out: inout KademliaOutbox
    ) -> Bool {
        guard let publication = publications.takeDue(at: now) else { return false }
        place(
            publication, isBackground: true, at: now, book: &book, identity: identity, into: &out)
        return true
    }

    // MARK: Refreshing

    private mutating func refresh(
        at now: Instant, book: inout PeerBook, into out: inout KademliaOutbox
    ) -> Bool {
        let (bucket, at) = table.leastTouched
        guard at + configuration.refreshInterval <= now else { return false }
        let target = table.target(inBucket: bucket, &generator)
        let hasJustJoined = joined.map { now - $0 < configuration.refreshInterval / 2 } ?? false
        let enough = hasJustJoined ? configuration.joinContacts : configuration.k
        if !isFresh(bucketOf: target, enough, at: now) {
            _ = start(
                .refresh(enough: enough), target, paths: 1, isBackground: true, at: now,
                book: &book, into: &out)
        }
        // A little into the past, so that nodes that began together drift apart.
        let jitter = generator.between(.zero, configuration.refreshInterval / 10)
        table.touch(bucket: bucket, at: now - jitter)
        return true
    }

    /// Whether so many contacts of a bucket were heard from lately. Never so of the last one, whose
    /// neighbours are wanted one and all.
    func isFresh(bucketOf key: DHTKey, _ enough: Int, at now: Instant) -> Bool {
        let bucket = table.bucketIndex(of: key)
        guard bucket < table.bucketCount - 1 else { return false }
        let live = table.count(
            inBucket: bucket, heardWithin: configuration.refreshInterval / 2, at: now,
            configuration)
        return live >= min(enough, configuration.k)
    }

    /// After joining, the buckets of farther regions are due at once (Kademlia §2.3): all but the
    /// last, which the look-up of ourselves filled.
    mutating func staggerRefreshes(at now: Instant) {
        joined = now
        for bucket in 0..<(table.bucketCount - 1) {
            table.touch(bucket: bucket, at: now - configuration.refreshInterval)
        }
    }

    // MARK: Contacts

    /// A peer that serves the DHT was heard from.
    mutating func heard(
        _ peer: PeerHandle, _ roundTrip: RoundTripClass, at now: Instant, book: inout PeerBook,
        into out: inout KademliaOutbox
    ) {
        let wasAlone = rescue != nil || table.count == 0
        switch table.heard(peer, roundTrip: roundTrip, at: now, configuration, book) {
        case .ourselves: return
        case .network: return drops.count(.tableNetworkFull)
        case .spared(let silent?): probe(silent, at: now, book: book, into: &out)
        case .inserted: welcome(peer, at: now, book: book)
        case .spared(nil), .known: break
        }
        guard wasAlone else { return }
        rescue = nil
        publications.retry(at: now, configuration)
    }

    /// A peer did not answer, or cannot be reached.
    mutating func failed(
        _ peer: PeerHandle, count: Int, at now: Instant, book: inout PeerBook,
        into out: inout KademliaOutbox
    ) {
        table.failed(peer, count: count, configuration, book)
        guard rescue == nil, table.count > 0, table.liveCount(configuration) == 0 else { return }
        rescue = (now + configuration.rescueFirst, configuration.rescueFirst)
        out.events.append(.isolated)
    }

    /// While nobody answers: asks some of the old contacts for a sign of life, ever more rarely.
    private mutating func rescue(
        at now: Instant, book: borrowing PeerBook, into out: inout KademliaOutbox
    ) {
        guard let (at, delay) = rescue, at <= now else { return }
        let next = min(delay * 2, configuration.rescueLast)
        rescue = (now + next, next)
        for _ in 0..<KademliaConfiguration.rescuedAtOnce {
            let peer = table.entries[generator.below(table.count)].handle
            probe(peer, at: now, book: book, into: &out)
        }
    }
}
