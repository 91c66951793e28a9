/// Well-formed messages of gossip.

import AROCrypto
import AROPrimitives
import AROWire

extension Seeds {
    private static var contact: Contact {
        Contact(
            id: identity().id,
            addresses: [
                SocketAddress(ipv4: 0x0908_0706, port: 4_001),
                SocketAddress(high: 0x2600_0000_0000_0000, low: 1, port: 4_001),
            ])
    }

    static var membership: [MembershipMessage] {
        let shuffle = MembershipShuffle(
            hopsLeft: 6, number: 7, origin: identity().id, addresses: contact.addresses,
            contacts: [contact])
        return [
            MembershipMessage(swarm: nil, .join(addresses: contact.addresses)),
            MembershipMessage(swarm: nil, .forwardJoin(contact, hopsLeft: 6)),
            MembershipMessage(swarm: topic.swarm, .neighbour(.high)),
            MembershipMessage(swarm: nil, .neighbourReply(accepted: true, [contact])),
            MembershipMessage(swarm: topic.swarm, .disconnect(.parting)),
            MembershipMessage(swarm: nil, .shuffle(shuffle)),
            MembershipMessage(swarm: nil, .shuffleReply(number: 7, [contact])),
        ]
    }

    static var probes: [ProbeMessage] {
        let place = Coordinate(components: [1, 2, 3, 4], height: 5, error: 0.5)
        let vitals = Vitals(
            incarnation: 9, coordinate: place, isNeighbour: true, held: 3,
            neighbours: NeighbourList(number: 7, contacts: [contact]))
        return [
            .ping(Ping(number: 64, vitals: vitals, suspected: 9)),
            .ack(Ack(number: 65, vitals: vitals)),
            .pingRequest(PingRequest(number: 3, waited: .seconds(1), target: identity().id)),
            .vouch(number: 3), .nack(number: 4),
            .suspect(
                Suspicion(
                    number: 5, waited: .seconds(1), suspect: identity().id, incarnation: 9)),
        ]
    }

    static var offer: Offer {
        var offer = Offer()
        offer.addresses = Array(contact.addresses)
        offer.nat = .open
        offer.coordinate = Coordinate(components: [1, 2, 3, 4], height: 5, error: 0.5)
        offer.storage = StorageOffer(offeredBytes: 1 << 30, freeBytes: 1 << 20)
        offer.bandwidth = MeasuredBandwidth(up: 1_000, down: 2_000)
        offer.models = [ModelOffer(name: "model", contextTokens: 8_192, slotsFree: 1, slots: 2)]
        offer.software = "aro"
        offer.servesDHT = true
        return offer
    }

    static func statement(_ identity: borrowing Identity, _ sequence: UInt64) -> Announcement {
        Announcement(
            offer: offer, sequence: sequence, issued: UnixTime(seconds: 1_800_000_000),
            lifetime: .hours(1), signedBy: identity)
    }

    /// Messages, and a statement by itself.
    static var announcements: [[UInt8]] {
        let bytes = statement(identity(), 1_800_000_000 << 8).bytes
        let entry = AnnouncementEntry(
            place: 5, mark: AnnouncementMark(sequence: 77, isEnded: false))
        let messages: [AnnouncementMessage] = [
            .rumour([.statement(bytes), .obituary(place: 4, sequence: 9)]),
            .digest(
                AnnouncementDigest(exchange: 1, room: 2, from: 0, to: .max, entries: [entry])),
            .answer(
                AnnouncementAnswer(
                    exchange: 1, covered: .max, wanted: [3, 5], listed: [entry],
                    items: [.statement(bytes)])),
            .want(exchange: 2, [1, 2, 3]),
            .news(exchange: 2, [.statement(bytes)]),
        ]
        return messages.map(\.bytes) + [bytes]
    }

    static let topic = TopicID(bits: Bits256(1, 2, 3, 4))

    static var topics: [TopicMessage] {
        let post = TopicPost(
            topic: topic, payload: [1, 2, 3], sequence: 1_800_000_000 << 24,
            issued: UnixTime(seconds: 1_800_000_000), signedBy: identity())
        let name = TopicPostName(publisher: identity().id, sequence: 8)
        let state = TopicDigest.State(publisher: identity().id, base: 5, span: 9)
        return [
            .post(topic, post, TopicPostPath(hops: 3)),
            .have(topic, [TopicHave(name, hops: 2)], settled: true),
            .graft(topic, [name], pushes: true), .prune(topic),
            .digest(
                topic,
                TopicDigest(
                    isAnswer: false, leavesOut: false, horizon: .seconds(3), states: [state])),
        ]
    }
}
