/// `verify all`: reads and hashes every block that the index names, and looks for files that it does
/// not.

import AROPrimitives
import AROWire
import Foundation
import Synchronization

/// What a check of the whole store found.
public struct StoreCheckup: Hashable, Sendable {
    public var blocksChecked: UInt64 = 0
    public var bytesChecked: UInt64 = 0
    /// Damaged blocks; they were moved to quarantine and will be fetched again when they are needed.
    public var corrupt: [CID] = []
    /// Blocks whose files were gone.
    public var lost: [CID] = []
    /// Whole blocks that the index did not know: they are held again now.
    public var adopted: UInt64 = 0
    /// Files that were no whole blocks: removed.
    public var removed: UInt64 = 0

    /// Damaged or lost blocks that are listed; the rest is only counted. A guess.
    public static let listedMax = 1_000
    public var corruptCount: UInt64 = 0
    public var lostCount: UInt64 = 0
}

extension Library {
    /// Checks every block. Progress is told in bytes.
    public func verifyAll(
        progress: ContentProgress? = nil
    ) async throws(ContentFailure) -> StoreCheckup {
        try await jobs.run { [store] cancellation throws(ContentFailure) in
            let meter = Meter(total: store.usage.bytes, progress)
            var checkup = StoreCheckup()
            try Self.checkRows(store, &checkup, meter, cancellation)
            try Self.checkFiles(store, &checkup, cancellation)
            meter.finish()
            return checkup
        }
    }

    /// Removes everything that no pin keeps and nobody uses.
    public func collectGarbage() async throws(ContentFailure) -> (blocks: Int, bytes: Int) {
        let freed = try await jobs.run { [store] _ throws(ContentFailure) in
            let freed = try failing { () throws(StoreFailure) in try store.collectGarbage() }
            return [freed.blocks, freed.bytes]
        }
        return (freed[0], freed[1])
    }

    private static func checkRows(
        _ store: ChunkStore, _ checkup: inout StoreCheckup, _ meter: Meter,
        _ cancellation: Cancellation
    ) throws(ContentFailure) {
        var last: Int64 = 0
        while true {
            try cancellation.check()
            let page = try failing { () throws(StoreFailure) in
                try store.blocks(after: last, limit: 256)
            }
            guard let end = page.last?.id else { return }
            last = end
            for (i, outcome) in try outcomes(store, page.map(\.cid)).enumerated() {
                let cid = page[i].cid
                switch outcome {
                case nil: break
                case .corrupt: note(cid, &checkup.corrupt, &checkup.corruptCount)
                case .notFound: note(cid, &checkup.lost, &checkup.lostCount)
                case .some(let failure): throw .store(failure)
                }
                meter.add(page[i].byteCount)
                checkup.blocksChecked += 1
                checkup.bytesChecked += UInt64(page[i].byteCount)
            }
        }
    }

    private static func note(_ cid: CID, _ list: inout [CID], _ count: inout UInt64) {
        count += 1
        if list.count < StoreCheckup.listedMax { list.append(cid) }
    }

    /// Why each of the blocks could not be read; nil for those that could.
    private static func outcomes(
        _ store: ChunkStore, _ cids: [CID]
    ) throws(ContentFailure) -> [StoreFailure?] {
        let out = Mutex<[StoreFailure?]>(Array(repeating: nil, count: cids.count))
        try failing { () throws(StoreFailure) in
            try Files.inParallel(cids.count, width: 2) { i throws(StoreFailure) in
                do throws(StoreFailure) { _ = try store.peek(cids[i]) } catch {
                    out.withLock { $0[i] = error }
                }
            }
        }
        return out.withLock { $0 }
    }

    private static func checkFiles(
        _ store: ChunkStore, _ checkup: inout StoreCheckup, _ cancellation: Cancellation
    ) throws(ContentFailure) {
        for shard in 0..<256 {
            try cancellation.check()
            let (adopted, removed) = try failing { () throws(StoreFailure) in
                try store.adoptOrphans(inShard: shard)
            }
            checkup.adopted += UInt64(adopted)
            checkup.removed += UInt64(removed)
        }
    }
}
