/// The latest calls of models through this gateway, for the status page.

import Synchronization

struct CallNote: Hashable, Sendable {
    enum Outcome: Hashable, Sendable {
        case running, finished, cancelled
        case failed(String)
    }

    var number: UInt64
    var model: String
    var endpoint: String
    var provider: String?
    /// Seconds since 1970.
    var started: Double
    var outcome = Outcome.running
    var firstOutputSeconds: Double?
    var seconds: Double?
    var inputTokens: UInt64?
    var outputTokens: UInt64?
    /// How often another provider went on.
    var resumed = 0
}

package final class CallLog: Sendable {
    /// A guess: what fits on a page.
    private static let keptMax = 50

    private struct State {
        var next: UInt64 = 1
        var notes: [CallNote] = []
    }

    private let state = Mutex(State())

    package init() {}

    /// The newest first.
    var latest: [CallNote] { state.withLock { $0.notes.reversed() } }

    func begin(_ model: String, _ endpoint: String, at now: Double) -> UInt64 {
        state.withLock { state in
            let number = state.next
            state.next += 1
            // A model's name is the client's: the log keeps a decent part of it.
            state.notes.append(
                CallNote(
                    number: number, model: String(model.prefix(64)), endpoint: endpoint,
                    started: now))
            if state.notes.count > Self.keptMax { state.notes.removeFirst() }
            return number
        }
    }

    func update(_ number: UInt64, _ change: (inout CallNote) -> Void) {
        state.withLock { state in
            guard let at = state.notes.lastIndex(where: { $0.number == number }) else { return }
            change(&state.notes[at])
        }
    }
}
