/// Who is asked for what: batches by measured speed, faster peers first; no block twice until nothing
/// else is left for a peer; then late blocks of slow peers from others too.

import AROPrimitives
import AROWire

extension Fetch {
    mutating func schedule(at now: Instant) {
        guard phase == .fetching else { return }
        let open = linksByRate()
        for number in open {
            assign(number, isAlone: open.count == 1, at: now)
            if mayCopy(number), isEndGame || links[number]!.copiesDueAt <= now {
                links[number]!.copiesDueAt = now + Self.lookInterval
                assignCopies(number, at: now)
            }
            askHaveMap(number, at: now)
        }
    }

    private func linksByRate() -> [Int] {
        links.indices.filter { links[$0]?.isOpen == true }.sorted {
            let (a, b) = (links[$0]!.rate ?? 0, links[$1]!.rate ?? 0)
            return a != b ? a > b : $0 < $1
        }
    }

    private func budget(of link: Int, isAlone: Bool = false) -> AskBudget {
        let memory = max(0, config.bytesInFlightMax - bytesInFlight)
        return links[link]!.budget(
            memory: memory, nodeWeight: nodeWeight, isAlone: isAlone, config)
    }

    // MARK: First requests

    private mutating func assign(_ link: Int, isAlone: Bool, at now: Instant) {
        guard !wants.open.isEmpty, links[link]!.wantsBatch(config) else { return }
        var budget = budget(of: link, isAlone: isAlone)
        let batch = wants.take(
            for: link, isPartial: links[link]!.isPartial, isShared: candidates.count > 1, &budget)
        for cid in batch { ask(link, for: cid, at: now) }
        sendWants(batch, to: link)
    }

    private mutating func ask(_ link: Int, for cid: CID, at now: Instant) {
        let want = wants[cid]!
        let weight = want.weight ?? nodeWeight
        let expected = links[link]!.expectedTime(weight) ?? blockTime
        links[link]!.asked(.block(cid), charge: want.charge, weight: weight, at: now)
        wants[cid]!.holders |= 1 << UInt64(link)
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

    /// Whether a peer may be asked for what others were asked for: all was, or it lacks all that was
    /// not.
    private func mayCopy(_ link: Int) -> Bool {
        guard !wants.requested.isEmpty else { return false }
        return isEndGame ? links[link]!.requestCount < 2 : links[link]!.isIdle
    }

    private mutating func assignCopies(_ link: Int, at now: Instant) {
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

    /// Whether a copy at `link` makes sense: it would be done in half of the time that the others still
    /// need as things go, or sooner than they where these are late.
    private func isLate(_ want: Want, for link: Int, at now: Instant) -> Bool {
        var rest = Duration.seconds(3_600)
        for other in links.indices where want.holders >> UInt64(other) & 1 == 1 {
            guard let time = links[other]?.remainingTime(want.cid, at: now) else { continue }
            rest = min(rest, time)
        }
        let isOverdue = now >= want.hedgeAt
        guard let ours = links[link]!.expectedTime(want.weight ?? nodeWeight) ?? blockTime else {
            return isOverdue
        }
        return isOverdue ? ours < rest : ours * 2 < rest
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
        for cid in wants.requested where cids.count < ExchangeLimits.haveMax {
            if wants[cid]!.saidHeld & bit == 0 { cids.append(cid) }
        }
        guard !cids.isEmpty else { return }
        links[link]!.haveMapDueAt = nil
        links[link]!.asked(.have(cids), at: now)
        send(.have(cids), to: link)
    }

    // MARK: When to look again

    /// How often late blocks are looked at while peers without work could give them (a guess).
    private static let lookInterval = Duration.milliseconds(250)

    func scheduleDeadline(after now: Instant) -> Instant? {
        guard phase == .fetching, wants.needPeers else { return nil }
        var next: Instant?
        var (isLooking, openCount) = (false, 0)
        for number in links.indices {
            guard let link = links[number], link.isOpen else { continue }
            if link.isPartial, let due = link.haveMapDueAt, due > now { next = earliest(next, due) }
            isLooking = isLooking || mayCopy(number)
            openCount += 1
        }
        return isLooking && openCount > 1 ? earliest(next, now + Self.lookInterval) : next
    }
}
