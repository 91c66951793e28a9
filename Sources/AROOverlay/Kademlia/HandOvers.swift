/// Records on their way to newcomers: Kademlia §2.5, "when a node discovers a new node" that is nearer
/// to keys than some of their holders, it stores what it holds of them there. Of all holders only the
/// one nearest to the key does, so that each record is handed over once.
///
/// Without it, whoever joins near a key pushes its holders out of the k nearest, and a search that
/// trusts the k nearest finds nothing until the publisher renews the record half a day later.
///
/// Deviation: what waits is a bounded queue that is worked off evenly, and what does not fit is left to
/// renewal. A record costs one STORE, sent again like every request, and is not read back.

import AROPrimitives
import AROCrypto
import AROWire

/// Which record; there is one for each.
struct RecordPlace: Hashable, Sendable {
    var key: DHTKey
    var kind: RecordStore.Kind
    var author: PeerID
}

struct HandOvers: Sendable {
    struct Row: Sendable {
        var peer: PeerHandle
        var place: RecordPlace
    }

    /// The next to go first.
    private(set) var rows: [Row] = []
    /// When the next few may go.
    private(set) var due: Instant?

    mutating func add(
        _ place: RecordPlace, to peer: PeerHandle, at now: Instant,
        _ configuration: KademliaConfiguration
    ) -> Bool {
        guard rows.count < configuration.handOversMax else { return false }
        rows.append(Row(peer: peer, place: place))
        due = due ?? now
        return true
    }

    /// The peer gave us this record itself.
    mutating func remove(_ place: RecordPlace, to peer: PeerHandle) {
        rows.removeAll { $0.peer == peer && $0.place == place }
    }

    mutating func takeDue(at now: Instant, _ configuration: KademliaConfiguration) -> [Row] {
        guard let at = due, at <= now else { return [] }
        let taken = Array(rows.prefix(configuration.handOversAtOnce))
        rows.removeFirst(taken.count)
        if rows.isEmpty { rows = [] }
        // The pause is kept after the last ones too, so that newcomers do not add up to a burst.
        due = taken.isEmpty ? nil : now + configuration.handOverInterval
        return taken
    }

    var heapByteCount: Int { rows.heapByteCount }
}

extension Kademlia {
    /// A peer has entered the table: queues what it should hold.
    mutating func welcome(_ newcomer: PeerHandle, at now: Instant, book: borrowing PeerBook) {
        guard serves, store.count > 0 else { return }
        let key = book.key(newcomer)
        let places = store.places(
            sharing: table.bitsOfOwnRegion(configuration), with: table.local, nearest: key,
            count: configuration.handOversMax)
        for place in places where shouldHandOver(place.key, to: newcomer, key, book) {
            guard handOvers.add(place, to: newcomer, at: now, configuration) else { return }
        }
    }

    /// Whether we are the nearest to a record's key that we know of, and the newcomer one of the k
    /// nearest.
    private func shouldHandOver(
        _ key: DHTKey, to newcomer: PeerHandle, _ newcomerKey: DHTKey,
        _ book: borrowing PeerBook
    ) -> Bool {
        let ours = key.distance(to: table.local)
        let theirs = key.distance(to: newcomerKey)
        let others = table.closest(
            to: key, count: configuration.k, excluding: newcomer, configuration, book)
        var nearer = ours < theirs ? 1 : 0
        for other in others {
            let distance = key.distance(to: book.key(other))
            if distance < ours { return false }
            if distance < theirs { nearer += 1 }
        }
        return nearer < configuration.k
    }

    /// Sends the next few.
    mutating func handOver(
        at now: Instant, book: borrowing PeerBook, into out: inout KademliaOutbox
    ) {
        for row in handOvers.takeDue(at: now, configuration) {
            guard let record = store.record(row.place, at: wallClock(at: now)) else { continue }
            let known = table.roundTrip(of: row.peer, key: book.key(row.peer))
            let number = requests.started(
                to: row.peer, .handOver(row.place), for: nil,
                expected: times.expected(of: known, within: configuration), at: now, &generator)
            send(record, number: number, to: row.peer, into: &out)
        }
    }

    /// Once more, unless the record has gone.
    mutating func handOverAgain(
        _ place: RecordPlace, _ request: Request, at now: Instant, into out: inout KademliaOutbox
    ) {
        guard let record = store.record(place, at: wallClock(at: now)) else { return }
        let number = request.number | UInt32(request.transmissions - 1)
        send(record, number: number, to: request.peer, into: &out)
    }

    private func send(
        _ record: KademliaStore.Record, number: UInt32, to peer: PeerHandle,
        into out: inout KademliaOutbox
    ) {
        out.send(
            .store(KademliaStore(request: number, serves: serves, record: record)), to: peer)
    }
}

extension KademliaStore.Record {
    var place: RecordPlace { RecordPlace(key: key, kind: kind, author: author) }
}

extension RoutingTable {
    /// Of a key that shares fewer bits with us somebody whom we know is nearer than we are.
    func bitsOfOwnRegion(_ configuration: KademliaConfiguration) -> Int {
        for i in 0..<(bucketCount - 1) {
            let hasLive = bucket(i).contains { !isStale(entries[$0], configuration) }
            if !hasLive { return i }
        }
        return bucketCount - 1
    }
}

extension RecordStore {
    /// Records whose keys share at least so many bits with `local`, those nearest in number to `key`
    /// first, roughly.
    func places(
        sharing bits: Int, with local: DHTKey, nearest key: DHTKey, count: Int
    ) -> [RecordPlace] {
        let range = region(sharing: bits, with: local)
        guard !range.isEmpty else { return [] }
        let middle = min(max(firstPosition(of: key), range.lowerBound), range.upperBound)
        let low = max(range.lowerBound, middle - count / 2)
        let high = min(range.upperBound, low + count)
        return (max(range.lowerBound, high - count)..<high).map { place(at: $0) }
    }

    func record(_ place: RecordPlace, at now: UnixTime) -> KademliaStore.Record? {
        guard let stored = stored(place.key, place.kind, place.author), stored.expires > now
        else { return nil }
        return stored.record
    }

    /// Keys that share a prefix stand together.
    private func region(sharing bits: Int, with local: DHTKey) -> Range<Int> {
        func isBefore(_ key: DHTKey) -> Bool {
            key < local && key.commonPrefixLength(with: local) < bits
        }
        func isWithin(_ key: DHTKey) -> Bool {
            isBefore(key) || key.commonPrefixLength(with: local) >= bits
        }
        let low = partition(where: isBefore)
        return low..<max(low, partition(where: isWithin))
    }
}
