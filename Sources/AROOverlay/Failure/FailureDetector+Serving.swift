/// What other peers' messages do: answers to our probes, their pings, and what co-watchers say.

import AROPrimitives
import AROCrypto
import AROWire

extension FailureDetector {
    /// A ping, from whoever has a session with us: a link may be up on one side first.
    mutating func pinged(
        _ ping: Ping, by peer: PeerHandle, at now: Instant, book: inout PeerBook,
        into out: inout FailureOutbox
    ) {
        guard mayAnswer(peer, at: now) else { return }
        guard let i = index(of: peer) else {
            let vitals = Vitals(incarnation: vitals.incarnation, coordinate: vitals.coordinate)
            return out.send(.ack(Ack(number: ping.number, vitals: vitals)), to: peer)
        }
        read(ping.vitals, i, at: now, book: &book, into: &out)
        // The other end has looked at the link: our turn comes when it was silent again.
        if !watches[i].isProbed { watches[i].look(at: now + idleTime(), decidedAt: now) }
        let ack = Ack(number: ping.number, vitals: vitals(for: i, at: now, book))
        out.send(.ack(ack), to: peer)
        if let suspected = ping.suspected {
            suspectedSelf(suspected, at: now, into: &out)
        } else {
            health.wasWell(configuration.healthDecay, at: now)
        }
    }

    private mutating func mayAnswer(_ peer: PeerHandle, at now: Instant) -> Bool {
        let isAllowed: Bool
        if let i = index(of: peer) {
            isAllowed = watches[i].answers.allows(configuration.answersPerSecond, at: now)
        } else {
            isAllowed = strangers.allows(configuration.strangerAnswersPerSecond, at: now)
        }
        if !isAllowed { drops.count(.tooMany) }
        return isAllowed
    }

    /// A neighbour suspects us. What it says of another incarnation is out of date, or made up.
    private mutating func suspectedSelf(
        _ incarnation: UInt64, at now: Instant, into out: inout FailureOutbox
    ) {
        guard incarnation == vitals.incarnation else { return drops.count(.stale) }
        if let at = suspectedSelfAt, now - at < configuration.suspectedSelfInterval { return }
        suspectedSelfAt = now
        if configuration.isSelfAware {
            health.worsened(by: 1, atMost: configuration.suspectedHealthMax, at: now)
        }
        out.events.append(.suspectedSelf(incarnation: incarnation))
    }

    // MARK: Answers to us

    mutating func acked(
        _ ack: Ack, by peer: PeerHandle, at now: Instant, book: inout PeerBook,
        into out: inout FailureOutbox
    ) {
        guard let i = index(of: peer), let p = probe(of: peer), probes[p].matches(ack.number)
        else { return drops.count(.unasked) }
        read(ack.vitals, i, at: now, book: &book, into: &out)
        if let roundTrip = probes[p].roundTrip(ack.number, at: now) {
            watches[i].measured(roundTrip)
            if roundTrip <= configuration.timeoutMax { wasTimely(at: now) }
            out.events.append(.roundTrip(peer, roundTrip, ack.vitals.coordinate))
        }
        if !probes[p].isInduced { health.improved(at: now) }
        watches[i].heard = now
        watches[i].hearsay = 0
        concluded(p, at: now, into: &out)
    }

    /// An answer came in time: we are well.
    mutating func wasTimely(at now: Instant) {
        let hasRecovered = !isWell(at: now)
        timely = now
        for p in probes.indices {
            // What nobody answered while nobody answered anything proves nothing.
            let isSuspected = probes[p].stage == .suspected
            if hasRecovered, isSuspected || now - probes[p].first > configuration.wellFor {
                probes[p].restart(at: now)
            }
            if isSuspected { setVerdictTime(p, at: now) }
        }
    }

    private mutating func read(
        _ vitals: Vitals, _ i: Int, at now: Instant, book: inout PeerBook,
        into out: inout FailureOutbox
    ) {
        watches[i].exchanged = now
        watches[i].named(incarnation: vitals.incarnation)
        watches[i].holds = vitals.held
        if let read = watches[i].neighboursRead,
            now - read < configuration.neighboursReadInterval
        {
            return
        }
        watches[i].neighboursRead = now
        let peer = watches[i].peer
        if let list = vitals.neighbours {
            (watches[i].list, watches[i].listRead) = (list.number, now)
            watches[i].coWatchers = coWatchers(list.contacts, namedBy: peer, &book)
        }
        out.events.append(.neighbours(of: peer, includeUs: vitals.isNeighbour))
    }

    private func coWatchers(
        _ contacts: [Contact], namedBy peer: PeerHandle, _ book: inout PeerBook
    ) -> FewPeers {
        let reach = Reach(of: peer, book)
        var coWatchers = FewPeers()
        for contact in contacts where contact.id != local {
            let usable = reach.usable(contact.addresses, limit: NeighbourList.addressesMax)
            guard !usable.isEmpty else { continue }
            let handle = book.intern(contact.id)
            guard handle != peer else { continue }
            book.suggest(usable, for: handle)
            coWatchers.insert(handle)
        }
        return coWatchers
    }

