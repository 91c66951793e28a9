/// What neighbours and strangers say. Each message is charged to its sender's allowance; what only
/// neighbours may send is answered to others by "we are not neighbours".

import AROPrimitives
import AROCrypto
import AROWire

extension HyParView {
    /// A membership message of this overlay arrived from a peer with a session.
    public mutating func received(
        _ message: MembershipMessage, from peer: PeerHandle, at now: Instant,
        book: inout PeerBook, into out: inout MembershipOutbox
    ) {
        guard message.swarm == swarm, book.id(peer) != local else {
            return drops.count(.foreignSwarm)
        }
        guard allowances.take(cost(of: message.body), from: peer, at: now, configuration) else {
            return drops.count(.overAllowance)
        }
        hurryLost(peer, at: now)
        switch message.body {
        case .join(let addresses):
            joined(peer, addresses, at: now, book: &book, into: &out)
        case .forwardJoin(let contact, let hopsLeft):
            guard spokeAsNeighbour(peer, at: now, into: &out) else { return }
            forwardedJoin(contact, hopsLeft, from: peer, at: now, book: &book, into: &out)
        case .neighbour(let priority): asked(by: peer, priority, at: now, book, into: &out)
        case .neighbourReply(let accepted, let contacts):
            answered(by: peer, accepted, contacts, at: now, book: &book, into: &out)
        case .disconnect(let disconnect): parted(peer, disconnect, at: now, book, into: &out)
        case .shuffle(let shuffle):
            guard spokeAsNeighbour(peer, at: now, into: &out) else { return }
            shuffled(shuffle, from: peer, at: now, book: &book, into: &out)
        case .shuffleReply(let number, let contacts):
            shuffleAnswered(number, contacts, by: peer, at: now, book: &book)
        }
        maintain(at: now, book: book, into: &out)
    }

    /// What a message has us do, in the units of ``MembershipConfiguration/allowanceBurst``.
    private func cost(of body: MembershipMessage.Body) -> Int {
        switch body {
        case .join: 256
        case .shuffle, .neighbour: 128
        case .disconnect, .neighbourReply, .shuffleReply: 64
        case .forwardJoin: 1
        }
    }

    // MARK: Joining

    private mutating func joined(
        _ peer: PeerHandle, _ addresses: AddressList, at now: Instant,
        book: inout PeerBook, into out: inout MembershipOutbox
    ) {
        let usable = reach(of: peer, book).usable(addresses, limit: Contact.addressesMax)
        book.suggest(usable, for: peer)
        let isKnown = isNeighbour(peer)
        let isAdded = isKnown || mayAdd(at: now)
        if isAdded { addNeighbour(peer, at: now, book, &out) }
        let told = isMember ? contacts(for: peer, book) : []
        send(.neighbourReply(accepted: isAdded, told), to: peer, into: &out)
        guard !isKnown, isMember, mayRefer(at: now) else { return }
        if !isAdded {
            var given: [PeerHandle] = []
            addToPassiveView(peer, replacing: &given, book)
        }
        for neighbour in neighbours where neighbour.peer != peer {
            guard let contact = contact(peer, for: neighbour.peer, book) else { continue }
            send(
                .forwardJoin(contact, hopsLeft: configuration.activeWalk), to: neighbour.peer,
                into: &out)
        }
    }

    /// What a newcomer is told of both views: as much as in a shuffle.
    private mutating func contacts(for peer: PeerHandle, _ book: borrowing PeerBook) -> [Contact] {
        let told =
            active.sample(configuration.shuffleActive, &generator)
            + passiveView.sample(configuration.shufflePassive, &generator)
        return told.filter { $0 != peer }.compactMap { contact($0, for: peer, book) }
    }

    private mutating func mayRefer(at now: Instant) -> Bool {
        let may = referrals.take(
            1, burst: configuration.referralBurst, perSecond: configuration.referralsPerSecond,
            at: now)
        if !may { drops.count(.referralRate) }
        return may
    }

