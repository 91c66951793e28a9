/// Views of all participants of a world as one graph, and their messages as one sum.

import ARONode
import AROPrimitives

extension World where Resident == MessageNode {
    /// The graph of the peers that `view` names for each participant that runs: peer `n` of the
    /// book is node `n`.
    public func overlayGraph(
        _ view: (borrowing Participant) -> [PeerHandle]
    ) -> OverlayGraph {
        OverlayGraph(
            views: (0..<nodeCount).map { node in
                withResident(node) { resident in
                    resident.withParticipant { participant, _ in
                        view(participant).map { Int($0.index) }
                    }
                }
            })
    }

    /// The messages of every node that runs.
    public var messageCounters: MessageCounters {
        (0..<nodeCount).reduce(MessageCounters()) { sum, node in
            withResident(node) { sum + $0.messages } ?? sum
        }
    }
}
