/// The contacts nearest to a key, without looking at most of the table.
///
/// Let `c` be the number of bits that the target shares with us. Contacts of bucket `c` share more
/// than `c` bits with the target, those of every deeper bucket just `c`, those of bucket `i < c`
/// just `i`: so whole groups are nearer than others, and only inside of a group distances are
/// compared.

import AROPrimitives

extension RoutingTable {
    /// At most `count` live contacts, nearest first; stale ones only where there is no live one.
    func closest(
        to target: DHTKey, count: Int, excluding excluded: PeerHandle? = nil,
        _ configuration: KademliaConfiguration, _ book: borrowing PeerBook
    ) -> [PeerHandle] {
        let live = closest(to: target, count, excluded, stale: false, configuration, book)
        guard live.isEmpty, !entries.isEmpty else { return live }
        return closest(to: target, count, excluded, stale: true, configuration, book)
    }

    private func closest(
        to target: DHTKey, _ count: Int, _ excluded: PeerHandle?, stale: Bool,
        _ configuration: KademliaConfiguration, _ book: borrowing PeerBook
    ) -> [PeerHandle] {
        var nearest = Nearest(to: target, capacity: count)
        func consider(_ range: Range<Int>, _ nearest: inout Nearest, _ book: borrowing PeerBook) {
            for position in range { book.prefetchKey(of: entries[position].handle) }
            for position in range {
                let entry = entries[position]
                guard entry.handle != excluded, isStale(entry, configuration) == stale else {
                    continue
                }
                nearest.consider(entry.handle, book)
            }
        }
        let own = bucketIndex(of: target)
        consider(bucket(own), &nearest, book)
        if !nearest.isFull { consider(Int(ends[own])..<entries.count, &nearest, book) }
        var i = own - 1
        while i >= 0, !nearest.isFull {
            consider(bucket(i), &nearest, book)
            i -= 1
        }
        return nearest.handles
    }
}

/// The nearest few of the peers that it is shown, sorted.
struct Nearest {
    private struct Row {
        /// The first word of the distance, which nearly always decides.
        var distance: UInt64
        var handle: PeerHandle
    }

    private let target: DHTKey
    private let capacity: Int
    private var rows: [Row] = []

    init(to target: DHTKey, capacity: Int) {
        (self.target, self.capacity) = (target, capacity)
        rows.reserveCapacity(capacity)
    }

    var isFull: Bool { rows.count >= capacity }
    var handles: [PeerHandle] { rows.map(\.handle) }

    mutating func consider(_ handle: PeerHandle, _ book: borrowing PeerBook) {
        let row = Row(
            distance: target.bits.w0 ^ book.key(handle).bits.w0, handle: handle)
        if isFull {
            guard let last = rows.last, isNearer(row, than: last, book) else { return }
            rows.removeLast()
        }
        var at = rows.count
        while at > 0, isNearer(row, than: rows[at - 1], book) { at -= 1 }
        rows.insert(row, at: at)
    }

    private func isNearer(_ a: Row, than b: Row, _ book: borrowing PeerBook) -> Bool {
        guard a.distance == b.distance else { return a.distance < b.distance }
        return target.distance(to: book.key(a.handle)) < target.distance(to: book.key(b.handle))
    }
}
