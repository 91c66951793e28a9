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
            for position in range {
                let entry = entries[position]
                guard entry.handle != excluded, isStale(entry, configuration) == stale else {
                    continue
                }
                nearest.consider(entry.handle, key: book.key(entry.handle))
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
    private let target: DHTKey
    private let capacity: Int
    private var distances: [Bits256] = []
    private(set) var handles: [PeerHandle] = []

    init(to target: DHTKey, capacity: Int) {
        (self.target, self.capacity) = (target, capacity)
        distances.reserveCapacity(capacity)
        handles.reserveCapacity(capacity)
    }

    var isFull: Bool { handles.count >= capacity }

    mutating func consider(_ handle: PeerHandle, key: DHTKey) {
        let distance = target.distance(to: key)
        if isFull {
            guard let last = distances.last, distance < last else { return }
            distances.removeLast()
            handles.removeLast()
        }
        var at = distances.count
        while at > 0, distance < distances[at - 1] { at -= 1 }
        distances.insert(distance, at: at)
        handles.insert(handle, at: at)
    }
}
