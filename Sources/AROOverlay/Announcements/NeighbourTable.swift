/// The peers that are told of everything, and what each of them may cause. All others share one
/// allowance, so that many sessions are worth no more than one.

import AROPrimitives

struct NeighbourTable: Sendable {
    struct Row: Sendable {
        var peer: PeerHandle
        var allowance: Allowance
    }

    struct Allowance: Sendable {
        var messages: TokenBucket
        var checks: TokenBucket
        var obituaries: TokenBucket

        init(_ configuration: AnnouncementConfiguration, at now: Instant) {
            messages = TokenBucket(full: configuration.messagesBurst, at: now)
            checks = TokenBucket(full: configuration.checksBurst, at: now)
            obituaries = TokenBucket(full: configuration.obituariesBurst, at: now)
        }
    }

    private(set) var rows: [Row] = []
    /// Changes with the peers.
    private(set) var version: UInt64 = 0
    private var strangers: Allowance

    init(_ configuration: AnnouncementConfiguration, at now: Instant) {
        strangers = Allowance(configuration, at: now)
    }

    var count: Int { rows.count }
    var peers: [PeerHandle] { rows.map(\.peer) }

    func contains(_ peer: PeerHandle) -> Bool { rows.contains { $0.peer == peer } }

    /// False where the peer is one already, or there are too many.
    mutating func add(
        _ peer: PeerHandle, _ configuration: AnnouncementConfiguration, at now: Instant
    ) -> Bool {
        guard !contains(peer), rows.count < configuration.neighboursMax else { return false }
        version &+= 1
        rows.append(Row(peer: peer, allowance: Allowance(configuration, at: now)))
        return true
    }

    mutating func remove(_ peer: PeerHandle) {
        version &+= 1
        rows.removeAll { $0.peer == peer }
    }

    mutating func allowsMessage(
        by peer: PeerHandle, at now: Instant, _ configuration: AnnouncementConfiguration
    ) -> Bool {
        withAllowance(of: peer) {
            $0.messages.take(
                perSecond: configuration.messagesPerSecond, burst: configuration.messagesBurst,
                at: now)
        }
    }

    mutating func allowsCheck(
        by peer: PeerHandle, at now: Instant, _ configuration: AnnouncementConfiguration
    ) -> Bool {
        withAllowance(of: peer) {
            $0.checks.take(
                perSecond: configuration.checksPerSecond, burst: configuration.checksBurst, at: now)
        }
    }

    mutating func allowsObituary(
        by peer: PeerHandle, at now: Instant, _ configuration: AnnouncementConfiguration
    ) -> Bool {
        withAllowance(of: peer) {
            $0.obituaries.take(
                perSecond: configuration.obituariesPerSecond,
                burst: configuration.obituariesBurst, at: now)
        }
    }

    private mutating func withAllowance<R>(
        of peer: PeerHandle, _ body: (inout Allowance) -> R
    ) -> R {
        guard let i = rows.firstIndex(where: { $0.peer == peer }) else { return body(&strangers) }
        return body(&rows[i].allowance)
    }
}
