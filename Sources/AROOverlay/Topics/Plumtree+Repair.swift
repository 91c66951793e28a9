/// Finding what is missing and asking for it.

import AROPrimitives
import AROWire

extension Plumtree {
    var roundTripMax: Duration {
        neighbours.reduce(.zero) { max($0, $1.roundTrip) }
    }

    /// Neighbour `i` has a post that we do not have.
    mutating func noteMissing(
        _ name: TopicPostName, hops: UInt8?, from i: Int, announced: Bool, proven: Bool = false,
        due: Instant, at now: Instant
    ) {
        let source = MissingPost.Source(peer: neighbours[i].peer, hops: hops)
        if let known = missing.index(of: name) {
            missing.update(known) { row in
                row.add(source)
                if announced, !row.isAnnounced {
                    row.isAnnounced = true
                    row.attempts = 0
                }
                row.isProven = row.isProven || proven
                if row.attempts == 0 { row.due = min(row.due, due) }
            }
            return
        }
        guard missing.count < configuration.missingMax,
            missing.count(firstToldBy: source.peer) < configuration.missingPerNeighbourMax
        else { return drops.count(.missingFull) }
        missing.append(
            MissingPost(
                name: name, sources: [source], since: now, due: due, isProven: proven,
                isAnnounced: announced))
    }

    /// The numbers of a publisher's posts leave some out: they were lost on the way here, or on the
    /// way to neighbour `i`, who then mends that itself; it is given the time.
    mutating func noteGap(row: Int, from: UInt64, to: UInt64, source i: Int, at now: Instant) {
        let publisher = publishers[row].id
        let gap = publishers[row].window.missing(
            from: from, below: to, limit: configuration.gapPostsMax)
        guard !gap.isEmpty else { return }
        let wait = lateness.wait(roundTrip: roundTripMax) + neighbours[i].roundTrip
        for sequence in gap {
            noteMissing(
                TopicPostName(publisher: publisher, sequence: sequence), hops: nil, from: i,
                announced: false, proven: true, due: now + wait, at: now)
        }
    }

    /// Asks for what is overdue: each post of one neighbour, all posts of a neighbour together.
    mutating func askForMissing(at now: Instant, into out: inout TopicsOutbox) {
        var requests: [(peer: PeerHandle, name: TopicPostName)] = []
        var given: [TopicPostName] = []
        for i in missing.rows.indices where missing[i].due <= now {
            guard let peer = nextSource(of: missing[i]) else {
                given.append(missing[i].name)
                continue
            }
            let wait = retryWait(peer, missing[i])
            missing.update(i) { row in
                row.asked = peer
                row.isGrafted = false
                row.attempts += 1
                row.due = now + wait
            }
            requests.append((peer, missing[i].name))
        }
        missing.findNextDue()
        giveUp(given)
        requests.sort { ($0.peer, $0.name) < ($1.peer, $1.name) }
        ask(requests, into: &out)
    }

    private func nextSource(of row: MissingPost) -> PeerHandle? {
        let limit = row.isAnnounced ? configuration.attemptsMax : configuration.gapAttemptsMax
        guard Int(row.attempts) < limit else { return nil }
        if !row.sources.isEmpty { return row.sources[Int(row.attempts) % row.sources.count].peer }
        guard !neighbours.isEmpty else { return nil }
        return neighbours[Int(row.attempts) % neighbours.count].peer
    }

    /// Twice the round trip, and after every second attempt twice as long; after every one where
    /// nobody announced the post, as the neighbour may have to find it first.
    private func retryWait(_ peer: PeerHandle, _ row: MissingPost) -> Duration {
        let roundTrip = index(of: peer).map { neighbours[$0].roundTrip } ?? roundTripMax
        let doublings = row.isAnnounced ? Int64(row.attempts / 2) : Int64(row.attempts)
        let wait = roundTrip * 2 * (1 << min(doublings, 4))
        return min(max(wait, configuration.retryMin), configuration.retryMax)
    }

    /// A post that nobody can give is not asked for again; if later ones of its publisher are here,
    /// it did exist.
    private mutating func giveUp(_ names: [TopicPostName]) {
        for name in names {
            guard let i = missing.index(of: name) else { continue }
            _ = missing.remove(at: i)
            drops.count(.givenUp)
            if publishers.giveUp(name) { lost.append(name) }
        }
    }

    private mutating func ask(
        _ requests: [(peer: PeerHandle, name: TopicPostName)], into out: inout TopicsOutbox
    ) {
        var start = 0
        while start < requests.count {
            let peer = requests[start].peer
            var end = start
            while end < requests.count, requests[end].peer == peer,
                end - start < Self.postsPerGraft
            {
                end += 1
            }
            let pushes = grafts(peer)
            let names = requests[start..<end].map { $0.name }
            if pushes { grafted(for: names) }
            out.send(.graft(topic, names, pushes: pushes), to: peer)
            start = end
        }
    }

