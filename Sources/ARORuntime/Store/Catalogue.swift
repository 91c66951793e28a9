/// What the node has published, kept over restarts: roots that it provides, names that it signs,
/// and the attestations that it has seen.

import AROContent
import AROCrypto
import AROPrimitives
import AROWire
import Foundation
import GRDB

/// Content that this node provides.
public struct PublishedRoot: Hashable, Sendable {
    public enum Kind: Int, Sendable { case file, directory, block }

    public var cid: CID
    public var byteCount: UInt64
    public var kind: Kind
    public var name: String
    public var added: UnixTime

    public init(cid: CID, byteCount: UInt64, kind: Kind, name: String, added: UnixTime) {
        (self.cid, self.byteCount, self.kind) = (cid, byteCount, kind)
        (self.name, self.added) = (name, added)
    }
}

/// A mutable name that this node renews.
public struct PublishedName: Hashable, Sendable {
    public var label: String
    public var target: CID
    public var sequence: UInt64
    public var lifetime: Duration

    public init(label: String, target: CID, sequence: UInt64, lifetime: Duration) {
        (self.label, self.target) = (label, target)
        (self.sequence, self.lifetime) = (sequence, lifetime)
    }
}

extension ChunkStore {
    /// Attestations kept of one root. A guess: publishers of the same bytes.
    static let attestationsPerRootMax = 16
    /// Attestations kept of all roots, the newest. A guess: some 20 MiB.
    static let attestationsMax = 65_536

    // MARK: Roots

    public func addRoot(_ root: PublishedRoot) throws(StoreFailure) {
        try change(
            "INSERT OR REPLACE INTO root VALUES (?, ?, ?, ?, ?)",
            [
                root.cid.stored, Int64(clamping: root.byteCount), root.kind.rawValue, root.name,
                root.added.seconds,
            ])
    }

    public func removeRoot(_ cid: CID) throws(StoreFailure) {
        try change("DELETE FROM root WHERE cid = ?", [cid.stored])
    }

    /// The roots whose first block is still held, oldest first. What was unpinned and evicted is
    /// content of ours no more.
    public func roots() throws(StoreFailure) -> [PublishedRoot] {
        try reading { db in
            try db.rows(
                """
                SELECT root.* FROM root JOIN block ON block.cid = root.cid
                WHERE place > 0 ORDER BY added, root.rowid
                """
            ).compactMap { row in
                guard let cid = CID(stored: row["cid"]),
                    let kind = PublishedRoot.Kind(rawValue: row["kind"])
                else { return nil }
                return PublishedRoot(
                    cid: cid, byteCount: row["bytes"], kind: kind, name: row["name"],
                    added: UnixTime(seconds: row["added"]))
            }
        }
    }

    // MARK: Names

    public func setName(_ name: PublishedName) throws(StoreFailure) {
        turn.lock()
        defer { turn.unlock() }
        try writing { db in try Self.write(name, db) }
    }

    /// Notes a new target under the next sequence number, durably, and says what is to be published.
    /// Numbers follow the clock where it is ahead of them, so that one who lost the data directory
    /// but kept the key goes on above the old numbers.
    public func advanceName(
        _ label: String, target: CID, lifetime: Duration
    ) throws(StoreFailure) -> PublishedName {
        turn.lock()
        defer { turn.unlock() }
        return try writing { db in
            let row = try db.row("SELECT sequence FROM name WHERE label = ?", [label])
            let last = row.map { UInt64(bitPattern: $0["sequence"]) } ?? 0
            let name = PublishedName(
                label: label, target: target, sequence: max(last + 1, UInt64(UnixTime.now.seconds)),
                lifetime: lifetime)
            try Self.write(name, db)
            return name
        }
    }

    private static func write(_ name: PublishedName, _ db: Database) throws {
        try db.run(
            "INSERT OR REPLACE INTO name VALUES (?, ?, ?, ?)",
            [
                name.label, name.target.stored, Int64(bitPattern: name.sequence),
                name.lifetime.nanoseconds,
            ])
    }

    public func removeName(_ label: String) throws(StoreFailure) {
        try change("DELETE FROM name WHERE label = ?", [label])
    }

    /// All names, by label.
    public func names() throws(StoreFailure) -> [PublishedName] {
        try reading { db in
            try db.rows("SELECT * FROM name ORDER BY label").compactMap { row in
                guard let target = CID(stored: row["target"]) else { return nil }
                return PublishedName(
                    label: row["label"], target: target,
                    sequence: UInt64(bitPattern: row["sequence"]),
                    lifetime: Duration(nanoseconds: row["lifetime"]))
            }
        }
    }

    // MARK: Attestations

    /// Keeps an attestation whose signature was checked: the newest of each publisher of a root.
    public func addAttestation(_ attestation: Attestation) throws(StoreFailure) {
        let root = attestation.root.stored
        turn.lock()
        defer { turn.unlock() }
        try writing { db in
            try db.run(
                """
                INSERT INTO attestation VALUES (?, ?, ?, ?)
                ON CONFLICT (root, publisher) DO UPDATE SET
                    issued = excluded.issued, statement = excluded.statement
                    WHERE excluded.issued > issued
                """,
                [
                    root, Data(attestation.publisher.key.bytes), attestation.issued.seconds,
                    Data(attestation.bytes),
                ])
            try db.run(
                """
                DELETE FROM attestation WHERE root = ? AND rowid NOT IN
                    (SELECT rowid FROM attestation WHERE root = ? ORDER BY issued DESC LIMIT ?)
                """, [root, root, Self.attestationsPerRootMax])
            try Self.pruneAttestations(db)
        }
    }

    private static func pruneAttestations(_ db: Database) throws {
        let count: Int = try db.row("SELECT count(*) AS n FROM attestation")?["n"] ?? 0
        guard count > attestationsMax else { return }
        try db.run(
            """
            DELETE FROM attestation WHERE rowid IN
                (SELECT rowid FROM attestation WHERE root NOT IN (SELECT cid FROM root)
                 ORDER BY issued LIMIT ?)
            """, [count - attestationsMax])
    }

    /// The attestations of a root, newest first.
    public func attestations(of root: CID) throws(StoreFailure) -> [Attestation] {
        try reading { db in
            try db.rows(
                "SELECT * FROM attestation WHERE root = ? ORDER BY issued DESC", [root.stored]
            ).compactMap { try? Attestation(bytes: [UInt8]($0["statement"] as Data)) }
        }
    }

    private func change(
        _ sql: String, _ arguments: StatementArguments
    ) throws(StoreFailure) {
        turn.lock()
        defer { turn.unlock() }
        try writing { db in try db.run(sql, arguments) }
    }
}
