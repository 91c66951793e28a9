/// The place where a hostile node of a world of messages departs from the real one: between the
/// participant, which knows nothing of it, and the carrier of its messages.

import ARONode
import AROPrimitives
import AROWire

extension MessageNode {
    public static var misbehavesItself: Bool { true }

    public mutating func misbehave(_ conduct: Conduct, chance: Generator) {
        hostility = Hostility(conduct, chance: chance)
        if conduct.lie != .never {
            commons.conspiracy.add(handle, key: commons.book.key(handle))
        }
    }

    /// Answers a question in the participant's place, where the node lies about that.
    mutating func liesAbout(_ message: RawSpan, from peer: PeerHandle) -> Bool {
        guard let hostility, hostility.conduct.readsMessages, message.byteCount > 0,
            message.unsafeLoad(as: UInt8.self) == KademliaMessage.Kind.find.rawValue,
            case .find(let find)? = try? KademliaMessage(decoding: message),
            let named = hostility.named(instead: find, commons.conspiracy, commons.book)
        else { return false }
        let contacts = named.filter { $0 != peer && $0 != handle }.compactMap { one in
            commons.address(of: one).map { Contact(id: commons.book.id(one), addresses: [$0]) }
        }
        let answer = KademliaAnswer(request: find.request, contacts: contacts)
        let start = commons.outbox.bytes.count
        KademliaMessage.answer(answer).append(to: &commons.outbox.bytes)
        commons.outbox.effects.append(.send(peer, start..<commons.outbox.bytes.count))
        return true
    }
}
