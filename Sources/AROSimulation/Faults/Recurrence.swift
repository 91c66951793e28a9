/// Faults that come again and again: when, and how long each lasts, is drawn before the run begins
/// from a generator of the fault's own place in the file.

import AROPrimitives

extension Scenario {
    public struct Recurrence: Hashable, Sendable {
        /// From one to the next, and from the beginning to the first.
        public var every: SpanLaw
        public var until: Duration
    }

    /// A run with more faults than this tests nothing.
    static let occurrencesMax = 1_000_000
}

extension Scenario.Fault {
    /// When it happens, and what, in order. A fault that was drawn is as exact as a written one.
    public func occurrences(_ chance: inout Generator) -> [(at: Duration, kind: Kind)] {
        var out: [(at: Duration, kind: Kind)] = []
        var time = at
        if let recurrence { time += recurrence.every.draw(&chance) }
        repeat {
            if let recurrence, time > recurrence.until { break }
            out.append((time, lasting.map { kind.lasting($0.draw(&chance)) } ?? kind))
            guard let recurrence else { break }
            time += max(recurrence.every.draw(&chance), .nanoseconds(1))
        } while out.count < Scenario.occurrencesMax
        return out
    }
}

extension Scenario.Fault.Kind {
    /// How long it lasts; nil where that is no question.
    var span: Duration? {
        switch self {
        case .kill, .stop, .move: nil
        case .restart(_, let span), .pause(_, let span), .slow(_, _, _, let span),
            .stall(_, _, _, let span),
            .isolate(_, let span), .partition(_, let span), .partitionGroup(_, let span),
            .partitionBy(_, _, let span), .loss(_, let span), .clogLinks(_, let span),
            .clog(_, let span), .swizzleClog(_, _, let span), .skew(_, _, _, let span),
            .disk(_, _, let span):
            span
        }
    }

    /// The same, for another while.
    func lasting(_ span: Duration) -> Self {
        switch self {
        case .kill, .stop, .move: self
        case .restart(let who, _): .restart(who, after: span)
        case .pause(let who, _): .pause(who, lasting: span)
        case .slow(let who, let delay, let every, _):
            .slow(who, delay: delay, every: every, lasting: span)
        case .stall(let who, let times, let apart, _):
            .stall(who, times, apart: apart, lasting: span)
        case .isolate(let who, _): .isolate(who, lasting: span)
        case .partition(let shares, _): .partition(shares, lasting: span)
        case .partitionGroup(let group, _): .partitionGroup(group, lasting: span)
        case .partitionBy(let mode, let isSymmetric, _):
            .partitionBy(mode, isSymmetric: isSymmetric, lasting: span)
        case .loss(let loss, _): .loss(loss, lasting: span)
        case .clogLinks(let share, _): .clogLinks(share, lasting: span)
        case .clog(let who, _): .clog(who, lasting: span)
        case .swizzleClog(let who, let over, _): .swizzleClog(who, over: over, lasting: span)
        case .skew(let who, let rate, let offset, _):
            .skew(who, partsPerMillion: rate, offset: offset, lasting: span)
        case .disk(let who, let fault, _): .disk(who, fault, lasting: span)
        }
    }
}
