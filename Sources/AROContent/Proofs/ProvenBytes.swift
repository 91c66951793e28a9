/// Checks bytes against what a proof proves, in a stream: what `aro verify` does with its FILE.
///
/// A raw block is hashed as it is. Anything else is imported again (profile unixfs-v1-2025) and
/// must give the same CID; so a file that another tool imported in another shape does not verify by
/// its bytes, though it is the same file: only by its chunks.

import AROPrimitives
import AROWire

public struct ProvenBytes: Sendable {
    private enum Check {
        case block([UInt8])
        case tree(FileImporter)
    }

    private let target: ProvenTarget
    private var check: Check
    private var byteCount: UInt64 = 0

    public init(_ target: ProvenTarget) {
        self.target = target
        check = target.cid.codec == .raw ? .block([]) : .tree(FileImporter())
    }

    /// Adds the next bytes of the file.
    public mutating func append(_ bytes: RawSpan) {
        byteCount += UInt64(bytes.byteCount)
        switch check {
        case .block(var block):
            check = .block([])
            // One byte more than a block can hold is enough to know that they do not match.
            let room = WireLimits.blockMax + 1 - block.count
            block.append(bytes.extracting(0..<min(room, bytes.byteCount)))
            check = .block(block)
        case .tree(var importer):
            check = .block([])
            importer.append(bytes)
            while importer.nextBlock() != nil {}
            check = .tree(importer)
        }
    }

    /// Whether the bytes are those that the publisher signed.
    public consuming func finish() -> Bool {
        if let range = target.range, range.upperBound - range.lowerBound != byteCount {
            return false
        }
        switch check {
        case .block(let block): return target.cid.matches(block.span.bytes)
        case .tree(var importer): return importer.finish().cid == target.cid
        }
    }
}
