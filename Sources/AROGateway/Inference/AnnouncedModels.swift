/// The models that members of the network announce, as callers see them.

import ARONode
import AROPrimitives
import ARORuntime
import AROWire

extension OfferedModel {
    /// What members announce, and what this node offers itself, in the order of the names.
    public static func list(
        _ members: [MemberStatus], own: [(peer: PeerID, model: ModelOffer)] = []
    ) -> [OfferedModel] {
        var models: [String: OfferedModel] = [:]
        func add(_ offer: ModelOffer, _ peer: PeerID, _ roundTrip: Double?) {
            var model =
                models[offer.name]
                ?? OfferedModel(name: offer.name, contextTokens: nil, providers: [])
            let context = UInt64(offer.contextTokens)
            model.contextTokens = max(model.contextTokens ?? 0, context)
            model.providers.append(
                Provider(
                    name: "\(peer)", slots: Int(offer.slots), slotsFree: Int(offer.slotsFree),
                    queued: Int(offer.queued), inputPrice: offer.inputPrice,
                    outputPrice: offer.outputPrice, roundTripMilliseconds: roundTrip))
            models[offer.name] = model
        }
        for (peer, offer) in own { add(offer, peer, 0) }
        for member in members where member.state == .alive || member.state == .suspected {
            let roundTrip = (member.roundTrip ?? member.predictedRoundTrip)?.milliseconds
            for offer in member.announcement.offer.models { add(offer, member.id, roundTrip) }
        }
        return models.values.sorted { $0.name < $1.name }
    }
}
