/// The section `network:` and the access link of a group, written out.

import AROPrimitives

extension Scenario {
    var networkLines: [String] {
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
        if let processing = network.processing {
            lines.append(
                "processing: {handshake: \(Quantity.text(processing.handshake)), "
                    + "packet: \(Quantity.text(processing.packet))}")
        }
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
        case .regions: matrixFile.map { "matrix: \(Self.quoted($0))" } ?? "regions: azure"
        case .coordinates: "coordinates: \(Self.quoted(matrixFile ?? ""))"
        }
    }

    func lossText(_ loss: Loss) -> String {
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

    func natText(_ plan: NATPlan) -> String {
        let shares = plan.shares.map { "\($0.kind.rawValue): \(Quantity.text($0.share))" }
        let (low, high) = (plan.timeout.lowerBound, plan.timeout.upperBound)
        return "nat: {shares: {\(shares.joined(separator: ", "))}, "
            + "timeout: [\(Quantity.text(low)), \(Quantity.text(high))]}"
    }

    func regionsText(_ group: Group, _ matrix: RegionMatrix) -> String {
        let names = group.regions.map { Self.quoted(matrix.names[$0]) }
        guard !group.regionShares.isEmpty else {
            return "regions: [\(names.joined(separator: ", "))]"
        }
        let shares = zip(names, group.regionShares).map { "\($0): \(Quantity.text($1))" }
        return "regions: {\(shares.joined(separator: ", "))}"
    }

    func accessText(_ group: Group) -> String {
        if let access = group.access { return "access: \(access.rawValue)" }
        var access: [String] = []
        if let down = group.link.down { access.append("down: \(Quantity.text(bitRate: down))") }
        if let up = group.link.up { access.append("up: \(Quantity.text(bitRate: up))") }
        access.append("queue: \(Quantity.text(group.queue))")
        access.append("delay: \(Quantity.text(group.link.delay))")
        access.append("mtu: \(Quantity.text(bytes: Int64(group.link.mtu)))")
        access.append("loss: \(Quantity.text(group.link.loss))")
        return "access: {\(access.joined(separator: ", "))}"
    }
}
