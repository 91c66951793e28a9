/// The one file that knows two subsystems: it turns what one wants into facts for another, and the
/// user's requests into both. It only routes; every decision is made elsewhere.

import AROContent
import AROInference
import AROOverlay
import AROPrimitives
import AROWire

// MARK: - Requests

extension Participant {
    mutating func begin(
        _ request: Request, _ id: RequestID, at now: Instant, book: inout PeerBook,
        into outbox: inout ParticipantOutbox
    ) {
        switch request {
        case .join(let addresses):
            joins.began(id, addresses)
            for address in addresses { outbox.effects.append(.dial(address)) }
            failJoins(into: &outbox)
        case .provide(let root):
            let operation = kademlia.provide(
                root.dhtKey, at: now, book: &book, identity: identity, into: &kademliaOut)
            requests.started(operation, for: .request(id))
        case .resumeProviding(let roots):
            for root in roots { kademlia.resumeProviding(root.dhtKey, at: now) }
            outbox.effects.append(.reply(id, .done))
        case .withdraw(let root):
            kademlia.withdraw(root.dhtKey)
            outbox.effects.append(.reply(id, .done))
        case .findProviders(let root, let limit):
            let operation = kademlia.startProviderSearch(
                root.dhtKey, limit: limit, paths: configuration.kademlia.readPaths, at: now,
                book: &book, into: &kademliaOut)
            requests.started(operation, for: .request(id))
        case .fetch(let options):
            exchange.start(options, FetchID(number: id.number), at: now)
        case .publishName(let label, let target, let sequence, let lifetime):
            let operation = kademlia.publishName(
                label: Array(label.utf8), value: target.bytes, sequence: sequence,
                lifetime: lifetime, at: now, book: &book, identity: identity, into: &kademliaOut)
            requests.started(operation, for: .request(id))
        case .resolveName(let publisher, let label):
            let operation = kademlia.resolveName(
                of: publisher, label: Array(label.utf8), at: now, book: &book, into: &kademliaOut)
            requests.started(operation, for: .request(id))
        case .lookup(let key):
            let operation = kademlia.startLookup(
                key, paths: configuration.kademlia.readPaths, at: now, book: &book,
                into: &kademliaOut)
            requests.started(operation, for: .request(id))
        case .watchMembers:
            guard !audience.watches(id) else { break }
            outbox.effects.append(.reply(id, .failed(.tooManyRequests)))
        case .offer(let offer):
            baseOffer = offer
            refreshOffer(at: now, book: &book)
            outbox.effects.append(.reply(id, .done))
        case .subscribe(let topic, let options):
            subscribe(id, to: topic, options, at: now, book: &book, into: &outbox)
        case .consumed(let listener, let count):
            consumed(listener, count, at: now, book: &book, into: &outbox)
            inference.consumed(count, of: CallID(number: listener.number), at: now)
            outbox.effects.append(.reply(id, .done))
        case .post(let topic, let payload):
            post(payload, in: topic, id, at: now, book: &book, into: &outbox)
        case .members:
            outbox.effects.append(.reply(id, .members(memberStatus(at: now, book: book))))
        case .serve, .call, .resume, .models, .accounts, .restore:
            beginInference(request, id, at: now, book: book, into: &outbox)
        case .peers, .status:
            preconditionFailure("answered by the node, which knows the sessions")
        }
    }

    mutating func cancel(_ id: RequestID, at now: Instant, book: inout PeerBook) {
        stopListening(id, at: now, book: &book)
        joins.cancelled(id)
        if let operation = requests.cancelled(id) { kademlia.cancel(operation, at: now) }
        exchange.cancel(FetchID(number: id.number), at: now)
        inference.cancel(CallID(number: id.number), at: now)
    }

    mutating func startJoins(at now: Instant, book: inout PeerBook) {
        for id in joins.takeReached() {
            let operation = kademlia.join(at: now, book: &book, into: &kademliaOut)
            requests.started(operation, for: .request(id))
        }
    }

    mutating func failJoins(into outbox: inout ParticipantOutbox) {
        for (id, addresses) in joins.takeFailed() {
            outbox.effects.append(.reply(id, .failed(.bootstrapUnreachable(addresses))))
        }
    }
}

// MARK: - Between the subsystems

extension Participant {
    /// Drains the subsystems until none wants anything more. Ends: what the exchange wants of the
    /// overlay starts an operation, whose results arrive by later inputs or end a search at once.
    mutating func route(
        at now: Instant, book: inout PeerBook, into outbox: inout ParticipantOutbox
    ) {
        repeat {
            drainKademlia(at: now, book: &book, into: &outbox)
            drainGossip(at: now, book: &book, into: &outbox)
            guard concernsOthers else { return }
            for output in exchange.takeOutputs() {
                carry(output, at: now, book: &book, into: &outbox)
            }
            drainInference(at: now, book: &book, into: &outbox)
        } while !kademliaOut.isEmpty || !gossipOut.isEmpty
    }

