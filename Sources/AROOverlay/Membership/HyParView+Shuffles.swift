/// Keeping the passive view fresh: now and then some contacts of both views walk at random through
/// the overlay, and who they end at sends as many of its own back (HyParView §4.4).
///
/// Deviations: shuffles become rarer while nothing changes; the first step goes over the link that
/// was longest without one, which finds links that only one end believes in.

import AROPrimitives
import AROCrypto
import AROWire

extension HyParView {
    // MARK: The clock

    mutating func shuffleSoon(at now: Instant) {
        let interval = configuration.shuffleFirst
        shuffles = ShuffleClock(at: now + generator.spread(interval), interval: interval)
    }

    mutating func shuffleAfterLoss(at now: Instant) {
        guard shuffles != nil else { return }
        let interval = min(shuffles!.interval, configuration.shuffleAfterLoss)
        shuffles!.interval = interval
        shuffles!.at = min(shuffles!.at, now + generator.spread(interval))
    }

    // MARK: Sending

    mutating func shuffle(
        at now: Instant, _ book: borrowing PeerBook, into out: inout MembershipOutbox
    ) {
        allowances.forgetIdle(at: now, configuration)
        guard var clock = shuffles else { return }
        clock.interval = min(clock.interval * 2, configuration.shuffleLast)
        clock.at = now + generator.spread(clock.interval)
        clock.repliesUntil = nil
        defer { shuffles = clock }
        guard let i = neighbours.indices.min(by: isShuffledBefore) else { return }
        neighbours[i].shuffledAt = now
        let target = neighbours[i].peer
        clock.number = UInt32(truncatingIfNeeded: generator.next())
        clock.given = passiveView.sample(configuration.shufflePassive, &generator)
        clock.repliesUntil = now + configuration.shuffleReplyMax
        let others = active.filter { $0 != target }
        let told = others.sample(configuration.shuffleActive, &generator) + clock.given
        let contacts = told.compactMap { contact($0, for: target, book) }
        let usable = reach(of: target, book).usable(addresses, limit: Self.addressesTold)
        send(
            .shuffle(
                MembershipShuffle(
                    hopsLeft: configuration.shuffleWalk, number: clock.number, origin: local,
                    addresses: usable,
                    contacts: Array(contacts.prefix(MembershipMessage.contactsMax)))),
            to: target, into: &out)
    }

    private func isShuffledBefore(_ a: Int, _ b: Int) -> Bool {
        neighbours[a].shuffledAt < neighbours[b].shuffledAt
    }

    // MARK: Receiving

    mutating func shuffled(
        _ shuffle: MembershipShuffle, from peer: PeerHandle, at now: Instant,
        book: inout PeerBook, into out: inout MembershipOutbox
    ) {
        // Our own walk came back to us.
        guard shuffle.origin != local else { return }
        let hopsLeft = min(shuffle.hopsLeft, configuration.shuffleWalk) - 1
        let origin = book.handle(of: shuffle.origin)
        if hopsLeft > 0, let next = randomNeighbour(besides: peer, origin) {
            forward(shuffle, hopsLeft, from: peer, to: next, book, into: &out)
        } else {
            answer(shuffle, from: peer, at: now, book: &book, into: &out)
        }
    }

    /// The addresses of the origin as its first neighbour sees them.
    private func addresses(
        of shuffle: MembershipShuffle, from peer: PeerHandle, _ book: borrowing PeerBook
    ) -> AddressList {
        shuffle.origin == book.id(peer)
            ? book.addresses(peer)
            : reach(of: peer, book).usable(shuffle.addresses, limit: Contact.addressesMax)
    }

    /// Sends a shuffle on, with what of its contacts the next peer can use and this one can know.
    private func forward(
        _ shuffle: MembershipShuffle, _ hopsLeft: Int, from peer: PeerHandle,
        to next: PeerHandle, _ book: borrowing PeerBook, into out: inout MembershipOutbox
    ) {
        let reach = max(reach(of: peer, book), reach(of: next, book))
        var forwarded = shuffle
        forwarded.hopsLeft = hopsLeft
        forwarded.addresses = self.reach(of: next, book).usable(
            addresses(of: shuffle, from: peer, book), limit: Self.addressesTold)
        forwarded.contacts.removeAll(keepingCapacity: true)
        for contact in shuffle.contacts {
            let usable = reach.usable(contact.addresses, limit: Self.addressesTold)
            guard !usable.isEmpty else { continue }
            forwarded.contacts.append(Contact(id: contact.id, addresses: usable))
        }
        send(.shuffle(forwarded), to: next, into: &out)
    }

    private mutating func answer(
        _ shuffle: MembershipShuffle, from peer: PeerHandle, at now: Instant,
        book: inout PeerBook, into out: inout MembershipOutbox
    ) {
        var given: [PeerHandle] = []
        let contact = Contact(
            id: shuffle.origin, addresses: addresses(of: shuffle, from: peer, book))
        if let origin = intern(contact, named: peer, book: &book) {
            if isNeighbour(origin) || mayTurnToStranger(at: now) {
                given = reply(shuffle, to: origin, book, into: &out)
            }
            addToPassiveView(origin, replacing: &given, book)
        } else {
            drops.count(.contactUnusable)
        }
        take(shuffle.contacts, from: peer, replacing: &given, book: &book)
    }

    /// As many contacts as the shuffle brought, its origin among them (§4.4).
    private mutating func reply(
        _ shuffle: MembershipShuffle, to origin: PeerHandle, _ book: borrowing PeerBook,
        into out: inout MembershipOutbox
    ) -> [PeerHandle] {
        let count = min(shuffle.contacts.count + 1, MembershipMessage.contactsMax)
        let given = passiveView.sample(count, &generator).filter { $0 != origin }
        let contacts = given.compactMap { contact($0, for: origin, book) }
        send(.shuffleReply(number: shuffle.number, contacts), to: origin, into: &out)
        return given
    }

    mutating func shuffleAnswered(
        _ number: UInt32, _ contacts: [Contact], by peer: PeerHandle, at now: Instant,
        book: inout PeerBook
    ) {
        guard var clock = shuffles, let until = clock.repliesUntil, clock.number == number,
            now <= until
        else { return drops.count(.unsolicited) }
        clock.repliesUntil = nil
        var given = clock.given
        clock.given = []
        shuffles = clock
        take(contacts, from: peer, replacing: &given, book: &book)
    }

    mutating func take(
        _ contacts: [Contact], from peer: PeerHandle, replacing given: inout [PeerHandle],
        book: inout PeerBook
    ) {
        for contact in contacts where contact.id != local {
            guard let handle = intern(contact, named: peer, book: &book) else {
                drops.count(.contactUnusable)
                continue
            }
            addToPassiveView(handle, replacing: &given, book)
        }
    }
}
