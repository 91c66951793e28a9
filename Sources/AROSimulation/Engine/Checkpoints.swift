/// The trace hash at even intervals of events, so that two runs that differ can be compared without
/// a record of what happened. Their number is bounded: when there are too many, every other one
/// goes and the interval doubles.

import AROPrimitives

/// The hash of everything that happened before an event.
public struct Checkpoint: Hashable, Sendable {
    /// How many events it covers.
    public var events: UInt64
    /// The virtual time of the event behind it.
    public var at: Duration
    public var trace: TraceHash
}

struct Checkpoints {
    /// A guess: 150 kB as a table.
    static let countMax = 4_096

    private(set) var rows: [Checkpoint] = []
    private(set) var interval: UInt64 = 1
    /// The number of events at which the next one is due.
    private(set) var next: UInt64 = 1

    mutating func note(_ events: UInt64, _ at: Duration, _ trace: TraceHash) {
        rows.append(Checkpoint(events: events, at: at, trace: trace))
        if rows.count == Self.countMax {
            interval *= 2
            rows.removeAll { $0.events % interval != 0 }
        }
        next = (events / interval + 1) * interval
    }
}

extension Checkpoint {
    /// The events between which two runs went different ways for the first time: both agree on the
    /// first `lowerBound` events, and not on `upperBound` of them. nil where no common checkpoint
    /// differs.
    public static func firstDifference(_ a: [Checkpoint], _ b: [Checkpoint]) -> Range<UInt64>? {
        var agreed: UInt64 = 0
        var (i, j) = (0, 0)
        while i < a.count, j < b.count {
            if a[i].events < b[j].events {
                i += 1
            } else if a[i].events > b[j].events {
                j += 1
            } else {
                guard a[i].trace == b[j].trace else { return agreed..<a[i].events }
                agreed = a[i].events
                (i, j) = (i + 1, j + 1)
            }
        }
        return nil
    }
}