    private mutating func forwardedJoin(
        _ contact: Contact, _ hopsLeft: Int, from peer: PeerHandle, at now: Instant,
        book: inout PeerBook, into out: inout MembershipOutbox
    ) {
        guard contact.id != local else { return }
        let hopsLeft = min(hopsLeft, configuration.activeWalk)
        let next = randomNeighbour(besides: peer, book.handle(of: contact.id))
        let goesOn = hopsLeft > 0 && next != nil
        if !goesOn || hopsLeft == configuration.passiveWalk {
            guard let newcomer = intern(contact, named: peer, book: &book) else {
                return drops.count(.contactUnusable)
            }
            guard goesOn else { return welcome(newcomer, at: now, book, into: &out) }
            var given: [PeerHandle] = []
            addToPassiveView(newcomer, replacing: &given, book)
        }
        guard let next else { return }
        let reach = max(reach(of: peer, book), reach(of: next, book))
        let usable = reach.usable(contact.addresses, limit: Self.addressesTold)
        guard !usable.isEmpty else { return drops.count(.contactUnusable) }
        send(
            .forwardJoin(
                Contact(id: contact.id, addresses: usable), hopsLeft: hopsLeft - 1),
            to: next, into: &out)
    }

    /// A newcomer's walk ended here: we offer ourselves. Where too much of that is under way, it
    /// becomes a spare peer.
    private mutating func welcome(
        _ newcomer: PeerHandle, at now: Instant, _ book: borrowing PeerBook,
        into out: inout MembershipOutbox
    ) {
        guard mayAsk(newcomer) else { return }
        if requests.count < configuration.requestsMax, mayAdd(at: now), mayTurnToStranger(at: now) {
            ask(newcomer, .newcomer, at: now, book, into: &out)
        } else {
            var given: [PeerHandle] = []
            addToPassiveView(newcomer, replacing: &given, book)
        }
    }

    // MARK: Links

    private mutating func asked(
        by peer: PeerHandle, _ priority: MembershipPriority, at now: Instant,
        _ book: borrowing PeerBook, into out: inout MembershipOutbox
    ) {
        let accepted = isNeighbour(peer) || accepts(peer, priority, at: now)
        if accepted { addNeighbour(peer, at: now, book, &out) }
        send(.neighbourReply(accepted: accepted, []), to: peer, into: &out)
    }

    /// A request of low priority finds room where a place is neither taken nor asked for, or where
    /// we asked for this very link.
    private mutating func accepts(
        _ peer: PeerHandle, _ priority: MembershipPriority, at now: Instant
    ) -> Bool {
        guard isMember else { return false }
        guard priority == .low else { return mayAdd(at: now) }
        var taken = neighbours.count
        for request in requests where request.transmissions == 1 && request.peer != peer {
            if request.purpose == .refill { taken += 1 }
        }
        return taken < configuration.activeMax
    }

    /// Whether somebody may come in though a neighbour has to go for it.
    private mutating func mayAdd(at now: Instant) -> Bool {
        guard isMember else { return false }
        guard neighbours.count >= configuration.activeMax else { return true }
        let may = pushedOut.take(
            1, burst: configuration.pushedOutBurst, perSecond: configuration.pushedOutPerSecond,
            at: now)
        if !may { drops.count(.pushedOutRate) }
        return may
    }

    private mutating func answered(
        by peer: PeerHandle, _ accepted: Bool, _ contacts: [Contact], at now: Instant,
        book: inout PeerBook, into out: inout MembershipOutbox
    ) {
        guard let i = requests.firstIndex(where: { $0.peer == peer }) else {
            // We had given up, or were parted with before we heard of being accepted.
            if accepted, !isNeighbour(peer) { partWith(peer, at: now, book, &out) }
            return
        }
        let request = requests.remove(at: i)
        foundLost(peer, at: now)
        if request.purpose == .join {
            var given: [PeerHandle] = []
            take(contacts, from: peer, replacing: &given, book: &book)
        }
        guard accepted else { return refused(request, at: now, book) }
        if request.purpose == .join { door = peer }
        if neighbours.count < configuration.activeMax || request.purpose != .refill {
            addNeighbour(peer, at: now, book, &out)
        } else {
            var given: [PeerHandle] = []
            addToPassiveView(peer, replacing: &given, book)
            partWith(peer, at: now, book, &out)
        }
    }

