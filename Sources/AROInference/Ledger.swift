/// What is kept of calls beyond the node's life: receipts, vouchers, balances. The node asks for it to
/// be recorded, and is told of it again when it starts.

import AROPrimitives
import AROWire

/// What the driver is to keep. Recorded in order; recording twice does no harm.
public enum LedgerEntry: Hashable, Sendable {
    /// A call that we made or served has ended. Comes again where the caller signs later.
    case receipt(Receipt)
    /// The newest of these two peers: the older one may be forgotten.
    case voucher(Voucher)
    /// How we stand with a peer now.
    case balance(PeerBalance)
}

/// How two peers stand, in millionths of the unit of account. Amounts only grow; what is owed is the
/// difference of two.
public struct PeerBalance: Hashable, Sendable {
    public var peer: PeerID

    // MARK: What we served
    /// The price of calls whose receipts the peer has signed.
    public var earned: UInt64 = 0
    /// The price of calls whose receipts it has not signed: it may not have got them, or not agree.
    public var claimed: UInt64 = 0
    /// Calls that earned, and calls that claimed.
    public var callsServed: UInt64 = 0
    public var callsUnsigned: UInt64 = 0
    /// The peer's newest voucher for us.
    public var received: Voucher?

    // MARK: What we were served
    /// The price of receipts that we have signed.
    public var spent: UInt64 = 0
    public var callsMade: UInt64 = 0
    /// Calls that gave us output and no receipt: what they cost is not known.
    public var callsUnsettled: UInt64 = 0
    /// Our newest voucher for the peer.
    public var given: Voucher?

    public init(peer: PeerID) { self.peer = peer }

    /// What the peer owes us and has not promised.
    public var owedToUs: UInt64 {
        let total = earned.addingReportingOverflow(claimed)
        let sum = total.overflow ? UInt64.max : total.partialValue
        return sum > (received?.amount ?? 0) ? sum - (received?.amount ?? 0) : 0
    }

    /// What we owe the peer and have not promised.
    public var owedByUs: UInt64 {
        spent > (given?.amount ?? 0) ? spent - (given?.amount ?? 0) : 0
    }
}

/// What a node remembers of its ledger when it starts.
public struct Ledger: Sendable {
    public var balances: [PeerBalance]
    /// The latest receipts of calls that we served, so that their keys do not run again.
    public var served: [Receipt]

    public init(balances: [PeerBalance] = [], served: [Receipt] = []) {
        (self.balances, self.served) = (balances, served)
    }
}
