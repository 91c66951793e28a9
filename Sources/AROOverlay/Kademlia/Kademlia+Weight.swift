/// What the DHT keeps: in bytes of what its tables hold, the same on every machine, and on the heap, as a
/// simulated world accounts for it.

import AROPrimitives

extension Kademlia {
    /// The routing table, and members heard of.
    package var stateByteCount: Int { table.stateByteCount + heard.peers.heldByteCount }

    package func weigh(_ add: (StaticString, Int) -> Void) {
        add("routing table", table.heapByteCount)
        add(
            "other Kademlia",
            heard.peers.heapByteCount + absences.heapByteCount + rates.heapByteCount
                + requests.pending.heapByteCount + operations.heapByteCount
                + handOvers.heapByteCount)
    }

    package mutating func prefetch(_ part: Prefetch.Part) {
        requests.pending.prefetch(part)
        operations.prefetch(part)
    }
}

extension RoutingTable {
    fileprivate var stateByteCount: Int { entries.heldByteCount + spares.heldByteCount }
}
