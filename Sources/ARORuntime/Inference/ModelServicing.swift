/// The model servers behind a node and the keeper of its ledger, as the loop sees them.

import AROInference

/// Carries calls to model servers. The node bounds how many it starts and how far they may be ahead.
public protocol ModelServicing: Sendable {
    /// Called on the loop's thread and must not block it. `reply` may be called from any thread, for
    /// one call always in order.
    func perform(_ request: BackendRequest, reply: @escaping @Sendable (BackendReply) -> Void)
}

/// Keeps what the node wants remembered of its calls.
package protocol LedgerKeeping: Sendable {
    /// Called on the loop's thread and must not block it.
    func record(_ entry: LedgerEntry)
}
