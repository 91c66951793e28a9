/// The blocks of a tree out of the store, in the order of a ``BlockWalk``, each checked.

import AROContent
import AROWire

/// Not for use by two tasks at once.
package final class BlockReader: @unchecked Sendable {
    /// Blocks that came, where each is wanted once. At 40 bytes each this is 40 MB at most; from
    /// there on a block may come again, as the format allows. A guess.
    private static let seenMax = 1 << 20

    private var walk: BlockWalk
    private let blocks: BlockSource
    private var seen: Set<CID>?

    init(_ walk: BlockWalk, repeats: Bool, _ blocks: BlockSource) {
        (self.walk, self.blocks) = (walk, blocks)
        seen = repeats ? nil : []
    }

    /// The next block; nil at the end.
    package func next() async throws(ContentFailure) -> (cid: CID, bytes: [UInt8])? {
        while true {
            switch walk.next() {
            case .finished: return nil
            case .failed(let failure): throw .tree(failure)
            case .needBlock(let cid):
                if walk.isBelow, seen?.contains(cid) == true {
                    walk.skip()
                    continue
                }
                let bytes = try await blocks.block(cid)
                walk.blockArrived(bytes)
                if let count = seen?.count, count < Self.seenMax { seen?.insert(cid) }
                return (cid, bytes)
            }
        }
    }
}

extension Library {
    package func blocks(
        _ walk: BlockWalk, repeats: Bool, wait: BlockWait? = nil
    ) -> BlockReader {
        BlockReader(walk, repeats: repeats, BlockSource(store, readers, wait))
    }
}
