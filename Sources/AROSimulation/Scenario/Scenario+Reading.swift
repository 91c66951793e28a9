/// From YAML to ``Scenario``. Each section names the keys it knows; anything else is a fault.

import AROPrimitives

extension Scenario {
    /// Reads a scenario.
    ///
    /// - Parameters:
    ///   - file: what faults call the text.
    ///   - settings: `--set` pairs, applied in order.
    ///   - open: reads another file that the scenario names, relative to it; nil where it cannot.
    public init(
        yaml text: String, file: String, settings: [Setting] = [],
        open: @escaping (String) -> String? = { _ in nil }
    ) throws(ScenarioFault) {
        let reader = InputReader(open)
        defer { inputs = reader.inputs }
        let open = reader.read
        var document = try Document(text, file: file)
        for one in settings { try document.set(one.path, to: one.value) }
        let root = Field(node: document.root, path: "", file: file)
        let top = try root.section([
            "aro_scenario", "name", "seed", "fidelity", "protocol", "epidemic", "duration",
            "population", "nodes", "join", "churn", "dht", "config",
            "network",
            "disk",
            "gossip",
            "workload",
            "faults",
            "measure", "expect", "sweep",
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
        if let field = top["population"] { population = try field.int(1...Self.nodesMax) }
        if let field = top["config"] {
            nodeSettings = try NodeSettings(field, isOfGroup: false, fidelity)
        }
        if let field = top["network"] { try readNetwork(field, open) }
        for field in try top.required("nodes").list() {
            groups.append(try group(field, fidelity))
        }
        dealPopulation()
        try checkCounts(top.required("nodes"))
        if let field = top["join"] { try readJoin(field) }
        if let field = top["disk"] { try readDisk(field) }
        if let field = top["gossip"] {
            let section = try field.section(["lifeguard"])
            hasLifeguard = try section["lifeguard"].map(isOn) ?? hasLifeguard
        }
        for field in try top["churn"]?.list() ?? [] { churn.append(try churnPlan(field, open)) }
        if let field = top["dht"] {
            lookupPaths = try field.section(["paths"])["paths"]?.int(1...8)
        }
        for field in try top["workload"]?.list() ?? [] { workload.append(try step(field)) }
        for field in try top["faults"]?.list() ?? [] { faults.append(try fault(field)) }
        if let field = top["sweep"] { sweep = try Sweep(field) }
        if let field = top["measure"] { try readMeasure(field) }
        for field in try top["expect"]?.list() ?? [] { expect.append(try expectation(field)) }
    }

    private mutating func readEpidemic(_ top: Section) throws(ScenarioFault) {
        for key in [
            "fidelity", "duration", "join", "churn", "dht", "disk", "gossip", "workload",
            "faults", "measure",
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

    private func group(_ field: Field, _ fidelity: Fidelity) throws(ScenarioFault) -> Group {
        let section = try field.section([
            "group", "count", "share", "config", "access", "regions", "nat", "conduct", "join",
            "serves",
        ])
        var group = Group()
        group.name = try section["group"]?.text() ?? group.name
        try readSize(section, &group)
        if let config = section["config"] {
            group.settings = try NodeSettings(config, isOfGroup: true, fidelity)
        }
        if let access = section["access"] { try readAccess(access, &group) }
        if let regions = section["regions"] { try readRegions(regions, &group) }
        if let nat = section["nat"] { group.nat = try natPlan(nat) }
        if let serves = section["serves"] { group.serves = try servingPlan(serves) }
        if let conduct = section["conduct"] {
            group.hostility = try hostility(conduct, fidelity)
            guard !groups.isEmpty else { throw conduct.fault("bootstraps are honest") }
        }
        if let join = section["join"] {
            group.join = try joinPlan(join)
            guard !groups.isEmpty else { throw join.fault("bootstraps start at once") }
        }
        if group.hostility?.isSybil == true, let nat = section["nat"] {
            throw nat.fault("not with 'sybil'")
        }
        return group
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
        let section = try field.section(["window", "from", "members", "at", "graph"])
        measureFrom = try section["from"]?.duration(atMost: duration)
        watchesMembers = try section["members"].map(isOn) ?? watchesMembers
        metricTimes = try section["at"].map(times) ?? metricTimes
        if let graph = section["graph"] {
            graphTimes = try times(graph)
            guard fidelity == .messages else {
                throw graph.fault("the graph of active views takes 'fidelity: messages'")
            }
        }
        if let field = section["window"] {
            window = try field.duration()
            guard window >= .milliseconds(1) else { throw field.fault("less than 1ms") }
        }
    }

    private func times(_ field: Field) throws(ScenarioFault) -> [Duration] {
        var times: [Duration] = []
        for time in try field.list() { times.append(try time.duration(atMost: duration)) }
        return times
    }

    func isOn(_ field: Field) throws(ScenarioFault) -> Bool {
        try field.choice([
            ("on", true), ("off", false), ("true", true), ("false", false), ("yes", true),
            ("no", false),
        ])
    }
}
