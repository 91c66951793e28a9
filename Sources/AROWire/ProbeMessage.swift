/// The messages of failure detection (Das, Gupta and Motivala, *SWIM*, 2002, §3.1, §4.2; Dadgar,
/// Phillips and Currey, *Lifeguard*, 2017), one per datagram, inside a session: each side knows whom
/// it talks to. They share the family of membership, of which they take the upper half.
///
/// ```
/// PING        0x28 · number u32 · flags u8 (1: coordinate, 2: you are suspected) · vitals ·
///             suspected incarnation u64 only with flag 2                     14 to 476 bytes
/// ACK         0x29 · number u32 · flags u8 (1: coordinate) · vitals          14 to 468 bytes
/// PINGREQUEST 0x2a · number u32 · waited u16 · target's key 32                      39 bytes
/// VOUCH       0x2b · number u32                                                      5 bytes
/// NACK        0x2c · number u32                                                      5 bytes
/// SUSPECT     0x2d · number u32 · waited u16 · suspect's key 32 · incarnation u64   47 bytes
///
/// vitals      incarnation u64 · coordinate 24 only with flag 1 ·
///             neighbour count u8 (0...6) · contacts of at most 2 addresses each
/// ```
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
    /// A peer has five active neighbours (HyParView §5.2), and one more while two change places.
    public static let neighboursMax = 6
    /// Addresses told of each: the two best.
    public static let addressesMax = 2

    /// The sequence number of the newest announcement.
    public var incarnation: UInt64
    /// Nil while it is not known.
    public var coordinate: Coordinate?
    /// Who else watches the sender.
    public var neighbours: [Contact]

    /// Neighbours and addresses over the bounds, and neighbours without an address, are left out.
    public init(incarnation: UInt64, coordinate: Coordinate? = nil, neighbours: [Contact] = []) {
        self.incarnation = incarnation
        self.coordinate = coordinate
        let isBounded =
            neighbours.count <= Self.neighboursMax
            && neighbours.allSatisfy { (1...Self.addressesMax).contains($0.addresses.count) }
        if isBounded {
            self.neighbours = neighbours
            return
        }
        self.neighbours = neighbours.lazy.filter { !$0.addresses.isEmpty }
            .prefix(Self.neighboursMax)
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
