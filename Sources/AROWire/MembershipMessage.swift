/// HyParView's messages (Leitão, Pereira and Rodrigues 2007, §4), one per datagram, inside a
/// session: both sides know whom they talk to, so a message names its sender only where it travels
/// on.
///
/// ```
/// every message starts   kind u8 · scope u8: 0 the base overlay, 1 swarm id 32 follows
///
/// JOIN             0x20 · the sender's addresses                                 3 bytes and more
/// FORWARD JOIN     0x21 · hops left u8 (0...10) · contact of the newcomer
/// NEIGHBOUR        0x22 · priority u8: 0 low, 1 high                             3 bytes
/// NEIGHBOUR REPLY  0x23 · accepted u8: 0 or 1 · count u8 (0...8) · contacts      4 bytes and more
/// DISCONNECT       0x24 · 0 we part, answer me · 1 we are not neighbours · 2 I leave     3 bytes
/// SHUFFLE          0x25 · hops left u8 (0...10) · number u32 · origin 32 · its addresses ·
///                         count u8 (0...8) · contacts
/// SHUFFLE REPLY    0x26 · number u32 · count u8 (0...8) · contacts
/// ```
///
/// Addresses are a count (0...4) and so many addresses, a contact is a peer id and at least one
/// address, as KademliaContact.swift lays them out. A reply repeats the random number of its
/// shuffle, so that only who saw the shuffle can answer it.
///
/// Deviations from the paper, which has reliable links: a JOIN is answered by a NEIGHBOUR REPLY, and
/// DISCONNECT by DISCONNECT, so that what is lost can be sent again. The answer to a JOIN brings
/// contacts: where many join at once, all that they know would else be the one they join through.

import AROPrimitives
import AROCrypto

public struct MembershipMessage: Hashable, Sendable {
    public enum Body: Hashable, Sendable {
        case join(addresses: AddressList)
        case forwardJoin(Contact, hopsLeft: Int)
        case neighbour(MembershipPriority)
        case neighbourReply(accepted: Bool, [Contact])
        case disconnect(MembershipDisconnect)
        case shuffle(MembershipShuffle)
        case shuffleReply(number: UInt32, [Contact])
    }

    /// nil: the base overlay of all nodes.
    public var swarm: SwarmID?
    public var body: Body

    public init(swarm: SwarmID?, _ body: Body) { (self.swarm, self.body) = (swarm, body) }

    /// The largest number of hops that a message may still have before it. HyParView §5.2 walks 6;
    /// the rest is room for larger networks.
    public static let hopsMax = 10
    /// HyParView §5.2: 3 of the active view, 4 of the passive view and the origin.
    public static let contactsMax = 8

    package enum Kind: UInt8 {
        case join = 0x20
        case forwardJoin, neighbour, neighbourReply, disconnect, shuffle, shuffleReply
    }
}

/// How much the asker needs the link (HyParView §4.3).
public enum MembershipPriority: UInt8, Hashable, Sendable, CaseIterable {
    /// There are other neighbours: refused where there is no room.
    case low = 0
    /// There is no other neighbour, or the asker was told to offer itself: room is made.
    case high = 1
}

public enum MembershipDisconnect: UInt8, Hashable, Sendable, CaseIterable {
    /// The sender makes room: both keep each other in their passive views. Wants an answer.
    case parting = 0
    /// The sender does not have the receiver as its neighbour: the answer to ``parting`` and to what
    /// only neighbours may send. Never answered.
    case notNeighbours = 1
    /// The sender goes offline and should be forgotten. Never answered.
    case leaving = 2
}

/// Contacts on a random walk: where it ends, they are exchanged for others (HyParView §4.4).
public struct MembershipShuffle: Hashable, Sendable {
    public var hopsLeft: Int
    public var number: UInt32
    public var origin: PeerID
    /// Where the origin may be reached. It may not know itself; its first neighbour does.
    public var addresses: AddressList
    public var contacts: [Contact]

    public init(
        hopsLeft: Int, number: UInt32, origin: PeerID, addresses: AddressList,
        contacts: [Contact]
    ) {
        (self.hopsLeft, self.number, self.origin) = (hopsLeft, number, origin)
        (self.addresses, self.contacts) = (addresses, contacts)
    }
}
