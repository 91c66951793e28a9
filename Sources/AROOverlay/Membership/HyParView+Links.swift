/// Making, parting and replacing links (HyParView §4.3, §4.5).

import AROPrimitives
import AROCrypto
import AROWire

extension HyParView {
    // MARK: The active view

    /// Takes a peer into the active view; a full one parts with another (§4.3).
    mutating func addNeighbour(
        _ peer: PeerHandle, at now: Instant, _ book: borrowing PeerBook,
        _ out: inout MembershipOutbox
    ) {
        requests.removeAll { $0.peer == peer }
        partings.removeAll { $0.peer == peer }
        foundLost(peer, at: now)
        passiveView.remove(peer)
        guard !isNeighbour(peer) else { return }
        if neighbours.count >= configuration.activeMax {
            partWith(placeGiven(to: peer, book), at: now, book, &out)
        }
        neighbours.append(Neighbour(peer: peer, since: now, shuffledAt: now))
        pace.hurry(at: now)
        isolation = nil
        isNewcomer = false
        if shuffles == nil { shuffleSoon(at: now) }
        out.events.append(.neighbourUp(peer))
    }

    /// Whose place a newcomer takes: a random neighbour's (§4.3); one of the same public network's
    /// where there are several already.
    private mutating func placeGiven(
        to peer: PeerHandle, _ book: borrowing PeerBook
    ) -> PeerHandle {
        if let network = publicNetwork(of: peer, book) {
            var same: [PeerHandle] = []
            for neighbour in neighbours where publicNetwork(of: neighbour.peer, book) == network {
                same.append(neighbour.peer)
            }
            if same.count >= configuration.activePerNetworkMax {
                return same[generator.below(same.count)]
            }
        }
        return neighbours[generator.below(neighbours.count)].peer
    }

    private mutating func removeNeighbour(
        _ peer: PeerHandle, _ loss: NeighbourLoss, at now: Instant, _ out: inout MembershipOutbox
    ) -> Bool {
        guard let i = neighbours.firstIndex(where: { $0.peer == peer }) else { return false }
        neighbours.remove(at: i)
        // Searches with a neighbour left have become rare; without any they begin anew.
        if neighbours.isEmpty { isolation = nil }
        pace.hurry(at: now)
        out.events.append(.neighbourDown(peer, loss))
        return true
    }

    /// We drop a neighbour; both keep each other as spare peers.
    mutating func partWith(
        _ peer: PeerHandle, at now: Instant, _ book: borrowing PeerBook,
        _ out: inout MembershipOutbox
    ) {
        if removeNeighbour(peer, .partedByUs, at: now, &out) {
            var given: [PeerHandle] = []
            addToPassiveView(peer, replacing: &given, book)
        }
        send(.disconnect(.parting), to: peer, into: &out)
        guard partings.count < configuration.partingsMax, !isParting(peer) else { return }
        partings.append(
            Parting(peer: peer, transmissions: 1, at: now + wait(afterTransmission: 1)))
    }

    /// The peer does not have us in its active view any more.
    mutating func partedByPeer(
        _ peer: PeerHandle, at now: Instant, _ book: borrowing PeerBook,
        _ out: inout MembershipOutbox
    ) {
        guard removeNeighbour(peer, .partedByPeer, at: now, &out) else { return }
        var given: [PeerHandle] = []
        addToPassiveView(peer, replacing: &given, book)
    }

    /// The peer is dead or cannot be reached.
    ///
    /// - Parameter isWorthAnother: whether to ask it again some time though it was no neighbour.
    mutating func failed(
        _ peer: PeerHandle, isWorthAnother: Bool, at now: Instant, _ out: inout MembershipOutbox
    ) {
        partings.removeAll { $0.peer == peer }
        passiveView.remove(peer)
        let wasNeighbour = removeNeighbour(peer, .failed, at: now, &out)
        if wasNeighbour { shuffleAfterLoss(at: now) }
        if wasNeighbour || isWorthAnother { rememberLost(peer, at: now) }
    }

    /// The peer goes offline.
    mutating func forget(_ peer: PeerHandle, at now: Instant, _ out: inout MembershipOutbox) {
        requests.removeAll { $0.peer == peer }
        partings.removeAll { $0.peer == peer }
        lost.removeAll { $0.peer == peer }
        if door == peer { door = nil }
        passiveView.remove(peer)
        _ = removeNeighbour(peer, .left, at: now, &out)
    }

    // MARK: The passive view

    mutating func addToPassiveView(
        _ peer: PeerHandle, replacing given: inout [PeerHandle], _ book: borrowing PeerBook
    ) {
        guard book.id(peer) != local, !isNeighbour(peer) else { return }
        let inserted = passiveView.insert(
            peer, replacing: &given, configuration, book, &generator)
        if inserted == .networkFull { drops.count(.networkFull) }
    }

    // MARK: Requests

    func mayAsk(_ peer: PeerHandle) -> Bool {
        !isNeighbour(peer) && !isParting(peer) && !requests.contains { $0.peer == peer }
    }

    func isParting(_ peer: PeerHandle) -> Bool { partings.contains { $0.peer == peer } }

