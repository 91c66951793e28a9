/// How we stand with each peer. Money is two counters: what receipts say, and what vouchers promise;
/// a voucher is cumulative, so the newest stands for all before it.
///
/// What a peer owes is judged by the receipts that we signed as its provider, whether it has signed
/// them or not: who does not sign gets no more credit than who does not pay. Nothing is settled here.

import AROCrypto
import AROPrimitives
import AROWire

struct Accounts {
    private let shared: SharedConfiguration
    var config: InferenceConfiguration { shared.value }
    let local: PeerID
    private var rows: [PeerID: PeerBalance] = [:]
    private var entries: [LedgerEntry] = []

    init(_ shared: SharedConfiguration, local: PeerID) {
        (self.shared, self.local) = (shared, local)
    }

    mutating func takeEntries() -> [LedgerEntry] {
        guard !entries.isEmpty else { return [] }
        defer { entries = [] }
        return entries
    }

    /// In the order of the peers' keys.
    var list: [PeerBalance] { rows.values.sorted { $0.peer < $1.peer } }

    mutating func restore(_ balances: [PeerBalance]) {
        for balance in balances where rows.count < config.accountsMax {
            rows[balance.peer] = balance
        }
    }
}

// MARK: - As a provider

extension Accounts {
    /// Whether a peer may be served for a price, while calls of it are running that will cost so much.
    func mayServe(_ peer: PeerID, _ price: TokenPrice, running: UInt64) -> Bool {
        guard peer != local, !price.isFree else { return true }
        guard let row = rows[peer] else {
            return rows.count < config.accountsMax && running <= config.creditLimit
        }
        let owed = row.owedToUs.addingReportingOverflow(running)
        return !owed.overflow && owed.partialValue <= config.creditLimit
    }

    /// We have signed a receipt: it counts from now on, whether the caller signs or not.
    mutating func claimed(_ receipt: Receipt) {
        entries.append(.receipt(receipt))
        change(receipt.caller) { row in
            row.claimed = row.claimed.addingSaturated(receipt.statement.price)
            row.callsUnsigned += 1
        }
    }

    /// The caller's answer to a receipt that was claimed before.
    ///
    /// - Parameter isKnown: it has signed before; the answer was told again.
    mutating func countersigned(
        _ receipt: Receipt, _ signature: Signature, _ voucher: Voucher?, isKnown: Bool
    ) throws(CallViolation) {
        let signed = receipt.countersigned(signature)
        do { try signed.verify() } catch { throw .wrongPayment }
        guard !isKnown else { return }
        entries.append(.receipt(signed))
        change(receipt.caller) { row in
            row.claimed -= min(row.claimed, receipt.statement.price)
            row.earned = row.earned.addingSaturated(receipt.statement.price)
            row.callsUnsigned -= min(row.callsUnsigned, 1)
            row.callsServed += 1
        }
        if let voucher { try received(voucher, from: receipt.caller) }
    }

    /// The newest voucher that we hold comes again where an answer was lost: that is no offence.
    private mutating func received(
        _ voucher: Voucher, from peer: PeerID
    ) throws(CallViolation) {
        guard voucher.from == peer, voucher.to == local else { throw .wrongPayment }
        let held = rows[peer]?.received
        guard voucher != held else { return }
        if let held, !voucher.supersedes(held) { throw .wrongPayment }
        do { try voucher.verify() } catch { throw .wrongPayment }
        entries.append(.voucher(voucher))
        change(peer) { $0.received = voucher }
    }
}

// MARK: - As a caller

extension Accounts {
    /// We agree with a receipt. Returns our signature, and where it costs something a voucher for
    /// all that we owe this provider, as far as the operator lets us promise.
    ///
    /// - Parameter isKnown: its call was paid before; the answer was told again.
    mutating func agreed(
        _ receipt: Receipt, isKnown: Bool, at time: UnixTime, _ identity: borrowing Identity
    ) -> (signed: Receipt, signature: Signature, voucher: Voucher?) {
        let signature = receipt.countersignature(of: identity)
        let signed = receipt.countersigned(signature)
        let provider = receipt.provider
        // A receipt of ours to us is recorded, and nothing is owed.
        guard provider != local else { return (signed, signature, nil) }
        entries.append(.receipt(signed))
        guard !isKnown else {
            let isOwed = receipt.statement.price > 0
            return (signed, signature, isOwed ? rows[provider]?.given : nil)
        }
        let price = receipt.statement.price
        var voucher: Voucher?
        let before = rows[provider] ?? PeerBalance(peer: provider)
        let promised = min(before.spent.addingSaturated(price), config.promiseMax)
        if promised > before.given?.amount ?? 0 {
            voucher = Voucher(
                to: provider, amount: promised, sequence: (before.given?.sequence ?? 0) + 1,
                issued: time, signedBy: identity)
        } else if price > 0 {
            voucher = before.given
        }
        if let voucher, voucher != before.given { entries.append(.voucher(voucher)) }
        change(provider) { row in
            row.spent = row.spent.addingSaturated(price)
            row.callsMade += 1
            row.given = voucher ?? row.given
        }
        return (signed, signature, voucher)
    }

    /// A call gave us output and no receipt.
    mutating func unsettled(with provider: PeerID) {
        change(provider) { $0.callsUnsettled += 1 }
    }

    private mutating func change(_ peer: PeerID, _ body: (inout PeerBalance) -> Void) {
        guard peer != local else { return }
        guard rows[peer] != nil || rows.count < config.accountsMax else { return }
        body(&rows[peer, default: PeerBalance(peer: peer)])
        entries.append(.balance(rows[peer]!))
    }
}

extension UInt64 {
    func addingSaturated(_ other: UInt64) -> UInt64 {
        let sum = addingReportingOverflow(other)
        return sum.overflow ? .max : sum.partialValue
    }
}
