/// Our own probes: when a link is looked at, and what its silence leads to.

import AROPrimitives
import AROWire

extension FailureDetector {
    // MARK: Beginning

    /// A link's time has come: it is probed if it was silent, and put off otherwise.
    mutating func look(
        _ i: Int, at now: Instant, book: borrowing PeerBook, into out: inout FailureOutbox
    ) {
        let watch = watches[i]
        let isOld = now - watch.exchanged >= configuration.refreshInterval * health.scale
        let next = watch.heard + idleTime()
        if watch.heard <= watch.decided || watch.isNew || isOld || next <= now {
            begin(i, isInduced: false, at: now, book: book, into: &out)
        } else {
            watches[i].look(at: next, decidedAt: now)
        }
    }

    mutating func idleTime() -> Duration {
        generator.between(configuration.idleMin, configuration.idleMax) * health.scale
    }

    mutating func begin(
        _ i: Int, isInduced: Bool, at now: Instant, book: borrowing PeerBook,
        into out: inout FailureOutbox
    ) {
        watches[i].isProbed = true
        // Who asked expects our nack in time, however slow we are.
        let timeout =
            isInduced
            ? min(directTimeout(watches[i]), configuration.nackAfter)
            : directTimeout(watches[i]) * health.scale
        probes.append(
            Probe(watches[i].peer, isInduced: isInduced, timeout: timeout, at: now, &generator))
        probes[probes.count - 1].isFirst = watches[i].isNew
        ping(probes.count - 1, at: now, book: book, into: &out)
        probes[probes.count - 1].nextPing = now + timeout / 2
    }

    @inline(__always)
    private func directTimeout(_ watch: Watch) -> Duration {
        guard let roundTrip = watch.roundTrip else { return configuration.timeoutMax }
        let usual = min(
            max(roundTrip * configuration.timeoutRoundTrips, configuration.timeoutMin),
            configuration.timeoutMax)
        return max(usual, min(roundTrip * 3 / 2, configuration.timeoutSlowest))
    }

    private mutating func ping(
        _ p: Int, at now: Instant, book: borrowing PeerBook, into out: inout FailureOutbox
    ) {
        let peer = probes[p].peer
        guard let i = index(of: peer) else { return }
        let isTold = configuration.hasBuddies && probes[p].stage == .suspected
        let ping = Ping(
            number: probes[p].transmitted(at: now), vitals: vitals(for: i, at: now, book),
            suspected: isTold ? watches[i].incarnation : nil)
        out.send(.ping(ping), to: peer)
        probes[p].nextPing = now + configuration.repeatInterval * health.scale
    }

    /// What we tell a watched peer of ourselves; others do not learn whom we know.
    @inline(__always)
    func vitals(for i: Int, at now: Instant, _ book: borrowing PeerBook) -> Vitals {
        let peer = watches[i].peer
        return Vitals(
            incarnation: vitals.incarnation, coordinate: vitals.coordinate,
            isNeighbour: vitals.neighbours.contains(peer), held: held(i, at: now),
            neighbours: watches[i].holds == listNumber ? nil : list(for: peer, book))
    }

    /// The number of the peer's list that we hold, 0 where it is to send it once more.
    @inline(__always)
    private func held(_ i: Int, at now: Instant) -> UInt32 {
        now - watches[i].listRead < configuration.sameNeighboursReadInterval
            ? watches[i].list : 0
    }

    private func list(for peer: PeerHandle, _ book: borrowing PeerBook) -> NeighbourList {
        let reach = Reach(of: peer, book)
        var contacts: [Contact] = []
        for neighbour in vitals.neighbours where neighbour != peer {
            guard contacts.count < NeighbourList.contactsMax else { break }
            let usable = reach.usable(
                book.addresses(neighbour), limit: NeighbourList.addressesMax)
            guard !usable.isEmpty else { continue }
            contacts.append(Contact(id: book.id(neighbour), addresses: usable))
        }
        return NeighbourList(number: listNumber, contacts: contacts)
    }

