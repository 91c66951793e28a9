/// Joining through bootstrap addresses: dial them all, look ourselves up once the first answers. Where
/// that finds nobody, because the first peer's packets were lost, all are dialed again.

import AROPrimitives

struct Joins: Sendable {
    private enum Phase {
        case dialing(left: [SocketAddress])
        /// Somebody answered.
        case reached(PeerHandle)
        /// The overlay looks ourselves up.
        case lookingUp
    }

    private struct Join {
        var request: RequestID
        var addresses: [SocketAddress]
        var phase: Phase
        var attempts = 1
    }

    private var joins: [Join] = []

    /// Times that the addresses are dialed for one request. A guess: at 10 % loss each way, 1 of
    /// 10,000 joins needs more.
    private static let attemptsMax = 3

    mutating func began(_ request: RequestID, _ addresses: [SocketAddress]) {
        joins.append(
            Join(request: request, addresses: addresses, phase: .dialing(left: addresses)))
    }

    mutating func dialed(_ address: SocketAddress, _ peer: PeerHandle) {
        for i in joins.indices {
            guard case .dialing(let left) = joins[i].phase, left.contains(address) else { continue }
            joins[i].phase = .reached(peer)
        }
    }

    mutating func dialFailed(_ address: SocketAddress) {
        for i in joins.indices {
            guard case .dialing(var left) = joins[i].phase else { continue }
            left.removeAll { $0 == address }
            joins[i].phase = .dialing(left: left)
        }
    }

    mutating func cancelled(_ request: RequestID) { joins.removeAll { $0.request == request } }

    /// The joins that have reached somebody and are to be looked up now.
    mutating func takeReached() -> [RequestID] {
        var reached: [RequestID] = []
        for i in joins.indices {
            guard case .reached = joins[i].phase else { continue }
            joins[i].phase = .lookingUp
            reached.append(joins[i].request)
        }
        return reached
    }

    /// The joins that nobody answered, with the addresses that were tried.
    mutating func takeFailed() -> [(RequestID, [SocketAddress])] {
        var failed: [(RequestID, [SocketAddress])] = []
        joins.removeAll { join in
            guard case .dialing(let left) = join.phase, left.isEmpty else { return false }
            failed.append((join.request, join.addresses))
            return true
        }
        return failed
    }

    /// A look-up ended. Returns the addresses to dial again where it found nobody and may be tried
    /// once more; else the join is over.
    mutating func lookedUp(_ request: RequestID, foundSomebody: Bool) -> [SocketAddress]? {
        guard let i = joins.firstIndex(where: { $0.request == request }) else { return nil }
        guard !foundSomebody, joins[i].attempts < Self.attemptsMax else {
            joins.remove(at: i)
            return nil
        }
        joins[i].attempts += 1
        joins[i].phase = .dialing(left: joins[i].addresses)
        return joins[i].addresses
    }

    func forEachUsedHandle(_ body: (PeerHandle) -> Void) {
        for join in joins { if case .reached(let peer) = join.phase { body(peer) } }
    }
}
