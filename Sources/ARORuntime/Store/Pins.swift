/// Pins: what the operator wants kept.

import AROPrimitives
import AROWire
import Foundation
import GRDB

public struct Pin: Hashable, Sendable {
    public var cid: CID
    /// Whether everything below is kept too.
    public var isRecursive: Bool
    public var name: String
    public var created: UnixTime

    init?(_ row: Row) {
        guard let cid = CID(stored: row["cid"]) else { return nil }
        self.cid = cid
        (isRecursive, name) = (row["recursive"], row["name"])
        created = UnixTime(seconds: row["created"])
    }
}

extension ChunkStore {
    /// Keeps a block and, if `recursive`, everything below it. What is not held yet is kept from its
    /// arrival on. The pin holds when this returns; ``settle()`` works it out in the index, before
    /// the next eviction at the latest.
    public func pin(
        _ cid: CID, recursive: Bool = true, name: String = ""
    ) throws(StoreFailure) {
        let now = UnixTime.now
        try changingPins { db in
            try PinTable.pin(db, cid, recursive: recursive, name: name, at: now)
        }
    }

    /// Returns whether it was pinned.
    @discardableResult
    public func unpin(_ cid: CID) throws(StoreFailure) -> Bool {
        try changingPins { db in try PinTable.unpin(db, cid) }
    }

    /// All pins, oldest first.
    public func pins() throws(StoreFailure) -> [Pin] {
        try reading { db in
            try db.rows("SELECT * FROM pin ORDER BY created, rowid").compactMap(Pin.init)
        }
    }

    /// Whether a pin keeps the block, directly or from above.
    public func isPinned(_ cid: CID) throws(StoreFailure) -> Bool {
        try settle()
        return try reading { db in
            try db.row(
                "SELECT 1 FROM block WHERE cid = ? AND (refs > 0 OR direct > 0)", [cid.stored])
                != nil
        }
    }

    /// What pins keep, as the quota counts it.
    public func pinnedUsage() throws(StoreFailure) -> StoreUsage {
        try settle()
        return try reading { db in
            let row = try db.row(
                """
                SELECT count(*) AS blocks, ifnull(sum(bytes), 0) AS bytes FROM block
                WHERE place > 0 AND (refs > 0 OR direct > 0)
                """)
            guard let row else { return StoreUsage() }
            let blocks: UInt64 = row["blocks"]
            let bytes: UInt64 = row["bytes"]
            return StoreUsage(blocks: blocks, bytes: bytes + blocks * UInt64(BlockTable.overhead))
        }
    }

    private func changingPins<R>(_ body: (Database) throws -> R) throws(StoreFailure) -> R {
        turn.lock()
        defer { turn.unlock() }
        defer { unsettle() }
        return try writing(body)
    }
}

extension UnixTime {
    /// The time of day now.
    static var now: UnixTime { UnixTime(seconds: Int64(Date().timeIntervalSince1970)) }
}
