/// From YAML to ``Scenario``. Each section names the keys it knows; anything else is a fault.

import AROPrimitives
import AROWire

extension Scenario {
    /// Reads a scenario.
    ///
    /// - Parameters:
    ///   - file: what faults call the text.
    ///   - settings: `--set` pairs, applied in order.
    ///   - open: reads another file that the scenario names, relative to it; nil where it cannot.
    public init(
        yaml text: String, file: String, settings: [(path: String, value: String)] = [],
        open: (String) -> String? = { _ in nil }
    ) throws(ScenarioFault) {
        var document = try Document(text, file: file)
        for (path, value) in settings { try document.set(path, to: value) }
        let root = Field(node: document.root, path: "", file: file)
        let top = try root.section([
            "aro_scenario", "name", "seed", "fidelity", "protocol", "epidemic", "duration",
            "nodes", "join", "network",
            "disk", "gossip",
            "workload", "faults", "measure", "expect",
        ])
        _ = try top.required("aro_scenario").int(1...1)
        name = try top.required("name").text()
        seed = try top["seed"]?.unsigned() ?? seed
        if let field = top["fidelity"] {
            fidelity = try field.choice(Fidelity.allCases.map { ($0.rawValue, $0) })
        }
        if let field = top["protocol"], try field.choice([("aro", false), ("epidemic", true)]) {
            try readEpidemic(top)
        } else {
            if let field = top["epidemic"] { throw field.fault("for 'protocol: epidemic' only") }
            duration = try top.required("duration").duration()
        }
        if let field = top["network"] { try readNetwork(field, open) }
        for field in try top.required("nodes").list() { groups.append(try group(field)) }
        try checkCounts(top.required("nodes"))
        if let field = top["join"] { try readJoin(field) }
        if let field = top["disk"] { try readDisk(field) }
        if let field = top["gossip"] {
            let section = try field.section(["lifeguard"])
            hasLifeguard = try section["lifeguard"].map(isOn) ?? hasLifeguard
        }
        for field in try top["workload"]?.list() ?? [] { workload.append(try step(field)) }
        for field in try top["faults"]?.list() ?? [] { faults.append(try fault(field)) }
        if let field = top["measure"] { try readMeasure(field) }
        for field in try top["expect"]?.list() ?? [] { expect.append(try expectation(field)) }
    }

    private mutating func readEpidemic(_ top: Section) throws(ScenarioFault) {
        for key in [
            "fidelity", "duration", "join", "disk", "gossip", "workload", "faults", "measure",
        ] {
            if let field = top[key] { throw field.fault("not with 'protocol: epidemic'") }
        }
        let section = try top.required("epidemic").section(["fanouts", "broadcasts", "every"])
        var plan = EpidemicPlan()
        for fanout in try section.required("fanouts").list() {
            plan.fanouts.append(try fanout.int(1...Self.fanoutMax))
        }
        plan.broadcasts = try section["broadcasts"]?.int(1...1_000_000) ?? plan.broadcasts
        plan.every = try section["every"]?.duration(atMost: .hours(1)) ?? plan.every
        duration = plan.every * Int64(plan.broadcasts * plan.fanouts.count)
        epidemic = plan
    }

    /// It takes one byte of a packet.
    private static let fanoutMax = 255

    private func checkCounts(_ nodes: Field) throws(ScenarioFault) {
        guard (1...Self.nodesMax).contains(nodeCount) else {
            throw nodes.fault("\(nodeCount) nodes; 1 to \(Self.nodesMax) are possible")
        }
        guard epidemic == nil || nodeCount > 1 else {
            throw nodes.fault("an epidemic takes two nodes")
        }
        for (i, group) in groups.enumerated()
        where groups[..<i].contains(where: { $0.name == group.name }) {
            throw nodes.fault("two groups are called '\(group.name)'")
        }
    }

    private func group(_ field: Field) throws(ScenarioFault) -> Group {
        let section = try field.section(["group", "count", "access", "regions"])
        var group = Group()
        group.name = try section["group"]?.text() ?? group.name
        group.count = try section.required("count").int(0...Self.nodesMax)
        if let access = section["access"] { try readAccess(access, &group) }
        if let regions = section["regions"] {
            guard case .regions(let matrix) = network.roundTrip else {
                throw regions.fault("the network has no region matrix")
            }
            for region in try regions.list() {
                let choices = matrix.names.enumerated().map { ($0.element, $0.offset) }
                group.regions.append(try region.choice(choices))
            }
        }
        return group
    }

    private func readAccess(_ field: Field, _ group: inout Group) throws(ScenarioFault) {
        let section = try field.section(["down", "up", "queue", "delay", "mtu"])
        group.queue = try section["queue"]?.duration(atMost: .seconds(60)) ?? group.queue
        group.link = AccessLink(
            up: try section["up"]?.bitRate(), down: try section["down"]?.bitRate(),
            queue: group.queue,
            delay: try section["delay"]?.duration(atMost: .seconds(60)) ?? .zero,
            mtu: try section["mtu"]?.byteCount(atMost: 65_535) ?? AccessLink.unlimited.mtu)
    }

