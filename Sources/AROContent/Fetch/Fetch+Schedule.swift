/// Who is asked for what: batches by measured speed, faster peers first; no block twice until nothing
/// else is left; then late blocks of slow peers from others too.

import AROPrimitives
import AROWire

extension Fetch {
    mutating func schedule(at now: Instant) {
        guard phase == .fetching else { return }
        for number in linksByRate() {
            assign(number, at: now)
            if isEndGame { assignCopies(number, at: now) }
            askHaveMap(number, at: now)
        }
    }

    private func linksByRate() -> [Int] {
        links.indices.filter { links[$0]?.isOpen == true }.sorted {
            let (a, b) = (links[$0]!.rate ?? 0, links[$1]!.rate ?? 0)
            return a != b ? a > b : $0 < $1
        }
    }

    private func budget(of link: Int) -> AskBudget {
        let memory = max(0, config.bytesInFlightMax - bytesInFlight)
        return links[link]!.budget(memory: memory, nodeWeight: nodeWeight, config)
    }

    // MARK: First requests

    private mutating func assign(_ link: Int, at now: Instant) {
        guard !wants.open.isEmpty, links[link]!.wantsBatch(config) else { return }
        var budget = budget(of: link)
        let batch = wants.take(for: link, isPartial: links[link]!.isPartial, &budget)
        for cid in batch { ask(link, for: cid, at: now) }
        sendWants(batch, to: link)
    }

    private mutating func ask(_ link: Int, for cid: CID, at now: Instant) {
        let want = wants[cid]!
        let weight = want.weight ?? nodeWeight
        let expected = links[link]!.expectedTime(weight)
        links[link]!.asked(.block(cid), charge: want.charge, weight: weight, at: now)
        wants[cid]!.holders |= 1 << UInt64(link)
        wants[cid]!.expectedAt = expected.map { now + $0 }
        wants[cid]!.hedgeAt = now + max(config.hedgeMin, (expected ?? .zero) * 2)
    }

    private mutating func sendWants(_ cids: [CID], to link: Int) {
        var rest = cids[...]
        while !rest.isEmpty {
            send(.want(Array(rest.prefix(ExchangeLimits.wantMax))), to: link)
            rest = rest.dropFirst(ExchangeLimits.wantMax)
        }
    }

    // MARK: The end game

    /// Nothing is left that was not asked for. Also so while the walk waits for a node: then that
    /// node is all that matters.
    private var isEndGame: Bool {
        wants.open.isEmpty && readsUnderWay == 0 && containsUnderWay == 0
            && !wants.requested.isEmpty
    }

    private mutating func assignCopies(_ link: Int, at now: Instant) {
        guard links[link]!.requestCount < 2 else { return }
        var budget = budget(of: link)
        var batch: [CID] = []
        for cid in wants.requested where !budget.isSpent {
            let want = wants[cid]!
            guard mayCopy(want), want.mayAsk(link, isPartial: links[link]!.isPartial),
                isLate(want, for: link, at: now), budget.take(want)
            else { continue }
            ask(link, for: cid, at: now)
            batch.append(cid)
        }
        sendWants(batch, to: link)
    }

    private func mayCopy(_ want: Want) -> Bool {
        want.holders.nonzeroBitCount < config.copiesMax
    }

    /// Whether a copy at `link` makes sense: the time to wait is over, or the link would be done in
    /// half of what the others still need.
    private func isLate(_ want: Want, for link: Int, at now: Instant) -> Bool {
        if now >= want.hedgeAt { return true }
        guard let others = want.expectedAt,
            let ours = links[link]!.expectedTime(want.weight ?? nodeWeight)
        else {
            return false
        }
        return now + ours * 2 < others
    }

    // MARK: Partial providers

    private mutating func askHaveMap(_ link: Int, at now: Instant) {
        guard links[link]!.isPartial, links[link]!.requestCount < 2,
            let due = links[link]!.haveMapDueAt, due <= now
        else { return }
        let bit: UInt64 = 1 << UInt64(link)
        var cids: [CID] = []
        for entry in wants.open where cids.count < ExchangeLimits.haveMax {
            if wants[entry.cid]!.saidHeld & bit == 0 { cids.append(entry.cid) }
        }
        guard !cids.isEmpty else { return }
        links[link]!.haveMapDueAt = nil
        links[link]!.asked(.have(cids), at: now)
        send(.have(cids), to: link)
    }

    // MARK: When to look again

    func scheduleDeadline(after now: Instant) -> Instant? {
        guard phase == .fetching else { return nil }
        var next: Instant?
        for case let link? in links where link.isPartial && !wants.open.isEmpty {
            if let due = link.haveMapDueAt, due > now { next = earliest(next, due) }
        }
        if isEndGame, links.contains(where: { $0.map { $0.isOpen && $0.requestCount < 2 } == true })
        {
            for cid in wants.requested {
                let want = wants[cid]!
                if mayCopy(want), want.hedgeAt > now { next = earliest(next, want.hedgeAt) }
            }
        }
        return next
    }
}
