/// Looking into the directory from outside.

import AROPrimitives
import AROCrypto
import AROWire

/// What the directory knows of a peer.
public struct Member: Hashable, Sendable {
    public var peer: PeerHandle
    public var state: MemberState
    /// Its newest statement.
    public var announcement: Announcement
    /// When the state came to be, or the statement arrived.
    public var since: Instant
    /// When it is forgotten unless something new is heard.
    public var expires: Instant
}

/// How many members are in which state.
public struct MemberCounts: Hashable, Sendable {
    public var alive, failed, left: Int
}

extension Announcements {
    /// Live members, without us.
    public var count: Int { directory.counts.alive }

    public var counts: MemberCounts {
        let counts = directory.counts
        return MemberCounts(alive: counts.alive, failed: counts.failed, left: counts.left)
    }

    /// What is known of a peer; nil where that is nothing.
    public func entry(of peer: PeerHandle, book: borrowing PeerBook) -> Member? {
        guard let i = directory.index(of: peer, place: Directory.place(of: book.key(peer))) else {
            return nil
        }
        return member(i)
    }

    public func state(of peer: PeerHandle, book: borrowing PeerBook) -> MemberState? {
        row(of: peer, book)?.state
    }

    /// The sequence of the newest statement of a peer: its incarnation.
    @inline(__always)
    public func sequence(of peer: PeerHandle, book: borrowing PeerBook) -> UInt64? {
        row(of: peer, book)?.sequence
    }

    /// Where a live member says that it stands in the space of round-trip times.
    @inline(__always)
    public func coordinate(of peer: PeerHandle, book: borrowing PeerBook) -> Coordinate? {
        guard let row = row(of: peer, book), row.state == .alive else { return nil }
        return row.statement.announcement.offer.coordinate
    }

    /// All members that are remembered, in the order of their places.
    public var list: [Member] {
        var all: [Member] = []
        for i in directory.rows.indices where !directory.isOwn(i) {
            all.append(member(i))
        }
        return all
    }

    /// Live members in the order of their places.
    public var alive: [PeerHandle] { directory.alive }

    /// At most so many different live members, drawn at random.
    public func sample(_ count: Int, using generator: inout Generator) -> [PeerHandle] {
        var all = alive
        let count = min(max(count, 0), all.count)
        for i in 0..<count { all.swapAt(i, i + generator.below(all.count - i)) }
        return Array(all.prefix(count))
    }

    /// Live members that offer a model of this name, and what they say of it.
    public func providers(ofModel name: String) -> [(member: Member, model: ModelOffer)] {
        let bit = ModelMask.bit(of: name)
        var found: [(member: Member, model: ModelOffer)] = []
        for i in directory.rows.indices
        where directory.rows[i].statement.models & bit != 0 && directory.rows[i].state == .alive {
            let member = member(i)
            guard !directory.isOwn(i),
                let model = member.announcement.offer.models.first(where: { $0.name == name })
            else { continue }
            found.append((member, model))
        }
        return found
    }

    /// Our own newest statement.
    public var ownAnnouncement: Announcement? {
        directory.index(at: localPlace).map { directory.rows[$0].statement.announcement }
    }

    public func dropCount(_ drop: AnnouncementDrop) -> UInt64 { drops[drop] }

    /// Every peer that must stay in the book. The outbox must have been drained.
    public func forEachUsedHandle(_ body: (PeerHandle) -> Void) {
        for row in directory.rows { body(row.peer) }
        for row in neighbourTable.rows { body(row.peer) }
        for peer in others { body(peer) }
        for row in rumours.rows {
            body(row.peer)
            if let source = row.source { body(source) }
        }
        for doubt in doubts { body(doubt.peer) }
        for peer in suspects { body(peer) }
        exchanges.forEachHandle(body)
        own.forEachHandle(body)
    }

    @inline(__always)
    private func row(of peer: PeerHandle, _ book: borrowing PeerBook) -> Directory.Row? {
        guard let i = directory.index(of: peer, place: Directory.place(of: book.key(peer))) else {
            return nil
        }
        return directory.rows[i]
    }

    private func member(_ i: Int) -> Member {
        let row = directory.rows[i]
        return Member(
            peer: row.peer, state: row.state, announcement: row.statement.announcement,
            since: row.since, expires: row.expires)
    }
}

/// One of 64 bits for each model: a filter without false negatives (a Bloom filter of one hash).
enum ModelMask {
    static func of(_ models: [ModelOffer]) -> UInt64 {
        models.reduce(0) { $0 | bit(of: $1.name) }
    }

    static func bit(of name: String) -> UInt64 {
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325  // FNV-1a
        for byte in name.utf8 { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3 }
        return 1 << (hash >> 58)
    }
}
