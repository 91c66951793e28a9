/// What the participant tells of itself.

import AROInference
import AROOverlay
import AROPrimitives
import AROWire

extension Participant {
    package func isInTable(_ peer: PeerHandle, book: borrowing PeerBook) -> Bool {
        kademlia.isInTable(peer, book: book)
    }

    package func describe(into status: inout NodeStatus) {
        status.observedAddress = ownAddresses.observed
        status.isIsolated = isIsolated
        status.tablePeers = kademlia.tableCount
        status.members = gossip.memberCount
        status.neighbours = gossip.neighbours.count
        status.passivePeers = gossip.passiveView.count
        status.topics = gossip.topicCount
        status.localHealth = gossip.localHealth
        status.recordsHeld = kademlia.recordCount
        status.rootsProvided = kademlia.publicationCount
        status.fetchesRunning = exchange.counters.fetchesRunning
        for drop in KademliaDrop.allCases {
            note(drop.name, kademlia.dropCount(drop), in: &status)
        }
        gossip.forEachDrop { note($0, $1, in: &status) }
        note("message-of-unknown-family", unknownMessages, in: &status)
        note("topic-post-unheard", unheardPosts, in: &status)
        note("exchange-misconduct", misconduct, in: &status)
    }

    // MARK: For a simulated world

    package var callCounters: InferenceCounters { inference.counters }

    package var activeView: [PeerHandle] { gossip.neighbours }
    package var passiveView: [PeerHandle] { gossip.passiveView }
    /// Members held for alive, without us.
    package var memberCount: Int { gossip.memberCount }

    /// Where it stands in the space of round-trip times; nil before the first measurement.
    package var coordinate: Coordinate? { gossip.coordinate }

    package func state(of peer: PeerHandle, book: borrowing PeerBook) -> MemberState? {
        gossip.member(peer, book: book)?.state
    }

    private func note(_ reason: String, _ count: UInt64, in status: inout NodeStatus) {
        if count > 0 { status.drops.append(.init(reason: reason, count: count)) }
    }
}
