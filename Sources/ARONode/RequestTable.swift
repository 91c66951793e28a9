/// The local user's requests that are under way, and what each operation of a subsystem is for.

import AROOverlay
import AROPrimitives
import AROWire

/// What an operation of the overlay serves.
enum Purpose: Hashable, Sendable {
    case request(RequestID)
    /// The exchange wants peers that hold this.
    case exchange(CID)
    /// A topic looks for its subscribers.
    case topic(TopicID)
    /// Calls look for who offers a model.
    case model(String)
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
        tidy()
        return purpose
    }

    /// The operation that a cancelled request had.
    mutating func cancelled(_ id: RequestID) -> OperationID? {
        guard let operation = operations.removeValue(forKey: id) else { return nil }
        purposes[operation] = nil
        tidy()
        return operation
    }

    /// Most nodes ask for nothing most of the time, and need no tables for that.
    private mutating func tidy() {
        if purposes.isEmpty { purposes = [:] }
        if operations.isEmpty { operations = [:] }
    }
}
