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
        lines += list("expect", expect.map { Self.quoted($0.text) })
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
        let rate = disk.rate.map { ", rate: \(Quantity.text(bytes: $0))" } ?? ""
        lines.append("disk: {latency: \(Quantity.text(disk.latency))\(rate)}")
        lines.append("gossip: {lifeguard: \(hasLifeguard ? "on" : "off")}")
        lines += list("workload", workload.map(stepText))
        lines += list("faults", faults.map(faultText))
        let from = measureFrom.map { ", from: \(Quantity.text($0))" } ?? ""
        let members = watchesMembers ? "on" : "off"
        lines.append("measure: {window: \(Quantity.text(window))\(from), members: \(members)}")
        return lines
    }

    private func list(_ key: String, _ items: [String]) -> [String] {
        items.isEmpty ? ["\(key): []"] : ["\(key):"] + items.map { "  - \($0)" }
    }

    private static func quoted(_ text: String) -> String {
        "'" + text.split(separator: "'", omittingEmptySubsequences: false).joined(separator: "''")
            + "'"
    }

    private func groupText(_ group: Group) -> String {
        var access: [String] = []
        if let down = group.link.down { access.append("down: \(Quantity.text(bitRate: down))") }
        if let up = group.link.up { access.append("up: \(Quantity.text(bitRate: up))") }
        access.append("queue: \(Quantity.text(group.queue))")
        access.append("delay: \(Quantity.text(group.link.delay))")
        access.append("mtu: \(Quantity.text(bytes: Int64(group.link.mtu)))")
        var parts = ["group: \(Self.quoted(group.name))", "count: \(group.count)"]
        parts.append("access: {\(access.joined(separator: ", "))}")
        if case .regions(let matrix) = network.roundTrip, !group.regions.isEmpty {
            let names = group.regions.map { Self.quoted(matrix.names[$0]) }
            parts.append("regions: [\(names.joined(separator: ", "))]")
        }
        return "{\(parts.joined(separator: ", "))}"
    }

    private var networkLines: [String] {
        var lines = ["rtt: {\(roundTripText)}"]
        if let spread = network.spread {
            lines.append("spread: {lognormal: {sigma: \(Self.sigma(spread))}}")
        }
        if let jitter = network.jitter {
            lines.append(
                "jitter: {lognormal: {median: \(Quantity.text(jitter.median)), "
                    + "sigma: \(Self.sigma(jitter.shape))}}")
        }
        lines.append("loss: \(lossText(network.loss))")
        lines.append("duplicate: \(Quantity.text(network.duplicate))")
        lines.append("reorder: \(Quantity.text(network.reorder))")
        lines.append("reorder_by: \(Quantity.text(network.reorderDelayMax))")
        lines.append("damage: \(Quantity.text(network.damage))")
        lines.append("mtu: \(Quantity.text(bytes: Int64(network.mtu)))")
        return lines
    }

    private static func sigma(_ shape: Lognormal) -> String {
        let digits = String(shape.sigmaThousandths % 1_000 + 1_000).dropFirst()
        return "\(shape.sigmaThousandths / 1_000).\(digits)"
    }

    private var roundTripText: String {
        switch network.roundTrip {
        case .constant(let span): "constant: \(Quantity.text(span))"
        case .uniform(let low, let high):
            "uniform: [\(Quantity.text(low)), \(Quantity.text(high))]"
        case .regions: "matrix: \(Self.quoted(matrixFile ?? ""))"
        }
    }

    private func lossText(_ loss: Loss) -> String {
        switch loss {
        case .none: return "0%"
        case .independent(let chance): return Quantity.text(chance)
        case .bursts(let mean, let length):
            return "{bursts: {mean: \(Quantity.text(mean)), length: \(length)}}"
        case .gilbertElliott(let toBad, let toGood, let inGood, let inBad):
            let parts = [
                "to_bad: \(Quantity.text(toBad))", "to_good: \(Quantity.text(toGood))",
                "in_good: \(Quantity.text(inGood))", "in_bad: \(Quantity.text(inBad))",
            ]
            return "{gilbert_elliott: {\(parts.joined(separator: ", "))}}"
        }
    }

    private func stepText(_ step: Step) -> String {
        let from = "from: \(Self.quoted(step.from ?? "random"))"
        let what =
            switch step.kind {
            case .publish(let size):
                "publish: {size: \(Quantity.text(bytes: Int64(size))), \(from)}"
            case .lookup: "lookup: {\(from)}"
            case .fetch: "fetch: {\(from)}"
            case .subscribe(let share): "subscribe: {share: \(Quantity.text(share)), \(from)}"
            case .broadcast(let size, let hasOneSender):
                "broadcast: {size: \(Quantity.text(bytes: Int64(size))), "
                    + "senders: \(hasOneSender ? "one" : "random"), \(from)}"
            }
        if case .subscribe = step.kind {
            return "{\(what), at: \(Quantity.text(step.at)), over: \(Quantity.text(step.over))}"
        }
        return "{\(what), at: \(Quantity.text(step.at)), over: \(Quantity.text(step.over)), "
            + "times: \(step.times)}"
    }

    private func faultText(_ fault: Fault) -> String {
        "{at: \(Quantity.text(fault.at)), \(faultText(fault.kind))}"
    }

    private func faultText(_ kind: Fault.Kind) -> String {
        func lasts(_ span: Duration) -> String { ", for: \(Quantity.text(span))" }
        switch kind {
        case .kill(let who): return "kill: {\(text(who))}"
        case .stop(let who): return "stop: {\(text(who))}"
        case .move(let who): return "move: {\(text(who))}"
        case .restart(let who, let span): return "restart: {\(text(who))}" + lasts(span)
        case .pause(let who, let span): return "pause: {\(text(who))}" + lasts(span)
        case .isolate(let who, let span): return "isolate: {\(text(who))}" + lasts(span)
        case .slow(let who, let delay, let every, let span):
            let rhythm = "delay: \(Quantity.text(delay)), every: \(Quantity.text(every))"
            return "slow: {\(text(who)), \(rhythm)}" + lasts(span)
        case .partition(let shares, let span):
            let list = shares.map { Quantity.text($0) }.joined(separator: ", ")
            return "partition: {shares: [\(list)]}" + lasts(span)
        case .partitionGroup(let group, let span):
            return "partition: {of: \(Self.quoted(group))}" + lasts(span)
        case .loss(let loss, let span): return "loss: \(lossText(loss))" + lasts(span)
        }
    }

    private func text(_ members: Members) -> String {
        let size =
            switch members.size {
            case .share(let share): "share: \(Quantity.text(share))"
            case .count(let count): "count: \(count)"
            }
        return "\(size), of: \(Self.quoted(members.of ?? "random"))"
    }
}
