/// The rows of `block`: adding, touching, losing. All of it runs inside a transaction of the index.

import AROPrimitives
import AROWire
import Foundation
import GRDB

/// What the store holds, as the quota counts it.
public struct StoreUsage: Hashable, Sendable {
    public var blocks: UInt64 = 0
    /// The blocks' bytes, and ``BlockTable/overhead`` for each.
    public var bytes: UInt64 = 0
}

enum BlockPlace: Int, Sendable { case absent, file, row }

struct BlockRow: Sendable {
    var id: Int64
    var cid: CID
    var place: BlockPlace
    var refs: Int
    var isExpanded: Bool

    init?(_ row: Row) {
        guard let cid = CID(stored: row["cid"]), let place = BlockPlace(rawValue: row["place"])
        else { return nil }
        (id, self.cid, self.place) = (row["id"], cid, place)
        (refs, isExpanded) = (row["refs"], row["expanded"])
    }
}

enum BlockTable {
    /// What a block costs beside its bytes: its rows, its file's inode and the slack of its last
    /// page. A guess between a row of 200 bytes and half a page of 2 KiB.
    static let overhead = 512

    static func charge(_ byteCount: Int) -> Int { byteCount + overhead }

    /// Notes that a block is held now; one that was held already only becomes recently used.
    /// Returns whether it is new.
    @discardableResult
    static func add(
        _ db: Database, _ cid: CID, byteCount: Int, _ place: BlockPlace, data: [UInt8] = [],
        stamp: Int64
    ) throws -> Bool {
        let key = cid.stored
        let row = try db.row(
            """
            INSERT INTO block (cid, bytes, place, used) VALUES (?, ?, ?, ?)
            ON CONFLICT (cid) DO UPDATE SET
                bytes = excluded.bytes, place = excluded.place, used = excluded.used
                WHERE place = 0
            RETURNING id, refs
            """, [key, byteCount, place.rawValue, stamp])
        guard let row else {
            try touch(db, cid, stamp: stamp)
            if place == .row { try heal(db, cid, data) }
            return false
        }
        let id: Int64 = row["id"]
        if place == .row {
            try db.run("INSERT OR REPLACE INTO small VALUES (?, ?)", [id, Data(data)])
        }
        if cid.codec == .dagPB, row["refs"] > 0 { try PinTable.unsettle(db, id) }
        try account(db, blocks: 1, bytes: charge(byteCount))
        return true
    }

    /// Whoever writes a block may rely on it, also where the row was damaged.
    private static func heal(_ db: Database, _ cid: CID, _ data: [UInt8]) throws {
        try db.run(
            """
            UPDATE small SET data = ?1
            WHERE block = (SELECT id FROM block WHERE cid = ?2) AND data IS NOT ?1
            """, [Data(data), cid.stored])
    }

    static func touch(_ db: Database, _ cid: CID, stamp: Int64) throws {
        try db.run(
            "UPDATE block SET used = max(used, ?) WHERE cid = ?", [stamp, cid.stored])
    }

    /// Notes that a block is not held any more. Its row stays while a pin refers to it.
    static func lose(_ db: Database, _ cid: CID) throws {
        guard
            let row = try db.row(
                "SELECT id, bytes FROM block WHERE cid = ? AND place > 0", [cid.stored])
        else { return }
        let id: Int64 = row["id"]
        try db.run("UPDATE block SET place = 0, bytes = 0 WHERE id = ?", [id])
        try db.run("DELETE FROM small WHERE block = ?", [id])
        try PinTable.unsettle(db, id)
        try account(db, blocks: -1, bytes: -charge(row["bytes"]))
    }

    static func account(_ db: Database, blocks: Int, bytes: Int) throws {
        try db.run("UPDATE state SET blocks = blocks + ?, bytes = bytes + ?", [blocks, bytes])
    }

    static func usage(_ db: Database) throws -> StoreUsage {
        guard let row = try db.row("SELECT blocks, bytes FROM state") else { return StoreUsage() }
        return StoreUsage(blocks: row["blocks"], bytes: row["bytes"])
    }

    static func place(_ db: Database, _ cid: CID) throws -> BlockPlace {
        let row = try db.row("SELECT place FROM block WHERE cid = ?", [cid.stored])
        return row.flatMap { BlockPlace(rawValue: $0["place"]) } ?? .absent
    }

    /// The bytes of a block that lives in a row.
    static func small(_ db: Database, _ cid: CID) throws -> [UInt8]? {
        let row = try db.row(
            "SELECT data FROM small JOIN block ON id = block WHERE cid = ?", [cid.stored])
        return row.map { [UInt8]($0["data"] as Data) }
    }

    // MARK: Eviction

    /// Forgets blocks that nothing keeps, least recently used first, until `bytes` are given back
    /// or `limit` blocks are gone. Returns those that were files, and what was given back.
    static func evict(
        _ db: Database, bytes: Int, olderThan floor: Int64, limit: Int
    ) throws -> (files: [CID], freed: Int, blocks: Int) {
        let rows = try db.rows(
            """
            SELECT id, cid, bytes, place FROM block
            WHERE place > 0 AND refs = 0 AND direct = 0 AND used < ? ORDER BY used LIMIT ?
            """, [floor, limit])
        var out: (files: [CID], freed: Int, blocks: Int) = ([], 0, 0)
        for row in rows where out.freed < bytes {
            let id: Int64 = row["id"]
            try db.run("DELETE FROM block WHERE id = ?", [id])
            try db.run("DELETE FROM small WHERE block = ?", [id])
            if row["place"] == BlockPlace.file.rawValue, let cid = CID(stored: row["cid"]) {
                out.files.append(cid)
            }
            out.freed += charge(row["bytes"])
            out.blocks += 1
        }
        try account(db, blocks: -out.blocks, bytes: -out.freed)
        return out
    }
}

extension CID {
    /// The form that the index keeps.
    var stored: Data { Data(bytes) }

    init?(stored data: Data) {
        guard let cid = try? CID(bytes: [UInt8](data)) else { return nil }
        self = cid
    }
}