    // MARK: Silence

    /// Does what is due of a probe. Ends it at a verdict.
    mutating func advance(
        _ p: Int, at now: Instant, book: borrowing PeerBook, into out: inout FailureOutbox
    ) {
        if probes[p].stageEnd <= now {
            guard !probes[p].isHeard else { return concluded(p, at: now, into: &out) }
            switch probes[p].stage {
            case .direct: directTimedOut(p, at: now, book: book, into: &out)
            case .indirect: indirectTimedOut(p, at: now, book: book, into: &out)
            case .suspected:
                let count = probes.count
                judge(p, at: now, book: book, into: &out)
                if probes.count < count { return }
            }
        }
        if probes[p].checkAt <= now {
            probes[p].checkAt = now + configuration.checkInterval
            let isFresh = timely.map { now - $0 <= configuration.checkAfter } ?? false
            if !isFresh { checkOurselves(p, at: now, book: book, into: &out) }
        }
        if !probes[p].isHeard, probes[p].nextPing <= now {
            ping(p, at: now, book: book, into: &out)
        }
    }

    private mutating func directTimedOut(
        _ p: Int, at now: Instant, book: borrowing PeerBook, into out: inout FailureOutbox
    ) {
        if configuration.isSelfAware { nackRequesters(p, into: &out) }
        guard probes[p].accusers.count == 0 else {
            return suspect(p, at: now, book: book, into: &out)
        }
        probes[p].stage = .indirect
        probes[p].stageEnd = now + configuration.indirectTimeout * health.scale
        guard !probes[p].isInduced else { return }
        askHelpers(p, at: now, book: book, into: &out)
        // With luck we know of ourselves before it matters.
        if configuration.isSelfAware, !isWell(at: now) { checkNeighbour(at: now, book, into: &out) }
    }

    private mutating func nackRequesters(_ p: Int, into out: inout FailureOutbox) {
        for r in probes[p].requesters.indices where !probes[p].requesters[r].isNacked {
            probes[p].requesters[r].isNacked = true
            let requester = probes[p].requesters[r]
            out.send(.nack(number: requester.number), to: requester.peer)
        }
    }

    private mutating func askHelpers(
        _ p: Int, at now: Instant, book: borrowing PeerBook, into out: inout FailureOutbox
    ) {
        guard let i = index(of: probes[p].peer) else { return }
        var candidates: [PeerHandle] = []
        forEachCoWatcher(i) { candidates.append($0) }
        generator.shuffle(&candidates)
        probes[p].asked = now
        let request = PingRequest(
            number: probes[p].number, waited: now - probes[p].first,
            target: book.id(probes[p].peer))
        for helper in candidates.prefix(configuration.helpers) {
            probes[p].helpers.insert(helper)
            out.send(.pingRequest(request), to: helper)
        }
    }

    /// The peer's other neighbours, less those that are silent themselves.
    private func forEachCoWatcher(_ i: Int, _ body: (PeerHandle) -> Void) {
        let coWatchers = watches[i].coWatchers
        for c in 0..<coWatchers.count where state(of: coWatchers[c]) != .suspected {
            body(coWatchers[c])
        }
    }

    private mutating func indirectTimedOut(
        _ p: Int, at now: Instant, book: borrowing PeerBook, into out: inout FailureOutbox
    ) {
        suspect(p, at: now, book: book, into: &out)
        let hasSilentHelper = probes[p].nacked.count < max(probes[p].helpers.count, 1)
        guard configuration.isSelfAware, hasSilentHelper, !isWell(at: now) else { return }
        // The fault may be ours (Lifeguard §IV.A); as in memberlist, also where there is no helper.
        health.worsened(by: 1, atMost: configuration.healthMax, at: now)
        checkOurselves(p, at: now, book: book, into: &out)
    }

