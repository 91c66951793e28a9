/// Answering others. Every answer is made from the table and the store alone and forgotten; none is
/// larger than one datagram. Sessions are handshaken, so nothing is amplified towards strangers.

import AROPrimitives
import AROCrypto
import AROWire

extension Kademlia {
    /// A message of Kademlia's family arrived from a peer with a session.
    public mutating func received(
        _ bytes: RawSpan, from peer: PeerHandle, at now: Instant, book: inout PeerBook,
        into out: inout KademliaOutbox
    ) {
        heardFrom(peer, at: now)
        let message: KademliaMessage
        do throws(DecodingFailure) {
            message = try KademliaMessage(decoding: bytes)
        } catch {
            drops.count(.malformed)
            return
        }
        switch message {
        case .find(let find): asked(find, by: peer, at: now, book: &book, into: &out)
        case .store(let store): asked(store, by: peer, at: now, book: &book, into: &out)
        case .answer(let answer): answered(answer, by: peer, at: now, book: &book, into: &out)
        case .stored(let stored): answered(stored, by: peer, at: now, book: &book, into: &out)
        }
    }

    // MARK: FIND

    private mutating func asked(
        _ find: KademliaFind, by peer: PeerHandle, at now: Instant, book: inout PeerBook,
        into out: inout KademliaOutbox
    ) {
        guard serves else { return drops.count(.notServing) }
        guard rates.allowsAsk(by: peer, at: now, configuration) else {
            return drops.count(.asksOverRate)
        }
        settleAbsences(at: now, book: &book, into: &out)
        out.send(.answer(answer(to: find, by: peer, at: now, book)), to: peer)
        if find.serves { heard(peer, .unmeasured, at: now, book: &book, into: &out) }
    }

    @inline(__always)
    private func answer(
        to find: KademliaFind, by peer: PeerHandle, at now: Instant, _ book: borrowing PeerBook
    ) -> KademliaAnswer {
        var answer = KademliaAnswer(request: find.request)
        var contacts: [Contact] = []
        switch find.wanted {
        case .signOfLife, .provider: break
        case .peers, .providers, .name: contacts = self.contacts(for: peer, near: find.key, book)
        }
        addRecords(to: &answer, find, beside: contacts, at: wallClock(at: now))
        var room = WireLimits.messageMax - answer.byteCountWithoutContacts
        for (i, contact) in contacts.enumerated() {
            room -= compactByteCount(contactAt: contact.addresses)
            guard room >= 0 else {
                answer.contactsLeftOut = true
                contacts.removeSubrange(i...)
                break
            }
        }
        answer.contacts = contacts
        return answer
    }

    /// Contacts needed for a look-up to go on where records take the most of an answer: more than
    /// the alpha that it asks at once. A guess.
    private static let contactsBesideRecords = 8

    private func addRecords(
        to answer: inout KademliaAnswer, _ find: KademliaFind, beside contacts: [Contact],
        at time: UnixTime
    ) {
        switch find.wanted {
        case .signOfLife, .peers: break
        case .providers:
            let reserved = contacts.prefix(Self.contactsBesideRecords).reduce(0) {
                $0 + compactByteCount(contactAt: $1.addresses)
            }
            let found = store.providers(
                of: find.key, at: time, rotation: Int(find.request >> 2),
                fitting: WireLimits.messageMax - answer.byteCountWithoutContacts - 33 - reserved)
            if !found.records.isEmpty { answer.records = .providers(found.records) }
            answer.recordsLeftOut = found.leftOut
        case .name:
            if let record = store.name(find.key, at: time) { answer.records = .name(record) }
        case .provider(let author):
            if let record = store.provider(of: find.key, by: author, at: time) {
                answer.records = .providers([record])
            }
        }
    }

