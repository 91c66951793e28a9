/// The spare peers of HyParView (Leitão, Pereira and Rodrigues 2007, §4.1): heard of, not connected,
/// not verified. A bounded bag; where it is full, a newcomer takes the place of a random one, or of
/// one that was just given away in a shuffle (§4.4).
///
/// Deviation: so many of one public network at most, so that one operator's addresses cannot fill it.

import AROPrimitives

struct PassiveView: Sendable {
    enum Insertion { case inserted, known, networkFull }

    private(set) var peers: [PeerHandle] = []

    var isEmpty: Bool { peers.isEmpty }

    func contains(_ peer: PeerHandle) -> Bool { peers.contains(peer) }

    /// - Parameter given: peers that are dispensable, as somebody else has them now; those that were
    ///   used for it are taken out of the list.
    mutating func insert(
        _ peer: PeerHandle, replacing given: inout [PeerHandle],
        _ configuration: MembershipConfiguration, _ book: borrowing PeerBook,
        _ generator: inout Generator
    ) -> Insertion {
        guard !peers.contains(peer) else { return .known }
        guard hasRoom(forNetworkOf: peer, configuration, book) else { return .networkFull }
        if peers.count < configuration.passiveMax {
            peers.append(peer)
            return .inserted
        }
        guard !peers.isEmpty else { return .networkFull }
        peers[place(replacing: &given, &generator)] = peer
        return .inserted
    }

    mutating func remove(_ peer: PeerHandle) {
        guard let i = peers.firstIndex(of: peer) else { return }
        peers.swapAt(i, peers.count - 1)
        peers.removeLast()
    }

    mutating func removeAll() { peers.removeAll() }

    /// Up to `count` different random peers.
    func sample(_ count: Int, _ generator: inout Generator) -> [PeerHandle] {
        peers.sample(count, &generator)
    }

    private func place(
        replacing given: inout [PeerHandle], _ generator: inout Generator
    ) -> Int {
        while let candidate = given.popLast() {
            if let i = peers.firstIndex(of: candidate) { return i }
        }
        return generator.below(peers.count)
    }

    private func hasRoom(
        forNetworkOf peer: PeerHandle, _ configuration: MembershipConfiguration,
        _ book: borrowing PeerBook
    ) -> Bool {
        guard let network = publicNetwork(of: peer, book) else { return true }
        var count = 0
        for other in peers where publicNetwork(of: other, book) == network { count += 1 }
        return count < configuration.passivePerNetworkMax
    }
}

/// The network that counts against caps; nil for private addresses, which nobody outside can reach.
func publicNetwork(of peer: PeerHandle, _ book: borrowing PeerBook) -> UInt64? {
    guard let address = book.address(peer), !address.isPrivate else { return nil }
    return address.network
}

extension Array {
    /// Up to `count` different random elements, in random order.
    func sample(_ count: Int, _ generator: inout Generator) -> [Element] {
        var drawn = self
        let count = Swift.min(count, drawn.count)
        for i in 0..<count { drawn.swapAt(i, i + generator.below(drawn.count - i)) }
        drawn.removeLast(drawn.count - count)
        return drawn
    }
}
