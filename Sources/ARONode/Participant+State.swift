/// What a participant keeps, as experiments compare it.

import AROOverlay

extension Participant {
    /// Its own size, and what its tables hold.
    package var stateByteCount: Int {
        MemoryLayout<Participant>.size + kademlia.stateByteCount + gossip.stateByteCount
    }
}
