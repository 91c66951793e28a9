/// Where we may be reached: what we listen on, and what peers say they see.
///
/// One peer may lie, so an address counts by the number of peers that reported it lately.

import AROPrimitives
import AROWire

struct OwnAddresses: Sendable {
    private let listening: [SocketAddress]
    private var reports: [(peer: PeerHandle, address: SocketAddress)] = []

    /// Reports remembered, one a peer. A guess.
    private static let reportsMax = 32
    /// Reports that make an address believed while we know of no other: one, as the first peer is all
    /// there is; with more reports, half of them.
    private static let reportsMin = 1

    init(listening: [SocketAddress]) {
        self.listening = listening.filter { !$0.isUnusable }
    }

    /// Only who has a session with us can report.
    mutating func reported(_ address: SocketAddress, by peer: PeerHandle) {
        guard !address.isUnusable else { return }
        reports.removeAll { $0.peer == peer }
        if reports.count == Self.reportsMax { reports.removeFirst() }
        reports.append((peer, address))
    }

    /// The address that most peers see; of equals the one reported last.
    var observed: SocketAddress? {
        var best: (address: SocketAddress, count: Int)?
        for report in reports.reversed() {
            let count = reports.count { $0.address == report.address }
            if count > (best?.count ?? 0) { best = (report.address, count) }
        }
        guard let best, best.count >= max(Self.reportsMin, reports.count / 2) else { return nil }
        return best.address
    }

    /// How our packets are translated on the way out, as far as two peers' reports tell.
    var nat: NATClass {
        if reports.contains(where: { listening.contains($0.address) }) { return .open }
        guard reports.count >= 2, let first = reports.first?.address else { return .unknown }
        if reports.allSatisfy({ $0.address == first }) { return .endpointIndependent }
        // Whether the port depends on the peer's address alone, two peers cannot tell.
        return .addressAndPortDependent
    }

    /// Every peer that must stay in the book: another with its handle would take its report away.
    func forEachUsedHandle(_ body: (PeerHandle) -> Void) {
        for report in reports { body(report.peer) }
    }

    /// For records: what peers see first, then what we listen on, public addresses before private.
    var best: [SocketAddress] {
        var all = observed.map { [$0] } ?? []
        for address in listening.filter({ !$0.isPrivate }) + listening.filter({ $0.isPrivate })
        where !all.contains(address) {
            all.append(address)
        }
        return Array(all.prefix(Contact.addressesMax))
    }
}