    /// The nearest contacts with those of their addresses that are of use to the asker.
    @inline(__always)
    private func contacts(
        for peer: PeerHandle, near key: DHTKey, _ book: borrowing PeerBook
    ) -> [Contact] {
        let reach = Reach(of: peer, book)
        let handles = table.closest(
            to: key, count: min(configuration.k, KademliaAnswer.contactsMax), excluding: peer,
            configuration, book)
        book.prefetchContacts(handles)
        var contacts: [Contact] = []
        contacts.reserveCapacity(handles.count)
        for handle in handles {
            let addresses = reach.usable(book.addresses(handle), limit: Self.addressesPerContact)
            guard !addresses.isEmpty else { continue }
            contacts.append(Contact(id: book.id(handle), addresses: addresses))
        }
        return contacts
    }

    /// Twenty contacts with two addresses each fit an answer, if one of the two is IPv4.
    private static let addressesPerContact = 2

    // MARK: STORE

    private mutating func asked(
        _ store: KademliaStore, by peer: PeerHandle, at now: Instant, book: inout PeerBook,
        into out: inout KademliaOutbox
    ) {
        let status = status(of: store, by: peer, at: now, book: book)
        out.send(
            .stored(KademliaStored(request: store.request, status: status)), to: peer)
        guard serves, store.serves, status != .invalid else { return }
        heard(peer, .unmeasured, at: now, book: &book, into: &out)
        handOvers.remove(store.record.place, to: peer)
    }

    private mutating func status(
        of message: KademliaStore, by peer: PeerHandle, at now: Instant, book: borrowing PeerBook
    ) -> KademliaStored.Status {
        guard serves else {
            drops.count(.notServing)
            return .notServing
        }
        guard rates.allowsStore(by: peer, at: now, configuration) else {
            drops.count(.storesOverRate)
            return .busy
        }
        switch store.compare(message.record) {
        case .held: return .held
        case .superseded: return .superseded
        case .full, nil: break
        }
        do throws(RecordFailure) {
            try message.record.verify(at: wallClock(at: now))
        } catch {
            drops.count(KademliaDrop(error))
            return .invalid
        }
        return keep(message.record, from: peer, at: now, book: book)
    }

    /// Keeps a verified record.
    ///
    /// - Parameter peer: who sent it; nil for our own.
    @discardableResult
    mutating func keep(
        _ record: KademliaStore.Record, from peer: PeerHandle?, at now: Instant,
        book: borrowing PeerBook
    ) -> KademliaStored.Status {
        let source: UInt64
        if let peer {
            source = cappedNetwork(of: peer, configuration, book) ?? book.key(peer).bits.w0
        } else {
            source = table.local.bits.w0
        }
        switch store.store(record, source: source, configuration) {
        case .held:
            expiryAt = expiryAt ?? now + Self.expiryInterval
            return .held
        case .superseded: return .superseded
        case .full:
            drops.count(.recordsFull)
            return .full
        }
    }
}

/// How far the addresses of a peer can be reached from: an address that only works on one machine
/// or in one private network is neither told to peers outside of it nor believed from them.
enum Reach: Int, Comparable {
    case machine, network, anywhere

    init(_ address: SocketAddress) {
        self = address.isLoopback ? .machine : address.isPrivate ? .network : .anywhere
    }

    /// How far away a peer is.
    init(of peer: PeerHandle, _ book: borrowing PeerBook) {
        self = book.address(peer).map { Reach($0) } ?? .anywhere
    }

    static func < (a: Self, b: Self) -> Bool { a.rawValue < b.rawValue }

    /// The same of a list, which mostly is all of use as it is.
    func usable(_ addresses: AddressList, limit: Int) -> AddressList {
        var count = 0
        while count < addresses.count, Reach(addresses[count]) >= self { count += 1 }
        if count == addresses.count, count <= limit { return addresses }
        return usable(Array(addresses), limit: limit)
    }

    /// The first `limit` addresses that a peer of this reach can use, or may speak of.
    func usable(_ addresses: some Sequence<SocketAddress>, limit: Int) -> AddressList {
        var usable = AddressList()
        for address in addresses where Reach(address) >= self && usable.count < limit {
            usable.append(address)
        }
        return usable
    }
}
