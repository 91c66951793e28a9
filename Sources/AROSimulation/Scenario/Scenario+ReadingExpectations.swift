/// The entries of `expect:`: `lookup.success_rate == 1`,
/// `{eventually: largest_component == 100%, within: 60s, after: last-fault}`.

import AROPrimitives

extension Scenario {
    private static let modes = ["always", "sometimes", "eventually"]

    func expectation(_ field: Field) throws(ScenarioFault) -> Expectation {
        if field.isScalar { return try plain(field) }
        let section = try field.section(Self.modes + ["from", "until", "within", "after"])
        let modes = section.keys.filter { Self.modes.contains($0) }
        guard modes.count == 1 else {
            throw field.fault("one of \(Self.modes.joined(separator: ", ")) is wanted")
        }
        var expectation = try plain(try section.required(modes[0]))
        guard MetricCatalogue.isOfWindows(expectation.metric) else {
            throw field.fault(
                "'\(expectation.metric)' is known at the end only; of a window there are "
                    + MetricCatalogue.windowNames.joined(separator: ", "))
        }
        try refuse(
            modes[0] == "always" ? ["within", "after"] : ["from", "until"], in: section)
        switch modes[0] {
        case "always":
            let from = try section["from"]?.duration(atMost: duration) ?? .zero
            expectation.when = .always(
                from: from, until: try section["until"]?.duration(atMost: duration))
        case "sometimes":
            try refuse(["within", "after"], in: section)
            expectation.when = .sometimes
        default:
            expectation.when = .eventually(
                within: try section["within"]?.duration(atMost: duration) ?? duration,
                after: try section["after"].map(after) ?? .time(.zero))
        }
        return expectation
    }

    private func after(_ field: Field) throws(ScenarioFault) -> Expectation.After {
        if try field.text() == "last-fault" { return .lastFault }
        return .time(try field.duration(atMost: duration))
    }

    private func refuse(_ keys: [String], in section: Section) throws(ScenarioFault) {
        for key in keys {
            if let field = section[key] { throw field.fault("'\(key)' does not belong here") }
        }
    }

    private func plain(_ field: Field) throws(ScenarioFault) -> Expectation {
        do throws(Expectation.Failure) { return try Expectation(try textOrFail(field)) } catch {
            throw field.fault("\(error)")
        }
    }

    /// A list or a mapping where a line of text belongs has the wrong shape.
    private func textOrFail(_ field: Field) throws(Expectation.Failure) -> String {
        guard let text = try? field.text() else { throw .shape }
        return text
    }
}
