/// Single blocks by a handle.

import AROContent
import AROWire
import NIOConcurrencyHelpers

extension NodeHandle {
    /// One block as its bytes are, fetched where it is not here, checked against its name.
    public func block(_ cid: CID) async throws -> [UInt8] {
        let found = NIOLockedValueBox<[UInt8]?>(nil)
        try await streamBlocks(
            FetchOptions(root: cid, scope: .listing), BlockWalk(root: cid, scope: .block),
            repeats: false
        ) { _, bytes in
            found.withLockedValue { $0 = bytes }
        }
        guard let bytes = found.withLockedValue({ $0 }) else { throw ContentFailure.missing(cid) }
        return bytes
    }
}
