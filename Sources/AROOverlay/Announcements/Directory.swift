/// The directory: what peers last stated of themselves, sorted by their places on the key ring.
///
/// Bounded. While there is room everybody is kept. Where there is not, those stay whose places have
/// the smallest keyed hashes: whatever order and number of copies statements come in, the result is
/// the same uniform sample of the peers seen (the min-wise samples of Bortnikov and others, *Brahms*,
/// 2009, §3), and nobody outside knows the key. Before that hash counts, the most crowded address
/// pays: see Directory+Room.swift.

import AROPrimitives
import AROCrypto
import AROWire

/// What is known of a member's life.
public enum MemberState: UInt8, Hashable, Sendable {
    case alive, failed, left
}

struct Directory: Sendable {
    /// 40 bytes, of which a full directory has a thousand: what the statement says is read there.
    struct Row: Sendable {
        let statement: Statement
        let source: Source
        private let rankBits: UInt32
        let peer: PeerHandle
        private var expiryMark, sinceMark: Mark
        var state = MemberState.alive

        init(
            statement: Statement, peer: PeerHandle, rank: UInt64, source: Source, since: Instant,
            expires: Instant
        ) {
            (self.statement, self.peer, self.source) = (statement, peer, source)
            rankBits = UInt32(rank)
            (expiryMark, sinceMark) = (Mark(notBefore: expires), Mark(notAfter: since))
        }

        var place: UInt64 { statement.place }
        var sequence: UInt64 { statement.sequence }
        var rank: UInt64 { UInt64(rankBits) }
        /// When the statement runs out, or the ended row may be forgotten; up to a second later.
        var expires: Instant {
            get { expiryMark.instant }
            set { expiryMark = Mark(notBefore: newValue) }
        }
        /// When the state came to be, or up to a second earlier.
        var since: Instant {
            get { sinceMark.instant }
            set { sinceMark = Mark(notAfter: newValue) }
        }

        /// The encoded statement.
        var bytes: [UInt8] { statement.bytes }

        fileprivate var mark: AnnouncementMark {
            AnnouncementMark(sequence: sequence, isEnded: state != .alive)
        }
    }

    /// Keyed hashes of where a peer says it is: its endpoint, its host, its network. 0 is counted
    /// against no cap.
    struct Source: Hashable, Sendable {
        var endpoint, host, network: UInt32
    }

    /// A moment in units of 2^30 ns, a second and some: 32 bits of them are 146 years.
    private struct Mark: Sendable {
        private var units: UInt32
        private static let shift: Int64 = 30

        init(notAfter moment: Instant) {
            units = UInt32(clamping: moment.nanoseconds >> Self.shift)
        }

        init(notBefore moment: Instant) {
            let (sum, overflows) = moment.nanoseconds.addingReportingOverflow(1 << Self.shift - 1)
            units = overflows ? .max : UInt32(clamping: sum >> Self.shift)
        }

        var instant: Instant { Instant(nanoseconds: Int64(units) << Self.shift) }
    }

    let capacity: Int
    let hash: KeyedHash
    /// Ascending by place. Our own row is one of them, and counts against nothing.
    private(set) var rows: [Row] = []
    /// The places of ``rows``, apart: a search touches these alone.
    private var places: [UInt64] = []
    /// What digests say of ``rows``, apart: statements lie all over the heap.
    private var marks: [AnnouncementMark] = []
    /// Changes with the rows, other than by what their statements say.
    private(set) var version: UInt64 = 0
    var crest = Crest()
    /// Our own handle, once our row exists.
    private(set) var own: PeerHandle?
    private(set) var counts: (alive: Int, failed: Int, left: Int) = (0, 0, 0)
    var perEndpoint = Tally<UInt32>()
    var perHost = Tally<UInt32>()
    var perNetwork = Tally<UInt32>()
    /// Caps hold for full directories, and only these count who shares what.
    var isTallied = false
    /// Not later than the first of ``Row/expires``.
    private(set) var expiryAt: Instant?

    init(capacity: Int, hash: KeyedHash) { (self.capacity, self.hash) = (capacity, hash) }

    /// Rows of others.
    var count: Int { rows.count - (own == nil ? 0 : 1) }
    var isFull: Bool { count >= capacity }

