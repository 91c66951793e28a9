/// The section `churn:` of a scenario, the laws of its spans, and when the nodes of a group join.

import AROPrimitives

extension Scenario {
    /// `{of: peers, sessions: LAW, gaps: LAW}` or `{of: peers, trace: sessions.csv}`.
    func churnPlan(
        _ field: Field, _ open: (String) -> String?
    ) throws(ScenarioFault) -> ChurnPlan {
        let section = try field.section([
            "of", "sessions", "gaps", "trace", "from", "until", "goodbye",
        ])
        let of = try section.required("of")
        let group = try of.choice(groups.map { ($0.name, $0) })
        guard !churn.contains(where: { $0.of == group.name }) else {
            throw of.fault("'\(group.name)' comes and goes already")
        }
        var plan = ChurnPlan(of: group.name, rhythm: try rhythm(section, group, open))
        plan.from = try section["from"]?.duration(atMost: duration) ?? plan.from
        plan.until = try section["until"]?.duration(atMost: duration)
        plan.goodbye = try section["goodbye"]?.chance() ?? plan.goodbye
        return plan
    }

    private func rhythm(
        _ section: Section, _ group: Group, _ open: (String) -> String?
    ) throws(ScenarioFault) -> ChurnPlan.Rhythm {
        guard let file = section["trace"] else {
            let sessions = try section.required("sessions")
            // Half of the nodes are away where nothing is said, whatever a sweep does to sessions.
            return .drawn(
                sessions: try Self.law(sessions), gaps: try Self.law(section["gaps"] ?? sessions))
        }
        for key in ["sessions", "gaps", "from", "until"] {
            if let field = section[key] { throw field.fault("the trace says when") }
        }
        guard groups.first?.name != group.name else {
            throw file.fault("bootstraps run from the start: let them be a group of their own")
        }
        let name = try file.text()
        guard let text = open(name) else { throw file.fault("cannot read '\(name)'") }
        do throws(SessionTrace.Failure) {
            return .trace(try SessionTrace(csv: text, nodes: group.count), file: name)
        } catch {
            throw file.fault("\(name): \(error)")
        }
    }

    // MARK: Laws

    /// `30m`, `{uniform: [1m, 5m]}`, `{exponential: 30m}` (its mean) or `{exponential: {median: 5m}}`,
    /// `{weibull: {shape: 0.5, scale: 2h}}` (or its median), `{lognormal: {median: 1m, sigma: 1}}`.
    static func law(_ field: Field) throws(ScenarioFault) -> SpanLaw {
        if field.isScalar { return .fixed(try positive(field)) }
        let section = try field.section(["uniform", "exponential", "weibull", "lognormal"])
        guard section.keys.count == 1 else {
            throw field.fault("one of uniform, exponential, weibull, lognormal is wanted")
        }
        if let bounds = section["uniform"] { return try uniform(bounds) }
        if let inner = section["exponential"] { return try exponential(inner) }
        if let inner = section["weibull"] { return try weibull(inner) }
        let inner = try section.required("lognormal").section(["median", "sigma"])
        let sigma = try thousandths(inner.required("sigma"), 0...2_000)
        return .lognormal(
            median: try positive(inner.required("median")),
            sigma: Lognormal(sigmaThousandths: sigma))
    }

    private static func uniform(_ field: Field) throws(ScenarioFault) -> SpanLaw {
        let bounds = try field.list()
        guard bounds.count == 2 else { throw field.fault("two times are wanted, [1m, 5m]") }
        let (low, high) = (try bounds[0].duration(), try positive(bounds[1]))
        guard low <= high else { throw field.fault("the first is greater than the second") }
        return .uniform(low, high)
    }

    private static func exponential(_ field: Field) throws(ScenarioFault) -> SpanLaw {
        if field.isScalar { return .exponential(mean: try positive(field)) }
        let section = try field.section(["mean", "median"])
        switch (section["mean"], section["median"]) {
        case (let mean?, nil): return .exponential(mean: try positive(mean))
        case (nil, let median?): return .exponential(median: try positive(median))
        default: throw field.fault("one of mean, median is wanted")
        }
    }

    private static func weibull(_ field: Field) throws(ScenarioFault) -> SpanLaw {
        let section = try field.section(["shape", "scale", "median"])
        let shape = try thousandths(section.required("shape"), SpanLaw.shapes)
        switch (section["scale"], section["median"]) {
        case (let scale?, nil):
            return .weibull(shapeThousandths: shape, scale: try positive(scale))
        case (nil, let median?):
            return .weibull(shapeThousandths: shape, median: try positive(median))
        default: throw field.fault("one of scale, median is wanted")
        }
    }

    /// A law that draws nothing but zeros would stop time.
    private static func positive(_ field: Field) throws(ScenarioFault) -> Duration {
        let span = try field.duration()
        guard span >= .milliseconds(1) else { throw field.fault("less than 1ms") }
        return span
    }

    static func thousandths(
        _ field: Field, _ range: ClosedRange<Int>
    ) throws(ScenarioFault) -> Int {
        guard let value = Quantity.decimal(try field.text(), times: 1_000),
            range.contains(Int(value))
        else {
            throw field.fault(
                "a number from \(Quantity.text(thousandths: range.lowerBound)) to "
                    + "\(Quantity.text(thousandths: range.upperBound)) is wanted, of at most "
                    + "three decimals")
        }
        return Int(value)
    }

    // MARK: Joins

    /// `{at: 1m, schedule: flash-crowd, over: 60s}`.
    func joinPlan(_ field: Field) throws(ScenarioFault) -> JoinPlan {
        let section = try field.section(["at", "schedule", "over"])
        var plan = JoinPlan()
        plan.at = try section["at"]?.duration(atMost: duration) ?? plan.at
        if let schedule = section["schedule"] {
            plan.schedule = try schedule.choice(
                JoinPlan.Schedule.allCases.filter { $0 != .oneByOne }.map { ($0.rawValue, $0) })
        }
        plan.over = try section["over"]?.duration(atMost: duration - plan.at) ?? .zero
        return plan
    }
}

extension Quantity {
    /// A number of at most three decimals.
    static func text(thousandths value: Int) -> String {
        let digits = String(value % 1_000 + 1_000).dropFirst()
        return "\(value / 1_000).\(digits)"
    }
}
