/// Posts that others have and we do not: waited for, then asked for (Plumtree §3.4, the timers).

import AROPrimitives
import AROWire

struct MissingPost: Sendable {
    struct Source: Sendable {
        var peer: PeerHandle
        /// The links that the post had crossed there; nil where it was not told.
        var hops: UInt8?
    }

    var name: TopicPostName
    /// Who has it, in the order in which they said so.
    var sources: [Source]
    var since: Instant
    var due: Instant
    var attempts: UInt8 = 0
    /// Whom it was asked of last.
    var asked: PeerHandle?
    /// Whether that made the link to it part of the tree.
    var isGrafted = false
    /// Whether its publisher's own numbers tell that it exists.
    var isProven: Bool
    /// Whether somebody announced it.
    var isAnnounced: Bool

    /// Announcers that are remembered of one post. A guess.
    static let sourcesMax = 6

    mutating func add(_ source: Source) {
        if let i = sources.firstIndex(where: { $0.peer == source.peer }) {
            sources[i].hops = source.hops ?? sources[i].hops
        } else if sources.count < Self.sourcesMax {
            sources.append(source)
        }
    }
}

struct MissingPosts: Sendable {
    private(set) var rows: [MissingPost] = []
    private(set) var nextDue: Instant?

    var count: Int { rows.count }

    subscript(i: Int) -> MissingPost { rows[i] }

    func index(of name: TopicPostName) -> Int? {
        rows.firstIndex { $0.name.sequence == name.sequence && $0.name == name }
    }

    /// Rows that stand on the word of this neighbour.
    func count(firstToldBy peer: PeerHandle) -> Int {
        rows.reduce(0) { $0 + ($1.sources.first?.peer == peer ? 1 : 0) }
    }

    mutating func append(_ row: MissingPost) {
        rows.append(row)
        nextDue = earliest(nextDue, row.due)
    }

    mutating func update(_ i: Int, _ change: (inout MissingPost) -> Void) {
        change(&rows[i])
        nextDue = earliest(nextDue, rows[i].due)
    }

    mutating func remove(at i: Int) -> MissingPost {
        let row = rows.remove(at: i)
        if row.due == nextDue { findNextDue() }
        if rows.isEmpty { rows = [] }
        return row
    }

    mutating func removeAll(where isUnwanted: (MissingPost) -> Bool) {
        rows.removeAll(where: isUnwanted)
        findNextDue()
    }

    mutating func findNextDue() {
        nextDue = nil
        for row in rows { nextDue = earliest(nextDue, row.due) }
    }

    /// A neighbour is gone, and what it has with it.
    mutating func forget(_ peer: PeerHandle) {
        for i in rows.indices {
            rows[i].sources.removeAll { $0.peer == peer }
            if rows[i].asked == peer { rows[i].asked = nil }
        }
        rows.removeAll { $0.sources.isEmpty && !$0.isProven }
        findNextDue()
    }
}
