/// Reading what peers answered: whom they name, what records they hand over, whether they keep
/// ours.

import AROPrimitives
import AROCrypto
import AROWire

extension Kademlia {
    mutating func answered(
        _ stored: KademliaStored, by peer: PeerHandle, at now: Instant, book: inout PeerBook,
        into out: inout KademliaOutbox
    ) {
        guard let request = awaited(stored.request, by: peer, at: now, book: &book, into: &out),
            let i = index(of: request), request.purpose == .store
        else { return }
        operations[i].placement?.stored(peer, stored.status)
        pump(operations[i].id, at: now, book: &book, into: &out)
    }

    mutating func answered(
        _ answer: KademliaAnswer, by peer: PeerHandle, at now: Instant, book: inout PeerBook,
        into out: inout KademliaOutbox
    ) {
        guard let request = awaited(answer.request, by: peer, at: now, book: &book, into: &out),
            let i = index(of: request)
        else { return }
        let id = operations[i].id
        switch request.purpose {
        case .find: read(answer, by: peer, i, at: now, book: &book, into: &out)
        case .readBack: readBack(answer, by: peer, i)
        case .store, .probe, .handOver: return
        }
        pump(id, at: now, book: &book, into: &out)
    }

    /// The request that a peer answers: the peer lives, serves, and is so and so fast.
    private mutating func awaited(
        _ number: UInt32, by peer: PeerHandle, at now: Instant, book: inout PeerBook,
        into out: inout KademliaOutbox
    ) -> Request? {
        guard let answer = requests.answered(number, by: peer, at: now) else {
            drops.count(.unsolicited)
            return nil
        }
        repetitions.answered(afterRepetition: answer.isAmbiguous)
        var roundTrip = answer.roundTrip
        if answer.isAmbiguous {
            times.wasAmbiguous()
            // It was slower than expected, if not known by how much.
            roundTrip = min(roundTrip, answer.request.expected)
        } else {
            times.measured(roundTrip)
            out.events.append(.roundTrip(peer, roundTrip))
        }
        heard(peer, RoundTripClass(roundTrip), at: now, book: &book, into: &out)
        return answer.request
    }

    private mutating func readBack(_ answer: KademliaAnswer, by peer: PeerHandle, _ i: Int) {
        guard let placement = operations[i].placement else { return }
        let isHeld =
            switch (answer.records, placement.record) {
            case (.providers(let records), .provider(let ours)): records.contains(ours)
            case (.name(let record), .name(let ours)): record == ours
            default: false
            }
        operations[i].placement?.readBack(peer, isHeld: isHeld)
    }

    private mutating func read(
        _ answer: KademliaAnswer, by peer: PeerHandle, _ i: Int, at now: Instant,
        book: inout PeerBook, into out: inout KademliaOutbox
    ) {
        guard let reading = operations[i].lookup.answered(peer) else { return }
        take(answer.records, i, at: now, book: &book, into: &out)
        let reach = Reach(of: peer, book)
        book.prefetch(answer.contacts)
        for contact in answer.contacts where contact.id != local {
            take(contact, reach, reading, i, at: now, book: &book)
        }
        operations[i].lookup.finished(reading)
    }

    /// A contact that somebody named: interned only if the look-up wants it.
    private mutating func take(
        _ contact: Contact, _ reach: Reach, _ reading: Lookup.Reading, _ i: Int, at now: Instant,
        book: inout PeerBook
    ) {
        let known = book.handle(of: contact.id)
        let usable = reach.usable(contact.addresses, limit: Contact.addressesMax)
        guard let address = known.flatMap({ book.address($0) }) ?? usable.first else {
            return drops.count(.contactUnusable)
        }
        let key = known.map { book.key($0) } ?? DHTKey(peer: contact.id)
        var standing = Absences.Standing.present
        if let known { standing = self.standing(of: known, in: operations[i].key, at: now, book) }
        guard standing != .absent else { return }
        let network = cappedNetwork(of: address, configuration) ?? 0
        guard operations[i].lookup.admits(key, network: network, from: reading) else { return }
        let handle = known ?? book.intern(contact.id, key: key)
        book.suggest(usable, for: handle)
        operations[i].lookup.named(
            handle, key: key, network: network,
            roundTrip: table.roundTrip(of: handle, key: key), isDoubted: standing == .doubted,
            by: reading)
    }

    // MARK: Records

    private mutating func take(
        _ records: KademliaAnswer.Records, _ i: Int, at now: Instant, book: inout PeerBook,
        into out: inout KademliaOutbox
    ) {
        let time = wallClock(at: now)
        switch (records, operations[i].goal) {
        case (.none, _): return
        case (.providers(let records), .providers) where records.first?.key == operations[i].key:
            for record in records { take(record, i, at: time, book: &book, into: &out) }
        case (.name(let record), .name): take(record, i, at: time)
        default: drops.count(.recordUnasked)
        }
    }

    private mutating func take(
        _ record: ProviderRecord, _ i: Int, at time: UnixTime, book: inout PeerBook,
        into out: inout KademliaOutbox
    ) {
        guard !operations[i].providersFound.contains(record.provider) else { return }
        do throws(RecordFailure) {
            try record.verify(at: time)
        } catch {
            return drops.count(KademliaDrop(error))
        }
        found(record, i, book: &book, into: &out)
    }

    mutating func found(
        _ record: ProviderRecord, _ i: Int, book: inout PeerBook, into out: inout KademliaOutbox
    ) {
        guard case .providers(let limit) = operations[i].goal, record.provider != local,
            operations[i].providersFound.count < limit
        else { return }
        operations[i].providersFound.append(record.provider)
        let handle = book.intern(record.provider)
        // A stranger must not send us to our own machine, unless the whole network lives on it.
        let isLocal = addresses.isEmpty || addresses.contains { $0.isLoopback }
        let reach = isLocal ? Reach.machine : .network
        book.suggest(reach.usable(record.addresses, limit: Contact.addressesMax), for: handle)
        out.events.append(.provider(operations[i].id, record, handle))
        operations[i].lookup.patience = .untilHalf
        if operations[i].providersFound.count >= limit { operations[i].lookup.stop() }
    }

    private mutating func take(_ record: NameRecord, _ i: Int, at time: UnixTime) {
        guard record != operations[i].name else { return nameAnswered(i) }
        guard record.key == operations[i].key else { return drops.count(.recordUnasked) }
        do throws(RecordFailure) {
            try record.verify(at: time)
        } catch {
            return drops.count(KademliaDrop(error))
        }
        if operations[i].name.map({ record.supersedes($0) }) ?? true { operations[i].name = record }
        nameAnswered(i)
    }

    private mutating func nameAnswered(_ i: Int) {
        operations[i].nameAnswers += 1
        if operations[i].nameAnswers >= configuration.nameQuorum { operations[i].lookup.stop() }
    }
}
