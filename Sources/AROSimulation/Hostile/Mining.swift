/// Identities near a key, as one who wants to surround it makes them: keys are drawn until the hash of
/// one begins like the victim's. Kademlia's ids are hashes of keys, so each bit doubles the work.

import AROCrypto
import AROPrimitives

enum Mining {
    /// About a million keys, two minutes of one core for each identity.
    static let bitsMax = 20

    /// The seed of an identity whose key begins with the same bits as `target`.
    static func seed(
        near target: DHTKey, bits: Int, of node: Int, _ seeds: Seeds
    ) -> Bits256 {
        precondition(bits <= bitsMax)
        var attempt: UInt64 = 0
        while true {
            let seed = seeds.bits256("mined", UInt64(node), attempt)
            var entropy = Entropy(seed: seed)
            let id = Identity(from: &entropy).id
            if DHTKey(peer: id).commonPrefixLength(with: target) >= bits { return seed }
            attempt += 1
        }
    }
}
