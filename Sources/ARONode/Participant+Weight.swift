/// What a participant weighs, by part.

import AROOverlay
import AROPrimitives

extension Participant {
    /// Names parts and their bytes on the heap. The participant's own size is not among them.
    package func weigh(_ add: (StaticString, Int) -> Void) {
        kademlia.weigh(add)
        gossip.weigh(add)
    }
}
