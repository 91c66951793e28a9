/// What the node tells of itself, and the sweeping of its peer book.

import AROPrimitives
import AROTransport

extension Node {
    /// Peers with a session, in the order of their ids.
    func peerStatus() -> [PeerStatus] {
        var rows: [PeerStatus] = []
        for (session, peer) in carrier.connectedPeers {
            guard let known = transport.statistics(of: session),
                let address = transport.address(of: session)
            else { continue }
            var row = PeerStatus(
                id: book.id(peer), address: address, isConnected: true,
                isInTable: participant.isInTable(peer, book: book),
                roundTrip: known.roundTrip, bytesIn: known.bytesIn, bytesOut: known.bytesOut)
            (row.packetsOut, row.packetsLost) = (known.packetsOut, known.packetsLost)
            rows.append(row)
        }
        return rows.sorted { $0.id < $1.id }
    }

    func status(at now: Instant) -> NodeStatus {
        var status = NodeStatus(id: id)
        let known = transport.statistics
        status.sessions = carrier.connectedPeers.count
        status.datagramsIn = known.datagramsIn
        status.datagramsOut = known.datagramsOut
        status.bytesIn = known.bytesIn
        status.bytesOut = known.bytesOut
        status.messagesOut = messagesOut
        for reason in DropReason.allCases where known[reason] > 0 {
            status.drops.append(.init(reason: reason.name, count: known[reason]))
        }
        if writesRefused > 0 {
            status.drops.append(.init(reason: "stream-write-refused", count: writesRefused))
        }
        participant.describe(into: &status)
        status.drops.sort { $0.reason < $1.reason }
        return status
    }

    /// Forgets the peers that nothing uses, once the book has doubled since the last time.
    mutating func sweepBook() {
        guard book.count > bookSweepAt else { return }
        var used: Set<PeerHandle> = []
        participant.forEachUsedHandle { used.insert($0) }
        carrier.forEachUsedHandle { used.insert($0) }
        book.sweep { used.contains($0) }
        bookSweepAt = max(Self.bookFloor, book.count * 2)
    }
}
