/// How fast the agenda is, without any node: the hold model (Vaucher and Duval 1975), in which
/// every event that comes out puts one back at a random later time.

import AROPrimitives
import Foundation

public enum EngineBenchmark {
    public struct Result: Sendable {
        public let pending: Int
        public let eventsPerSecond: Double
    }

    /// - Parameters:
    ///   - pending: events on the agenda at any time.
    ///   - events: how many to run.
    public static func hold(pending: Int, events: Int, seed: UInt64 = 1) -> Result {
        var chance = Generator(seed: seed)
        var agenda = EventQueue<Event>()
        let event = Event(.timer, node: 0, epoch: 0, word: 0)
        for _ in 0..<pending { agenda.push(event, at: Int64(chance.below(1_000_000_000))) }
        var word: UInt64 = 0
        let start = ProcessInfo.processInfo.systemUptime
        for _ in 0..<events {
            let (time, event) = agenda.pop(until: .max)!
            word &+= event.word
            agenda.push(event, at: time + Int64(chance.below(1_000_000_000)))
        }
        let took = ProcessInfo.processInfo.systemUptime - start
        precondition(word == 0)
        return Result(pending: pending, eventsPerSecond: Double(events) / max(took, 1e-9))
    }
}
