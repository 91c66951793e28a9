/// The local users who listen: to changes among members, and to topics.
///
/// What changes among members is given ahead to each as far as it keeps up; one that lags misses
/// some, and is told how many. Posts are counted in the same way by the overlay, which keeps a
/// backlog for each subscriber.

import AROOverlay
import AROPrimitives
import AROWire

struct Audience: Sendable {
    private struct Watcher: Sendable {
        var request: RequestID
        /// Changes given and not taken yet.
        var outstanding = 0
        var missed = 0
    }

    private struct Listener: Sendable {
        var request: RequestID
        var topic: TopicID
    }

    private var watchers: [Watcher] = []
    private var listeners: [Listener] = []

    /// Changes given ahead to a watcher. A guess: all that a thousand members do at once.
    static let aheadMax = 1_024
    /// Who watches at once. A guess: each costs a copy of every change.
    static let watchersMax = 64

    var hasWatchers: Bool { !watchers.isEmpty }

    // MARK: Coming and going

    /// False where there are too many.
    mutating func watches(_ request: RequestID) -> Bool {
        guard watchers.count < Self.watchersMax else { return false }
        watchers.append(Watcher(request: request))
        return true
    }

    mutating func listens(_ request: RequestID, to topic: TopicID) {
        listeners.append(Listener(request: request, topic: topic))
    }

    /// Returns the topic that the request listened to.
    mutating func cancelled(_ request: RequestID) -> TopicID? {
        watchers.removeAll { $0.request == request }
        guard let i = listeners.firstIndex(where: { $0.request == request }) else { return nil }
        return listeners.remove(at: i).topic
    }

    // MARK: Changes among members

    /// Who is to be given the next change.
    mutating func changed() -> [RequestID] {
        var takers: [RequestID] = []
        for i in watchers.indices {
            if watchers[i].outstanding < Self.aheadMax {
                watchers[i].outstanding += 1
                takers.append(watchers[i].request)
            } else {
                watchers[i].missed += 1
            }
        }
        return takers
    }

    /// A watcher took changes. Returns how many it has missed meanwhile, once.
    mutating func tookChanges(_ count: Int, _ request: RequestID) -> Int {
        guard let i = watchers.firstIndex(where: { $0.request == request }) else { return 0 }
        watchers[i].outstanding -= min(max(count, 0), watchers[i].outstanding)
        defer { watchers[i].missed = 0 }
        return watchers[i].missed
    }

    // MARK: Topics

    func topic(of request: RequestID) -> TopicID? {
        listeners.first { $0.request == request }?.topic
    }

    func listeners(of topic: TopicID) -> [RequestID] {
        listeners.filter { $0.topic == topic }.map(\.request)
    }
}
