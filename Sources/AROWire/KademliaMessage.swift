/// Kademlia's messages (Maymounkov and Mazières 2002, §2.3), one per datagram, inside a session:
/// both sides know whom they talk to, so a message needs no sender and no write token.
///
/// ```
/// FIND     0x10 · request u32 · flags u8 (1: I serve) · wanted u8 · key 32 ·
///          author 32 only where wanted = 4                                     39 or 71 bytes
///          wanted: 0 a sign of life, 1 closer peers, 2 provider records and closer peers,
///                  3 a name record and closer peers, 4 the record of one provider
/// ANSWER   0x11 · request u32 · flags u8 (1: contacts left out, 2: records left out) ·
///          records u8: 0 none
///                      2 key 32 · count u8 (1...) · provider record bodies
///                      3 one name record
///          contact count u8 (0...20) · contacts
/// STORE    0x12 · request u32 · flags u8 (1: I serve) · kind u8 ·
///          kind 2: key 32 · provider record body
///          kind 3: name record
/// STORED   0x13 · request u32 · status u8
/// ```
///
/// A request number is random in its upper 30 bits; the lower two count its transmissions, so that
/// an answer tells which of them it belongs to and round-trip times stay true under loss (what the
/// timestamps of RFC 7323 do for TCP). An answer repeats the number.

import AROPrimitives
import AROCrypto

public enum KademliaMessage: Hashable, Sendable {
    case find(KademliaFind)
    case answer(KademliaAnswer)
    case store(KademliaStore)
    case stored(KademliaStored)

    package enum Kind: UInt8 { case find = 0x10, answer, store, stored }
}

public struct KademliaFind: Hashable, Sendable {
    public enum Wanted: Hashable, Sendable {
        case signOfLife, peers, providers, name
        case provider(PeerID)
    }

    public var request: UInt32
    /// Whether the asker serves the DHT itself and may be told to others.
    public var serves: Bool
    public var wanted: Wanted
    public var key: DHTKey

    public init(request: UInt32, serves: Bool, wanted: Wanted, key: DHTKey) {
        (self.request, self.serves, self.wanted, self.key) = (request, serves, wanted, key)
    }
}

public struct KademliaAnswer: Hashable, Sendable {
    public enum Records: Hashable, Sendable {
        case none
        case providers([ProviderRecord])
        case name(NameRecord)
    }

    /// Kademlia's k is 20 (§2.2 of the paper), and no answer brings more.
    public static let contactsMax = 20

    public var request: UInt32
    public var records: Records
    public var contacts: [Contact]
    /// The records crowded out contacts that the peer would have named.
    public var contactsLeftOut: Bool
    /// The peer holds more records of the key.
    public var recordsLeftOut: Bool

    public init(
        request: UInt32, records: Records = .none, contacts: [Contact] = [],
        contactsLeftOut: Bool = false, recordsLeftOut: Bool = false
    ) {
        (self.request, self.records, self.contacts) = (request, records, contacts)
        (self.contactsLeftOut, self.recordsLeftOut) = (contactsLeftOut, recordsLeftOut)
    }
}

public struct KademliaStore: Hashable, Sendable {
    public enum Record: Hashable, Sendable {
        case provider(ProviderRecord)
        case name(NameRecord)
    }

    public var request: UInt32
    public var serves: Bool
    public var record: Record

    public init(request: UInt32, serves: Bool, record: Record) {
        (self.request, self.serves, self.record) = (request, serves, record)
    }
}

public struct KademliaStored: Hashable, Sendable {
    public enum Status: UInt8, Hashable, Sendable, CaseIterable {
        /// The record is held now, or was already.
        case held = 0
        /// A newer record of the same author is held instead.
        case superseded = 1
        /// Signature or dates were refused.
        case invalid = 2
        /// No room by the peer's caps.
        case full = 3
        /// Too many requests of this sender.
        case busy = 4
        /// The peer keeps no records.
        case notServing = 5
    }

    public var request: UInt32
    public var status: Status

    public init(request: UInt32, status: Status) {
        (self.request, self.status) = (request, status)
    }
}
