/// The records of other peers that a node keeps, sorted by key, kind and author: one of each.
///
/// Every cap is a number of records: in all, of one key, of one author. Where one is reached, the
/// source (the network that the record was sent from) with the most records in question gives up
/// the one that expires first: max-min fairness, so that a flood from one place pushes out itself.
/// Authors and senders cost an attacker nothing, networks do.

import AROPrimitives
import AROCrypto
import AROWire

struct RecordStore: Sendable {
    struct Stored: Sendable {
        var key: DHTKey
        var author: PeerID
        var record: KademliaStore.Record
        var expires: UnixTime
        var source: UInt64

        var place: (DHTKey, Kind, PeerID) { (key, record.kind, author) }
    }

    /// Names come before provider records that somebody puts under the same key.
    enum Kind: UInt8, Comparable, Hashable, Sendable {
        case name, provider

        static func < (a: Self, b: Self) -> Bool { a.rawValue < b.rawValue }
    }

    enum Outcome: Hashable, Sendable {
        case held, superseded, full
    }

    private var slots: [Stored] = []
    /// Positions in ``slots``, sorted: what moves on an insertion is small.
    private var order: [UInt32] = []
    private var free: [UInt32] = []
    private var perAuthor = Tally<PeerID>()
    private var perSource = Tally<UInt64>()
    /// Where the next search for a record to give up begins.
    private var cursor = 0

    var count: Int { order.count }

    // MARK: Reading

    /// Valid provider records of a key: at most `count`, starting at one chosen by `rotation`, so
    /// that different askers see different ones.
    func providers(
        of key: DHTKey, at now: UnixTime, rotation: Int, fitting room: Int
    ) -> (records: [ProviderRecord], leftOut: Bool) {
        let range = self.range(of: key, .provider)
        var records: [ProviderRecord] = []
        var left = room
        var leftOut = false
        for step in 0..<range.count {
            let stored = slots[Int(order[range.lowerBound + (rotation + step) % range.count])]
            guard case .provider(let record) = stored.record, stored.expires > now else { continue }
            if record.bodyByteCount <= left {
                left -= record.bodyByteCount
                records.append(record)
            } else {
                leftOut = true
            }
        }
        return (records, leftOut)
    }

    func provider(of key: DHTKey, by author: PeerID, at now: UnixTime) -> ProviderRecord? {
        guard let stored = stored(key, .provider, author), stored.expires > now,
            case .provider(let record) = stored.record
        else { return nil }
        return record
    }

    func name(_ key: DHTKey, at now: UnixTime) -> NameRecord? {
        for i in range(of: key, .name) {
            let stored = slots[Int(order[i])]
            if case .name(let record) = stored.record, stored.expires > now { return record }
        }
        return nil
    }

    // MARK: Storing

    /// Whether the store would change: asked before the signature is checked, which costs more.
    func compare(_ record: KademliaStore.Record) -> Outcome? {
        guard let old = stored(record.key, record.kind, record.author) else { return nil }
        if old.record == record { return .held }
        return record.supersedes(old.record) ? nil : .superseded
    }

    /// Keeps a verified record.
    mutating func store(
        _ record: KademliaStore.Record, source: UInt64, _ configuration: KademliaConfiguration
    ) -> Outcome {
        if let same = compare(record) { return same }
        let (key, author) = (record.key, record.author)
        let new = Stored(
            key: key, author: author, record: record, expires: record.expires, source: source)
        remove(key, record.kind, author)
        guard makeRoom(for: new, configuration) else { return .full }
        let slot = free.popLast() ?? UInt32(slots.count)
        if Int(slot) == slots.count { slots.append(new) } else { slots[Int(slot)] = new }
        order.insert(slot, at: position(of: key, record.kind, author))
        perAuthor.add(author)
        perSource.add(source)
        return .held
    }

    private mutating func makeRoom(
        for new: Stored, _ configuration: KademliaConfiguration
    ) -> Bool {
        if perAuthor[new.author] >= configuration.recordsPerAuthorMax { return false }
        let sameKey = range(of: new.key, new.record.kind)
        if sameKey.count >= configuration.recordsPerKeyMax {
            remove(at: victim(in: sameKey, heaviest: heaviest(in: sameKey)))
        }
        if count >= configuration.recordsMax {
            remove(at: victim(in: 0..<count, heaviest: perSource.most ?? new.source))
        }
        return true
    }

    /// Records looked at before one of them is given up: the heaviest source has many, and a flood
    /// must not cost a walk over all of them each time. A guess.
    private static let victimsConsidered = 64

