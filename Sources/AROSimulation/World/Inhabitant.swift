/// What a world can be filled with: a value that takes inputs and says when to wake it. The real
/// node is one; tests bring small ones. A constraint, never an existential: the world is
/// specialised for what lives in it.

import AROCrypto
import ARONode
import AROPrimitives
import AROWire

public protocol Inhabitant: ~Copyable {
    mutating func handle(_ input: borrowing Input, at now: Instant, into outbox: inout Outbox)
    /// Writes the packets that may go now. Called after each input: every one is a batch here.
    mutating func flush(at now: Instant, into outbox: inout Outbox)
    var nextDeadline: Wake? { get }
    /// It gets an input soon: asks for memory that it will want, other than its own, first for the
    /// heads of its arrays, an input later for all of them.
    mutating func prefetch(_ part: Prefetch.Part)
    /// Whether a packet with a flipped bit is worth delivering: to who checks a tag, or is tested.
    static var readsDamagedPackets: Bool { get }
    /// The UDP payload that a datagram stands for, bytes: it may be carried in fewer.
    static func wireByteCount(of datagram: RawSpan) -> Int
    /// Whether a datagram belongs to a handshake, which costs a processor more than others.
    static func isHandshake(_ datagram: RawSpan) -> Bool
    /// Whether all inhabitants know the same address of each: then a NAT cannot show each of them
    /// another one, and knows its remote ends by node.
    static var sharesAddresses: Bool { get }
    /// Whether a hostile one alters its own messages, so that the world need not alter packets.
    static var misbehavesItself: Bool { get }
    /// It is hostile from now on.
    mutating func misbehave(_ conduct: Conduct, chance: Generator)
    /// The next thing that is to get to another node whatever the loss; nil for none.
    mutating func takeParcel() -> Parcel?
    mutating func handle(
        _ parcel: Parcel, from address: SocketAddress, at now: Instant, into outbox: inout Outbox)
}

extension Inhabitant where Self: ~Copyable {
    public mutating func prefetch(_ part: Prefetch.Part) {}
    public static var readsDamagedPackets: Bool { true }
    public static func wireByteCount(of datagram: RawSpan) -> Int { datagram.byteCount }
    public static func isHandshake(_ datagram: RawSpan) -> Bool { false }
    public static var sharesAddresses: Bool { false }
    public static var misbehavesItself: Bool { false }
    public mutating func misbehave(_ conduct: Conduct, chance: Generator) {}
    public mutating func takeParcel() -> Parcel? { nil }
    public mutating func handle(
        _ parcel: Parcel, from address: SocketAddress, at now: Instant, into outbox: inout Outbox
    ) { preconditionFailure("a parcel for who sends none") }
}

extension Node: Inhabitant {
    public static func isHandshake(_ datagram: RawSpan) -> Bool {
        guard !datagram.isEmpty else { return false }
        switch PacketType(rawValue: datagram.unsafeLoad(as: UInt8.self)) {
        case .initiationIK, .initiationXX, .responseIK, .responseXX, .completion: return true
        case .cookie, .versions, .reset, .data, .dataOddPhase, nil: return false
        }
    }
}

/// What an inhabitant is born with. The same node is born again after a restart: ``life`` counts.
public struct Birth: Hashable, Sendable {
    public let node: Int
    public let life: Int
    public let address: SocketAddress
    public let isBehindNAT: Bool
    public let now: Instant
    public let wallClock: UnixTime
    /// The same in every life, so that a node keeps its identity.
    public let identitySeed: Bits256
    /// Another in every life, as a real system's would be.
    public let entropySeed: Bits256
    public let chanceSeed: UInt64

    /// Where a node knows that it listens, as a system's interfaces tell it; behind a NAT that is
    /// nowhere that others can reach.
    var knownAddresses: [SocketAddress]? { isBehindNAT ? nil : [address] }
}
