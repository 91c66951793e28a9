/// What gossip keeps, in bytes of what their tables hold. Unlike what they weigh on the
/// heap, the same on every machine: experiments compare it.

import AROPrimitives
import AROWire

extension Gossip {
    /// Directory, views, and watches; each statement in full, though simulated nodes share them.
    package var stateByteCount: Int {
        let rows = announcements.directory.rows
        let statements = rows.reduce(0) { $0 + $1.statement.stateByteCount }
        return rows.heldByteCount + rows.count * MemoryLayout<UInt64>.stride + statements
            + membership.neighbours.heldByteCount + membership.passiveView.peers.heldByteCount
            + detector.watches.heldByteCount
    }
}

extension Statement {
    fileprivate var stateByteCount: Int {
        MemoryLayout<Announcement>.size + bytes.heldByteCount
            + announcement.offer.addresses.heldByteCount + announcement.offer.models.heldByteCount
    }
}
