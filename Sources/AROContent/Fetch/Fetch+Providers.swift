/// Finding peers to ask, trying them again, and knowing when to give up.

import AROPrimitives
import AROWire

/// A peer that somebody named as a provider.
struct FetchCandidate {
    enum State {
        case idle(notBefore: Instant)
        case linked
        /// Not asked again in this fetch.
        case dropped
    }

    let peer: PeerHandle
    var state: State
    /// Failures since it last gave a block.
    var failures = 0
    /// It could not be reached when it was last tried, or was silent twice. It is tried again while
    /// the fetch goes on, but the fetch does not wait for it.
    var isDoubted = false
    /// Nobody named it: it asked us for what we fetch.
    var isAsker = false
}

extension Fetch {
    /// Each takes a place by chance: everyone is told of providers in much the same order, and would
    /// otherwise ask the same ones first.
    mutating func providersFound(
        _ peers: [PeerHandle], _ generator: inout Generator, at now: Instant
    ) {
        guard phase != .ended else { return }
        for peer in peers where candidates.count < config.candidatesMax {
            guard !candidates.contains(where: { $0.peer == peer }) else { continue }
            searchesInVain = 0
            hasFoundNew = true
            candidates.insert(
                FetchCandidate(peer: peer, state: .idle(notBefore: now)),
                at: generator.below(candidates.count + 1))
        }
        advance(at: now)
    }

    /// A peer asked us for blocks: if it is after the same content it has some of it, or will have.
    mutating func asked(for cids: ArraySlice<CID>, by peer: PeerHandle, at now: Instant) {
        guard phase == .fetching, wants.needPeers, candidates.count < config.candidatesMax,
            cids.contains(where: { wants[$0] != nil || $0 == options.root || $0 == walk.target }),
            !candidates.contains(where: { $0.peer == peer }),
            candidates.reduce(0, { $0 + ($1.isAsker ? 1 : 0) }) < config.askersMax
        else { return }
        candidates.append(
            FetchCandidate(peer: peer, state: .idle(notBefore: now), isAsker: true))
        advance(at: now)
    }

    mutating func searchEnded(at now: Instant) {
        guard phase != .ended, isSearching else { return }
        isSearching = false
        let isStarved = isStarved(at: now)
        if isStarved, !hasHope { searchesInVain += 1 }
        searchPause =
            hasFoundNew ? config.searchIntervalMin : min(searchPause * 2, config.searchInterval)
        hasFoundNew = false
        searchDueAt = now + (isStarved ? backoff(searchesInVain) : searchPause)
        advance(at: now)
    }

    mutating func candidateFailed(
        _ peer: PeerHandle, because end: LinkEnd, gave: Bool, at now: Instant
    ) {
        guard let i = candidates.firstIndex(where: { $0.peer == peer }) else { return }
        candidates[i].failures = gave ? 1 : candidates[i].failures + 1
        switch end {
        case .unreachable: candidates[i].isDoubted = true
        case .stalled: candidates[i].isDoubted = candidates[i].failures > 1
        case .reset, .busy, .violation, .unreliable: candidates[i].isDoubted = false
        }
        let mayTryAgain =
            switch end {
            case .violation, .unreliable: false
            case .unreachable, .reset, .busy, .stalled:
                candidates[i].failures < config.candidateFailuresMax
            }
        candidates[i].state =
            mayTryAgain ? .idle(notBefore: now + backoff(candidates[i].failures)) : .dropped
    }

    /// A doubted peer is there after all.
    mutating func peerAnswered(_ peer: PeerHandle) {
        guard let i = candidates.firstIndex(where: { $0.isDoubted && $0.peer == peer }) else {
            return
        }
        candidates[i].isDoubted = false
    }

    private func backoff(_ failures: Int) -> Duration {
        config.retryDelay * Int64(1 << min(max(failures - 1, 0), 4))
    }

    // MARK: Judging the situation

    private var needsPeers: Bool {
        switch phase {
        case .attesting: knowsOwnAttestations
        case .fetching: wants.needPeers
        case .ended: false
        }
    }

    private var linkCount: Int { links.reduce(0) { $0 + ($1 == nil ? 0 : 1) } }

    /// Nobody is about to bring the fetch on: what peers owe is late, or they owe nothing.
    private func isStarved(at now: Instant) -> Bool {
        needsPeers && writingBytes == 0
            && links.allSatisfy { $0.map { !isPromising($0, at: now) } ?? true }
    }

    private func isPromising(_ link: FetchLink, at now: Instant) -> Bool {
        guard !link.isDoubted, let late = link.lateAt(config) else { return false }
        return now < late
    }

    /// Somebody is there who was not tried yet, or who answered and may be tried again.
    private var hasHope: Bool {
        candidates.contains {
            if case .idle = $0.state { !$0.isDoubted } else { false }
        }
    }

    /// Nobody may still answer, or be found.
    private var isHopeless: Bool {
        needsPeers && writingBytes == 0 && !hasHope && !isSearching
            && links.allSatisfy { $0.map { $0.isDoubted || $0.isOpen && $0.isIdle } ?? true }
    }

