/// A probability as a whole number of millionths, so that a draw is integer arithmetic and falls
/// alike on every machine.

import AROPrimitives

public struct Chance: Hashable, Sendable {
    /// 0 to 1,000,000.
    public let partsPerMillion: Int

    public init(partsPerMillion: Int) {
        precondition((0...1_000_000).contains(partsPerMillion), "a chance lies between 0 and 1")
        self.partsPerMillion = partsPerMillion
    }

    public static let never = Chance(partsPerMillion: 0)
    public static let always = Chance(partsPerMillion: 1_000_000)

    public static func percent(_ n: Int) -> Chance { .init(partsPerMillion: n * 10_000) }

    /// Whether it happens this time. Costs no draw where it is certain.
    func falls(_ generator: inout Generator) -> Bool {
        switch partsPerMillion {
        case 0: false
        case 1_000_000: true
        default: generator.chance(partsPerMillion, in: 1_000_000)
        }
    }
}
