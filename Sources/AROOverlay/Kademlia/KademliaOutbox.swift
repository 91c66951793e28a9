/// What Kademlia wants done and what it found: plain values that the caller drains after each call.

import AROPrimitives
import AROWire

/// One of a node's look-ups, searches and publications.
public struct OperationID: Hashable, Comparable, Sendable {
    public var number: UInt32

    public init(number: UInt32) { self.number = number }

    public static func < (a: Self, b: Self) -> Bool { a.number < b.number }
}

public typealias KademliaOutbox = OverlayOutbox<KademliaEvent>

extension KademliaOutbox {
    mutating func send(_ message: KademliaMessage, to peer: PeerHandle) {
        send(to: peer) { message.append(to: &$0) }
    }
}

public enum KademliaEvent: Hashable, Sendable {
    /// A search came upon a verified record; more may follow. The peer book knows its addresses.
    case provider(OperationID, ProviderRecord, PeerHandle)
    /// The last that is heard of an operation.
    case ended(OperationID, KademliaOutcome, KademliaReport)
    /// A renewal was read back.
    case renewed(DHTKey, held: Int, of: Int)
    /// A peer answered a request after this time, at the first try.
    case roundTrip(PeerHandle, Duration)
    /// No known peer answers any more: time to try the bootstrap addresses again.
    case isolated
}

public enum KademliaOutcome: Hashable, Sendable {
    /// The live peers nearest to the key, nearest first.
    case closest([PeerHandle])
    /// The search is over; this many providers were found.
    case searched(providers: Int)
    case name(NameRecord)
    /// The record was read back from `by` of the `of` nearest peers. 0 of 0 where there are none.
    case held(by: Int, of: Int)
    /// The table has this many live contacts now.
    case joined(peers: Int)
    case failed(KademliaFailure)
}

public enum KademliaFailure: String, Error, Hashable, Sendable {
    case noPeers = "no-peers"
    case nameNotFound = "name-not-found"
    case tooManyOperations = "too-many-operations"
    case tooManyPublications = "too-many-publications"
    case invalidName = "invalid-name"
}

/// What an operation took.
public struct KademliaReport: Hashable, Sendable {
    public var elapsed = Duration.zero
    /// Messages sent, with every retransmission.
    public var messages = 0
    /// Peers that were asked in a row to come upon the nearest one.
    public var hops = 0

    public init() {}
}

/// What was dropped or refused, by stable names.
public enum KademliaDrop: Int, CaseIterable, Sendable {
    case malformed, unsolicited, asksOverRate, storesOverRate, notServing
    case recordExpired, recordFromFuture, recordLifetime, recordSignature, recordLabel
    case recordUnasked, recordsFull, contactUnusable, tableNetworkFull

    public var name: String {
        switch self {
        case .malformed: "kademlia-malformed"
        case .unsolicited: "kademlia-unsolicited"
        case .asksOverRate: "kademlia-asks-over-rate"
        case .storesOverRate: "kademlia-stores-over-rate"
        case .notServing: "kademlia-not-serving"
        case .recordExpired: "record-expired"
        case .recordFromFuture: "record-from-future"
        case .recordLifetime: "record-lifetime"
        case .recordSignature: "record-signature"
        case .recordLabel: "record-label"
        case .recordUnasked: "record-unasked"
        case .recordsFull: "records-full"
        case .contactUnusable: "contact-unusable"
        case .tableNetworkFull: "table-network-full"
        }
    }

    init(_ failure: RecordFailure) {
        switch failure {
        case .expired: self = .recordExpired
        case .fromFuture: self = .recordFromFuture
        case .lifetime: self = .recordLifetime
        case .signature: self = .recordSignature
        case .label: self = .recordLabel
        }
    }
}

/// One number for each ``KademliaDrop``; nothing is allocated before the first drop.
struct DropCounts: Sendable {
    private var counts: [UInt64] = []

    mutating func count(_ drop: KademliaDrop) {
        if counts.isEmpty { counts = Array(repeating: 0, count: KademliaDrop.allCases.count) }
        counts[drop.rawValue] &+= 1
    }

    subscript(drop: KademliaDrop) -> UInt64 { counts.isEmpty ? 0 : counts[drop.rawValue] }
}
