/// The index: which blocks are held, what keeps them, and what the node has published.
///
/// SQLite in WAL mode, so that readers never wait for a writer, with `synchronous = FULL`: one sync
/// of the log at each commit. `NORMAL` would lose the newest commits with the power, and a commit is
/// what a `put` is acknowledged by. Commits are grouped, so the sync is shared by many blocks.

import Foundation
import GRDB

enum Schema {
    static func open(_ path: String) throws(StoreFailure) -> DatabasePool {
        // SQLite gives its log files the mode of the main file: make that one ours alone.
        _ = try OpenFile(path, O_RDWR | O_CREAT, mode: 0o600)
        do {
            var configuration = Configuration()
            configuration.maximumReaderCount = 8
            configuration.busyMode = .timeout(10)
            configuration.label = "aro.index"
            let pool = try DatabasePool(path: path, configuration: configuration)
            guard try pool.read({ try !migrator.hasBeenSuperseded($0) }) else {
                throw StoreFailure.futureSchema(path: path)
            }
            try migrator.migrate(pool)
            try pool.writeWithoutTransaction { try $0.execute(sql: "PRAGMA synchronous = FULL") }
            return pool
        } catch { throw .index(error, path: path) }
    }

    static var migrator: DatabaseMigrator {
        var migrator = DatabaseMigrator()
        migrator.registerMigration("1: blocks, pins, catalogue") { try $0.execute(sql: version1) }
        return migrator
    }

    /// `block.place`: 0 not held (only referred to), 1 a file, 2 a row of `small`.
    /// `block.refs`: pins of it plus expanded blocks that link to it; held while above 0.
    /// `block.expanded`: its links stand in `link` and are counted in its children's `refs`.
    private static let version1 = """
        CREATE TABLE block (
            id INTEGER PRIMARY KEY,
            cid BLOB NOT NULL UNIQUE,
            bytes INTEGER NOT NULL DEFAULT 0,
            place INTEGER NOT NULL DEFAULT 0,
            used INTEGER NOT NULL DEFAULT 0,
            refs INTEGER NOT NULL DEFAULT 0,
            direct INTEGER NOT NULL DEFAULT 0,
            expanded INTEGER NOT NULL DEFAULT 0
        ) STRICT;
        CREATE INDEX block_evictable ON block (used)
            WHERE place > 0 AND refs = 0 AND direct = 0;
        CREATE TABLE small (block INTEGER PRIMARY KEY, data BLOB NOT NULL) STRICT;
        CREATE TABLE link (
            parent INTEGER NOT NULL,
            child INTEGER NOT NULL,
            PRIMARY KEY (parent, child)
        ) STRICT, WITHOUT ROWID;
        CREATE TABLE unsettled (block INTEGER PRIMARY KEY) STRICT;
        CREATE TABLE state (
            id INTEGER PRIMARY KEY CHECK (id = 0),
            blocks INTEGER NOT NULL,
            bytes INTEGER NOT NULL,
            stamp INTEGER NOT NULL
        ) STRICT;
        INSERT INTO state VALUES (0, 0, 0, 0);
        CREATE TABLE pin (
            cid BLOB PRIMARY KEY,
            recursive INTEGER NOT NULL,
            name TEXT NOT NULL,
            created INTEGER NOT NULL
        ) STRICT;
        CREATE TABLE root (
            cid BLOB PRIMARY KEY,
            bytes INTEGER NOT NULL,
            kind INTEGER NOT NULL,
            name TEXT NOT NULL,
            added INTEGER NOT NULL
        ) STRICT;
        CREATE TABLE attestation (
            root BLOB NOT NULL,
            publisher BLOB NOT NULL,
            issued INTEGER NOT NULL,
            statement BLOB NOT NULL,
            PRIMARY KEY (root, publisher)
        ) STRICT;
        CREATE INDEX attestation_age ON attestation (issued);
        CREATE TABLE name (
            label TEXT PRIMARY KEY,
            target BLOB NOT NULL,
            sequence INTEGER NOT NULL,
            lifetime INTEGER NOT NULL
        ) STRICT;
        """
}

extension Database {
    /// Runs a statement that is kept prepared.
    func run(_ sql: String, _ arguments: StatementArguments = []) throws {
        try cachedStatement(sql: sql).execute(arguments: arguments)
    }

    func row(_ sql: String, _ arguments: StatementArguments = []) throws -> Row? {
        try Row.fetchOne(cachedStatement(sql: sql), arguments: arguments)
    }

    func rows(_ sql: String, _ arguments: StatementArguments = []) throws -> [Row] {
        try Row.fetchAll(cachedStatement(sql: sql), arguments: arguments)
    }
}
