import AROCrypto
import AROInference
import AROPrimitives
import AROWire
import Foundation
import Logging
import Testing

@testable import ARORuntime

@Suite("The ledger on disk") struct LedgerStoreTests {
    private let caller = Scratch.identity(1).id
    private let provider = Scratch.identity(2).id

    private func store(_ path: String) throws -> LedgerStore {
        try LedgerStore(path, logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
    }

    private func receipt(_ number: UInt64, ended: Int64 = 1_000) -> Receipt {
        Receipt(
            Receipt.Statement(
                key: CallKey(high: 7, low: number), caller: caller, provider: provider,
                endpoint: .chatCompletions, outcome: .complete, model: "m",
                requestHash: Bits256(1, 2, 3, number), responseHash: Bits256(4, 5, 6, number),
                eventCount: 3, responseByteCount: 30, usage: TokenUsage(input: 5, output: 3),
                price: 11, started: UnixTime(seconds: ended - 1), ended: UnixTime(seconds: ended)),
            signedBy: Scratch.identity(2))
    }

    private func voucher(_ amount: UInt64, _ sequence: UInt64) -> Voucher {
        Voucher(
            to: provider, amount: amount, sequence: sequence, issued: UnixTime(seconds: 1_000),
            signedBy: Scratch.identity(1))
    }

    @Test("What was recorded is read at once, and after the node has started again")
    func reopening() async throws {
        let scratch = Scratch()
        let folder = scratch.path
        let path = "\(folder)/ledger.sqlite"
        let first = try store(path)
        for i in 0..<5 as Range<UInt64> {
            first.record(.receipt(receipt(i, ended: 1_000 + Int64(i))))
        }
        #expect(try await first.receipts(limit: 3).map(\.statement.key.low) == [4, 3, 2])
        var balance = PeerBalance(peer: caller)
        (balance.earned, balance.callsServed) = (55, 5)
        (balance.claimed, balance.callsUnsigned) = (.max, 1)
        first.record(.balance(balance))
        first.record(.voucher(voucher(40, 3)))
        await first.close()

        let second = try store(path)
        let key = CallKey(high: 7, low: 2)
        #expect(try await second.receipts(of: key) == [receipt(2, ended: 1_002)])
        let ledger = try second.restored(for: provider)
        #expect(ledger.served.map(\.statement.key.low) == [0, 1, 2, 3, 4])
        balance.received = voucher(40, 3)
        #expect(ledger.balances == [balance])
        // The caller's node has served nothing.
        #expect(try second.restored(for: caller).served.isEmpty)
        await second.close()
    }

    @Test("A receipt that the caller has signed stays, whichever copy comes last")
    func countersigned() async throws {
        let scratch = Scratch()
        let folder = scratch.path
        let store = try store("\(folder)/ledger.sqlite")
        let half = receipt(1)
        let whole = half.countersigned(half.countersignature(of: Scratch.identity(1)))
        for entry in [half, whole, half] { store.record(.receipt(entry)) }
        #expect(try await store.receipts(limit: 10) == [whole])
        await store.close()
    }

    @Test("The newest voucher stands, whatever comes behind it")
    func vouchers() async throws {
        let scratch = Scratch()
        let folder = scratch.path
        let path = "\(folder)/ledger.sqlite"
        let store = try store(path)
        store.record(.balance(PeerBalance(peer: provider)))
        for (amount, sequence) in [(10, 1), (30, 3), (20, 2)] as [(UInt64, UInt64)] {
            store.record(.voucher(voucher(amount, sequence)))
        }
        await store.close()
        let again = try self.store(path)
        #expect(try again.restored(for: caller).balances.first?.given == voucher(30, 3))
        await again.close()
    }

    @Test("A file that is no ledger is refused with its name")
    func damage() async throws {
        let scratch = Scratch()
        let folder = scratch.path
        let path = "\(folder)/ledger.sqlite"
        try Data(repeating: 7, count: 10_000).write(to: URL(fileURLWithPath: path))
        let failure = #expect(throws: StoreFailure.self) { _ = try store(path) }
        #expect(failure?.description.contains(path) == true)
    }

    @Test("A closed ledger is asked and told without harm")
    func closed() async throws {
        let scratch = Scratch()
        let folder = scratch.path
        let store = try store("\(folder)/ledger.sqlite")
        await store.close()
        store.record(.receipt(receipt(1)))
        await #expect(throws: StoreFailure.self) { _ = try await store.receipts(limit: 1) }
        await store.close()
    }
}
