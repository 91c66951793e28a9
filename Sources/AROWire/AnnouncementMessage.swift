/// The messages that spread announcements: rumours, which are pushed, and push-pull exchanges of one
/// slice of the key ring (Demers and others 1987, §1.3 and §1.4), each message one datagram inside a
/// session.
///
/// ```
/// RUMOUR  0x30 · items
/// DIGEST  0x31 · exchange u16 · room u8 (0...8) · from u64 · to u64 · entries to the end (0...60)
/// ANSWER  0x32 · exchange u16 · covered u64 · wanted count u8 (0...60) · places u64 each ·
///         listed count u8 (0...40) · entries · items
/// WANT    0x33 · exchange u16 · places to the end (1...60)
/// NEWS    0x34 · exchange u16 · items
///
/// items   to the end of the message, at least one in RUMOUR and NEWS:
///         1 · statement count u16 · statement
///         2 · place u64 · sequence u64: an obituary, the sender's claim that the statements of the
///             peer of this place are over up to the sequence
/// entry   place u64 · mark u32: 2 * (sequence mod 2^31) + (1 where ended)      12 bytes
/// place   where a peer stands on the ring: the first 8 bytes of its DHT key
/// ```
///
/// A DIGEST lists what its sender knows of the peers between two places, ascending. The ANSWER,
/// which is complete up to the place `covered`, brings what is newer and what was not listed: whole
/// statements, in up to `room` datagrams (the ANSWER and NEWS), or where `room` is 0 only a list, of
/// which the asker WANTs some. It also names the places of which the answerer wants NEWS.

import AROPrimitives
import AROCrypto

public enum AnnouncementMessage: Hashable, Sendable {
    case rumour([AnnouncementItem])
    case digest(AnnouncementDigest)
    case answer(AnnouncementAnswer)
    case want(exchange: UInt16, [UInt64])
    case news(exchange: UInt16, [AnnouncementItem])

    package enum Kind: UInt8 { case rumour = 0x30, digest, answer, want, news }

    /// The bytes of RUMOUR and NEWS before their items.
    package static let rumourHeader = 1
    package static let newsHeader = 3
}

public enum AnnouncementItem: Hashable, Sendable {
    /// An encoded ``Announcement``.
    case statement([UInt8])
    case obituary(place: UInt64, sequence: UInt64)

    package static let obituaryByteCount = 1 + 8 + 8

    package var byteCount: Int {
        switch self {
        case .statement(let bytes): 3 + bytes.count
        case .obituary: Self.obituaryByteCount
        }
    }
}

/// What a node knows of one peer.
public struct AnnouncementEntry: Hashable, Sendable {
    public var place: UInt64
    public var mark: AnnouncementMark

    public static let byteCount = 12

    public init(place: UInt64, mark: AnnouncementMark) { (self.place, self.mark) = (place, mark) }
}

/// The lower bits of a sequence, and whether the statement was ended by an obituary.
public struct AnnouncementMark: Hashable, Sendable {
    public var bits: UInt32

    public init(bits: UInt32) { self.bits = bits }

    public init(sequence: UInt64, isEnded: Bool) {
        bits = UInt32(truncatingIfNeeded: sequence << 1) | (isEnded ? 1 : 0)
    }

    public var isEnded: Bool { bits & 1 != 0 }

    /// Whether this mark's sequence is higher than that of `other`, by serial number arithmetic
    /// (RFC 1982): a difference of less than half of the numbers.
    public func isNewer(than other: AnnouncementMark) -> Bool {
        let difference = (bits & ~1) &- (other.bits & ~1)
        return difference != 0 && difference < 1 << 31
    }

    public func hasSameSequence(as other: AnnouncementMark) -> Bool { bits | 1 == other.bits | 1 }
}

public struct AnnouncementDigest: Hashable, Sendable {
    /// Repeated by what belongs to the same exchange.
    public var exchange: UInt16
    /// Datagrams with statements that the sender takes in answer; 0: a list will do.
    public var room: UInt8
    /// The slice of the ring, both ends in it.
    public var from, to: UInt64
    /// Ascending, within the slice.
    public var entries: [AnnouncementEntry]

    /// With so many a digest rides in the first packet of a handshake.
    public static let entriesMax = 60
    /// As many datagrams as a burst may have that no congestion control looks after: RFC 6928's
    /// initial window is 10.
    public static let roomMax: UInt8 = 8

    public init(
        exchange: UInt16, room: UInt8, from: UInt64, to: UInt64, entries: [AnnouncementEntry]
    ) {
        (self.exchange, self.room) = (exchange, room)
        (self.from, self.to, self.entries) = (from, to, entries)
    }
}

public struct AnnouncementAnswer: Hashable, Sendable {
    public var exchange: UInt16
    /// The last place up to which the answer is complete.
    public var covered: UInt64
    public var wanted: [UInt64]
    public var listed: [AnnouncementEntry]
    public var items: [AnnouncementItem]

    public static let wantedMax = AnnouncementDigest.entriesMax
    /// With all that can be wanted, a list of so many fits the datagram.
    public static let listedMax = 40
    package static let header = 1 + 2 + 8 + 1 + 1

    public init(
        exchange: UInt16, covered: UInt64, wanted: [UInt64] = [],
        listed: [AnnouncementEntry] = [], items: [AnnouncementItem] = []
    ) {
        (self.exchange, self.covered) = (exchange, covered)
        (self.wanted, self.listed, self.items) = (wanted, listed, items)
    }

    package var byteCount: Int {
        items.reduce(
            Self.header + 8 * wanted.count + AnnouncementEntry.byteCount * listed.count
        ) { $0 + $1.byteCount }
    }
}
