/// The section `network:` of a scenario and the access links of its groups.

import AROPrimitives

extension Scenario {
    mutating func readNetwork(
        _ field: Field, _ open: (String) -> String?
    ) throws(ScenarioFault) {
        let section = try field.section([
            "rtt", "spread", "jitter", "loss", "duplicate", "reorder", "reorder_by", "damage",
            "mtu", "processing",
        ])
        if let rtt = section["rtt"] { try readRoundTrip(rtt, open) }
        if let spread = section["spread"] { network.spread = try lognormal(spread).shape }
        if let jitter = section["jitter"] { network.jitter = try self.jitter(jitter) }
        if let loss = section["loss"] { network.loss = try self.loss(loss) }
        network.duplicate = try section["duplicate"]?.chance() ?? .never
        network.reorder = try section["reorder"]?.chance() ?? .never
        network.reorderDelayMax =
            try section["reorder_by"]?.duration(atMost: .minutes(1)) ?? network.reorderDelayMax
        network.damage = try section["damage"]?.chance() ?? .never
        network.mtu = try section["mtu"]?.byteCount(atMost: 65_535) ?? network.mtu
        if let processing = section["processing"] {
            let spans = try processing.section(["handshake", "packet"])
            network.processing = Processing(
                handshake: try spans.required("handshake").duration(atMost: .seconds(10)),
                packet: try spans.required("packet").duration(atMost: .seconds(10)))
        }
    }

    private mutating func readRoundTrip(
        _ field: Field, _ open: (String) -> String?
    ) throws(ScenarioFault) {
        let names = ["constant", "uniform", "regions", "matrix", "coordinates"]
        let section = try field.section(names)
        guard section.keys.count == 1 else {
            throw field.fault("one of \(names.joined(separator: ", ")) is wanted")
        }
        let longest = Duration.minutes(1)
        if let constant = section["constant"] {
            network.roundTrip = .constant(try constant.duration(atMost: longest))
        } else if let uniform = section["uniform"] {
            let bounds = try uniform.list()
            guard bounds.count == 2 else {
                throw uniform.fault("two times are wanted, [20ms, 100ms]")
            }
            let low = try bounds[0].duration(atMost: longest)
            let high = try bounds[1].duration(atMost: longest)
            guard low <= high else { throw uniform.fault("the first is greater than the second") }
            network.roundTrip = .uniform(low, high)
        } else if let regions = section["regions"] {
            network.roundTrip = .regions(try regions.choice([("azure", RegionMatrix.azure)]))
        } else if let matrix = section["matrix"] {
            try readMatrix(matrix, open)
        } else if let coordinates = section["coordinates"] {
            try readCoordinates(coordinates, open)
        }
    }

    private mutating func readCoordinates(
        _ field: Field, _ open: (String) -> String?
    ) throws(ScenarioFault) {
        let name = try field.text()
        guard let text = open(name) else { throw field.fault("cannot read '\(name)'") }
        do throws(CoordinateTable.Failure) {
            network.roundTrip = .coordinates(try CoordinateTable(csv: text))
        } catch {
            throw field.fault("\(name): \(error)")
        }
        matrixFile = name
    }

    /// `[West Europe, East US]`, evenly, or `{West Europe: 60%, East US: 40%}`.
    func readRegions(_ field: Field, _ group: inout Group) throws(ScenarioFault) {
        guard case .regions(let matrix) = network.roundTrip else {
            throw field.fault("the network has no region matrix")
        }
        let choices = matrix.names.enumerated().map { ($0.element, $0.offset) }
        if field.isList {
            for region in try field.list() { group.regions.append(try region.choice(choices)) }
            return
        }
        let section = try field.section(matrix.names)
        for key in section.keys {
            group.regions.append(matrix.names.firstIndex(of: key)!)
            group.regionShares.append(try section.required(key).chance())
        }
        let sum = group.regionShares.reduce(0) { $0 + $1.partsPerMillion }
        guard sum == 1_000_000 else { throw field.fault("the shares are not the whole, 100%") }
    }