    mutating func ask(
        _ peer: PeerHandle, _ purpose: LinkRequest.Purpose, at now: Instant,
        _ book: borrowing PeerBook, into out: inout MembershipOutbox
    ) {
        requests.append(
            LinkRequest(
                peer: peer, purpose: purpose, transmissions: 1,
                at: now + wait(afterTransmission: 1)))
        transmit(purpose, to: peer, book, into: &out)
    }

    private func transmit(
        _ purpose: LinkRequest.Purpose, to peer: PeerHandle, _ book: borrowing PeerBook,
        into out: inout MembershipOutbox
    ) {
        switch purpose {
        case .join:
            let usable = reach(of: peer, book).usable(addresses, limit: Contact.addressesMax)
            send(.join(addresses: usable), to: peer, into: &out)
        case .newcomer, .lost: send(.neighbour(.high), to: peer, into: &out)
        case .refill: send(.neighbour(refillPriority), to: peer, into: &out)
        }
    }

    /// High without neighbours (§4.3). Deviation: also for who was refused many times, or a few nodes
    /// that know of full ones only stay a network of their own.
    private var refillPriority: MembershipPriority {
        guard !neighbours.isEmpty else { return .high }
        let patience =
            neighbours.count + 1 < configuration.activeMax
            ? configuration.refusalsUrgent : configuration.refusalsMax
        return pace.refusals >= patience ? .high : .low
    }

    /// How long an answer is awaited.
    func wait(afterTransmission transmissions: UInt8) -> Duration {
        var wait = configuration.requestWaitFirst
        for _ in 1..<max(transmissions, 1) { wait = wait * 2 }
        return min(wait, configuration.requestWaitMax)
    }

    mutating func repeatRequests(
        at now: Instant, _ book: borrowing PeerBook, into out: inout MembershipOutbox
    ) {
        var i = 0
        while i < requests.count {
            guard requests[i].at <= now else {
                i += 1
                continue
            }
            guard Int(requests[i].transmissions) < configuration.transmissionsMax else {
                unanswered(requests.remove(at: i), at: now, &out)
                continue
            }
            requests[i].transmissions += 1
            requests[i].at = now + wait(afterTransmission: requests[i].transmissions)
            transmit(requests[i].purpose, to: requests[i].peer, book, into: &out)
            i += 1
        }
    }

    /// The peer may have agreed without our hearing of it; then it is told that we are no neighbours.
    private mutating func unanswered(
        _ request: LinkRequest, at now: Instant, _ out: inout MembershipOutbox
    ) {
        send(.disconnect(.notNeighbours), to: request.peer, into: &out)
        failed(
            request.peer, isWorthAnother: isWorthAnother(request.purpose), at: now, &out)
    }

    /// Whether a peer that does not answer is asked again some time. While nobody answers, it may be
    /// our own connection that is broken.
    func isWorthAnother(_ purpose: LinkRequest.Purpose) -> Bool {
        switch purpose {
        case .join: true
        case .refill: neighbours.isEmpty
        case .newcomer, .lost: false
        }
    }

    mutating func repeatPartings(at now: Instant, into out: inout MembershipOutbox) {
        var i = 0
        while i < partings.count {
            guard partings[i].at <= now else {
                i += 1
                continue
            }
            guard Int(partings[i].transmissions) < configuration.transmissionsMax else {
                partings.remove(at: i)
                continue
            }
            partings[i].transmissions += 1
            partings[i].at = now + wait(afterTransmission: partings[i].transmissions)
            send(.disconnect(.parting), to: partings[i].peer, into: &out)
            i += 1
        }
    }

    // MARK: Empty places

    /// Asks random peers of the passive view to become neighbours (§4.3), as many at once as places
    /// are empty. Who has not answered to the first transmission does not hold a place.
    mutating func refill(
        at now: Instant, _ book: borrowing PeerBook, into out: inout MembershipOutbox
    ) {
        pace.waitsUntil = nil
        var empty = emptyPlaces
        while empty > 0, requests.count < configuration.requestsMax,
            let candidate = nextCandidate()
        {
            guard pace.notBefore <= now else { return pace.waitsUntil = pace.notBefore }
            ask(candidate, isNewcomer ? .join : .refill, at: now, book, into: &out)
            empty -= 1
        }
    }

    /// Joining asks one peer at a time, and finding back three: they make room for us by force.
    private var emptyPlaces: Int {
        let places = isNewcomer ? 1 : neighbours.isEmpty ? 3 : configuration.activeMax
        var taken = neighbours.count
        for request in requests where request.transmissions == 1 && request.purpose != .newcomer {
            taken += 1
        }
        return min(places, configuration.activeMax) - taken
    }

    private mutating func nextCandidate() -> PeerHandle? {
        let peers = passiveView.peers
        guard !peers.isEmpty else { return nil }
        let start = generator.below(peers.count)
        for i in peers.indices {
            let peer = peers[(start + i) % peers.count]
            if mayAsk(peer) { return peer }
        }
        return nil
    }

    func reach(of peer: PeerHandle, _ book: borrowing PeerBook) -> Reach {
        Reach(of: peer, book)
    }
}
