/// Clogs, skewed clocks, faulty disks and partitions by mode, in `faults:`; and faults that recur.

import AROPrimitives

extension Scenario {
    /// `{every: LAW, from: 1m, until: 5m}` in the place of `at: 1m`.
    func recurrence(
        _ section: Section
    ) throws(ScenarioFault) -> (at: Duration, again: Recurrence?) {
        guard let every = section["every"] else {
            for key in ["from", "until"] {
                if let field = section[key] { throw field.fault("it takes 'every'") }
            }
            return (try section.required("at").duration(atMost: duration), nil)
        }
        if let at = section["at"] { throw at.fault("one of at, every is wanted") }
        let from = try section["from"]?.duration(atMost: duration) ?? .zero
        let until = try section["until"]?.duration(atMost: duration) ?? duration
        guard until >= from else { throw section.field.fault("until is before from") }
        return (from, Recurrence(every: try Self.law(every), until: until))
    }

    /// `{mode: uniform-size, symmetric: no}`.
    func partitionBy(_ section: Section, lasting: Duration) throws(ScenarioFault) -> Fault.Kind {
        let mode = try section.required("mode").choice(
            PartitionMode.allCases.map { ($0.rawValue, $0) })
        let isSymmetric = try section["symmetric"].map(isOn) ?? true
        return .partitionBy(mode, isSymmetric: isSymmetric, lasting: lasting)
    }

    /// `{links: 1%}` or members.
    func clog(_ field: Field, lasting: Duration) throws(ScenarioFault) -> Fault.Kind {
        guard !field.isScalar else { return .clog(try members(field), lasting: lasting) }
        let section = try field.section(["links", "share", "count", "of"])
        guard let links = section["links"] else {
            return .clog(try members(field, section), lasting: lasting)
        }
        guard section.keys.count == 1 else { throw field.fault("one of links, share, count") }
        return .clogLinks(try links.chance(), lasting: lasting)
    }

    func swizzle(
        _ field: Field, _ section: Section, lasting: Duration
    ) throws(ScenarioFault) -> Fault.Kind {
        let over = try section.required("over").duration(atMost: duration)
        return .swizzleClog(try members(field), over: over, lasting: lasting)
    }

    /// `{share: 5%, ppm: 200, offset: 2s}`; a negative rate or offset is a clock that is behind.
    func skew(_ field: Field, lasting: Duration) throws(ScenarioFault) -> Fault.Kind {
        let section = try field.section(["share", "count", "of", "ppm", "offset"])
        let rate = try section["ppm"]?.int(-Self.skewMax...Self.skewMax) ?? 0
        return .skew(
            try members(field, section), partsPerMillion: Int64(rate),
            offset: try section["offset"].map(signed) ?? .zero, lasting: lasting)
    }

    /// A crystal is off by 100 parts per million at most; a tenth is a broken clock.
    private static let skewMax = 100_000

    private func signed(_ field: Field) throws(ScenarioFault) -> Duration {
        let text = try field.text()
        let isBehind = text.first == "-"
        guard let span = Quantity.duration(isBehind ? String(text.dropFirst()) : text),
            span <= .hours(24 * 365)
        else { throw field.fault("'\(text)' is no time; write it with a unit, as 2s or -1m") }
        return isBehind ? .zero - span : span
    }

    /// `{share: 10%, mode: full}`, or corrupt with `blocks: 5%`, slow with `delay: 50ms`, failing,
    /// forgetful.
    func disk(_ field: Field, lasting: Duration) throws(ScenarioFault) -> Fault.Kind {
        let section = try field.section(["share", "count", "of", "mode", "blocks", "delay"])
        let mode = try section.required("mode")
        let fault: DiskFault =
            switch try mode.choice(Self.diskModes.map { ($0, $0) }) {
            case "full": .full
            case "corrupt": .corrupt(try section.required("blocks").chance())
            case "slow": .slow(try section.required("delay").duration(atMost: .minutes(10)))
            case "failing": .failing
            default: .forgetful
            }
        return .disk(try members(field, section), fault, lasting: lasting)
    }

    private static let diskModes = ["full", "corrupt", "slow", "failing", "forgetful"]

    // MARK: Writing

    func moreFaultText(_ kind: Fault.Kind) -> String {
        switch kind {
        case .partitionBy(let mode, let isSymmetric, _):
            return "partition: {mode: \(mode.rawValue), symmetric: \(isSymmetric ? "on" : "off")}"
        case .clogLinks(let share, _): return "clog: {links: \(Quantity.text(share))}"
        case .clog(let who, _): return "clog: {\(text(who))}"
        case .swizzleClog(let who, let over, _):
            return "swizzle-clog: {\(text(who))}, over: \(Quantity.text(over))"
        case .skew(let who, let rate, let offset, _):
            let sign = offset < .zero ? "-" : ""
            let span = offset < .zero ? .zero - offset : offset
            return "skew: {\(text(who)), ppm: \(rate), offset: \(sign)\(Quantity.text(span))}"
        case .disk(let who, let fault, _): return "disk: {\(text(who)), \(Self.text(fault))}"
        default: preconditionFailure("written elsewhere")
        }
    }

    private static func text(_ fault: DiskFault) -> String {
        switch fault {
        case .full: "mode: full"
        case .corrupt(let share): "mode: corrupt, blocks: \(Quantity.text(share))"
        case .slow(let delay): "mode: slow, delay: \(Quantity.text(delay))"
        case .failing: "mode: failing"
        case .forgetful: "mode: forgetful"
        }
    }
}
