/// The links of a block by themselves, for pins: whatever hangs below a pinned root stays, whether or
/// not it makes sense as a file or directory. Reading them needs no role, as no reader is promised
/// anything.

import AROPrimitives
import AROWire

public enum BlockLinks {
    /// What a block links to, in order, repeated links included. A raw block links to nothing; nor
    /// does one that is no dag-pb node, as nobody could follow it.
    public static func of(_ cid: CID, _ block: [UInt8]) -> [CID] {
        guard cid.codec == .dagPB, let node = try? DagPBNode(block.span.bytes) else { return [] }
        return node.links.map(\.cid)
    }
}
