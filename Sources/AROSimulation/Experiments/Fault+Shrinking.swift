/// Faults made smaller: fewer nodes, shorter.

import AROPrimitives

extension Scenario.Fault.Kind {
    /// Whom it befalls; nil where it befalls the network.
    var members: Scenario.Members? {
        switch self {
        case .kill(let who), .stop(let who), .move(let who), .restart(let who, _),
            .pause(let who, _), .slow(let who, _, _, _), .isolate(let who, _),
            .clog(let who, _), .swizzleClog(let who, _, _), .skew(let who, _, _, _),
            .disk(let who, _, _):
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
        case .isolate(_, let span): .isolate(who, lasting: span)
        case .clog(_, let span): .clog(who, lasting: span)
        case .swizzleClog(_, let over, let span):
            .swizzleClog(who, over: over, lasting: span)
        case .skew(_, let rate, let offset, let span):
            .skew(who, partsPerMillion: rate, offset: offset, lasting: span)
        case .disk(_, let fault, let span): .disk(who, fault, lasting: span)
        case .partition, .partitionGroup, .partitionBy, .loss, .clogLinks: self
        }
    }

    /// How long it lasts; nil where it is a moment.
    var span: Duration? {
        switch self {
        case .kill, .stop, .move: nil
        case .restart(_, let span), .pause(_, let span), .slow(_, _, _, let span),
            .isolate(_, let span), .partition(_, let span), .partitionGroup(_, let span),
            .partitionBy(_, _, let span), .loss(_, let span), .clogLinks(_, let span),
            .clog(_, let span), .swizzleClog(_, _, let span), .skew(_, _, _, let span),
            .disk(_, _, let span):
            span
        }
    }

    /// The same for so long at most.
    func lasting(atMost most: Duration) -> Self {
        guard let span, span > most else { return self }
        if case .slow(let who, let delay, let every, _) = self {
            return .slow(who, delay: min(delay, most), every: every, lasting: most)
        }
        return lasting(most)
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