    /// Probes the neighbour that was heard last and is not being probed, or, where all are, asks the
    /// suspect's co-watchers once more. An answer in time shows that we are well, and that helpers
    /// which were silent have gone, too, so that we need not wait for their word. This goes beyond Lifeguard,
    /// whose helpers are a random few of many and do not all die at once.
    private mutating func checkOurselves(
        _ p: Int, at now: Instant, book: borrowing PeerBook, into out: inout FailureOutbox
    ) {
        if !checkNeighbour(at: now, book, into: &out) {
            askHelpers(p, at: now, book: book, into: &out)
        }
    }

    @discardableResult
    private mutating func checkNeighbour(
        at now: Instant, _ book: borrowing PeerBook, into out: inout FailureOutbox
    ) -> Bool {
        var best: Int?
        for i in watches.indices where !watches[i].isProbed {
            if best.map({ watches[i].heard > watches[$0].heard }) ?? true { best = i }
        }
        guard let best else { return false }
        begin(best, isInduced: false, at: now, book: book, into: &out)
        return true
    }

    /// Tells the co-watchers, which look for themselves at once.
    mutating func suspect(
        _ p: Int, at now: Instant, book: borrowing PeerBook, into out: inout FailureOutbox
    ) {
        let peer = probes[p].peer
        guard let i = index(of: peer) else { return }
        probes[p].stage = .suspected
        probes[p].suspectedAt = now
        probes[p].nextPing = now
        if configuration.isSelfAware { probes[p].checkAt = now + configuration.checkInterval }
        setVerdictTime(p, at: now)
        out.events.append(.suspected(peer))
        let suspicion = Suspicion(
            number: probes[p].number, waited: now - probes[p].first, suspect: book.id(peer),
            incarnation: watches[i].incarnation)
        forEachCoWatcher(i) { out.send(.suspect(suspicion), to: $0) }
    }

    // MARK: The verdict

    /// A suspicion began or was confirmed, or we learned how we are ourselves.
    mutating func setVerdictTime(_ p: Int, at now: Instant) {
        guard let i = index(of: probes[p].peer) else { return }
        let probe = probes[p]
        let time: Duration
        if isWell(at: now) {
            var possible = 0
            // All have been told, and by now look themselves and confirm, or vouch.
            let isTold = now - probe.suspectedAt >= configuration.timeoutMax * 2
            forEachCoWatcher(i) { peer in
                let isSilent =
                    (isTold || probe.helpers.contains(peer)) && !probe.nacked.contains(peer)
                if !isSilent || probe.accusers.contains(peer) { possible += 1 }
            }
            // Nobody else can confirm what one visitor sees.
            time =
                watches[i].isVisit
                ? configuration.suspicionMin * configuration.aloneFactor
                : suspicionTime(confirmations: probe.accusers.count, possible: possible)
        } else if watches.count == 1, watches[i].coWatchers.count == 0 {
            time = configuration.suspicionMin * configuration.aloneFactor
        } else {
            let scale = min(health.scale, configuration.unwellScaleMax)
            time = configuration.suspicionMin * configuration.suspicionMaxFactor * scale
        }
        let end = max(probe.suspectedAt + time, probe.first + configuration.evidenceMin)
        // Not in the past, which would look as if we had slept.
        probes[p].stageEnd = max(end, now)
    }

    /// Whether anybody has answered us in time of late. If nobody has, we are cut off, or our input
    /// is stuck, and what looks like another's death is more likely our own fault: then a verdict
    /// takes the longest time that Lifeguard has for the slowest. The paper leaves this to the
    /// confirmations that do not come; but those of a few co-watchers may have died with the suspect.
    @inline(__always)
    func isWell(at now: Instant) -> Bool {
        !configuration.isSelfAware || timely.map { now - $0 <= configuration.wellFor } ?? false
    }

    /// Lifeguard §IV.B: max - (max - min) * log(C + 1) / log(K + 1).
    private func suspicionTime(confirmations: Int, possible: Int) -> Duration {
        let low = configuration.suspicionMin
        let needed = min(configuration.confirmationsMax, possible)
        guard configuration.hasDynamicSuspicion, confirmations < needed else { return low }
        let high = low * configuration.suspicionMaxFactor
        let share = Logarithm.perMille(confirmations + 1, base: needed + 1)
        return high - (high - low) * share / 1_000
    }

