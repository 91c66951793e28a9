/// Blocks on their way into the store in group commits: while one batch is synced, the next gathers.
/// Used by one thread at a time.

import Foundation
import Synchronization

final class BlockBatch {
    /// Bytes of one commit; the same origin as ``DiskService``'s.
    private static let bytesMax = DiskService.batchBytesMax
    private static let blocksMax = DiskService.batchBlocksMax

    private let store: ChunkStore
    private let queue = DispatchQueue(label: "aro.put.commit")
    private let underWay = DispatchGroup()
    private let failure = FirstFailure()
    private var blocks: [StagedBlock] = []
    private var byteCount = 0

    init(_ store: ChunkStore) { self.store = store }

    /// Throws where an earlier batch failed.
    func add(_ block: StagedBlock) throws(ContentFailure) {
        blocks.append(block)
        byteCount += block.byteCount
        if byteCount >= Self.bytesMax || blocks.count >= Self.blocksMax { try flush() }
    }

    /// Commits what has gathered as soon as the batch before is through.
    private func flush() throws(ContentFailure) {
        underWay.wait()
        if let failure = failure.value { throw .store(failure) }
        let batch = blocks
        (blocks, byteCount) = ([], 0)
        queue.async(group: underWay) { [store, failure] in
            do throws(StoreFailure) { try store.commit(batch) } catch { failure.note(error) }
        }
    }

    /// Returns when everything is durable.
    func finish() throws(ContentFailure) {
        try flush()
        underWay.wait()
        if let failure = failure.value { throw .store(failure) }
    }

    deinit { underWay.wait() }
}
