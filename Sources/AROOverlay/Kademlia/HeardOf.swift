/// Peers that others announced and that we may never have met: look-ups start from the nearest of
/// them as well as from the table, and so come closer with fewer questions.
///
/// The table keeps its rule that only peers who completed a handshake enter; a peer heard of is no
/// more than a candidate, like one named in an answer, and falls under the same caps per network.

import AROPrimitives

struct HeardOf: Sendable {
    /// Sorted; as many as the directory holds, so few that a look through all of them costs less than
    /// one message.
    private(set) var peers: [PeerHandle] = []

    mutating func insert(_ peer: PeerHandle) {
        let i = position(of: peer)
        if i == peers.count || peers[i] != peer { peers.insert(peer, at: i) }
    }

    mutating func remove(_ peer: PeerHandle) {
        let i = position(of: peer)
        if i < peers.count, peers[i] == peer { peers.remove(at: i) }
    }

    private func position(of peer: PeerHandle) -> Int {
        var low = 0
        var high = peers.count
        while low < high {
            let middle = (low + high) / 2
            if peers[middle] < peer { low = middle + 1 } else { high = middle }
        }
        return low
    }

    /// The nearest to a key, nearest first.
    func closest(
        to key: DHTKey, count: Int, _ book: borrowing PeerBook
    ) -> [PeerHandle] {
        guard count > 0, !peers.isEmpty else { return [] }
        var nearest = Nearest(to: key, capacity: count)
        for peer in peers { nearest.consider(peer, book) }
        return nearest.handles
    }
}

extension Kademlia {
    /// A peer that serves the DHT announced itself. The caller bounds how many there are.
    public mutating func heardOf(_ peer: PeerHandle) { heard.insert(peer) }

    /// What was heard of a peer does not count any more.
    public mutating func heardGone(_ peer: PeerHandle) { heard.remove(peer) }

    public var heardOfCount: Int { heard.peers.count }

    /// Where a look-up starts: our contacts nearest to the key, more than k so that those that died
    /// can be replaced without asking others, and the nearest that we heard of.
    func startingPoints(for key: DHTKey, _ book: borrowing PeerBook) -> [PeerHandle] {
        var start = table.closest(to: key, count: 2 * configuration.k, configuration, book)
        for peer in heard.closest(to: key, count: configuration.heardOfStart, book)
        where !start.contains(peer) { start.append(peer) }
        return start
    }
}
