/// The messages of failure detection (Das, Gupta and Motivala, *SWIM*, 2002, §3.1, §4.2; Dadgar,
/// Phillips and Currey, *Lifeguard*, 2017), one per datagram, inside a session: each side knows whom
/// it talks to. They share the family of membership, of which they take the upper half.
///
/// ```
/// PING        0x28 · number u32 · flags u8 · vitals ·
///             suspected incarnation u64 only with flag 2                     18 to 481 bytes
/// ACK         0x29 · number u32 · flags u8 · vitals                          18 to 473 bytes
/// PINGREQUEST 0x2a · number u32 · waited u16 · target's key 32                      39 bytes
/// VOUCH       0x2b · number u32                                                      5 bytes
/// NACK        0x2c · number u32                                                      5 bytes
/// SUSPECT     0x2d · number u32 · waited u16 · suspect's key 32 · incarnation u64   47 bytes
///
/// flags       1: coordinate · 2, of a PING only: you are suspected · 4: list · 8: you are a neighbour
/// vitals      incarnation u64 · held u32 · coordinate 24 only with flag 1 · list only with flag 4
/// list        number u32 (not 0) · count u8 (0...6) · contacts of at most 2 addresses each
/// ```
///
/// A list of neighbours has a number of its sender's choice. `held` is the number of the receiver's
/// list that the sender has read, 0 for none: so each is sent until it has come, and not again.
///
/// An ACK repeats its ping's number, whose lower six bits count the transmissions; a VOUCH or a NACK
/// repeats that of a PINGREQUEST or SUSPECT. SWIM's ack of an indirect probe is called a vouch here,
/// as it also answers a suspicion: "I heard the peer after you began to wait". `waited` says, in
/// milliseconds, when that was. What Lifeguard calls the buddy system is flag 2 of a ping.

import AROPrimitives
import AROCrypto

public enum ProbeMessage: Hashable, Sendable {
    case ping(Ping)
    case ack(Ack)
    case pingRequest(PingRequest)
    /// The peer of this request or suspicion was heard.
    case vouch(number: UInt32)
    /// It was not, but the helper is there.
    case nack(number: UInt32)
    case suspect(Suspicion)

    package enum Kind: UInt8 { case ping = 0x28, ack, pingRequest, vouch, nack, suspect }

    /// Whether a message of the membership family is one of these, by its first byte.
    public static func claims(_ first: UInt8) -> Bool { first & 0xf8 == Kind.ping.rawValue }
}

/// What every ping and ack tells of its sender.
public struct Vitals: Hashable, Sendable {
    /// The sequence number of the newest announcement.
    public var incarnation: UInt64
    /// Nil while it is not known.
    public var coordinate: Coordinate?
    /// Whether the receiver is a neighbour of the sender's.
    public var isNeighbour: Bool
    /// The ``NeighbourList/number`` of the receiver's list that the sender holds; 0 for none.
    public var held: UInt32
    /// Nil where the receiver holds it already, or is not to know it.
    public var neighbours: NeighbourList?

    public init(
        incarnation: UInt64, coordinate: Coordinate? = nil, isNeighbour: Bool = false,
        held: UInt32 = 0, neighbours: NeighbourList? = nil
    ) {
        (self.incarnation, self.coordinate) = (incarnation, coordinate)
        (self.isNeighbour, self.held) = (isNeighbour, held)
        self.neighbours = neighbours
    }
}

/// Who watches the sender of a ping or an ack, apart from the receiver.
public struct NeighbourList: Hashable, Sendable {
    /// A peer has five active neighbours (HyParView §5.2), and one more while two change places.
    public static let contactsMax = 6
    /// Addresses told of each: the two best.
    public static let addressesMax = 2

    /// Another for every change of the list; never 0.
    public var number: UInt32
    public var contacts: [Contact]

    /// Contacts and addresses over the bounds, and contacts without an address, are left out.
    ///
    /// - Precondition: `number` is not 0.
    public init(number: UInt32, contacts: [Contact] = []) {
        precondition(number != 0)
        self.number = number
        let isBounded =
            contacts.count <= Self.contactsMax
            && contacts.allSatisfy { (1...Self.addressesMax).contains($0.addresses.count) }
        if isBounded {
            self.contacts = contacts
            return
        }
        self.contacts = contacts.lazy.filter { !$0.addresses.isEmpty }
            .prefix(Self.contactsMax)
            .map { Contact(id: $0.id, addresses: $0.addresses.prefix(Self.addressesMax)) }
    }
}

public struct Ping: Hashable, Sendable {
    public var number: UInt32
    public var vitals: Vitals
    /// The incarnation of the receiver that the sender suspects to have failed.
    public var suspected: UInt64?

    public init(number: UInt32, vitals: Vitals, suspected: UInt64? = nil) {
        (self.number, self.vitals, self.suspected) = (number, vitals, suspected)
    }
}

public struct Ack: Hashable, Sendable {
    public var number: UInt32
    public var vitals: Vitals

    public init(number: UInt32, vitals: Vitals) {
        (self.number, self.vitals) = (number, vitals)
    }
}

public struct PingRequest: Hashable, Sendable {
    public var number: UInt32
    public var waitedMilliseconds: UInt16
    public var target: PeerID

    public init(number: UInt32, waited: Duration, target: PeerID) {
        self.number = number
        self.target = target
        waitedMilliseconds = waited.clampedMilliseconds
    }
}

public struct Suspicion: Hashable, Sendable {
    public var number: UInt32
    public var waitedMilliseconds: UInt16
    public var suspect: PeerID
    /// The newest incarnation of the suspect that the accuser knows.
    public var incarnation: UInt64

    public init(number: UInt32, waited: Duration, suspect: PeerID, incarnation: UInt64) {
        (self.number, self.suspect, self.incarnation) = (number, suspect, incarnation)
        waitedMilliseconds = waited.clampedMilliseconds
    }
}

extension Duration {
    fileprivate var clampedMilliseconds: UInt16 {
        UInt16(clamping: nanoseconds / 1_000_000)
    }
}