    /// A statement of a watched peer came that is newer than any that we know, signed by itself: while
    /// the peer is suspected, that is as good as another's word that it lives.
    public mutating func stated(
        _ peer: PeerHandle, incarnation: UInt64, at now: Instant, into out: inout FailureOutbox
    ) {
        guard let i = index(of: peer), incarnation > watches[i].incarnation else { return }
        watches[i].named(incarnation: incarnation)
        guard let p = probe(of: peer), probes[p].stage == .suspected,
            watches[i].hearsay < configuration.hearsayMax
        else { return }
        watches[i].hearsay += 1
        concluded(p, at: now, into: &out)
        settle()
    }

    mutating func vouched(
        _ number: UInt32, by helper: PeerHandle, at now: Instant, into out: inout FailureOutbox
    ) {
        guard let p = probes.firstIndex(where: { $0.number == number }),
            let i = index(of: probes[p].peer), isCounsel(helper, of: p, i), !probes[p].isHeard
        else { return drops.count(.unasked) }
        guard watches[i].hearsay < configuration.hearsayMax else {
            probes[p].isVouched = true
            return
        }
        watches[i].hearsay += 1
        concluded(p, at: now, into: &out)
    }

    /// Whether the peer was asked about a probe, or told of its suspicion.
    private func isCounsel(_ peer: PeerHandle, of p: Int, _ i: Int) -> Bool {
        probes[p].helpers.contains(peer)
            || probes[p].stage == .suspected && watches[i].coWatchers.contains(peer)
    }

    mutating func nacked(_ number: UInt32, by helper: PeerHandle, at now: Instant) {
        guard let p = probes.firstIndex(where: { $0.number == number }),
            probes[p].helpers.contains(helper)
        else { return drops.count(.unasked) }
        probes[p].nacked.insert(helper)
        if let asked = probes[p].asked, now - asked <= configuration.timeoutMax * 2 {
            wasTimely(at: now)
        }
    }

    // MARK: Questions of others

    /// A co-watcher does not hear one of our neighbours.
    mutating func asked(
        _ request: PingRequest, by peer: PeerHandle, at now: Instant, book: inout PeerBook,
        into out: inout FailureOutbox
    ) {
        guard mayAnswer(peer, at: now) else { return }
        guard let target = book.handle(of: request.target), target != peer,
            let i = index(of: target)
        else { return out.send(.nack(number: request.number), to: peer) }
        let waited = Duration.milliseconds(Int64(request.waitedMilliseconds))
        let requester = Probe.Requester(
            peer: peer, number: request.number, isNacked: !configuration.isSelfAware)
        help(requester, waiting: waited, i, at: now, book: book, into: &out)
    }

    /// Answers from what was heard since the requester began to wait, or looks. Returns the probe.
    @discardableResult
    private mutating func help(
        _ requester: Probe.Requester, waiting waited: Duration, _ i: Int, at now: Instant,
        book: borrowing PeerBook, into out: inout FailureOutbox
    ) -> Int? {
        guard watches[i].heard <= now - waited else {
            out.send(.vouch(number: requester.number), to: requester.peer)
            return nil
        }
        if !watches[i].isProbed {
            if let asked = watches[i].asked, now - asked < configuration.askedIntervalMin {
                drops.count(.askedAgain)
                return nil
            }
            watches[i].asked = now
            begin(i, isInduced: true, at: now, book: book, into: &out)
        }
        guard let p = probe(of: watches[i].peer) else { return nil }
        var requester = requester
        if probes[p].stage != .direct, !requester.isNacked {
            requester.isNacked = true
            out.send(.nack(number: requester.number), to: requester.peer)
        }
        probes[p].add(requester)
        return p
    }

    /// A co-watcher suspects one of our neighbours: we look ourselves, and confirm only what we see.
    mutating func accused(
        _ suspicion: Suspicion, by peer: PeerHandle, at now: Instant, book: inout PeerBook,
        into out: inout FailureOutbox
    ) {
        guard mayAnswer(peer, at: now) else { return }
        guard suspicion.suspect != local else {
            return out.send(.vouch(number: suspicion.number), to: peer)
        }
        guard let target = book.handle(of: suspicion.suspect), target != peer,
            let i = index(of: target)
        else { return drops.count(.notWatched) }
        let waited = Duration.milliseconds(Int64(suspicion.waitedMilliseconds))
        let requester = Probe.Requester(peer: peer, number: suspicion.number, isNacked: true)
        let p = help(requester, waiting: waited, i, at: now, book: book, into: &out)
        guard watches[i].coWatchers.contains(peer) else { return drops.count(.notCoWatcher) }
        guard suspicion.incarnation >= watches[i].incarnation else {
            return drops.count(.stale)
        }
        if let p, !probes[p].isHeard { confirm(p, by: peer, at: now, book: book, into: &out) }
    }

    private mutating func confirm(
        _ p: Int, by accuser: PeerHandle, at now: Instant, book: borrowing PeerBook,
        into out: inout FailureOutbox
    ) {
        probes[p].accusers.insert(accuser)
        // Our own look has failed already if somebody asked for it; of helpers that we asked
        // ourselves we hear first.
        if probes[p].stage == .indirect, probes[p].isInduced {
            suspect(p, at: now, book: book, into: &out)
        }
        wasTimely(at: now)
    }
}
