/// Clogged links, clocks that run fast or slow, disks that fail, and partitions by mode.

import ARONode
import AROPrimitives

extension ScenarioRun where Resident: ~Copyable {
    private var elapsed: Duration { world.now - .origin }

    mutating func partition(
        by mode: PartitionMode, isSymmetric: Bool, _ lasting: Duration
    ) {
        let side = mode.side(of: world.nodeCount, &chance)
        guard !side.isEmpty, side.count < world.nodeCount else { return }
        if isSymmetric { return partition(into: [side], lasting) }
        let isInside = Set(side)
        let others = (0..<world.nodeCount).filter { !isInside.contains($0) }
        let isOutward = chance.chance(1, in: 2)
        world.block(from: isOutward ? side : others, to: isOutward ? others : side)
        endPartition(after: lasting)
    }

    // MARK: Clogs

    /// What is sent over the chosen directed links is held back to the end of the while.
    mutating func clogLinks(_ share: Chance, _ lasting: Duration) {
        let nodes = world.nodeCount
        guard nodes > 1 else { return }
        let links = nodes * (nodes - 1)
        let count = min(
            Self.linksMax, (links * share.partsPerMillion + 500_000) / 1_000_000)
        for _ in 0..<count {
            let from = chance.below(nodes)
            let to = (from + 1 + chance.below(nodes - 1)) % nodes
            world.clog(from: from, to: to, until: world.now + lasting)
        }
    }

    /// Links that one fault clogs: drawing more takes longer than the run.
    private static var linksMax: Int { 1_000_000 }

    /// The swizzle of FoundationDB's simulator: nodes fall silent one by one over a while, stay so,
    /// and come back one by one in another order.
    mutating func swizzle(_ nodes: [Int], over: Duration, _ lasting: Duration) {
        var back = nodes
        chance.shuffle(&back)
        var away = nodes
        chance.shuffle(&away)
        let count = Int64(max(1, nodes.count))
        for (i, node) in away.enumerated() {
            let place = Int64(back.firstIndex(of: node)!)
            let start = elapsed + over * Int64(i) / count
            let end = elapsed + over + lasting + over * place / count
            add(.aftermath(.clog(node: node, until: .origin + end)), at: start)
        }
    }

    // MARK: Clocks and disks

    mutating func skew(
        _ nodes: [Int], _ partsPerMillion: Int64, _ offset: Duration, _ lasting: Duration
    ) {
        for node in nodes {
            world.skew(node, partsPerMillion: partsPerMillion, offset: offset)
        }
        add(.aftermath(.setClocks(nodes)), at: elapsed + lasting)
    }

    mutating func spoilDisks(_ nodes: [Int], _ fault: DiskFault, _ lasting: Duration) {
        for node in nodes { world.setDiskFault(fault, of: node) }
        add(.aftermath(.mendDisks(nodes)), at: elapsed + lasting)
    }
}