    /// The time is up, and nothing was heard.
    private mutating func judge(
        _ p: Int, at now: Instant, book: borrowing PeerBook, into out: inout FailureOutbox
    ) {
        // We may have become less sure of ourselves since the time was set. If so, a check of
        // ourselves that ends well brings the verdict at once.
        setVerdictTime(p, at: now)
        guard probes[p].stageEnd <= now else {
            if watches.count > 1 {
                health.worsened(by: 1, atMost: configuration.healthMax, at: now)
            }
            return
        }
        let probe = probes.remove(at: p)
        guard let i = index(of: probe.peer) else { return }
        let watch = watches.remove(at: i)
        if probe.isVouched {
            out.events.append(.lost(watch.peer))
        } else {
            out.events.append(.failed(watch.peer, incarnation: watch.incarnation))
            tellOrphans(of: watch, probe, into: &out)
        }
    }

    /// Those of its neighbours that have said nothing to our questions about it. Who lives answers
    /// them even where it watches the peer no more.
    private func tellOrphans(of watch: Watch, _ probe: Probe, into out: inout FailureOutbox) {
        var silent = probe.unreachable
        for c in 0..<watch.coWatchers.count {
            let peer = watch.coWatchers[c]
            let hasSpoken = probe.nacked.contains(peer) || probe.accusers.contains(peer)
            if !hasSpoken { silent.insert(peer) }
        }
        for s in 0..<silent.count where index(of: silent[s]) == nil {
            out.events.append(.orphaned(silent[s]))
        }
    }

    // MARK: Signs of life

    mutating func heard(_ i: Int, at now: Instant, into out: inout FailureOutbox) {
        watches[i].heard = now
        watches[i].hearsay = 0
        if watches[i].isVisit, !watches[i].isProbed {
            watches.remove(at: i)
            return
        }
        guard watches[i].isProbed, let p = probe(of: watches[i].peer) else { return }
        // The ack of a first ping may still come, with what only acks carry.
        guard probes[p].stage == .direct else { return concluded(p, at: now, into: &out) }
        probes[p].isHeard = true
        vouchToRequesters(p, into: &out)
    }

    /// The peer lives: the probe is over.
    mutating func concluded(_ p: Int, at now: Instant, into out: inout FailureOutbox) {
        vouchToRequesters(p, into: &out)
        let probe = probes.remove(at: p)
        guard let i = index(of: probe.peer) else { return }
        watches[i].isProbed = false
        // All links of a new node come up at once; the second look puts them out of step.
        let next =
            probe.isFirst
            ? generator.between(configuration.firstProbeMax, configuration.idleMax) : idleTime()
        watches[i].look(at: now + next, decidedAt: now)
        if probe.stage == .suspected { out.events.append(.cleared(probe.peer)) }
        if watches[i].isVisit { watches.remove(at: i) }
    }

    private mutating func vouchToRequesters(_ p: Int, into out: inout FailureOutbox) {
        for requester in probes[p].requesters {
            out.send(.vouch(number: requester.number), to: requester.peer)
        }
        probes[p].requesters.removeAll()
    }
}

/// Ratios of logarithms of small numbers, written out: the core computes with what rounds alike on
/// every machine.
enum Logarithm {
    /// log2 of 1...7, times 10^4.
    private static let log2: [Int64] = [0, 10_000, 15_850, 20_000, 23_219, 25_850, 28_074]

    /// 1,000 * log(value) / log(base); both at least 1 and at most 7, beyond which they are cut.
    static func perMille(_ value: Int, base: Int) -> Int64 {
        let top = log2[min(max(base, 2), log2.count) - 1]
        return min(log2[min(max(value, 1), log2.count) - 1] * 1_000 / top, 1_000)
    }
}
