/// The local user's requests that are under way, and what each operation of a subsystem is for.

import AROOverlay
import AROPrimitives
import AROWire

/// What an operation of the overlay serves.
enum Purpose: Hashable, Sendable {
    case request(RequestID)
    /// The exchange wants peers that hold this.
    case exchange(CID)
}

struct RequestTable: Sendable {
    private var purposes: [OperationID: Purpose] = [:]
    private var operations: [RequestID: OperationID] = [:]

    mutating func started(_ operation: OperationID, for purpose: Purpose) {
        purposes[operation] = purpose
        if case .request(let id) = purpose { operations[id] = operation }
    }

    func purpose(of operation: OperationID) -> Purpose? { purposes[operation] }

    mutating func ended(_ operation: OperationID) -> Purpose? {
        let purpose = purposes.removeValue(forKey: operation)
        if case .request(let id)? = purpose { operations[id] = nil }
        return purpose
    }

    /// The operation that a cancelled request had.
    mutating func cancelled(_ id: RequestID) -> OperationID? {
        guard let operation = operations.removeValue(forKey: id) else { return nil }
        purposes[operation] = nil
        return operation
    }
}

/// Joining through bootstrap addresses: dial them all, look ourselves up once the first answers.
struct Joins: Sendable {
    private struct Join {
        var request: RequestID
        var addresses: [SocketAddress]
        var waiting: [SocketAddress]
        var reached: PeerHandle?
    }

    private var joins: [Join] = []

    mutating func began(_ request: RequestID, _ addresses: [SocketAddress]) {
        joins.append(Join(request: request, addresses: addresses, waiting: addresses))
    }

    mutating func dialed(_ address: SocketAddress, _ peer: PeerHandle) {
        for i in joins.indices where joins[i].waiting.contains(address) { joins[i].reached = peer }
    }

    mutating func dialFailed(_ address: SocketAddress) {
        for i in joins.indices { joins[i].waiting.removeAll { $0 == address } }
    }

    mutating func cancelled(_ request: RequestID) { joins.removeAll { $0.request == request } }

    /// The joins that have reached somebody: from here on the overlay's.
    mutating func takeReached() -> [RequestID] {
        defer { joins.removeAll { $0.reached != nil } }
        return joins.compactMap { $0.reached == nil ? nil : $0.request }
    }

    /// The joins that nobody answered, with the addresses that were tried.
    mutating func takeFailed() -> [(RequestID, [SocketAddress])] {
        defer { joins.removeAll { $0.reached == nil && $0.waiting.isEmpty } }
        return joins.compactMap {
            $0.reached == nil && $0.waiting.isEmpty ? ($0.request, $0.addresses) : nil
        }
    }

    func forEachUsedHandle(_ body: (PeerHandle) -> Void) {
        for join in joins { if let peer = join.reached { body(peer) } }
    }
}