    /// Peers that answer are there, though they may lack what is missing.
    private func hasCompany(at now: Instant) -> Bool {
        links.contains {
            guard let link = $0, link.isOpen, !link.isDoubted, link.received > 0 else {
                return false
            }
            return link.isIdle || isPromising(link, at: now)
        }
    }

    private func linksWanted(at now: Instant) -> Int {
        let isMuch = wants.open.count + wants.requested.count >= 8
        let isHard = isMuch || phase == .attesting || isStarved(at: now)
        return isHard ? links.count : min(links.count, config.providersFew)
    }

    // MARK: Acting on it

    /// Opens links, starts searches, gives up.
    mutating func recruit(at now: Instant) throws(FetchFailure) {
        guard needsPeers else {
            progressedAt = nil
            return
        }
        if progressedAt == nil { progressedAt = now }
        leaveUseless(at: now)
        openLinks(at: now)
        search(at: now)
        try giveUp(at: now)
    }

    /// Makes a place for a peer that was not tried yet when all that are linked lack what is missing.
    private mutating func leaveUseless(at now: Instant) {
        guard isStarved(at: now), linkCount == links.count, hasReadyCandidate(at: now),
            let number = links.indices.first(where: {
                phase == .attesting || links[$0]?.isPartial == true
            })
        else { return }
        leave(number, because: .reset, at: now)
    }

    private func hasReadyCandidate(at now: Instant) -> Bool {
        candidates.contains {
            if case .idle(let notBefore) = $0.state { notBefore <= now } else { false }
        }
    }

    private mutating func openLinks(at now: Instant) {
        for i in candidates.indices where timelyLinks(at: now) < linksWanted(at: now) {
            guard case .idle(let notBefore) = candidates[i].state, notBefore <= now,
                let number = links.firstIndex(where: { $0 == nil })
            else { continue }
            candidates[i].state = .linked
            // While others give, a round trip to learn what it has costs less than asking in vain.
            let isPartial = phase == .fetching && links.contains { ($0?.blocksGiven ?? 0) > 0 }
            links[number] = FetchLink(
                peer: candidates[i].peer, isDoubted: candidates[i].isDoubted,
                isPartial: isPartial || candidates[i].isAsker, at: now)
            steps.append(.open(candidates[i].peer, link: number))
        }
    }

    /// Links but those that are late to open: these hold nobody's place.
    private func timelyLinks(at now: Instant) -> Int {
        links.reduce(0) {
            guard let link = $1 else { return $0 }
            return $0 + (link.isOpen || isPromising(link, at: now) ? 1 : 0)
        }
    }

    private mutating func search(at now: Instant) {
        guard !isSearching else { return }
        if isStarved(at: now), !hasHope, searches > 0 {
            // All were lost, are late, or lack what is missing: the next search need not wait so long.
            let pause = searchesInVain == 0 ? .zero : backoff(searchesInVain)
            searchDueAt = min(searchDueAt ?? now, now + pause)
        }
        guard (searchDueAt ?? now) <= now, linkCount < links.count else { return }
        isSearching = true
        searches += 1
        // Whoever holds the target may not hold the root above it.
        let target = searches.isMultiple(of: 2) ? walk.target : nil
        steps.append(.findProviders(target ?? options.root))
    }

    private var patience: Duration { options.patience ?? config.patience }

    /// Whoever is asked, or searched for, may still come: only time tells.
    private mutating func giveUp(at now: Instant) throws(FetchFailure) {
        let isLate = progressedAt.map { now >= $0 + patience } ?? false
        if phase == .attesting, let publisher = options.publisher {
            let allAnswered = isHopeless && searches > 0 && attestationsAnswered > 0
            guard allAnswered || isLate else { return }
            if attestationsAnswered > 0 { throw .notPublishedBy(publisher) }
            throw nobody(for: options.root, at: now)
        }
        guard isLate, let missing = wants.firstMissing else { return }
        throw nobody(for: missing, at: now)
    }

    /// Whether somebody was known to hold it makes a difference to who is told.
    private func nobody(for cid: CID, at now: Instant) -> FetchFailure {
        candidates.isEmpty || hasCompany(at: now) ? .noProviders(cid) : .providersLost(cid)
    }

    func providerDeadline(after now: Instant) -> Instant? {
        guard needsPeers else { return nil }
        var next = progressedAt.map { $0 + patience }
        if !isSearching, let due = searchDueAt, due > now, linkCount < links.count {
            next = earliest(next, due)
        }
        for case let link? in links {
            if let late = link.lateAt(config), late > now { next = earliest(next, late) }
        }
        guard timelyLinks(at: now) < linksWanted(at: now) else { return next }
        for candidate in candidates {
            if case .idle(let notBefore) = candidate.state, notBefore > now {
                next = earliest(next, notBefore)
            }
        }
        return next
    }
}
