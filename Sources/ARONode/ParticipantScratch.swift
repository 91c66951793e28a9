/// What a participant needs only while it is at work, lent to it by who runs many of them: buffers
/// that grew to the size of the largest burst would else be kept by each.

import AROOverlay

package struct ParticipantScratch: ~Copyable {
    var kademlia = KademliaOutbox()
    var gossip = GossipOutbox()
    var parts = GossipScratch()

    package init() {}
}

extension Participant {
    /// Exchanges the empty outboxes of both, before an input and again behind it.
    package mutating func swapScratch(_ scratch: inout ParticipantScratch) {
        swap(&kademliaOut, &scratch.kademlia)
        swap(&gossipOut, &scratch.gossip)
        gossip.swapScratch(&scratch.parts)
    }
}
