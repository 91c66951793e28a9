/// Members and topics over the control channel.

import ARONode
import AROPrimitives
import AROWire
import Foundation

extension ControlAnswers {
    func answerGossip(_ command: ControlCommand, _ client: ControlClientEnd) async throws {
        switch command {
        case .members: try await members(client)
        case .watchMembers: try await watchMembers(client)
        case .topicPublish(let topic, let payload):
            guard let payload = Data(base64Encoded: payload) else {
                throw FailureReport(.usage, "the payload is not Base64")
            }
            let receipt = try await node.post(Array(payload), to: topic)
            try await client.send(
                .published(
                    PublishedReport(
                        topic: topic, sequence: receipt.sequence,
                        neighbours: receipt.neighbours)))
        case .topicSubscribe(let topic, let ordered):
            for try await news in try node.subscribe(to: topic, ordered: ordered) {
                try await client.send(.topic(TopicReport(news, of: topic)))
            }
        default: preconditionFailure("not gossip's")
        }
    }

    func peers(_ client: ControlClientEnd) async throws {
        let members = Dictionary(
            try await node.members().map { ($0.id, $0) }, uniquingKeysWith: { first, _ in first })
        for peer in try await node.peers() {
            try await client.send(.peer(PeerReport(peer, members[peer.id])))
        }
    }

    private func members(_ client: ControlClientEnd) async throws {
        for member in try await node.members() {
            try await client.send(.member(MemberReport(member)))
        }
    }

    /// Listens first, so that nothing falls between the list and the events.
    private func watchMembers(_ client: ControlClientEnd) async throws {
        let events = node.memberEvents()
        try await members(client)
        for try await news in events {
            try await client.send(.memberEvent(MemberEventReport(news)))
        }
    }
}

extension MemberEventReport {
    init(_ news: MemberNews) {
        switch news {
        case .changed(let event):
            self.init(
                event: event.change.rawValue, peer: "\(event.peer)",
                member: event.member.map { MemberReport($0) })
        case .missed(let count): self.init(event: "missed", missed: UInt64(count))
        }
    }
}

extension MemberReport {
    init(_ member: MemberStatus) {
        let offer = member.announcement.offer
        self.init(
            peer: "\(member.id)", state: member.state.rawValue, neighbour: member.isNeighbour,
            addresses: offer.addresses.map(\.description), sequence: member.announcement.sequence,
            ageSeconds: member.age.nanoseconds / 1_000_000_000,
            roundTripMilliseconds: member.roundTrip?.milliseconds,
            predictedMilliseconds: member.predictedRoundTrip?.milliseconds,
            nat: "\(offer.nat)", servesDHT: offer.servesDHT,
            storageOffered: offer.storage.offeredBytes, storageFree: offer.storage.freeBytes,
            bandwidthUp: offer.bandwidth.up, bandwidthDown: offer.bandwidth.down,
            models: offer.models.map { ModelReport($0) }, software: offer.software)
    }
}

extension ModelReport {
    init(_ model: ModelOffer) {
        self.init(
            name: model.name, contextTokens: model.contextTokens, inputPrice: model.inputPrice,
            outputPrice: model.outputPrice, slots: model.slots, slotsFree: model.slotsFree,
            queued: model.queued, firstTokenMilliseconds: model.firstTokenMilliseconds)
    }
}

extension TopicReport {
    init(_ news: TopicNews, of topic: String) {
        self.init(topic: topic)
        switch news {
        case .post(let publisher, let sequence, let payload):
            self.publisher = "\(publisher)"
            self.sequence = sequence
            self.payload = Data(payload).base64EncodedString()
        case .missed(let count): missed = UInt64(count)
        case .unheard(let count): unheard = UInt64(count)
        }
    }
}
