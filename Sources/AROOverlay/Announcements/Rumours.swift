/// What was accepted lately and waits to be pushed to the neighbours: all that comes within a few
/// milliseconds leaves together (rumour mongering, Demers and others 1987, §1.4, with a copy to each
/// neighbour once).

import AROPrimitives
import AROWire

struct Rumours: Sendable {
    struct Row: Sendable {
        var peer: PeerHandle
        var place: UInt64
        /// Who told us, and need not be told.
        var source: PeerHandle?
        /// An obituary of this sequence instead of the peer's statement.
        var obituary: UInt64?
    }

    private(set) var rows: [Row] = []
    private(set) var dueAt: Instant?

    /// False where there are too many.
    mutating func add(
        _ row: Row, at now: Instant, isUrgent: Bool, _ configuration: AnnouncementConfiguration
    ) -> Bool {
        if let i = rows.firstIndex(where: { $0.peer == row.peer }) {
            rows[i] = row
        } else {
            guard rows.count < configuration.rumoursMax else { return false }
            rows.append(row)
        }
        dueAt = earliest(dueAt, isUrgent ? now : now + configuration.rumourDelay)
        return true
    }

    mutating func take() -> [Row] {
        defer {
            rows = []
            dueAt = nil
        }
        return rows
    }
}

/// Items on their way into datagrams: as many as fit, then the next.
struct ItemPacker {
    private(set) var messages: [[AnnouncementItem]] = []
    private var room: Int
    private let fresh: Int

    /// - Parameters:
    ///   - first: bytes for items in the first message, 0 for none.
    ///   - fresh: bytes for items in each later one.
    init(first: Int, fresh: Int) {
        (room, self.fresh) = (first, fresh)
        messages = [[]]
    }

    /// False where a message more than `bound` would be needed.
    mutating func add(_ item: AnnouncementItem, bound: Int = .max) -> Bool {
        if item.byteCount > room {
            guard messages.count < bound else { return false }
            messages.append([])
            room = fresh
        }
        messages[messages.count - 1].append(item)
        room -= item.byteCount
        return true
    }
}
