/// The local users who listen: to changes among members, and to topics.
///
/// The overlay has one subscription to a topic; several local users share it. Each takes posts at its
/// own speed: one that lags misses posts, and is told how many, without holding up the others.

import AROOverlay
import AROPrimitives
import AROWire

struct Audience: Sendable {
    struct Listener: Sendable {
        var request: RequestID
        /// Posts given and not taken yet.
        var outstanding = 0
        var missed = 0
    }

    struct Row: Sendable {
        var topic: TopicID
        var isOrdered: Bool
        var listeners: [Listener]
    }

    private(set) var watchers: [RequestID] = []
    private(set) var rows: [Row] = []

    /// Posts given ahead to a listener. A guess: a second of a busy topic.
    static let aheadMax = 1_024

    // MARK: Coming and going

    mutating func watches(_ request: RequestID) { watchers.append(request) }

    func row(of topic: TopicID) -> Row? { rows.first { $0.topic == topic } }

    mutating func subscribed(_ request: RequestID, to topic: TopicID, isOrdered: Bool) {
        let listener = Listener(request: request)
        if let i = rows.firstIndex(where: { $0.topic == topic }) {
            rows[i].listeners.append(listener)
        } else {
            rows.append(Row(topic: topic, isOrdered: isOrdered, listeners: [listener]))
        }
    }

    /// Returns the topic that nobody listens to any more.
    mutating func cancelled(_ request: RequestID) -> TopicID? {
        watchers.removeAll { $0 == request }
        for i in rows.indices {
            rows[i].listeners.removeAll { $0.request == request }
            if rows[i].listeners.isEmpty { return rows.remove(at: i).topic }
        }
        return nil
    }

    // MARK: Posts

    /// Who is to be given the next post of a topic.
    mutating func posted(_ topic: TopicID) -> [RequestID] {
        guard let i = rows.firstIndex(where: { $0.topic == topic }) else { return [] }
        var takers: [RequestID] = []
        for j in rows[i].listeners.indices {
            if rows[i].listeners[j].outstanding < Self.aheadMax {
                rows[i].listeners[j].outstanding += 1
                takers.append(rows[i].listeners[j].request)
            } else {
                rows[i].listeners[j].missed += 1
            }
        }
        return takers
    }

    /// A listener took posts. Returns how many it has missed meanwhile, once.
    mutating func consumed(_ request: RequestID, _ count: Int) -> Int {
        for i in rows.indices {
            guard let j = rows[i].listeners.firstIndex(where: { $0.request == request }) else {
                continue
            }
            let taken = min(max(count, 0), rows[i].listeners[j].outstanding)
            rows[i].listeners[j].outstanding -= taken
            defer { rows[i].listeners[j].missed = 0 }
            return rows[i].listeners[j].missed
        }
        return 0
    }

    func listeners(of topic: TopicID) -> [RequestID] {
        row(of: topic)?.listeners.map(\.request) ?? []
    }
}
