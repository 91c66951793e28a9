/// One look-up, search, publication or refresh that is under way.

import AROPrimitives
import AROWire

struct Operation: Sendable {
    enum Goal: Sendable {
        case closest, join
        /// Ends at the latest when so many contacts of the bucket were heard from lately.
        case refresh(enough: Int)
        case providers(limit: Int)
        case name
        case place(KademliaStore.Record)

        /// What the look-up asks for.
        var wanted: KademliaFind.Wanted {
            switch self {
            case .closest, .join, .refresh, .place: .peers
            case .providers: .providers
            case .name: .name
            }
        }
    }

    let id: OperationID
    let key: DHTKey
    let goal: Goal
    /// Renewals and refreshes: nobody waits for their end.
    let isBackground: Bool
    let started: Instant
    var lookup: Lookup
    /// The second half of a publication.
    var placement: Placement?
    /// The look-up ran once before and found nothing.
    var isRepeated = false
    var messages = 0
    var providersFound: [PeerID] = []
    var name: NameRecord?
    var nameAnswers = 0

    init(
        id: OperationID, key: DHTKey, goal: Goal, isBackground: Bool, started: Instant,
        lookup: Lookup
    ) {
        (self.id, self.key, self.goal) = (id, key, goal)
        (self.isBackground, self.started, self.lookup) = (isBackground, started, lookup)
    }

    /// A search that found nothing while peers did not answer has proved nothing: under 10 % loss one
    /// of a thousand ends so.
    var isWorthRepeating: Bool {
        guard !isRepeated, lookup.hasLostPeers else { return false }
        switch goal {
        case .providers: return providersFound.isEmpty
        case .name: return name == nil
        case .closest, .join, .refresh, .place: return false
        }
    }

    func report(at now: Instant) -> KademliaReport {
        var report = KademliaReport()
        report.elapsed = now - started
        report.messages = messages
        report.hops = lookup.hops
        return report
    }

    func forEachHandle(_ body: (PeerHandle) -> Void) {
        lookup.forEachHandle(body)
        placement?.forEachHandle(body)
    }
}