    private mutating func grafted(for names: [TopicPostName]) {
        count { $0.grafts += 1 }
        for name in names {
            guard let i = missing.index(of: name) else { continue }
            missing.update(i) { $0.isGrafted = true }
        }
    }

    /// As many as fit a message if each is of another publisher.
    private static let postsPerGraft = (WireLimits.messageMax - 34) / 41

    /// Whether the link to this neighbour becomes part of the tree.
    private mutating func grafts(_ peer: PeerHandle) -> Bool {
        guard let i = index(of: peer) else { return false }
        let pushesAnywhere = neighbours.contains { $0.isEager }
        guard repairs >= configuration.repairsUntilGraft || !pushesAnywhere else { return false }
        repairs = 0
        neighbours[i].isEager = true
        return true
    }

}

// MARK: Digests

extension Plumtree {
    /// Over pushing links; the others have announcements.
    mutating func sendDigests(at now: Instant, into out: inout TopicsOutbox) {
        digest.sent(at: now, configuration)
        publishers.settle(at: now)
        for neighbour in neighbours where neighbour.isEager {
            sendDigest(to: neighbour.peer, isAnswer: false, at: now, into: &out)
        }
    }

    func sendDigest(
        to peer: PeerHandle, isAnswer: Bool, at now: Instant, into out: inout TopicsOutbox
    ) {
        var heard = publishers.rows.indices.filter {
            now - publishers[$0].heardAt <= configuration.rememberedFor
        }
        let leavesOut = heard.count > TopicDigest.statesMax
        if leavesOut {
            heard.sort { (publishers[$0].heardAt, $0) > (publishers[$1].heardAt, $1) }
            heard = heard.prefix(TopicDigest.statesMax).sorted()
        }
        let states = heard.map { i in
            let window = publishers[i].window
            return TopicDigest.State(
                publisher: publishers[i].id, base: window.base, span: Int(window.end - window.base))
        }
        let horizon = wantsAll ? configuration.rememberedFor : now - startedAt
        out.send(
            .digest(
                topic,
                TopicDigest(
                    isAnswer: isAnswer, leavesOut: leavesOut, horizon: horizon, states: states)),
            to: peer)
    }

    /// A digest came from neighbour `i`: what it misses is announced to it, what we miss is asked.
    mutating func received(
        _ digest: TopicDigest, from i: Int, at now: Instant, into out: inout TopicsOutbox
    ) {
        guard
            neighbours[i].asks.take(
                Self.digestCost, burst: configuration.asksBurst,
                perSecond: configuration.asksPerSecond, at: now)
        else { return drops.count(.asksOverRate) }
        let isUnknown = noteMissing(in: digest, from: i, at: now)
        let haves = wanted(by: digest, at: now)
        sendHaves(
            haves, settled: true, to: neighbours[i].peer, messagesMax: Self.havesPerDigest,
            into: &out)
        if isUnknown, !digest.isAnswer {
            sendDigest(to: neighbours[i].peer, isAnswer: true, at: now, into: &out)
        }
    }

    /// What a digest counts among the requests of a neighbour, and messages that answer it. Guesses.
    private static let digestCost = 8
    private static let havesPerDigest = 4

    /// - Returns: whether the neighbour knows publishers that we do not: it is then told what we
    ///   know and since when we are here, and announces what we may want.
    private mutating func noteMissing(
        in digest: TopicDigest, from i: Int, at now: Instant
    ) -> Bool {
        var isUnknown = false
        let due = now + neighbours[i].roundTrip / 2
        for state in digest.states {
            guard let row = publishers.index(of: state.publisher) else {
                isUnknown = true
                continue
            }
            let window = publishers[row].window
            let end = state.base + UInt64(state.span)
            // Another run of the publisher: as if it were not known.
            guard end < window.base + SequenceWindow.width else {
                isUnknown = true
                continue
            }
            let least = publishers[row].first
            for sequence in window.missing(from: least, below: end, limit: Self.missingPerDigest) {
                let name = TopicPostName(publisher: state.publisher, sequence: sequence)
                noteMissing(name, hops: nil, from: i, announced: true, due: due, at: now)
            }
        }
        return isUnknown
    }

    /// Posts of one publisher that are asked for on account of one digest. A guess.
    private static let missingPerDigest = 32

    /// What we remember and the sender of a digest may want.
    private func wanted(by digest: TopicDigest, at now: Instant) -> [TopicHave] {
        var haves: [TopicHave] = []
        for post in log.all where now - post.at <= digest.horizon {
            if let i = digest.states.firstIndex(where: { $0.publisher == post.name.publisher }) {
                guard post.name.sequence >= digest.states[i].base else { continue }
            } else if digest.leavesOut {
                continue
            }
            haves.append(TopicHave(post.name, hops: Int(post.hops)))
        }
        haves.sort { $0.post < $1.post }
        return haves
    }
}
