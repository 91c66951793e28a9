/// Between inference, gossip, the DHT and the local user: who offers a model is known by announcements
/// and by provider records under the model's key; what we offer follows from what is served.

import AROInference
import AROOverlay
import AROPrimitives
import AROWire

// MARK: - Requests

extension Participant {
    mutating func beginInference(
        _ request: Request, _ id: RequestID, at now: Instant, book: borrowing PeerBook,
        into outbox: inout ParticipantOutbox
    ) {
        switch request {
        case .call(let call): return inference.start(call, CallID(number: id.number), at: now)
        case .serve(let models): inference.serve(models, at: now)
        case .resume(let call, let body):
            inference.resume(CallID(number: call.number), body: body, at: now)
        case .restore(let ledger): inference.restore(ledger, at: now)
        case .models: return outbox.effects.append(.reply(id, .models(modelStatus)))
        case .accounts:
            return outbox.effects.append(.reply(id, .accounts(inference.balances)))
        default: preconditionFailure("not a request of inference")
        }
        outbox.effects.append(.reply(id, .done))
    }

    /// Announces what is offered now.
    mutating func refreshOffer(at now: Instant, book: inout PeerBook) {
        var offer = baseOffer
        let served = inference.offers
        offer.models =
            served
            + offer.models.filter { old in
                !served.contains { $0.name == old.name }
            }
        gossip.offer(offer, at: now, book: &book, identity: identity, into: &gossipOut)
    }
}

// MARK: - From inference

extension Participant {
    /// Ends: a search is asked for once a call, and answered once.
    mutating func drainInference(
        at now: Instant, book: inout PeerBook, into outbox: inout ParticipantOutbox
    ) {
        while true {
            let outputs = inference.takeOutputs()
            guard !outputs.isEmpty else { return }
            for output in outputs { carry(output, at: now, book: &book, into: &outbox) }
        }
    }

    private mutating func carry(
        _ output: InferenceOutput, at now: Instant, book: inout PeerBook,
        into outbox: inout ParticipantOutbox
    ) {
        switch output {
        case .openStream(let peer, let stream):
            outbox.effects.append(.openStream(stream, peer, .inference))
        case .write(let stream, let bytes, let isFinal):
            outbox.effects.append(.write(stream, bytes, isFinal: isFinal))
        case .reset(let stream): outbox.effects.append(.reset(stream))
        case .release(let stream): outbox.effects.append(.release(stream))
        case .backend(let request): outbox.effects.append(.backend(request))
        case .record(let entry): outbox.effects.append(.record(entry))
        case .callEvent(let id, let event):
            outbox.effects.append(.reply(RequestID(number: id.number), .call(event)))
        case .findProviders(let model): findProviders(of: model, at: now, book: &book)
        case .offersChanged: refreshOffer(at: now, book: &book)
        case .provide(let model):
            kademlia.resumeProviding(ModelOffer.key(of: model), at: now)
        case .withdraw(let model): kademlia.withdraw(ModelOffer.key(of: model))
        case .misbehaved: misconduct += 1
        }
    }

    /// Gossip's directory first; where it names few, the DHT, too.
    private mutating func findProviders(
        of model: String, at now: Instant, book: inout PeerBook
    ) {
        var known: [Candidate] = []
        for (member, offer) in gossip.providers(ofModel: model) {
            known.append(candidate(member, offer))
        }
        if !known.isEmpty { inference.candidatesFound(model, known, at: now) }
        guard known.count < configuration.modelProvidersEnough else {
            return inference.candidateSearchEnded(model, at: now)
        }
        guard !modelSearches.contains(model) else { return }
        modelSearches.append(model)
        let operation = kademlia.startProviderSearch(
            ModelOffer.key(of: model), limit: configuration.modelProvidersWanted, at: now,
            book: &book, into: &kademliaOut)
        requests.started(operation, for: .model(model))
    }

    /// What is known of a peer that the DHT names.
    func candidate(
        _ peer: PeerHandle, for model: String, book: borrowing PeerBook
    ) -> Candidate {
        guard let member = gossip.member(peer, book: book) else {
            return Candidate(
                peer: peer, id: book.id(peer), offer: nil, roundTrip: gossip.roundTrip(of: peer))
        }
        return candidate(
            member, member.announcement.offer.models.first { $0.name == model })
    }

    private func candidate(_ member: Member, _ offer: ModelOffer?) -> Candidate {
        let place = member.announcement.offer.coordinate
        let predicted = gossip.coordinate == nil ? nil : place.map { gossip.predict(to: $0) }
        return Candidate(
            peer: member.peer, id: member.announcement.peer, offer: offer,
            roundTrip: gossip.roundTrip(of: member.peer) ?? predicted)
    }
}

// MARK: - Status

/// A model that somebody offers.
public struct ModelStatus: Hashable, Sendable {
    public var name: String
    /// Who offers it, and on which terms: ourselves first, then in the order of gossip's directory.
    public var offers: [Row]

    public struct Row: Hashable, Sendable {
        public var provider: PeerID
        public var offer: ModelOffer
    }
}

extension Participant {
    /// The models that are offered by anyone known, in the order of their names.
    var modelStatus: [ModelStatus] {
        var rows: [ModelStatus] = []
        func add(_ provider: PeerID, _ offer: ModelOffer) {
            let row = ModelStatus.Row(provider: provider, offer: offer)
            if let i = rows.firstIndex(where: { $0.name == offer.name }) {
                rows[i].offers.append(row)
            } else {
                rows.append(ModelStatus(name: offer.name, offers: [row]))
            }
        }
        for offer in inference.offers { add(id, offer) }
        for member in gossip.members where member.state == .alive {
            for offer in member.announcement.offer.models { add(member.announcement.peer, offer) }
        }
        return rows.sorted { $0.name < $1.name }
    }
}
