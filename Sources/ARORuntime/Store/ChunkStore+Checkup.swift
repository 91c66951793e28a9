/// Walking the whole store, for a check.

import AROWire
import Foundation

extension ChunkStore {
    struct HeldBlock: Sendable {
        var id: Int64
        var cid: CID
        var byteCount: Int
    }

    /// Blocks that are held, in order of their rows, from behind the row `id` on.
    func blocks(after id: Int64, limit: Int) throws(StoreFailure) -> [HeldBlock] {
        try reading { db in
            let rows = try db.rows(
                "SELECT id, cid, bytes FROM block WHERE id > ? AND place > 0 ORDER BY id LIMIT ?",
                [id, limit])
            return rows.compactMap { row in
                CID(stored: row["cid"]).map {
                    HeldBlock(id: row["id"], cid: $0, byteCount: row["bytes"])
                }
            }
        }
    }

    /// Takes files that have no row into the index, if they are whole, or removes them. Such files
    /// are left where the index was lost, or by a loss of power in the middle of a commit.
    func adoptOrphans(inShard shard: Int) throws(StoreFailure) -> (adopted: Int, removed: Int) {
        var out = (adopted: 0, removed: 0)
        for cid in try files.cids(inShard: shard) where try place(cid) != .file {
            turn.lock()
            defer { turn.unlock() }
            guard try place(cid) != .file else { continue }
            let isHere = files.shardIndex(of: cid) == shard
            if isHere, try adoptOrRemove(cid) { out.adopted += 1 } else { out.removed += 1 }
        }
        return out
    }

    /// Takes in a file that has no row, if it is whole; says whether it was. The caller holds
    /// ``turn``.
    @discardableResult
    func adoptOrRemove(_ cid: CID) throws(StoreFailure) -> Bool {
        guard try place(cid) == .absent, let bytes = try files.read(cid),
            cid.matches(bytes.span.bytes)
        else {
            try files.remove(cid)
            return false
        }
        try OpenFile(files.path(of: cid), O_WRONLY).syncData()
        try files.syncShards(of: [cid])
        let stamp = recency.stamp()
        _ = try writing { db in
            try BlockTable.add(db, cid, byteCount: bytes.count, .file, stamp: stamp)
        }
        unsettle()
        return true
    }
}