    /// `none`, `usual`, or `{shares: {port-restricted: 40%, symmetric: 10%}, timeout: [30s, 2m]}`.
    func natPlan(_ field: Field) throws(ScenarioFault) -> NATPlan? {
        if field.isScalar { return try field.choice([("none", nil), ("usual", NATPlan.usual)]) }
        let section = try field.section(["shares", "timeout"])
        let inner = try section.required("shares")
        let shares = try inner.section(NATPlan.Kind.allCases.map(\.rawValue))
        var plan = NATPlan([])
        for key in shares.keys {
            plan.shares.append(
                NATPlan.Share(NATPlan.Kind(rawValue: key)!, try shares.required(key).chance()))
        }
        guard plan.shares.reduce(0, { $0 + $1.share.partsPerMillion }) <= 1_000_000 else {
            throw inner.fault("the shares are more than the whole")
        }
        guard let timeout = section["timeout"] else { return plan }
        let bounds = try timeout.list()
        guard bounds.count == 2 else { throw timeout.fault("two times are wanted, [30s, 2m]") }
        let (low, high) = (try bounds[0].duration(), try bounds[1].duration())
        guard low <= high, low > .zero else { throw timeout.fault("no times from low to high") }
        plan.timeout = low...high
        return plan
    }

    private mutating func readMatrix(
        _ field: Field, _ open: (String) -> String?
    ) throws(ScenarioFault) {
        let name = try field.text()
        guard let text = open(name) else { throw field.fault("cannot read '\(name)'") }
        do throws(RegionMatrix.Failure) {
            network.roundTrip = .regions(try RegionMatrix(csv: text))
        } catch {
            throw field.fault("\(name): \(error)")
        }
        matrixFile = name
    }

    /// `{median: 1ms, sigma: 0.5}`; a spread has a median of one and needs none.
    private func lognormal(
        _ field: Field
    ) throws(ScenarioFault) -> (median: Duration, shape: Lognormal) {
        let section = try field.section(["lognormal"])
        let inner = try section.required("lognormal").section(["median", "sigma"])
        let sigma = try inner.required("sigma")
        guard let thousandths = Quantity.decimal(try sigma.text(), times: 1_000),
            (0...2_000).contains(thousandths)
        else { throw sigma.fault("a number from 0 to 2 is wanted, of at most three decimals") }
        let median = try inner["median"]?.duration(atMost: .seconds(10)) ?? .zero
        return (median, Lognormal(sigmaThousandths: Int(thousandths)))
    }

    private func jitter(_ field: Field) throws(ScenarioFault) -> Jitter {
        let (median, shape) = try lognormal(field)
        return Jitter(median: median, sigmaThousandths: shape.sigmaThousandths)
    }

    /// `10%`, `{bursts: {mean: 1%, length: 3}}`, or the four chances of Gilbert and Elliott.
    func loss(_ field: Field) throws(ScenarioFault) -> Loss {
        if field.isScalar {
            let chance = try field.chance()
            return chance == .never ? .none : .independent(chance)
        }
        let section = try field.section(["bursts", "gilbert_elliott"])
        if let inner = section["bursts"] {
            let bursts = try inner.section(["mean", "length"])
            return .bursts(
                mean: try bursts.required("mean").chance(),
                length: try bursts.required("length").int(1...1_000))
        }
        let states = try section.required("gilbert_elliott").section([
            "to_bad", "to_good", "in_good", "in_bad",
        ])
        return .gilbertElliott(
            toBad: try states.required("to_bad").chance(),
            toGood: try states.required("to_good").chance(),
            inGood: try states.required("in_good").chance(),
            inBad: try states.required("in_bad").chance())
    }

    func readAccess(_ field: Field, _ group: inout Group) throws(ScenarioFault) {
        if field.isScalar {
            group.access = try field.choice(AccessClass.allCases.map { ($0.rawValue, $0) })
            return
        }
        let section = try field.section(["down", "up", "queue", "delay", "mtu", "loss"])
        group.queue = try section["queue"]?.duration(atMost: .seconds(60)) ?? group.queue
        group.link = AccessLink(
            up: try section["up"]?.bitRate(), down: try section["down"]?.bitRate(),
            queue: group.queue,
            delay: try section["delay"]?.duration(atMost: .seconds(60)) ?? .zero,
            mtu: try section["mtu"]?.byteCount(atMost: 65_535) ?? AccessLink.unlimited.mtu,
            loss: try section["loss"]?.chance() ?? .never)
    }
}
