/// Peers that others announced and that we may never have met: look-ups start from the nearest of
/// them as well as from the table, and so come closer with fewer questions.
///
/// The table keeps its rule that only peers who completed a handshake enter; a peer heard of is no
/// more than a candidate, like one named in an answer, and falls under the same caps per network.

import AROPrimitives

struct HeardOf: Sendable {
    /// Sorted by key, as many as the directory holds. The keys are the book's: a few looks into it for
    /// each search cost less than another copy of a thousand keys.
    private(set) var peers: [PeerHandle] = []

    mutating func insert(_ peer: PeerHandle, _ book: borrowing PeerBook) {
        let i = place(of: book.key(peer), book)
        if i == peers.count || peers[i] != peer { peers.insert(peer, at: i) }
    }

    mutating func remove(_ peer: PeerHandle, _ book: borrowing PeerBook) {
        let i = place(of: book.key(peer), book)
        if i < peers.count, peers[i] == peer { peers.remove(at: i) }
    }

    /// The first place whose key is not smaller.
    private func place(of key: DHTKey, _ book: borrowing PeerBook) -> Int {
        peers.partitionPoint(near: key.bits.w0) { book.key($0) < key }
    }

    /// The first place of a range whose key is not smaller.
    private func position(
        of key: DHTKey, in range: Range<Int>, _ book: borrowing PeerBook
    ) -> Int {
        range.partitionPoint { book.key(peers[$0]) < key }
    }

    /// The nearest to a key, nearest first.
    ///
    /// Of the peers that share some bits with the key, those that share one more are nearer than all
    /// others: they are the lower or the upper part of the range, and the search goes on in them if
    /// they are enough, or else in the rest.
    func closest(
        to key: DHTKey, count: Int, _ book: borrowing PeerBook
    ) -> [PeerHandle] {
        guard count > 0, !peers.isEmpty else { return [] }
        var nearest = Nearest(to: key, capacity: count)
        var left = count
        var range = peers.indices
        var first = DHTKey(bits: .zero)
        for bit in 0..<64 where range.count > left {
            let mask = UInt64(1) << UInt64(63 - bit)
            var upper = first
            upper.bits.w0 |= mask
            let middle = position(of: upper, in: range, book)
            let isUpper = key.bits.w0 & mask != 0
            let (near, far) =
                isUpper
                ? (middle..<range.upperBound, range.lowerBound..<middle)
                : (range.lowerBound..<middle, middle..<range.upperBound)
            if near.count >= left {
                range = near
                if isUpper { first = upper }
            } else {
                for i in near { nearest.consider(peers[i], book) }
                left -= near.count
                range = far
                if !isUpper { first = upper }
            }
        }
        for i in range { nearest.consider(peers[i], book) }
        return nearest.handles
    }
}

extension Kademlia {
    /// A peer that serves the DHT announced itself. The caller bounds how many there are.
    public mutating func heardOf(_ peer: PeerHandle, book: borrowing PeerBook) {
        heard.insert(peer, book)
    }

    /// What was heard of a peer does not count any more.
    public mutating func heardGone(_ peer: PeerHandle, book: borrowing PeerBook) {
        heard.remove(peer, book)
    }

    public var heardOfCount: Int { heard.peers.count }

    /// Where a look-up starts: our contacts nearest to the key, more than k so that those that died
    /// can be replaced without asking others, and the nearest that we heard of. Those who are held
    /// for absent only where nobody else is left.
    func startingPoints(
        for key: DHTKey, at now: Instant, _ book: borrowing PeerBook
    ) -> [Lookup.Start] {
        var peers = table.closest(to: key, count: 2 * configuration.k, configuration, book)
        for peer in heard.closest(to: key, count: configuration.heardOfStart, book)
        where !peers.contains(peer) { peers.append(peer) }
        var present: [Lookup.Start] = []
        var absent: [Lookup.Start] = []
        present.reserveCapacity(peers.count)
        for peer in peers {
            let standing = self.standing(of: peer, in: key, at: now, book)
            let start = Lookup.Start(
                peer: peer, roundTrip: table.roundTrip(of: peer, key: book.key(peer)),
                isDoubted: standing == .doubted)
            if standing == .absent { absent.append(start) } else { present.append(start) }
        }
        return present.isEmpty ? absent : present
    }
}
