/// In how many swarms a peer is our neighbour: it is watched as long as it is in any.

import AROPrimitives

struct WatchCounts: Sendable {
    private var rows: [(peer: PeerHandle, count: Int)] = []

    /// Whether the peer was no neighbour before.
    mutating func add(_ peer: PeerHandle) -> Bool {
        if let i = rows.firstIndex(where: { $0.peer == peer }) {
            rows[i].count += 1
            return false
        }
        rows.append((peer, 1))
        return true
    }

    var count: Int { rows.count }

    func contains(_ peer: PeerHandle) -> Bool { rows.contains { $0.peer == peer } }

    /// In the order in which they became neighbours.
    func first(where isWanted: (PeerHandle) -> Bool) -> PeerHandle? {
        rows.first { isWanted($0.peer) }?.peer
    }

    func forEachHandle(_ body: (PeerHandle) -> Void) { for row in rows { body(row.peer) } }

    /// Whether the peer is no neighbour any more.
    mutating func remove(_ peer: PeerHandle) -> Bool {
        guard let i = rows.firstIndex(where: { $0.peer == peer }) else { return false }
        rows[i].count -= 1
        guard rows[i].count == 0 else { return false }
        rows.remove(at: i)
        return true
    }
}
