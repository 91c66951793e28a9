/// Which posts of which publishers were seen: rows sorted by publisher, the ones heard longest ago
/// forgotten when there are too many.

import AROPrimitives
import AROWire

struct Publishers: Sendable {
    struct Row: Sendable {
        var id: PeerID
        var window: SequenceWindow
        var heardAt: Instant
        /// The first post that was seen here, and when: earlier ones are from before our time, or
        /// come soon.
        var first: UInt64
        var firstAt: Instant
    }

    /// How long posts that came before the first one seen may still come. A guess.
    private static let settled = Duration.seconds(10)

    private(set) var rows: [Row] = []

    subscript(i: Int) -> Row {
        get { rows[i] }
        _modify { yield &rows[i] }
    }

    func index(of id: PeerID) -> Int? {
        let i = position(of: id)
        return i < rows.count && rows[i].id == id ? i : nil
    }

    func hasSeen(_ post: TopicPostName) -> Bool {
        guard let i = index(of: post.publisher) else { return false }
        return rows[i].window.contains(post.sequence)
    }

    /// A verified post was seen, of a publisher that may be new.
    ///
    /// - Returns: its row, and the end of its window before.
    mutating func saw(
        _ post: TopicPostName, at now: Instant, limit: Int
    ) -> (row: Int, lastEnd: UInt64?) {
        let known = index(of: post.publisher)
        let i = known ?? add(post, at: now, limit: limit)
        let lastEnd = known.map { rows[$0].window.end }
        rows[i].heardAt = now
        if post.sequence - min(rows[i].window.base, post.sequence) >= SequenceWindow.width {
            rows[i].window.slide(to: Self.floor(for: post.sequence))
        }
        rows[i].window.insert(post.sequence)
        return (i, lastEnd)
    }

    /// A post is not waited for any more.
    ///
    /// - Returns: whether it surely existed: an earlier and a later one were seen.
    mutating func giveUp(_ post: TopicPostName) -> Bool {
        guard let i = index(of: post.publisher), post.sequence >= rows[i].first,
            post.sequence < rows[i].window.end
        else { return false }
        return rows[i].window.insert(post.sequence)
    }

    /// What was before our time does not come any more.
    mutating func settle(at now: Instant) {
        for i in rows.indices where rows[i].window.base < rows[i].first {
            if now - rows[i].firstAt >= Self.settled { rows[i].window.slide(to: rows[i].first) }
        }
    }

    private mutating func add(_ post: TopicPostName, at now: Instant, limit: Int) -> Int {
        if rows.count >= limit,
            let silent = rows.indices.min(by: { rows[$0].heardAt < rows[$1].heardAt })
        {
            rows.remove(at: silent)
        }
        let window = SequenceWindow(base: Self.floor(for: post.sequence))
        let i = position(of: post.publisher)
        rows.insert(
            Row(
                id: post.publisher, window: window, heardAt: now, first: post.sequence,
                firstAt: now), at: i)
        return i
    }

    /// The least sequence number that may still be wanted once `sequence` was seen: not from before
    /// the publisher's start.
    private static func floor(for sequence: UInt64) -> UInt64 {
        let start = (sequence >> TopicPost.runBits) << TopicPost.runBits
        let least = sequence >= SequenceWindow.width ? sequence - SequenceWindow.width + 1 : 0
        return max(start, least)
    }

    private func position(of id: PeerID) -> Int {
        rows.partitionPoint { $0.id < id }
    }
}