    private mutating func readJoin(_ field: Field) throws(ScenarioFault) {
        let section = try field.section(["bootstrap", "schedule", "over"])
        if let bootstrap = section["bootstrap"] {
            join.bootstrap = try bootstrap.int(1...max(1, groups[0].count))
        }
        if let schedule = section["schedule"] {
            join.schedule = try schedule.choice(
                JoinPlan.Schedule.allCases.map { ($0.rawValue, $0) })
        }
        join.over = try section["over"]?.duration(atMost: duration) ?? join.over
    }

    private mutating func readDisk(_ field: Field) throws(ScenarioFault) {
        let section = try field.section(["latency", "rate"])
        disk.latency = try section["latency"]?.duration(atMost: .minutes(10)) ?? disk.latency
        if let rate = section["rate"] {
            disk.rate = Int64(try rate.byteCount(atMost: 1 << 50))
            guard disk.rate != 0 else { throw rate.fault("a rate is positive") }
        }
    }

    private mutating func readMeasure(_ field: Field) throws(ScenarioFault) {
        let section = try field.section(["window", "from", "members"])
        measureFrom = try section["from"]?.duration(atMost: duration)
        watchesMembers = try section["members"].map(isOn) ?? watchesMembers
        if let field = section["window"] {
            window = try field.duration()
            guard window >= .milliseconds(1) else { throw field.fault("less than 1ms") }
        }
    }

    private func isOn(_ field: Field) throws(ScenarioFault) -> Bool {
        try field.choice([("on", true), ("off", false), ("true", true), ("false", false)])
    }

    private func expectation(_ field: Field) throws(ScenarioFault) -> Expectation {
        do throws(Expectation.Failure) { return try Expectation(try textOrFail(field)) } catch {
            throw field.fault("\(error)")
        }
    }

    /// A list or a mapping where a line of text belongs has the wrong shape.
    private func textOrFail(_ field: Field) throws(Expectation.Failure) -> String {
        guard let text = try? field.text() else { throw .shape }
        return text
    }

    // MARK: The network

    private mutating func readNetwork(
        _ field: Field, _ open: (String) -> String?
    ) throws(ScenarioFault) {
        let section = try field.section([
            "rtt", "spread", "jitter", "loss", "duplicate", "reorder", "reorder_by", "damage",
            "mtu",
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
    }

    private mutating func readRoundTrip(
        _ field: Field, _ open: (String) -> String?
    ) throws(ScenarioFault) {
        let section = try field.section(["constant", "uniform", "matrix"])
        guard section.keys.count == 1 else {
            throw field.fault("one of constant, uniform, matrix is wanted")
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
        } else if let matrix = section["matrix"] {
            try readMatrix(matrix, open)
        }
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

    // MARK: What happens

    private static let stepNames = ["publish", "lookup", "fetch", "subscribe", "broadcast"]

    private func broadcast(_ what: Field) throws(ScenarioFault) -> Step {
        let inner = try what.section(["size", "from", "senders"])
        let size = try inner["size"]?.byteCount(atMost: Int64(WireLimits.topicPayloadMax)) ?? 64
        guard size >= NumberedPost.numberByteCount else {
            throw what.fault("a post holds its number: \(NumberedPost.numberByteCount)B at least")
        }
        var hasOne = false
        if let senders = inner["senders"] {
            hasOne = try senders.choice([("one", true), ("random", false)])
        }
        return Step(
            kind: .broadcast(size: size, hasOneSender: hasOne), from: try origin(inner["from"]))
    }

    private func step(_ field: Field) throws(ScenarioFault) -> Step {
        let section = try field.section(Self.stepNames + ["at", "over", "times"])
        let kinds = section.keys.filter { Self.stepNames.contains($0) }
        guard kinds.count == 1 else {
            throw field.fault("one of \(Self.stepNames.joined(separator: ", ")) is wanted")
        }
        let what = try section.required(kinds[0])
        var step: Step
        switch kinds[0] {
        case "publish":
            let inner = try what.section(["size", "from"])
            let size = try inner["size"]?.byteCount(atMost: 1 << 30) ?? 1_024
            step = Step(kind: .publish(size: size), from: try origin(inner["from"]))
        case "lookup":
            let inner = try what.section(["from"])
            step = Step(kind: .lookup, from: try origin(inner["from"]))
        case "subscribe":
            let inner = try what.section(["share", "from"])
            let share = try inner["share"]?.chance() ?? .always
            step = Step(kind: .subscribe(share), from: try origin(inner["from"]))
            if let times = section["times"] { throw times.fault("a node subscribes once") }
        case "broadcast": step = try broadcast(what)
        default:
            let inner = try what.section(["from"])
            step = Step(kind: .fetch, from: try origin(inner["from"]))
        }
        step.at = try section.required("at").duration(atMost: duration)
        step.over = try section["over"]?.duration(atMost: duration - step.at) ?? .zero
        step.times = try section["times"]?.int(1...Self.timesMax) ?? 1
        return step
    }

    func origin(_ field: Field?) throws(ScenarioFault) -> String? {
        guard let field else { return nil }
        let choices = [("random", String?.none)] + groups.map { ($0.name, String?.some($0.name)) }
        return try field.choice(choices)
    }
}
