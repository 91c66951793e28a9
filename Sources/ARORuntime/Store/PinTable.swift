/// What keeps a block: reference counts over the links of pinned trees.
///
/// `refs` of a block is the number of recursive pins of it plus the number of *expanded* blocks that
/// link to it; a block is expanded while its own `refs` is above zero. Hashes admit no cycles, so
/// the counts are exact. A pin changes one row and queues it in `unsettled`; settling takes queued
/// blocks one by one, counts or uncounts their links, and queues the children whose turn it is. Each
/// step is one transaction, so a crash leaves a queue to go on with; memory holds one block's links
/// at a time, however big the tree. Nothing is evicted while the queue is not empty.
///
/// A mark phase at each eviction would need neither counts nor links, but would walk every pinned
/// tree each time that the quota is full, which in a cache is always.
///
/// A pinned tree need not be complete: a child that is not held has a row with `place = 0`, so that
/// it is kept from the moment of its arrival.

import AROPrimitives
import AROWire
import Foundation
import GRDB

enum PinTable {
    static func unsettle(_ db: Database, _ id: Int64) throws {
        try db.run("INSERT OR IGNORE INTO unsettled VALUES (?)", [id])
    }

    /// Adds to a block's `refs`, with a row of its own if it is not held.
    @discardableResult
    private static func refer(_ db: Database, to cid: CID) throws -> Int64 {
        let row = try db.row(
            """
            INSERT INTO block (cid, refs) VALUES (?, 1)
            ON CONFLICT (cid) DO UPDATE SET refs = refs + 1
            RETURNING id, refs
            """, [cid.stored])
        guard let row else { throw StoreFailure.index("a block could not be referred to") }
        let id: Int64 = row["id"]
        if cid.codec == .dagPB, row["refs"] == 1 { try unsettle(db, id) }
        return id
    }

    private static func release(_ db: Database, _ id: Int64) throws {
        try db.run("UPDATE block SET refs = refs - 1 WHERE id = ?", [id])
        try unsettle(db, id)
    }

    // MARK: Pins

    static func pin(
        _ db: Database, _ cid: CID, recursive: Bool, name: String, at time: UnixTime
    ) throws {
        try unpin(db, cid)
        try db.run(
            "INSERT INTO pin VALUES (?, ?, ?, ?)", [cid.stored, recursive, name, time.seconds])
        if recursive { return try _ = refer(db, to: cid) }
        try db.run(
            """
            INSERT INTO block (cid, direct) VALUES (?, 1)
            ON CONFLICT (cid) DO UPDATE SET direct = 1
            """, [cid.stored])
    }

    /// Returns whether there was a pin.
    @discardableResult
    static func unpin(_ db: Database, _ cid: CID) throws -> Bool {
        let key = cid.stored
        guard let pin = try db.row("SELECT recursive FROM pin WHERE cid = ?", [key]),
            let block = try db.row("SELECT id FROM block WHERE cid = ?", [key])
        else { return false }
        try db.run("DELETE FROM pin WHERE cid = ?", [key])
        let id: Int64 = block["id"]
        if pin["recursive"] {
            try release(db, id)
        } else {
            try db.run("UPDATE block SET direct = 0 WHERE id = ?", [id])
            try unsettle(db, id)
        }
        return true
    }

    // MARK: Settling

    /// Works on the queue until it is empty or about `budget` rows were changed.
    /// Returns whether it is empty.
    ///
    /// - Parameter links: the links of a block that is held; nil where it cannot be read.
    static func settle(
        _ db: Database, budget: Int, links: (Database, BlockRow) throws -> [CID]?
    ) throws -> Bool {
        var left = budget
        while let next = try db.row("SELECT block FROM unsettled LIMIT 1") {
            guard left > 0 else { return false }
            let id: Int64 = next["block"]
            try db.run("DELETE FROM unsettled WHERE block = ?", [id])
            let row = try db.row(
                "SELECT id, cid, place, refs, expanded FROM block WHERE id = ?", [id])
            left -= 1
            if let block = row.flatMap(BlockRow.init) {
                left -= try settle(db, block, links: links)
            }
        }
        return true
    }

    private static func settle(
        _ db: Database, _ block: BlockRow, links: (Database, BlockRow) throws -> [CID]?
    ) throws -> Int {
        if block.refs > 0 {
            guard !block.isExpanded, block.place != .absent, block.cid.codec == .dagPB,
                let links = try links(db, block)
            else { return 0 }
            return try expand(db, block, links)
        }
        let released = block.isExpanded ? try collapse(db, block) : 0
        try db.run(
            "DELETE FROM block WHERE id = ? AND place = 0 AND refs = 0 AND direct = 0", [block.id])
        return released
    }

    private static func expand(
        _ db: Database, _ block: BlockRow, _ links: [CID]
    ) throws -> Int {
        var seen = Set<CID>()
        for child in links where seen.insert(child).inserted {
            let id = try refer(db, to: child)
            try db.run("INSERT INTO link VALUES (?, ?)", [block.id, id])
        }
        try db.run("UPDATE block SET expanded = 1 WHERE id = ?", [block.id])
        return seen.count
    }

    private static func collapse(_ db: Database, _ block: BlockRow) throws -> Int {
        let children = try db.rows("SELECT child FROM link WHERE parent = ?", [block.id])
        for child in children { try release(db, child["child"]) }
        try db.run("DELETE FROM link WHERE parent = ?", [block.id])
        try db.run("UPDATE block SET expanded = 0 WHERE id = ?", [block.id])
        return children.count
    }
}