    /// Of the next records of one source, the one that expires first.
    private mutating func victim(in range: Range<Int>, heaviest source: UInt64) -> Int {
        var best: Int?
        var considered = 0
        for step in 0..<range.count where considered < Self.victimsConsidered {
            let i = range.lowerBound + (cursor + step) % range.count
            guard slots[Int(order[i])].source == source else { continue }
            considered += 1
            if let b = best, slots[Int(order[b])].expires <= slots[Int(order[i])].expires {
                continue
            }
            best = i
        }
        cursor = best ?? 0
        return best ?? range.lowerBound
    }

    private func heaviest(in range: Range<Int>) -> UInt64 {
        var tally = Tally<UInt64>()
        for i in range { tally.add(slots[Int(order[i])].source) }
        return tally.most ?? 0
    }

    // MARK: Forgetting

    mutating func remove(_ key: DHTKey, _ kind: Kind, _ author: PeerID) {
        let i = position(of: key, kind, author)
        if i < count, slots[Int(order[i])].place == (key, kind, author) { remove(at: i) }
    }

    /// In one pass: records one by one would move what is behind each, which is quadratic where a
    /// flood of them ends at once.
    mutating func expire(at now: UnixTime) {
        var kept = RecordStore()
        for slot in order where slots[Int(slot)].expires > now {
            kept.order.append(UInt32(kept.slots.count))
            kept.slots.append(slots[Int(slot)])
        }
        guard kept.count < count else { return }
        kept.perAuthor = Tally(counting: kept.slots.map(\.author))
        kept.perSource = Tally(counting: kept.slots.map(\.source))
        self = kept
    }

    private mutating func remove(at i: Int) {
        let slot = order.remove(at: i)
        perAuthor.remove(slots[Int(slot)].author)
        perSource.remove(slots[Int(slot)].source)
        free.append(slot)
    }

    // MARK: Searching

    /// How many of the first records have keys for which this holds: all of them stand before the rest.
    func partition(where isBefore: (DHTKey) -> Bool) -> Int {
        (0..<count).partitionPoint { isBefore(slots[Int(order[$0])].key) }
    }

    func firstPosition(of key: DHTKey) -> Int { partition { $0 < key } }

    func place(at position: Int) -> RecordPlace {
        let stored = slots[Int(order[position])]
        return RecordPlace(key: stored.key, kind: stored.record.kind, author: stored.author)
    }

    func stored(_ key: DHTKey, _ kind: Kind, _ author: PeerID) -> Stored? {
        let i = position(of: key, kind, author)
        guard i < count else { return nil }
        let stored = slots[Int(order[i])]
        return stored.place == (key, kind, author) ? stored : nil
    }

    private func range(of key: DHTKey, _ kind: Kind) -> Range<Int> {
        let start = position(of: key, kind, PeerID(key: .zero))
        var end = start
        while end < count, slots[Int(order[end])].key == key,
            slots[Int(order[end])].record.kind == kind
        { end += 1 }
        return start..<end
    }

    private func position(of key: DHTKey, _ kind: Kind, _ author: PeerID) -> Int {
        (0..<count).partitionPoint { slots[Int(order[$0])].place < (key, kind, author) }
    }
}

extension KademliaStore.Record {
    var kind: RecordStore.Kind {
        switch self {
        case .provider: .provider
        case .name: .name
        }
    }

    var key: DHTKey {
        switch self {
        case .provider(let record): record.key
        case .name(let record): record.key
        }
    }

    var author: PeerID {
        switch self {
        case .provider(let record): record.provider
        case .name(let record): record.publisher
        }
    }

    var expires: UnixTime {
        switch self {
        case .provider(let record): record.expires
        case .name(let record): record.expires
        }
    }

    func verify(at now: UnixTime) throws(RecordFailure) {
        switch self {
        case .provider(let record): try record.verify(at: now)
        case .name(let record): try record.verify(at: now)
        }
    }

    func verifyDates(at now: UnixTime) throws(RecordFailure) {
        switch self {
        case .provider(let record): try record.verifyDates(at: now)
        case .name(let record): try record.verifyDates(at: now)
        }
    }

    /// Whether this record replaces `other` of the same key and author.
    func supersedes(_ other: KademliaStore.Record) -> Bool {
        switch (self, other) {
        case (.name(let new), .name(let old)): new.supersedes(old)
        case (.provider(let new), .provider(let old)):
            (new.issued, new.expires) > (old.issued, old.expires)
        case (.name, .provider), (.provider, .name): false
        }
    }
}
