/// From part to part: what one found becomes a fact for the others, until none has anything more.

import AROCrypto
import AROPrimitives
import AROWire

extension Gossip {
    /// Drains the parts. Ends: every event of a part is told once, and those it causes lead from
    /// failures to views and from views to announcements and topics, never in a circle.
    mutating func route(
        at now: Instant, book: inout PeerBook, identity: borrowing Identity,
        into out: inout GossipOutbox
    ) {
        refreshOffer(at: now, identity: identity)
        while hasEvents {
            // One by one where they lie, as nearly every message brings one.
            let found = failureOut.events.count
            for i in 0..<found {
                carry(failureOut.events[i], at: now, book: &book, into: &out)
            }
            failureOut.forgetEvents(found)
            for event in membershipOut.takeEvents() {
                carry(event, at: now, book: &book, into: &out)
            }
            for event in topicsOut.takeEvents() { carry(event, at: now, book: &book, into: &out) }
            for event in announcementsOut.takeEvents() {
                carry(event, at: now, book: &book, into: &out)
            }
        }
        out.takeSends(of: &failureOut)
        out.takeSends(of: &membershipOut)
        out.takeSends(of: &announcementsOut)
        out.takeSends(of: &topicsOut)
    }

    private var hasEvents: Bool {
        !(failureOut.events.isEmpty && membershipOut.events.isEmpty
            && announcementsOut.events.isEmpty && topicsOut.events.isEmpty)
    }

    private mutating func carry(
        _ event: MembershipEvent, at now: Instant, book: inout PeerBook,
        into out: inout GossipOutbox
    ) {
        switch event {
        case .neighbourUp(let peer):
            watch(peer, at: now, book: book)
            announcements.neighbourUp(peer, at: now, book: book, into: &announcementsOut)
            out.events.append(.member(.neighbourUp, peer))
        case .neighbourDown(let peer, _):
            unwatch(peer, at: now, book: book)
            announcements.neighbourDown(peer)
            out.events.append(.member(.neighbourDown, peer))
        case .isolated:
            let members = announcements.sample(
                offeredWhenIsolated, using: &generator)
            if !members.isEmpty {
                membership.offered(members, at: now, book: &book, into: &membershipOut)
            }
            if membership.activeCount == 0 { out.events.append(.isolated) }
        }
    }

    private mutating func carry(
        _ event: FailureEvent, at now: Instant, book: inout PeerBook,
        into out: inout GossipOutbox
    ) {
        switch event {
        case .suspected(let peer):
            announcements.suspected(peer, at: now, into: &announcementsOut)
            out.events.append(.member(.suspected, peer))
        case .cleared(let peer):
            announcements.suspectedNoMore(peer)
            out.events.append(.member(.cleared, peer))
        case .failed(let peer, let incarnation):
            out.events.append(.silent(peer))
            neighbourFailed(peer, at: now, book: &book)
            let newest = max(incarnation, announcements.sequence(of: peer, book: book) ?? 0)
            announcements.obituary(
                of: peer, incarnation: newest, at: now, book: book, into: &announcementsOut)
            announcements.suspectedNoMore(peer)
        case .lost(let peer):
            out.events.append(.silent(peer))
            neighbourFailed(peer, at: now, book: &book)
            announcements.suspectedNoMore(peer)
        case .orphaned(let peer): visit(peer, at: now, book: book)
        case .suspectedSelf(let incarnation):
            announcements.refute(incarnation: incarnation, at: now)
        case .roundTrip(let peer, let roundTrip, let coordinate):
            measured(roundTrip, to: peer, coordinate, at: now, book: book)
            topics.roundTripMeasured(peer, roundTrip)
        case .neighbours(let peer, let includeUs):
            membership.neighboursListed(
                by: peer, includingUs: includeUs, at: now, book: &book, into: &membershipOut)
        }
    }

    private mutating func neighbourFailed(
        _ peer: PeerHandle, at now: Instant, book: inout PeerBook
    ) {
        membership.neighbourFailed(peer, at: now, book: &book, into: &membershipOut)
        topics.neighbourFailed(peer, at: now, book: &book, into: &topicsOut)
    }

