/// The X25519 keys of peers seen lately: the conversion from Ed25519 costs 70 µs, about as much as a
/// Diffie-Hellman. Direct-mapped: a peer has one place, the newer one takes it.

import AROCrypto
import AROPrimitives

struct AgreementCache: Sendable {
    /// A guess: half of the sessions, 64 kB.
    static let capacity = 1_024

    private var peers: [PeerID]
    private var keys: [AgreementPublicKey?]

    init() {
        peers = Array(repeating: PeerID(key: .zero), count: Self.capacity)
        keys = Array(repeating: nil, count: Self.capacity)
    }

    /// The X25519 key of `peer`; nil where its id is no valid key.
    mutating func key(of peer: PeerID) -> AgreementPublicKey? {
        let place = Int(peer.key.w3 % UInt64(Self.capacity))
        if peers[place] == peer, let known = keys[place] { return known }
        guard let key = AgreementPublicKey(of: peer) else { return nil }
        peers[place] = peer
        keys[place] = key
        return key
    }
}