    static func place(of key: DHTKey) -> UInt64 { key.bits.w0 }

    /// By which places are sampled: 32 bits of a keyed hash, as two that are alike hardly occur.
    @inline(__always)
    func rank(of place: UInt64) -> UInt64 { hash(place) >> 32 }

    /// Without the statements, which other nodes may share.
    var heapByteCount: Int {
        rows.heapByteCount + places.heapByteCount + marks.heapByteCount + perEndpoint.heapByteCount
            + perHost.heapByteCount + perNetwork.heapByteCount
    }

    // MARK: Searching

    /// The first row at or behind a place.
    @inline(__always)
    func position(of place: UInt64) -> Int {
        places.partitionPoint(near: place) { $0 < place }
    }

    @inline(__always)
    func index(at place: UInt64) -> Int? {
        let i = position(of: place)
        return i < places.count && places[i] == place ? i : nil
    }

    @inline(__always)
    func index(of peer: PeerHandle, place: UInt64) -> Int? {
        guard let i = index(at: place), rows[i].peer == peer else { return nil }
        return i
    }

    /// What digests say of a row.
    func entry(_ i: Int) -> AnnouncementEntry {
        AnnouncementEntry(place: places[i], mark: marks[i])
    }

    func isOwn(_ i: Int) -> Bool { rows[i].peer == own }

    /// Live members in the order of their places.
    var alive: [PeerHandle] {
        rows.lazy.filter { $0.state == .alive && $0.peer != own }.map(\.peer)
    }

    // MARK: Changing

    /// Adds or replaces another's row. Returns the one that it replaces.
    mutating func put(_ row: Row) -> Row? {
        let i = position(of: row.place)
        expiryAt = earliest(expiryAt, row.expires)
        guard i < rows.count, places[i] == row.place else {
            version &+= 1
            count(row, by: 1)
            insert(row, at: i)
            return nil
        }
        let old = rows[i]
        // Mostly it only says the same again.
        if old.source != row.source || old.state != row.state || old.peer != row.peer {
            version &+= 1
            count(row, by: 1)
            count(old, by: -1)
        }
        (rows[i], marks[i]) = (row, row.mark)
        return old
    }

    mutating func setOwn(_ row: Row) {
        own = row.peer
        version &+= 1
        if let i = index(of: row.peer, place: row.place) {
            (rows[i], marks[i]) = (row, row.mark)
        } else {
            insert(row, at: position(of: row.place))
        }
    }

    private mutating func insert(_ row: Row, at i: Int) {
        // What grows by doubling would end at twice the room that a full directory takes.
        if rows.count == rows.capacity, rows.count > capacity / 2 {
            rows.reserveCapacity(capacity + 2)
            places.reserveCapacity(capacity + 2)
            marks.reserveCapacity(capacity + 2)
        }
        rows.insert(row, at: i)
        marks.insert(row.mark, at: i)
        places.insert(row.place, at: i)
    }

    /// The member failed or left: it is forgotten at `until`.
    mutating func end(_ i: Int, as state: MemberState, at now: Instant, until: Instant) {
        var row = rows[i]
        (row.state, row.since) = (state, now)
        row.expires = min(row.expires, until)
        _ = put(row)
    }

    @discardableResult
    mutating func remove(at i: Int) -> Row {
        count(rows[i], by: -1)
        version &+= 1
        places.remove(at: i)
        marks.remove(at: i)
        return rows.remove(at: i)
    }

    /// The first other row that ran out; nil when there is none.
    mutating func nextExpired(at now: Instant) -> Int? {
        guard let at = expiryAt, at <= now else { return nil }
        if let i = rows.indices.first(where: { rows[$0].expires <= now && !isOwn($0) }) {
            return i
        }
        expiryAt = nil
        for i in rows.indices where !isOwn(i) { expiryAt = earliest(expiryAt, rows[i].expires) }
        return nil
    }

    private mutating func count(_ row: Row, by step: Int) {
        guard row.peer != own else { return }
        switch row.state {
        case .alive: counts.alive += step
        case .failed: counts.failed += step
        case .left: counts.left += step
        }
        if isTallied { tally(row.source, by: step) }
    }
}
