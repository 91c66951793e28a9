/// The usual ways of nodes into the Internet. A class is a mix of lines; each node draws one, and
/// its delay between the line's bounds.
///
/// The mix of rates is that of gossipsub-interop's simulations (a fifth of supernodes) and SimBlock's
/// asymmetry of 2.5 to 3 (both: Docs/Simulation.md); OverSim has Ethernet at 0 to 10 ms and DSL at 20
/// to 30 ms for both directions together. What is left are engineering values.

import AROPrimitives

public enum AccessClass: String, Hashable, Sendable, CaseIterable {
    /// 1 Gbit both ways, a fifth of a millisecond.
    case datacentre
    /// Fibre, cable, VDSL and DSL.
    case residential
    /// LTE and 5G.
    case mobile

    struct Line {
        /// Of a hundred nodes, so many.
        var share: Int
        var down, up: Int64
        var delay: ClosedRange<Int64>
        var queue: Duration
        var loss: Chance
    }

    private static let mega: Int64 = 1_000_000
    private static let tenth = Chance(partsPerMillion: 1_000)

    var lines: [Line] {
        let m = Self.mega
        switch self {
        case .datacentre:
            return [
                Line(
                    share: 100, down: 1_000 * m, up: 1_000 * m, delay: 200...200,
                    queue: .milliseconds(20), loss: .never)
            ]
        case .residential:
            return [
                Line(
                    share: 20, down: 300 * m, up: 300 * m, delay: 2_000...5_000,
                    queue: .milliseconds(50), loss: .never),
                Line(
                    share: 30, down: 300 * m, up: 30 * m, delay: 8_000...12_000,
                    queue: .milliseconds(100), loss: Self.tenth),
                Line(
                    share: 35, down: 50 * m, up: 20 * m, delay: 10_000...20_000,
                    queue: .milliseconds(100), loss: Self.tenth),
                Line(
                    share: 15, down: 20 * m, up: 5 * m, delay: 10_000...20_000,
                    queue: .milliseconds(200), loss: Self.tenth),
            ]
        case .mobile:
            return [
                Line(
                    share: 75, down: 20 * m, up: 5 * m, delay: 20_000...40_000,
                    queue: .milliseconds(200), loss: .percent(1)),
                Line(
                    share: 25, down: 5 * m, up: 1 * m, delay: 20_000...40_000,
                    queue: .milliseconds(300), loss: .percent(1)),
            ]
        }
    }

    /// The line of one node.
    func draw(_ chance: inout Generator) -> AccessLink {
        var place = chance.below(100)
        let lines = lines
        let line = lines.first { one in
            place -= one.share
            return place < 0
        }!
        let low = Duration.microseconds(line.delay.lowerBound)
        let delay = chance.between(low, .microseconds(line.delay.upperBound))
        return AccessLink(
            up: line.up, down: line.down, queue: line.queue, delay: delay, loss: line.loss)
    }
}
