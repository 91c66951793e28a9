/// Where we may be reached: what we listen on, and what peers say they see.
///
/// One peer may lie, so an address counts by the number of peers that reported it lately.

import AROPrimitives
import AROWire

struct OwnAddresses: Sendable {
    private struct Report {
        var peer: PeerHandle
        /// A place in ``seen``.
        var address: UInt8
    }

    private let listening: [SocketAddress]
    /// The oldest first.
    private var reports: [Report] = []
    /// The different addresses that were reported; few, and mostly one.
    private var seen: [SocketAddress] = []
    /// The address that most peers see; of equals the one reported last.
    private(set) var observed: SocketAddress?
    /// How our packets are translated on the way out, as far as several peers agree.
    private(set) var nat = NATClass.unknown

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

    /// Only who has a session with us can report. Returns whether we know anything new by it.
    mutating func reported(_ address: SocketAddress, by peer: PeerHandle) -> Bool {
        guard !address.isUnusable else { return false }
        reports.removeAll { $0.peer == peer }
        if reports.count == Self.reportsMax { reports.removeFirst() }
        reports.append(Report(peer: peer, address: UInt8(place(of: address))))
        let known = (observed, nat)
        (observed, nat) = (mostSeen, natSeen)
        return known != (observed, nat)
    }

    /// Where an address stands in ``seen``, which it enters where it is new.
    private mutating func place(of address: SocketAddress) -> Int {
        if let i = seen.firstIndex(of: address) { return i }
        if seen.count > Self.reportsMax { forgetUnreported() }
        seen.append(address)
        return seen.count - 1
    }

    private mutating func forgetUnreported() {
        let old = seen
        seen = []
        for i in reports.indices {
            let address = old[Int(reports[i].address)]
            let place = seen.firstIndex(of: address) ?? seen.count
            if place == seen.count { seen.append(address) }
            reports[i].address = UInt8(place)
        }
    }

    private var mostSeen: SocketAddress? {
        var counts = InlineArray<64, UInt8>(repeating: 0)
        for report in reports { counts[Int(report.address)] += 1 }
        var best: UInt8?
        for report in reports.reversed()
        where counts[Int(report.address)] > best.map({ counts[Int($0)] }) ?? 0 {
            best = report.address
        }
        guard let best,
            Int(counts[Int(best)]) >= max(Self.reportsMin, reports.count / 2)
        else { return nil }
        return seen[Int(best)]
    }

    /// IPv4's class where there is one, as that is where translators stand, else IPv6's.
    private var natSeen: NATClass {
        let old = nat { $0.isIPv4 }
        return old == .unknown ? nat { !$0.isIPv4 } : old
    }

    /// By the reports of one address family: those of the other have another translator, or none.
    private func nat(_ isOfFamily: (SocketAddress) -> Bool) -> NATClass {
        var counts = InlineArray<64, UInt8>(repeating: 0)
        var count = 0
        var best: Int?
        for report in reports where isOfFamily(seen[Int(report.address)]) {
            count += 1
            counts[Int(report.address)] += 1
        }
        for report in reports where counts[Int(report.address)] > best.map({ counts[$0] }) ?? 0 {
            best = Int(report.address)
        }
        guard let best, count >= Self.natReportsMin else { return .unknown }
        if Int(counts[best]) >= Self.natReportsMin, Int(counts[best]) * 2 > count {
            return listening.contains(seen[best]) ? .open : .endpointIndependent
        }
        // Whether the port depends on the peer's address alone, these reports cannot tell. Two that
        // differ may be one that lies.
        return count > Self.natReportsMin ? .addressAndPortDependent : .unknown
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
