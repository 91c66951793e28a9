/// The ledger on disk: receipts, vouchers and balances, in an SQLite file of their own, so that
/// whoever moves content away keeps the accounts.
///
/// Entries are written behind the node by one thread, many in one transaction, synced before it ends:
/// what is lost with the power is the last fraction of a second, which the other side's copy of a
/// receipt, and the next voucher, make good.

import AROCrypto
import AROInference
import AROPrimitives
import AROWire
import Foundation
import GRDB
import Logging

public final class LedgerStore: Sendable {
    private let pool: DatabasePool
    private let path: String
    private let queue = WorkQueue<Job>(weightMax: waitingMax)
    private let logger: Logger

    private enum Job: Sendable {
        case write(LedgerEntry)
        /// Called when all before it is written.
        case mark(@Sendable () -> Void)
    }

    /// Entries that may wait for the disk; more are lost, and said to be. A guess: minutes of the
    /// busiest node.
    private static let waitingMax = 65_536
    /// Entries of one transaction. A guess.
    private static let batchMax = 512
    /// Receipts told to a node that starts, so that their keys are not run again: as many as it
    /// remembers of itself, ``InferenceConfiguration/answeredMax``.
    private static let restoredMax = InferenceConfiguration().answeredMax

    /// - Parameter path: of the file, made where it is missing.
    public init(_ path: String, logger: Logger) throws(StoreFailure) {
        self.path = path
        self.logger = logger
        _ = try OpenFile(path, O_RDWR | O_CREAT, mode: 0o600)
        do {
            var configuration = Configuration()
            configuration.busyMode = .timeout(10)
            configuration.label = "aro.ledger"
            pool = try DatabasePool(path: path, configuration: configuration)
            guard try pool.read({ try !Self.migrator.hasBeenSuperseded($0) }) else {
                throw StoreFailure.futureSchema(path: path)
            }
            try Self.migrator.migrate(pool)
            try pool.writeWithoutTransaction { try $0.execute(sql: "PRAGMA synchronous = FULL") }
        } catch { throw .index(error, path: path) }
        start()
    }

    /// Writes what waits, and closes the file.
    public func close() async {
        await withCheckedContinuation { continuation in
            queue.close { continuation.resume() }
        }
        try? pool.close()
    }

    // MARK: Writing

    private func start() {
        queue.workerStarted()
        let thread = Thread { [self] in
            run()
            queue.workerEnded()
        }
        thread.name = "aro-ledger"
        thread.start()
    }

    private func run() {
        while let jobs = queue.take(weightMax: Self.batchMax, countMax: Self.batchMax) {
            write(jobs.compactMap { if case .write(let entry) = $0 { entry } else { nil } })
            for case .mark(let done) in jobs { done() }
        }
    }

    private func write(_ entries: [LedgerEntry]) {
        guard !entries.isEmpty else { return }
        do {
            try pool.write { db in for entry in entries { try Self.write(entry, db) } }
        } catch {
            logger.error("\(entries.count) entries of the ledger were not kept: \(error)")
        }
    }

    private static func write(_ entry: LedgerEntry, _ db: Database) throws {
        switch entry {
        case .receipt(let receipt):
            let statement = receipt.statement
            try db.run(
                """
                INSERT INTO receipt VALUES (?, ?, ?, ?, ?, ?)
                ON CONFLICT DO UPDATE SET ended = excluded.ended, bytes = excluded.bytes
                WHERE length(excluded.bytes) >= length(bytes)
                """,
                [
                    Data(statement.key.bytes), statement.caller.stored,
                    statement.provider.stored, statement.ended.seconds, statement.model,
                    Data(receipt.bytes),
                ])
        case .voucher(let voucher):
            try db.run(
                """
                INSERT INTO voucher VALUES (?, ?, ?, ?)
                ON CONFLICT DO UPDATE SET sequence = excluded.sequence, bytes = excluded.bytes
                WHERE excluded.sequence > sequence
                """,
                [
                    voucher.from.stored, voucher.to.stored,
                    Int64(bitPattern: voucher.sequence), Data(voucher.bytes),
                ])
        case .balance(let row):
            let numbers = [
                row.earned, row.claimed, row.callsServed, row.callsUnsigned, row.spent,
                row.callsMade, row.callsUnsettled,
            ].map { Int64(bitPattern: $0) as (any DatabaseValueConvertible)? }
            try db.run(
                "INSERT OR REPLACE INTO balance VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                StatementArguments([row.peer.stored as (any DatabaseValueConvertible)?] + numbers))
        }
    }
}

extension LedgerStore: LedgerKeeping {
    package func record(_ entry: LedgerEntry) {
        guard !queue.add(.write(entry), weight: 1) else { return }
        logger.error("the ledger's disk is too slow: an entry was not kept")
    }
}

// MARK: - Reading

extension LedgerStore {
    /// What a node that starts needs to know.
    ///
    /// - Parameter peer: whose ledger it is.
    public func restored(for peer: PeerID) throws(StoreFailure) -> Ledger {
        do {
            return try pool.read { db in
                let served = try db.rows(
                    "SELECT bytes FROM receipt WHERE provider = ? ORDER BY ended DESC LIMIT ?",
                    [peer.stored, Self.restoredMax])
                return Ledger(
                    balances: try Self.balances(of: peer, db),
                    served: served.reversed().compactMap(Self.receipt))
            }
        } catch { throw .index(error, path: path) }
    }

