/// How many nodes each group has: a number, or a share of `population:`.

import AROPrimitives

extension Scenario {
    /// The share of a group that takes what the others leave, so that a sweep can change one share.
    private static let restWord = "rest"

    func readSize(_ section: Section, _ group: inout Group) throws(ScenarioFault) {
        switch (section["count"], section["share"]) {
        case (let count?, nil): group.count = try count.int(0...Self.nodesMax)
        case (nil, let share?):
            guard population != nil else {
                throw share.fault("a share of what? 'population' says how many nodes there are")
            }
            if try share.text() == Self.restWord {
                guard !groups.contains(where: \.takesRest) else {
                    throw share.fault("another group takes the rest already")
                }
                group.takesRest = true
            } else {
                group.share = try share.chance()
            }
        case (nil, nil): throw section.field.fault("'count' is missing, or 'share'")
        case (_, let share?): throw share.fault("one of count, share is wanted")
        }
    }

    /// Deals the population out by largest remainders, so that shares which make a whole give exactly
    /// the population. Sizes are then as if they had been written.
    mutating func dealPopulation() {
        guard let population else { return }
        var remainders: [(group: Int, parts: Int)] = []
        var (dealt, whole) = (0, 0)
        for (g, group) in groups.enumerated() {
            guard let share = group.share else { continue }
            let parts = population * share.partsPerMillion
            groups[g].count = parts / 1_000_000
            dealt += groups[g].count
            whole += parts
            remainders.append((g, parts % 1_000_000))
        }
        remainders.sort { ($0.parts, $1.group) > ($1.parts, $0.group) }
        for one in remainders.prefix(max(0, (whole + 500_000) / 1_000_000 - dealt)) {
            groups[one.group].count += 1
        }
        let taken = groups.reduce(0) { $0 + ($1.share == nil ? 0 : $1.count) }
        if let rest = groups.firstIndex(where: \.takesRest) {
            groups[rest].count = max(0, population - taken)
        }
        for g in groups.indices { (groups[g].share, groups[g].takesRest) = (nil, false) }
        self.population = nil
    }
}
