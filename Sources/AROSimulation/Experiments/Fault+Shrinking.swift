/// Faults made smaller: fewer nodes, shorter.

import AROPrimitives

extension Scenario.Fault.Kind {
    /// Whom it befalls; nil where it befalls the network.
    var members: Scenario.Members? {
        switch self {
        case .kill(let who), .stop(let who), .move(let who), .restart(let who, _),
            .pause(let who, _), .slow(let who, _, _, _), .stall(let who, _, _, _),
            .isolate(let who, _):
            who
        case .partition, .partitionGroup, .loss: nil
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
        case .partition, .partitionGroup, .loss: self
        }
    }

    /// How long it lasts; nil where it is a moment.
    var span: Duration? {
        switch self {
        case .kill, .stop, .move: nil
        case .restart(_, let span), .pause(_, let span), .slow(_, _, _, let span),
            .stall(_, _, _, let span), .isolate(_, let span), .partition(_, let span),
            .partitionGroup(_, let span),
            .loss(_, let span):
            span
        }
    }

    /// The same for so long at most.
    func lasting(atMost most: Duration) -> Self {
        switch self {
        case .kill, .stop, .move: self
        case .restart(let who, let span): .restart(who, after: min(span, most))
        case .pause(let who, let span): .pause(who, lasting: min(span, most))
        case .slow(let who, let delay, let every, let span):
            .slow(who, delay: min(delay, most), every: every, lasting: min(span, most))
        case .stall(let who, let times, let apart, let span):
            .stall(who, times.cut(to: most), apart: apart, lasting: min(span, most))
        case .isolate(let who, let span): .isolate(who, lasting: min(span, most))
        case .partition(let shares, let span): .partition(shares, lasting: min(span, most))
        case .partitionGroup(let group, let span):
            .partitionGroup(group, lasting: min(span, most))
        case .loss(let loss, let span): .loss(loss, lasting: min(span, most))
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
