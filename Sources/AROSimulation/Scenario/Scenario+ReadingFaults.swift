/// The entries of `faults:`: `{at: 5m, kill: {share: 80%, of: peers}}`.

import AROPrimitives

extension Scenario {
    private static let faultNames = [
        "kill", "stop", "restart", "pause", "slow", "stall", "isolate", "partition", "move",
        "loss", "clog", "swizzle-clog", "skew", "disk",
    ]

    func fault(_ field: Field) throws(ScenarioFault) -> Fault {
        let section = try field.section(
            Self.faultNames + ["at", "for", "every", "from", "until", "over"])
        let kinds = section.keys.filter { Self.faultNames.contains($0) }
        guard kinds.count == 1 else {
            throw field.fault("one of \(Self.faultNames.joined(separator: ", ")) is wanted")
        }
        let what = try section.required(kinds[0])
        let (at, again) = try recurrence(section)
        if let field = section["over"], kinds[0] != "swizzle-clog" {
            throw field.fault("'\(kinds[0])' happens at once")
        }
        if let field = section["for"], ["kill", "stop", "move"].contains(kinds[0]) {
            throw field.fault("'\(kinds[0])' lasts")
        }
        let kind = try faultKind(kinds[0], what, section, longest: duration - at)
        var fault = Fault(at: at, kind: kind, recurrence: again)
        if let lasts = section["for"], !lasts.isScalar { fault.lasting = try Self.law(lasts) }
        return fault
    }

    private func faultKind(
        _ name: String, _ what: Field, _ section: Section, longest: Duration
    ) throws(ScenarioFault) -> Fault.Kind {
        // Where it is drawn each time, no time stands here.
        func lasting() throws(ScenarioFault) -> Duration {
            let field = try section.required("for")
            return field.isScalar ? try field.duration(atMost: longest) : longest
        }
        switch name {
        case "kill": return .kill(try members(what))
        case "stop": return .stop(try members(what))
        case "move": return .move(try members(what))
        case "restart":
            let pause = try section["for"] == nil ? .zero : lasting()
            return .restart(try members(what), after: pause)
        case "clog": return try clog(what, lasting: try lasting())
        case "swizzle-clog": return try swizzle(what, section, lasting: try lasting())
        case "skew": return try skew(what, lasting: try lasting())
        case "disk": return try disk(what, lasting: try lasting())
        case "pause": return .pause(try members(what), lasting: try lasting())
        case "isolate": return .isolate(try members(what), lasting: try lasting())
        case "slow": return try slow(what, lasting: try lasting())
        case "stall": return try stall(what, lasting: try lasting())
        case "partition": return try partition(what, lasting: try lasting())
        default: return .loss(try loss(what), lasting: try lasting())
        }
    }

    /// `20%`, `{share: 20%, of: peers}` or `{count: 3}`.
    func members(_ field: Field) throws(ScenarioFault) -> Members {
        if field.isScalar { return Members(.share(try field.chance())) }
        return try members(field, try field.section(["share", "count", "of"]))
    }

    func members(_ field: Field, _ section: Section) throws(ScenarioFault) -> Members {
        let group = try origin(section["of"])
        switch (section["share"], section["count"]) {
        case (let share?, nil): return Members(.share(try share.chance()), of: group)
        case (nil, let count?): return Members(.count(try count.int(0...Self.nodesMax)), of: group)
        default: throw field.fault("one of share, count is wanted")
        }
    }

    private func slow(_ field: Field, lasting: Duration) throws(ScenarioFault) -> Fault.Kind {
        let section = try field.section(["share", "count", "of", "delay", "every"])
        let members = try members(field, section)
        let delay = try section.required("delay").duration(atMost: lasting)
        let every = try section.required("every")
        let period = try every.duration(atMost: .hours(24))
        guard period > delay, delay > .zero else {
            throw every.fault("not longer than the delay")
        }
        return .slow(members, delay: delay, every: period, lasting: lasting)
    }

    private func stall(_ field: Field, lasting: Duration) throws(ScenarioFault) -> Fault.Kind {
        let section = try field.section(["share", "count", "of", "lasting", "apart"])
        let members = try members(field, section)
        let times = try doublings(section.required("lasting"), atMost: lasting)
        let apart = try doublings(section.required("apart"), atMost: .hours(24))
        return .stall(members, times, apart: apart, lasting: lasting)
    }

    /// `[128ms, 32768ms]`: a time, and how far it may double.
    private func doublings(
        _ field: Field, atMost longest: Duration
    ) throws(ScenarioFault) -> Doublings {
        let bounds = try field.list()
        guard bounds.count == 2 else {
            throw field.fault("two times are wanted, [128ms, 32768ms]")
        }
        let first = try bounds[0].duration(atMost: longest)
        let last = try bounds[1].duration(atMost: longest)
        guard first >= .milliseconds(1), first <= last else {
            throw field.fault("the first is 1ms at least, and not greater than the second")
        }
        return Doublings(first: first, last: last)
    }

    /// `30%`, `{shares: [50%, 50%]}`, `{of: group}` or `{mode: uniform-size, symmetric: no}`.
    private func partition(_ field: Field, lasting: Duration) throws(ScenarioFault) -> Fault.Kind {
        if field.isScalar { return .partition([try field.chance()], lasting: lasting) }
        let section = try field.section(["shares", "of", "mode", "symmetric"])
        if section["mode"] != nil, section["shares"] == nil, section["of"] == nil {
            return try partitionBy(section, lasting: lasting)
        }
        if let field = section["mode"] ?? section["symmetric"] {
            throw field.fault("one of shares, of, mode is wanted")
        }
        if let of = section["of"], section["shares"] == nil {
            guard let group = try origin(of) else { throw of.fault("a group is wanted here") }
            return .partitionGroup(group, lasting: lasting)
        }
        let list = try section.required("shares")
        guard section["of"] == nil else { throw field.fault("one of shares, of is wanted") }
        var shares: [Chance] = []
        for share in try list.list() { shares.append(try share.chance()) }
        let sum = shares.reduce(0) { $0 + $1.partsPerMillion }
        guard !shares.isEmpty, sum <= 1_000_000, shares.count <= Self.partsMax else {
            throw list.fault("1 to \(Self.partsMax) shares are wanted that are at most the whole")
        }
        return .partition(shares, lasting: lasting)
    }

    /// Parts of a partition: every datagram is compared with their pairs.
    static let partsMax = 16
}
