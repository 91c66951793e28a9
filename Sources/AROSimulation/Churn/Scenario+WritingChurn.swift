/// Churn, laws of spans and the joins of a group, written out.

import AROPrimitives

extension Scenario {
    func churnText(_ plan: ChurnPlan) -> String {
        var parts = ["of: \(Self.quoted(plan.of))"]
        switch plan.rhythm {
        case .trace(_, let file): parts.append("trace: \(Self.quoted(file))")
        case .drawn(let sessions, let gaps):
            parts.append("sessions: \(Self.lawText(sessions))")
            parts.append("gaps: \(Self.lawText(gaps))")
            parts.append("from: \(Quantity.text(plan.from))")
            if let until = plan.until { parts.append("until: \(Quantity.text(until))") }
        }
        parts.append("goodbye: \(Quantity.text(plan.goodbye))")
        return "{\(parts.joined(separator: ", "))}"
    }

    static func lawText(_ law: SpanLaw) -> String {
        switch law {
        case .fixed(let span): return Quantity.text(span)
        case .uniform(let low, let high):
            return "{uniform: [\(Quantity.text(low)), \(Quantity.text(high))]}"
        case .exponential(let mean): return "{exponential: {mean: \(Quantity.text(mean))}}"
        case .weibull(let shape, let scale):
            let number = Quantity.text(thousandths: shape)
            return "{weibull: {shape: \(number), scale: \(Quantity.text(scale))}}"
        case .lognormal(let median, let sigma):
            let number = Quantity.text(thousandths: sigma.sigmaThousandths)
            return "{lognormal: {median: \(Quantity.text(median)), sigma: \(number)}}"
        }
    }

    func joinText(_ plan: JoinPlan) -> String {
        "join: {at: \(Quantity.text(plan.at)), schedule: \(plan.schedule.rawValue), "
            + "over: \(Quantity.text(plan.over))}"
    }
}
