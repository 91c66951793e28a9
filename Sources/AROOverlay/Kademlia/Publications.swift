/// What a node provides and the names it publishes: renewed at half of a record's life for as long
/// as the user wants it.
///
/// A renewal comes up to a tenth early, by chance, so that a thousand keys that were published at
/// once do not stay together.

import AROPrimitives
import AROCrypto
import AROWire

struct Publication: Sendable {
    enum Subject: Hashable, Sendable {
        case content
        /// Content that is here in part.
        case part
        case name(label: [UInt8], value: [UInt8], sequence: UInt64, lifetime: Duration)
    }

    var key: DHTKey
    var subject: Subject
    /// When it is due again; the distant future while it is being placed.
    var due: Instant
    /// How long the record lives that was signed last.
    fileprivate var signedFor: Duration?

    init(key: DHTKey, subject: Subject, due: Instant) {
        (self.key, self.subject, self.due) = (key, subject, due)
    }

    /// How long a record of it lives.
    func lifetime(_ configuration: KademliaConfiguration) -> Duration {
        switch subject {
        case .content: configuration.providerLifetime
        case .part: configuration.partLifetime
        case .name(_, _, _, let lifetime): lifetime
        }
    }

    /// A fresh, signed record.
    func record(
        addresses: [SocketAddress], wallClock: UnixTime, _ configuration: KademliaConfiguration,
        signedBy identity: borrowing Identity
    ) -> KademliaStore.Record {
        switch subject {
        case .content, .part:
            .provider(
                ProviderRecord(
                    key: key, addresses: addresses, issued: wallClock,
                    lifetime: lifetime(configuration), signedBy: identity))
        case .name(let label, let value, let sequence, let lifetime):
            .name(
                NameRecord(
                    label: label, value: value, sequence: sequence, expires: wallClock + lifetime,
                    signedBy: identity))
        }
    }
}

/// Sorted by key. A key has one publication: content and names do not meet, as both are hashes.
struct Publications: Sendable {
    private(set) var rows: [Publication] = []
    /// When the first of them is due, or earlier. Kept, as it is asked for after every input.
    private(set) var nextDue: Instant?

    subscript(key: DHTKey) -> Publication? {
        let i = position(of: key)
        return i < rows.count && rows[i].key == key ? rows[i] : nil
    }

    mutating func set(_ publication: Publication) {
        let i = position(of: publication.key)
        if i < rows.count, rows[i].key == publication.key {
            rows[i] = publication
        } else {
            rows.insert(publication, at: i)
        }
        nextDue = earliest(nextDue, publication.due)
    }

    mutating func remove(_ key: DHTKey) {
        let i = position(of: key)
        if i < rows.count, rows[i].key == key { rows.remove(at: i) }
    }

    /// The publication that has been due longest. It is taken to be under way from now on.
    mutating func takeDue(at now: Instant) -> Publication? {
        guard let nextDue, nextDue <= now else { return nil }
        var due: Publication?
        if let i = rows.indices.min(by: { rows[$0].due < rows[$1].due }), rows[i].due <= now {
            due = rows[i]
            rows[i].due = .distantFuture
        }
        self.nextDue = rows.min { $0.due < $1.due }?.due
        return due
    }

    /// What was a part is whole: that is said at the next renewal. False where it was no part.
    mutating func completed(_ key: DHTKey) -> Bool {
        let i = position(of: key)
        guard i < rows.count, rows[i].key == key, rows[i].subject == .part else { return false }
        rows[i].subject = .content
        return true
    }

    mutating func signed(_ key: DHTKey, for lifetime: Duration) {
        let i = position(of: key)
        if i < rows.count, rows[i].key == key { rows[i].signedFor = lifetime }
    }

    /// A placement ended.
    mutating func placed(
        _ key: DHTKey, held: Int, at now: Instant, _ configuration: KademliaConfiguration,
        _ generator: inout Generator
    ) {
        let i = position(of: key)
        guard i < rows.count, rows[i].key == key else { return }
        let half = (rows[i].signedFor ?? rows[i].lifetime(configuration)) / 2
        let wait =
            held > 0
            ? generator.between(half - half / 10, half) : configuration.publicationRetry
        rows[i].due = now + wait
        nextDue = earliest(nextDue, rows[i].due)
    }

    /// There are peers again: what nobody holds is due at once.
    mutating func retry(at now: Instant, _ configuration: KademliaConfiguration) {
        for i in rows.indices
        where rows[i].due != .distantFuture && rows[i].due - now <= configuration.publicationRetry {
            rows[i].due = now
            nextDue = now
        }
    }

    private func position(of key: DHTKey) -> Int {
        rows.partitionPoint { $0.key < key }
    }
}
