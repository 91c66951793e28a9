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
    /// Peers that must agree, and be more than half of those heard, for a class of translation: one
    /// may lie. A guess.
    private static let natReportsMin = 2

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

    /// How our packets are translated on the way out, as far as several peers agree. IPv4's class
    /// where there is one, as that is where translators stand, else IPv6's.
    var nat: NATClass {
        let old = nat { $0.isIPv4 }
        return old == .unknown ? nat { !$0.isIPv4 } : old
    }

    /// By the reports of one address family: those of the other have another translator, or none.
    private func nat(_ isOfFamily: (SocketAddress) -> Bool) -> NATClass {
        let seen = reports.map(\.address).filter(isOfFamily)
        var best: (address: SocketAddress, count: Int)?
        for address in seen {
            let count = seen.count { $0 == address }
            if count > (best?.count ?? 0) { best = (address, count) }
        }
        guard let best, seen.count >= Self.natReportsMin else { return .unknown }
        if best.count >= Self.natReportsMin, best.count * 2 > seen.count {
            return listening.contains(best.address) ? .open : .endpointIndependent
        }
        // Whether the port depends on the peer's address alone, these reports cannot tell. Two that
        // differ may be one that lies.
        return seen.count > Self.natReportsMin ? .addressAndPortDependent : .unknown
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