    private mutating func carry(
        _ event: AnnouncementEvent, at now: Instant, book: inout PeerBook,
        into out: inout GossipOutbox
    ) {
        switch event {
        case .joined(let peer): out.events.append(.member(.joined, peer))
        case .updated(let peer):
            stated(peer, at: now, book: book)
            out.events.append(.member(.updated, peer))
        case .failed(let peer):
            detector.endVisit(peer)
            announcements.suspectedNoMore(peer)
            // For whom there was no room we take others' word.
            if watches.contains(peer), detector.state(of: peer) == nil {
                neighbourFailed(peer, at: now, book: &book)
            }
            out.events.append(.member(.failed, peer))
        case .left(let peer): out.events.append(.member(.left, peer))
        case .expired(let peer): out.events.append(.member(.expired, peer))
        case .evicted(let peer): out.events.append(.member(.evicted, peer))
        case .refuted(let peer, let sequence):
            detector.stated(peer, incarnation: sequence, at: now, into: &failureOut)
            out.events.append(.member(.refuted, peer))
        case .unanswered(let peer): visit(peer, at: now, book: book)
        case .accused, .announced: break
        }
    }

    private mutating func carry(
        _ event: TopicsEvent, at now: Instant, book: inout PeerBook, into out: inout GossipOutbox
    ) {
        switch event {
        case .neighbourUp(_, let peer): watch(peer, at: now, book: book)
        case .neighbourDown(_, let peer): unwatch(peer, at: now, book: book)
        default: break
        }
        out.events.append(.topic(event))
    }

    // MARK: What parts must know

    /// Where the detector has no room, the neighbours of the base overlay go first, on whom all
    /// others rely; the others' turn comes when there is room again.
    private mutating func watch(
        _ peer: PeerHandle, at now: Instant, book: borrowing PeerBook
    ) {
        let isNew = watches.add(peer)
        guard isNew || detector.state(of: peer) == nil else { return }
        if !detector.hasRoom, membership.isNeighbour(peer),
            let other = detector.watched.first(where: { !membership.isNeighbour($0) })
        {
            detector.unwatch(other)
        }
        let known = announcements.sequence(of: peer, book: book) ?? 0
        detector.watch(peer, incarnation: known, at: now)
    }

    /// Looks at one that may have died with all its watchers, or while it had none. Only at who says that everybody can
    /// reach it: the silence of others may be their translator's.
    private mutating func visit(_ peer: PeerHandle, at now: Instant, book: borrowing PeerBook) {
        guard let member = announcements.entry(of: peer, book: book), member.state == .alive,
            member.announcement.offer.nat == .open
        else { return }
        detector.visit(peer, incarnation: member.announcement.sequence, at: now)
    }

    /// There may be room for one that had to wait.
    private mutating func watchAnother(at now: Instant, book: borrowing PeerBook) {
        guard detector.hasRoom, watches.count > detector.watchCount else { return }
        guard let next = watches.first(where: { detector.state(of: $0) == nil }) else { return }
        let known = announcements.sequence(of: next, book: book) ?? 0
        detector.watch(next, incarnation: known, at: now)
    }

    private mutating func stated(
        _ peer: PeerHandle, at now: Instant, book: borrowing PeerBook
    ) {
        guard let sequence = announcements.sequence(of: peer, book: book) else { return }
        detector.stated(peer, incarnation: sequence, at: now, into: &failureOut)
    }

    private mutating func unwatch(
        _ peer: PeerHandle, at now: Instant, book: borrowing PeerBook
    ) {
        guard watches.remove(peer) else { return }
        detector.unwatch(peer)
        announcements.suspectedNoMore(peer)
        watchAnother(at: now, book: book)
    }

    /// Where the peer did not say where it is, its announcement may.
    mutating func measured(
        _ roundTrip: Duration, to peer: PeerHandle, _ told: Coordinate?, at now: Instant,
        book: borrowing PeerBook
    ) {
        guard
            let place = told
                ?? announcements.coordinate(of: peer, book: book)
        else { return }
        guard coordinates.measured(roundTrip, to: peer, at: place, at: now) else { return }
        isPlaceStale = true
        for _ in 0..<coordinates.configuration.recalledPerSample {
            guard let other = coordinates.nextRemembered(at: now), other != peer,
                let place = announcements.coordinate(of: other, book: book)
            else { continue }
            coordinates.recalled(other, at: place)
        }
    }

    mutating func refreshVitals() {
        detector.vitals = OwnVitals(
            incarnation: announcements.sequence, coordinate: coordinates.coordinate,
            neighbours: membership.active)
    }

    private mutating func refreshOffer(at now: Instant, identity: borrowing Identity) {
        guard isOfferStale || isPlaceStale else { return }
        let isMovedOnly =
            !isOfferStale && coordinates.sampleCount > 0
            && announcements.moved(to: coordinates.coordinate, at: now)
        (isOfferStale, isPlaceStale) = (false, false)
        guard !isMovedOnly else { return }
        var offer = offer
        offer.addresses = addresses
        offer.nat = nat
        offer.coordinate = coordinates.sampleCount > 0 ? coordinates.coordinate : nil
        announcements.offer(offer, at: now)
    }
}