    private mutating func refused(
        _ request: LinkRequest, at now: Instant, _ book: borrowing PeerBook
    ) {
        var given: [PeerHandle] = []
        addToPassiveView(request.peer, replacing: &given, book)
        guard request.purpose != .newcomer else { return }
        // Who takes in nobody now named others.
        if request.purpose == .join, passive.count > 1, pace.refusals < 2 {
            return pace.refusedOnce()
        }
        pace.refused(at: now, neighbours: neighbours.count, configuration, &generator)
    }

    private mutating func parted(
        _ peer: PeerHandle, _ disconnect: MembershipDisconnect, at now: Instant,
        _ book: borrowing PeerBook, into out: inout MembershipOutbox
    ) {
        switch disconnect {
        case .parting:
            // It may have accepted us and made room again, and its answer is still under way.
            if let i = requests.firstIndex(where: { $0.peer == peer }) {
                refused(requests.remove(at: i), at: now, book)
            }
            partedByPeer(peer, at: now, book, &out)
            send(.disconnect(.notNeighbours), to: peer, into: &out)
        case .notNeighbours:
            partings.removeAll { $0.peer == peer }
            // What was said before the link was made may arrive after it.
            let since = neighbours.first { $0.peer == peer }?.since
            guard let since, now - since >= Self.settled else { return }
            partedByPeer(peer, at: now, book, &out)
        case .leaving: forget(peer, at: now, &out)
        }
    }

    // MARK: What others name

    /// The handle of a peer that `speaker` named; nil for ourselves and where the speaker cannot
    /// know an address that is of use.
    mutating func intern(
        _ contact: Contact, named speaker: PeerHandle, book: inout PeerBook
    ) -> PeerHandle? {
        guard contact.id != local else { return nil }
        let usable = reach(of: speaker, book).usable(
            contact.addresses, limit: Contact.addressesMax)
        let known = book.handle(of: contact.id)
        guard !usable.isEmpty || known.map({ book.address($0) != nil }) ?? false else {
            return nil
        }
        let handle = known ?? book.intern(contact.id)
        if !isNeighbour(handle) { book.suggest(usable, for: handle) }
        return handle
    }

    /// Addresses told of one peer: eight contacts of two fit the first packet of a handshake.
    static let addressesTold = 2

    /// A peer as it may be told to another; nil where none of its addresses would be of use.
    func contact(
        _ peer: PeerHandle, for other: PeerHandle, _ book: borrowing PeerBook
    ) -> Contact? {
        let usable = reach(of: other, book).usable(
            book.addresses(peer), limit: Self.addressesTold)
        return usable.isEmpty ? nil : Contact(id: book.id(peer), addresses: usable)
    }

    mutating func randomNeighbour(besides a: PeerHandle, _ b: PeerHandle?) -> PeerHandle? {
        var eligible = 0
        for neighbour in neighbours where neighbour.peer != a && neighbour.peer != b {
            eligible += 1
        }
        guard eligible > 0 else { return nil }
        var left = generator.below(eligible)
        for neighbour in neighbours where neighbour.peer != a && neighbour.peer != b {
            if left == 0 { return neighbour.peer }
            left -= 1
        }
        return nil
    }

    /// Whether we may open a session because somebody said so.
    mutating func mayTurnToStranger(at now: Instant) -> Bool {
        let may = hearsay.take(
            1, burst: configuration.hearsayBurst, perSecond: configuration.hearsayPerSecond,
            at: now)
        if !may { drops.count(.hearsayRate) }
        return may
    }
}
