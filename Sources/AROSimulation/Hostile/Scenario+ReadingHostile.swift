/// `conduct:` of a group: how hostile its nodes are.

import AROPrimitives

extension Scenario {
    /// What a hostile group does besides what each of its nodes does to messages.
    public struct Hostility: Hashable, Sendable {
        public var conduct = Conduct()
        /// All its nodes are at one IPv4 address, at different ports.
        public var isSybil = false
        /// All its identities are made to lie near a victim's.
        public var eclipse: Eclipse?
    }

    /// An attack on the neighbourhood of one node.
    public struct Eclipse: Hashable, Sendable {
        /// The victim is the first node of this group.
        public var of: String
        /// Leading bits that every identity of the group shares with the victim's key.
        public var bits: Int
    }

    private static let conductNames = [
        "drop", "delay", "misroute", "lie", "forge", "replay", "sybil", "eclipse",
    ]

    /// `lie`, or `{drop: 20%, delay: 100ms, lie: 100%, sybil: on, eclipse: {of: victims, bits: 8}}`.
    func hostility(_ field: Field, _ fidelity: Fidelity) throws(ScenarioFault) -> Hostility {
        var found = Hostility()
        if field.isScalar {
            let whole: [(String, WritableKeyPath<Conduct, Chance>?)] = [
                ("drop", \.drop), ("misroute", \.misroute), ("lie", \.lie), ("forge", \.forge),
                ("replay", \.replay), ("sybil", nil),
            ]
            if let path = try field.choice(whole) {
                found.conduct[keyPath: path] = .always
            } else {
                found.isSybil = true
            }
        } else {
            try readConduct(field.section(Self.conductNames), &found)
        }
        if fidelity == .datagrams, found.conduct.readsMessages {
            throw field.fault(
                "lie and misroute take 'fidelity: messages': packets are encrypted")
        }
        return found
    }

    private func readConduct(
        _ section: Section, _ found: inout Hostility
    ) throws(ScenarioFault) {
        found.conduct.drop = try section["drop"]?.chance() ?? .never
        found.conduct.delay = try section["delay"]?.duration(atMost: .minutes(10)) ?? .zero
        found.conduct.misroute = try section["misroute"]?.chance() ?? .never
        found.conduct.lie = try section["lie"]?.chance() ?? .never
        found.conduct.forge = try section["forge"]?.chance() ?? .never
        found.conduct.replay = try section["replay"]?.chance() ?? .never
        found.isSybil = try section["sybil"].map(isOn) ?? false
        guard let field = section["eclipse"] else { return }
        let inner = try field.section(["of", "bits"])
        let of = try inner.required("of")
        guard let victims = groups.first(where: { (try? of.text()) == $0.name }) else {
            let names = groups.map(\.name).joined(separator: ", ")
            throw of.fault("a group above this one is wanted: \(names)")
        }
        found.eclipse = Eclipse(
            of: victims.name, bits: try inner.required("bits").int(0...Mining.bitsMax))
    }

    func hostilityText(_ hostility: Hostility) -> String {
        let conduct = hostility.conduct
        var parts = [
            "drop: \(Quantity.text(conduct.drop))", "delay: \(Quantity.text(conduct.delay))",
            "misroute: \(Quantity.text(conduct.misroute))", "lie: \(Quantity.text(conduct.lie))",
            "forge: \(Quantity.text(conduct.forge))", "replay: \(Quantity.text(conduct.replay))",
            "sybil: \(hostility.isSybil ? "on" : "off")",
        ]
        if let eclipse = hostility.eclipse {
            parts.append("eclipse: {of: \(Self.quoted(eclipse.of)), bits: \(eclipse.bits)}")
        }
        return "conduct: {\(parts.joined(separator: ", "))}"
    }
}
