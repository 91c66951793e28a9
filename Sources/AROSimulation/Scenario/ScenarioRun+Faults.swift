/// Faults happen: to whom is drawn from the workload's seed when the moment comes.

import ARONode
import AROPrimitives

/// What a fault leaves for later.
enum Aftermath {
    case heal(number: Int)
    case restoreLoss(number: Int)
    case comeBack(node: Int)
    case pause(node: Int)
    case resume(node: Int)
    case reconnect([Int])
    case clog(node: Int, until: Instant)
    case setClocks([Int])
    case mendDisks([Int])

    /// What it is called in the list of faults.
    var text: String {
        if case .clog = self { return "part of a swizzle: \(self)" }
        return "end of \(self)"
    }
}

/// Which faults last. Of overlapping ones of a kind the later alone ends it.
struct LastingFaults {
    var losses = 0
    var partitions = 0
    /// How many faults keep each node paused.
    var pauses: [UInt16] = []
}

extension ScenarioRun where Resident: ~Copyable {
    private var elapsed: Duration { world.now - .origin }

    mutating func happen(_ fault: Scenario.Fault.Kind) {
        switch fault {
        case .kill(let who): for node in draw(who) { end(node) { $0.kill($1) } }
        case .stop(let who): for node in draw(who) { end(node) { $0.stop($1) } }
        case .move(let who): for node in draw(who) { world.move(node) }
        case .restart(let who, let after):
            for node in draw(who) {
                end(node) { $0.kill($1) }
                add(.aftermath(.comeBack(node: node)), at: elapsed + after)
            }
        case .pause(let who, let lasting):
            for node in draw(who) {
                pause(node)
                add(.aftermath(.resume(node: node)), at: elapsed + lasting)
            }
        case .slow(let who, let delay, let every, let lasting):
            for node in draw(who) { slow(node, delay, every, lasting) }
        case .stall(let who, let times, let apart, let lasting):
            for node in draw(who) { stall(node, times, apart, lasting) }
        case .isolate(let who, let lasting):
            let nodes = draw(who)
            for node in nodes { world.isolate(node) }
            add(.aftermath(.reconnect(nodes)), at: elapsed + lasting)
        case .partition(let shares, let lasting): partition(into: parts(shares), lasting)
        case .partitionGroup(let name, let lasting):
            partition(into: [(0..<world.nodeCount).filter { group(of: $0) == name }], lasting)
        case .loss(let loss, let lasting):
            world.networkModel.loss = loss
            underway.losses += 1
            add(.aftermath(.restoreLoss(number: underway.losses)), at: elapsed + lasting)
        case .partitionBy(let mode, let isSymmetric, let lasting):
            partition(by: mode, isSymmetric: isSymmetric, lasting)
        case .clogLinks(let share, let lasting): clogLinks(share, lasting)
        case .clog(let who, let lasting):
            for node in draw(who) { world.clog(node, until: world.now + lasting) }
        case .swizzleClog(let who, let over, let lasting): swizzle(draw(who), over: over, lasting)
        case .skew(let who, let rate, let offset, let lasting):
            skew(draw(who), rate, offset, lasting)
        case .disk(let who, let fault, let lasting): spoilDisks(draw(who), fault, lasting)
        }
    }

    mutating func happen(_ aftermath: Aftermath) {
        switch aftermath {
        case .heal(let number): if number == underway.partitions { world.heal() }
        case .restoreLoss(let number):
            if number == underway.losses { world.networkModel.loss = scenario.network.loss }
        case .comeBack(let node): comeBack(node)
        case .pause(let node): pause(node)
        case .resume(let node): resume(node)
        case .clog(let node, let end): world.clog(node, until: end)
        case .setClocks(let nodes): for node in nodes { world.skew(node, partsPerMillion: 0) }
        case .mendDisks(let nodes): for node in nodes { world.setDiskFault(nil, of: node) }
        case .reconnect(let nodes): for node in nodes { world.reconnect(node) }
        }
    }

    // MARK: Whom

    /// Members drawn evenly, in the order of their numbers.
    private mutating func draw(_ members: Scenario.Members) -> [Int] {
        var all = (0..<world.nodeCount).filter {
            isEligible($0, members.of) && !isBootstrap($0)
        }
        chance.shuffle(&all)
        return all.prefix(members.number(of: all.count)).sorted()
    }

    /// Every node of the world, those that are down too, dealt out by these shares.
    private mutating func parts(_ shares: [Chance]) -> [[Int]] {
        var all = Array(0..<world.nodeCount)
        chance.shuffle(&all)
        var parts: [[Int]] = []
        var (start, dealt) = (0, 0)
        for share in shares {
            dealt += share.partsPerMillion
            let end = (all.count * dealt + 500_000) / 1_000_000
            parts.append(all[start..<end].sorted())
            start = end
        }
        return parts
    }

    // MARK: What

    mutating func partition(into parts: [[Int]], _ lasting: Duration) {
        world.partition(parts)
        endPartition(after: lasting)
    }

    mutating func endPartition(after lasting: Duration) {
        underway.partitions += 1
        add(.aftermath(.heal(number: underway.partitions)), at: elapsed + lasting)
    }

    mutating func end(_ node: Int, _ how: (inout World<Resident>, Int) -> Void) {
        how(&world, node)
        gossip.ended(node, at: world.now)
        if node < underway.pauses.count { underway.pauses[node] = 0 }
    }

    mutating func comeBack(_ node: Int) {
        guard world.isDown(node) else { return }
        world.restart(node)
        gossip.cameBack(node)
        rejoin(node)
        sessionBegan(node)
    }

    /// Stands still from a moment drawn from the first period on, each time for `delay`.
    private mutating func slow(
        _ node: Int, _ delay: Duration, _ every: Duration, _ lasting: Duration
    ) {
        var start = chance.between(.zero, every)
        while start < lasting {
            add(.aftermath(.pause(node: node)), at: elapsed + start)
            add(.aftermath(.resume(node: node)), at: elapsed + min(start + delay, lasting))
            start += every
        }
    }

    /// From a moment of the first two seconds on, as each member has its own rhythm.
    private mutating func stall(
        _ node: Int, _ times: Scenario.Doublings, _ apart: Scenario.Doublings, _ lasting: Duration
    ) {
        gossip.paused(node)
        var start = chance.between(.zero, min(.seconds(2), lasting))
        while start < lasting {
            let end = min(start + times.first * (1 << Int64(chance.below(times.count))), lasting)
            add(
                .aftermath(.clog(node: node, until: .origin + elapsed + end)),
                at: elapsed + start)
            start = end + apart.first * (1 << Int64(chance.below(apart.count)))
        }
    }

    /// Several faults may want one node paused: it goes on when the last of them has ended.
    mutating func pause(_ node: Int) {
        while underway.pauses.count <= node { underway.pauses.append(0) }
        underway.pauses[node] += 1
        gossip.paused(node)
        if !world.isDown(node) { world.pause(node) }
    }

    mutating func resume(_ node: Int) {
        // A node that went down meanwhile has started anew, unpaused.
        guard node < underway.pauses.count, underway.pauses[node] > 0 else { return }
        underway.pauses[node] -= 1
        if underway.pauses[node] == 0 { world.resume(node) }
    }
}
