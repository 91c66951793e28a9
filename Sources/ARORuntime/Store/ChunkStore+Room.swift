/// Quota and eviction: pinned trees stay, and so does what is in use; of the rest, the least
/// recently used goes first.

import AROWire
import Foundation

extension ChunkStore {
    /// Blocks that one transaction may evict.
    private static let evictionMax = 256

    /// Evicts until `wanted` more bytes fit into the quota and onto the disk, but none of the blocks
    /// of `keeping`. The caller holds ``turn``.
    func makeRoom(for wanted: Int, keeping: [CID] = []) throws(StoreFailure) {
        let excess = excess(wanted)
        guard excess > 0 else { return }
        let use = beginUse()
        defer { withExtendedLifetime(use) {} }
        try writeTouched(with: keeping)
        while try !settleStep() {}
        // A little more than needed, so that a full cache does not evict at each write.
        try evict(excess + min(Int(clamping: quota / 64), 64 << 20))
        guard self.excess(wanted) > 0 else { return }
        let used = usage.bytes
        if used + UInt64(wanted) <= quota { throw .diskFull(path: directory) }
        throw .full(quota: quota, used: used, wanted: UInt64(wanted))
    }

    /// The bytes that must go for `wanted` more to fit.
    private func excess(_ wanted: Int) -> Int {
        let overQuota = Int(usage.bytes) + wanted - Int(clamping: quota)
        guard let space = Files.space(at: directory) else { return overQuota }
        return max(overQuota, wanted + Int(freeBytesMin) - Int(clamping: space.free))
    }

    /// Evicts until `bytes` are given back or nothing is left that may go; returns what was given
    /// back. The caller holds ``turn``.
    @discardableResult
    func evict(_ bytes: Int) throws(StoreFailure) -> (blocks: Int, bytes: Int) {
        let floor = recency.floor
        var total = (blocks: 0, bytes: 0)
        while total.bytes < bytes {
            let next = try nextEvicted(olderThan: floor)
            try files.announce(next)
            let step = try writing { db in
                try BlockTable.evict(
                    db, bytes: bytes - total.bytes, olderThan: floor, limit: Self.evictionMax)
            }
            for cid in step.files { try files.remove(cid) }
            if step.blocks == 0 { break }
            total = (total.blocks + step.blocks, total.bytes + step.freed)
        }
        return total
    }

    private func nextEvicted(olderThan floor: Int64) throws(StoreFailure) -> [CID] {
        try reading { db in
            let rows = try db.rows(
                """
                SELECT cid FROM block
                WHERE place > 0 AND refs = 0 AND direct = 0 AND used < ? ORDER BY used LIMIT ?
                """, [floor, Self.evictionMax])
            return rows.compactMap { CID(stored: $0["cid"]) }
        }
    }

    /// Removes everything that no pin keeps and nobody uses. Returns what was removed.
    @discardableResult
    public func collectGarbage() throws(StoreFailure) -> (blocks: Int, bytes: Int) {
        turn.lock()
        defer { turn.unlock() }
        try writeTouched()
        while try !settleStep() {}
        return try evict(.max)
    }
}
