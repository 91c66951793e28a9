/// Faults made smaller: fewer nodes, shorter.

import AROPrimitives

extension Scenario.Fault.Kind {
    /// Whom it befalls; nil where it befalls the network.
    var members: Scenario.Members? {
        switch self {
        case .kill(let who), .stop(let who), .move(let who), .restart(let who, _),
            .pause(let who, _), .slow(let who, _, _, _), .stall(let who, _, _, _),
            .isolate(let who, _), .clog(let who, _),
            .swizzleClog(let who, _, _), .skew(let who, _, _, _), .disk(let who, _, _):
            who
        case .partition, .partitionGroup, .partitionBy, .loss, .clogLinks: nil
        }
    }

    /// The same on others.
    func befalling(_ who: Scenario.Members) -> Self {
        switch self {
        case .kill: .kill(who)
        case .stop: .stop(who)
        case .move: .move(who)
        case .restart(_, let span): .restart(who, after: span)
        case .pause(_, let span): .pause(who, lasting: span)
        case .slow(_, let delay, let every, let span):
            .slow(who, delay: delay, every: every, lasting: span)
        case .stall(_, let times, let apart, let span):
            .stall(who, times, apart: apart, lasting: span)
        case .isolate(_, let span): .isolate(who, lasting: span)
        case .clog(_, let span): .clog(who, lasting: span)
        case .swizzleClog(_, let over, let span): .swizzleClog(who, over: over, lasting: span)
        case .skew(_, let rate, let offset, let span):
            .skew(who, partsPerMillion: rate, offset: offset, lasting: span)
        case .disk(_, let fault, let span): .disk(who, fault, lasting: span)
        case .partition, .partitionGroup, .partitionBy, .loss, .clogLinks: self
        }
    }

    /// The same for so long at most.
    func lasting(atMost most: Duration) -> Self {
        guard let span, span > most else { return self }
        let shorter = lasting(most)
        return switch shorter {
        case .slow(let who, let delay, let every, let span):
            .slow(who, delay: min(delay, span), every: every, lasting: span)
        case .stall(let who, let times, let apart, let span):
            .stall(who, times.cut(to: span), apart: apart, lasting: span)
        default: shorter
        }
    }

    /// Smaller ones, the boldest first: one node, fewer nodes, half the time.
    func smaller(of nodes: Int) -> [Self] {
        var out: [Self] = []
        if let members {
            let now = members.number(of: nodes)
            for count in [1, 2, now / 4, now / 2, now - 1] where count > 0 && count < now {
                out.append(befalling(Scenario.Members(.count(count), of: members.of)))
            }
            // A number reads better than a share.
            if case .share = members.size, now > 0 {
                out.append(befalling(Scenario.Members(.count(now), of: members.of)))
            }
        }
        if let span, span >= .milliseconds(200) {
            out.append(lasting(atMost: .milliseconds(span.nanoseconds / 2_000_000)))
        }
        return out
    }
}

extension Scenario {
    /// Every fault that recurs written out, so that each can be left out by itself.
    var withSingleFaults: Scenario {
        var scenario = self
        var chance = Seeds(seed).generator("single faults")
        scenario.faults = faults.flatMap { fault in
            fault.recurrence == nil && fault.lasting == nil
                ? [fault] : fault.occurrences(&chance).map { Fault(at: $0.at, kind: $0.kind) }
        }.sorted { $0.at < $1.at }
        return scenario
    }
}
