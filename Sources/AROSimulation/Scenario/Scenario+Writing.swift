/// From ``Scenario`` back to YAML with every default written out: running the text again gives the
/// same trace.

import AROPrimitives

extension Scenario {
    public var resolved: String {
        var lines = ["aro_scenario: 1", "name: \(Self.quoted(name))", "seed: \(seed)"]
        lines += epidemic.map(epidemicLines) ?? nodeLines
        lines.append("nodes:")
        lines += groups.map { "  - \(groupText($0))" }
        lines.append("network:")
        lines += networkLines.map { "  \($0)" }
        if epidemic == nil { lines += eventLines }
        lines += list("expect", expect.map(\.resolved))
        return lines.joined(separator: "\n") + "\n"
    }

    private var nodeLines: [String] {
        ["fidelity: \(fidelity.rawValue)", "duration: \(Quantity.text(duration))"]
    }

    private func epidemicLines(_ plan: EpidemicPlan) -> [String] {
        let fanouts = plan.fanouts.map(String.init).joined(separator: ", ")
        return [
            "protocol: epidemic",
            "epidemic: {fanouts: [\(fanouts)], broadcasts: \(plan.broadcasts), "
                + "every: \(Quantity.text(plan.every))}",
        ]
    }

    private var eventLines: [String] {
        var lines: [String] = []
        lines.append(
            "join: {bootstrap: \(join.bootstrap), schedule: \(join.schedule.rawValue), "
                + "over: \(Quantity.text(join.over))}")
        if !nodeSettings.values.isEmpty { lines.append("config: \(nodeSettings.resolved)") }
        let rate = disk.rate.map { ", rate: \(Quantity.text(bytes: $0))" } ?? ""
        lines.append("disk: {latency: \(Quantity.text(disk.latency))\(rate)}")
        lines.append("gossip: {lifeguard: \(hasLifeguard ? "on" : "off")}")
        if let lookupPaths { lines.append("dht: {paths: \(lookupPaths)}") }
        lines += list("churn", churn.map(churnText))
        lines += list("workload", workload.map(stepText))
        lines += list("faults", faults.map(faultText))
        lines.append("measure: {\(measureParts.joined(separator: ", "))}")
        return lines
    }

    private var measureParts: [String] {
        func times(_ key: String, _ list: [Duration]) -> [String] {
            list.isEmpty
                ? [] : ["\(key): [\(list.map { Quantity.text($0) }.joined(separator: ", "))]"]
        }
        return ["window: \(Quantity.text(window))"]
            + (measureFrom.map { ["from: \(Quantity.text($0))"] } ?? [])
            + ["members: \(watchesMembers ? "on" : "off")"]
            + times("at", metricTimes) + times("graph", graphTimes)
    }

    private func list(_ key: String, _ items: [String]) -> [String] {
        items.isEmpty ? ["\(key): []"] : ["\(key):"] + items.map { "  - \($0)" }
    }

    static func quoted(_ text: String) -> String {
        "'" + text.split(separator: "'", omittingEmptySubsequences: false).joined(separator: "''")
            + "'"
    }

    private func groupText(_ group: Group) -> String {
        var parts = ["group: \(Self.quoted(group.name))", "count: \(group.count)"]
        if !group.settings.values.isEmpty { parts.append("config: \(group.settings.resolved)") }
        parts.append(accessText(group))
        if case .regions(let matrix) = network.roundTrip, !group.regions.isEmpty {
            parts.append(regionsText(group, matrix))
        }
        if let nat = group.nat { parts.append(natText(nat)) }
        if let hostility = group.hostility { parts.append(hostilityText(hostility)) }
        if let join = group.join { parts.append(joinText(join)) }
        if let serves = group.serves { parts.append(servingText(serves)) }
        return "{\(parts.joined(separator: ", "))}"
    }

    private func stepText(_ step: Step) -> String {
        let from = "from: \(Self.quoted(step.from ?? "random"))"
        let what =
            switch step.kind {
            case .publish(let size):
                "publish: {size: \(Quantity.text(bytes: Int64(size))), \(from)}"
            case .lookup(let ofLive): "lookup: {\(from), of: \(ofLive ? "live" : "any")}"
            case .find(let of): "find: {\(from), of: \(Self.quoted(of ?? "random"))}"
            case .fetch: "fetch: {\(from)}"
            case .subscribe(let share): "subscribe: {share: \(Quantity.text(share)), \(from)}"
            case .broadcast(let size, let hasOneSender):
                "broadcast: {size: \(Quantity.text(bytes: Int64(size))), "
                    + "senders: \(hasOneSender ? "one" : "random"), \(from)}"
            case .call(let model, let deadline):
                "call: {model: \(Self.quoted(model)), deadline: \(Quantity.text(deadline)), \(from)}"
            }
        if case .subscribe = step.kind {
            return "{\(what), at: \(Quantity.text(step.at)), over: \(Quantity.text(step.over))}"
        }
        if step.isUponJoin { return "{\(what), at: \(Quantity.text(step.at)), upon: join}" }
        return "{\(what), at: \(Quantity.text(step.at)), over: \(Quantity.text(step.over)), "
            + "times: \(step.times), arrivals: \(step.isPoisson ? "poisson" : "even")}"
    }
}