    private mutating func drainKademlia(
        at now: Instant, book: inout PeerBook, into outbox: inout ParticipantOutbox
    ) {
        guard !kademliaOut.isEmpty else { return }
        let base = outbox.bytes.count
        outbox.bytes += kademliaOut.bytes
        for send in kademliaOut.sends {
            let range = base + send.range.lowerBound..<base + send.range.upperBound
            outbox.effects.append(.send(send.peer, range))
        }
        for event in kademliaOut.takeAll() { carry(event, at: now, book: &book, into: &outbox) }
    }

    private mutating func carry(
        _ event: KademliaEvent, at now: Instant, book: inout PeerBook,
        into outbox: inout ParticipantOutbox
    ) {
        switch event {
        case .provider(let operation, _, let peer):
            let isSelf = book.id(peer) == id
            switch requests.purpose(of: operation) {
            case .request(let request)?:
                let contact =
                    isSelf
                    ? Contact(id: id, addresses: ownAddresses.best) : book.contact(peer)
                outbox.effects.append(.reply(request, .provider(contact)))
            case .exchange(let cid)?:
                if !isSelf { exchange.providersFound(cid, [peer], at: now) }
            case .topic(let topic)?:
                guard !isSelf else { break }
                gossip.found(
                    [peer], in: topic, at: now, book: &book, identity: identity,
                    into: &gossipOut)
            case .model(let name)?:
                guard !isSelf else { break }
                let candidate = candidate(peer, for: name, book: book)
                inference.candidatesFound(name, [candidate], at: now)
            case nil: break
            }
        case .ended(let operation, let outcome, let report):
            switch requests.ended(operation) {
            case .request(let id)?:
                if let addresses = joins.lookedUp(id, foundSomebody: outcome.foundSomebody) {
                    for address in addresses { outbox.effects.append(.dial(address)) }
                } else {
                    outbox.effects.append(.reply(id, reply(outcome, report, book)))
                }
            case .exchange(let cid)?: exchange.providerSearchEnded(cid, at: now)
            case .model(let name)?:
                modelSearches.removeAll { $0 == name }
                inference.candidateSearchEnded(name, at: now)
            case .topic?, nil: break
            }
        case .roundTrip(let peer, let time): gossip.measured(time, to: peer, at: now, book: book)
        case .isolated: isIsolated = true
        case .renewed: break
        }
    }

    private func reply(
        _ outcome: KademliaOutcome, _ report: KademliaReport, _ book: borrowing PeerBook
    ) -> Reply {
        switch outcome {
        case .closest(let peers): .closest(peers.map { book.contact($0) }, report)
        case .searched: .searched(report)
        case .name(let record):
            if let target = try? CID(bytes: record.value) {
                .name(target: target, sequence: record.sequence, expires: record.expires)
            } else {
                .failed(.nameNotFound)
            }
        case .held(let held, let wanted): .held(by: held, of: wanted)
        case .joined(let peers): .joined(peers: peers)
        case .failed(let failure): .failed(RequestFailure(failure))
        }
    }

    private mutating func carry(
        _ output: ExchangeOutput, at now: Instant, book: inout PeerBook,
        into outbox: inout ParticipantOutbox
    ) {
        switch output {
        case .openStream(let peer, let stream):
            outbox.effects.append(.openStream(stream, peer, .interactive))
        case .write(let stream, let bytes, let isFinal):
            outbox.effects.append(.write(stream, bytes, isFinal: isFinal))
        case .reset(let stream): outbox.effects.append(.reset(stream))
        case .release(let stream): outbox.effects.append(.release(stream))
        case .disk(let request): outbox.effects.append(.disk(request))
        case .findProviders(let cid):
            let operation = kademlia.startProviderSearch(
                cid.dhtKey, limit: configuration.providersWanted, at: now, book: &book,
                into: &kademliaOut)
            requests.started(operation, for: .exchange(cid))
        case .fetchEvent(let id, let event):
            outbox.effects.append(.reply(RequestID(number: id.number), .fetch(event)))
        case .becameProvider(let root): kademlia.resumeProviding(root.dhtKey, at: now)
        case .becamePartialProvider(let root): kademlia.providePart(root.dhtKey, at: now)
        case .gaveUpProviding(let root): kademlia.withdrawPart(root.dhtKey)
        case .misbehaved: misconduct += 1
        }
    }
}

extension KademliaOutcome {
    /// Whether a join found peers.
    fileprivate var foundSomebody: Bool {
        switch self {
        case .joined(let peers): peers > 0
        case .failed: false
        case .closest, .searched, .name, .held: true
        }
    }
}
