/// What each part keeps on the heap, as a simulated world accounts for it. Outboxes are left out: see
/// ``GossipScratch``.

import AROPrimitives

extension Gossip {
    package func weigh(_ add: (StaticString, Int) -> Void) {
        add("directory", announcements.directory.heapByteCount)
        add(
            "other announcements",
            announcements.tombstones.heapByteCount + announcements.rumours.rows.heapByteCount
                + announcements.exchanges.heapByteCount
                + announcements.neighbourTable.rows.heapByteCount)
        add(
            "membership",
            membership.neighbours.heapByteCount + membership.active.heapByteCount
                + membership.passiveView.peers.heapByteCount + membership.requests.heapByteCount
                + membership.partings.heapByteCount + membership.lost.heapByteCount
                + membership.allowances.heapByteCount)
        add(
            "failure detection",
            detector.watches.heapByteCount + detector.probes.heapByteCount)
    }

    /// Asks for what lies elsewhere and is wanted with nearly every message.
    package mutating func prefetch(_ part: Prefetch.Part) {
        guard isOn else { return }
        detector.watches.prefetch(part)
        announcements.neighbourTable.rows.prefetch(part)
        membership.neighbours.prefetch(part)
        membership.active.prefetch(part)
    }
}