    /// The latest receipts, the newest first.
    ///
    /// - Parameter limit: how many at most.
    public func receipts(limit: Int) async throws(StoreFailure) -> [Receipt] {
        try await reading { db in
            try db.rows(
                "SELECT bytes FROM receipt ORDER BY ended DESC, rowid DESC LIMIT ?", [limit]
            ).compactMap(Self.receipt)
        }
    }

    /// The receipts of calls with this key: one, or several where a key was used between others.
    public func receipts(of key: CallKey) async throws(StoreFailure) -> [Receipt] {
        try await reading { db in
            try db.rows("SELECT bytes FROM receipt WHERE key = ?", [Data(key.bytes)])
                .compactMap(Self.receipt)
        }
    }

    private func reading<T: Sendable>(
        _ body: @escaping @Sendable (Database) throws -> T
    ) async throws(StoreFailure) -> T {
        await written()
        do { return try await pool.read(body) } catch { throw .index(error, path: path) }
    }

    /// Returns when all that was recorded until now can be read.
    private func written() async {
        await withCheckedContinuation { continuation in
            // A queue that takes nothing more is closed, or so full that what is newest may be missing.
            if !queue.add(.mark({ continuation.resume() }), weight: 0) { continuation.resume() }
        }
    }

    private static func receipt(_ row: Row) -> Receipt? {
        let data: Data = row["bytes"]
        return try? Receipt(bytes: Array(data))
    }

    private static func balances(of peer: PeerID, _ db: Database) throws -> [PeerBalance] {
        var vouchers: [Voucher] = []
        for row in try db.rows("SELECT bytes FROM voucher") {
            let data: Data = row["bytes"]
            if let voucher = try? Voucher(bytes: Array(data)) { vouchers.append(voucher) }
        }
        let given = Dictionary(
            vouchers.filter { $0.from == peer }.map { ($0.to, $0) }, uniquingKeysWith: { $1 })
        let received = Dictionary(
            vouchers.filter { $0.to == peer }.map { ($0.from, $0) }, uniquingKeysWith: { $1 })
        return try db.rows("SELECT * FROM balance ORDER BY peer").compactMap { row in
            guard let other = PeerID(stored: row["peer"]) else { return nil }
            func number(_ name: String) -> UInt64 { UInt64(bitPattern: row[name] as Int64) }
            var balance = PeerBalance(peer: other)
            (balance.earned, balance.claimed) = (number("earned"), number("claimed"))
            (balance.callsServed, balance.callsUnsigned) = (number("served"), number("unsigned"))
            (balance.spent, balance.callsMade) = (number("spent"), number("made"))
            balance.callsUnsettled = number("unsettled")
            (balance.received, balance.given) = (received[other], given[other])
            return balance
        }
    }
}

extension PeerID {
    fileprivate var stored: Data { Data(key.bytes) }

    fileprivate init?(stored data: Data) {
        guard let key = Bits256(data) else { return nil }
        self.init(key: key)
    }
}

// MARK: - Tables

extension LedgerStore {
    private static var migrator: DatabaseMigrator {
        var migrator = DatabaseMigrator()
        migrator.registerMigration("1: receipts, vouchers, balances") {
            try $0.execute(sql: version1)
        }
        return migrator
    }

    /// Counters are the bits of unsigned numbers.
    private static let version1 = """
        CREATE TABLE receipt (
            key BLOB NOT NULL,
            caller BLOB NOT NULL,
            provider BLOB NOT NULL,
            ended INTEGER NOT NULL,
            model TEXT NOT NULL,
            bytes BLOB NOT NULL,
            PRIMARY KEY (key, caller, provider)
        ) STRICT;
        CREATE INDEX receipt_age ON receipt (ended);
        CREATE TABLE voucher (
            sender BLOB NOT NULL,
            recipient BLOB NOT NULL,
            sequence INTEGER NOT NULL,
            bytes BLOB NOT NULL,
            PRIMARY KEY (sender, recipient)
        ) STRICT, WITHOUT ROWID;
        CREATE TABLE balance (
            peer BLOB PRIMARY KEY,
            earned INTEGER NOT NULL,
            claimed INTEGER NOT NULL,
            served INTEGER NOT NULL,
            unsigned INTEGER NOT NULL,
            spent INTEGER NOT NULL,
            made INTEGER NOT NULL,
            unsettled INTEGER NOT NULL
        ) STRICT, WITHOUT ROWID;
        """
}
