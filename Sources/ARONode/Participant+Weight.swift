/// What a participant weighs, by part, and what of it is wanted most: for simulated worlds.

import AROOverlay
import AROPrimitives

extension Participant {
    /// Names parts and their bytes on the heap. The participant's own size is not among them.
    package func weigh(_ add: (StaticString, Int) -> Void) {
        kademlia.weigh(add)
        gossip.weigh(add)
    }

    /// Asks for what lies elsewhere and is wanted with nearly every message. A mutating function, as a
    /// borrowed value of this size would be copied for the call.
    package mutating func prefetch(_ part: Prefetch.Part) {
        kademlia.prefetch(part)
        gossip.prefetch(part)
    }
}
