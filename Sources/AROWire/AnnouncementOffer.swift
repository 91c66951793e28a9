/// What a node tells others of itself in an ``Announcement``: where it is reached and what it
/// offers. Plain values with the bounds of their encoding; AnnouncementFields.swift writes them.

import AROPrimitives

public struct Offer: Hashable, Sendable {
    /// Where the node may be reached, best first.
    public var addresses: [SocketAddress] = []
    public var nat = NATClass.unknown
    /// Where the node stands in the space of round-trip times; nil before it knows.
    public var coordinate: Coordinate?
    public var storage = StorageOffer()
    public var bandwidth = MeasuredBandwidth()
    public var models: [ModelOffer] = []
    /// Name and version of the software, UTF-8.
    public var software = ""
    /// Whether the node answers look-ups and keeps records of the DHT.
    public var servesDHT = false

    /// Eight models with names of usual length fit a statement. A guess at what one node serves.
    public static let modelsMax = 8
    public static let softwareBytesMax = 32

    public init() {}

    /// The offer within the bounds of its encoding: what is too long or too many is cut off at the
    /// end, what is out of range is left out, so that a statement of it can always be made.
    public var bounded: Offer {
        var out = self
        if addresses.count > Contact.addressesMax || addresses.contains(where: \.isUnusable) {
            out.addresses = Array(
                addresses.lazy.filter { !$0.isUnusable }.prefix(Contact.addressesMax))
        }
        out.storage = storage.bounded
        out.bandwidth = bandwidth.bounded
        if software.utf8.count > Self.softwareBytesMax { out.software = "" }
        guard !models.isEmpty else { return out }
        out.models = []
        for model in models where out.models.count < Self.modelsMax && model.isValid {
            if !out.models.contains(where: { $0.name == model.name }) { out.models.append(model) }
        }
        return out
    }
}

/// How a node's packets are translated on the way out: the mapping behaviours of RFC 4787 §4.1.
public enum NATClass: UInt8, Hashable, Sendable, CaseIterable {
    case unknown = 0
    /// Reachable from everywhere at its own address.
    case open = 1
    case endpointIndependent = 2
    case addressDependent = 3
    case addressAndPortDependent = 4
}

/// Bytes that a node keeps for others.
public struct StorageOffer: Hashable, Sendable {
    public var offeredBytes: UInt64 = 0
    /// At most what is offered.
    public var freeBytes: UInt64 = 0

    public init(offeredBytes: UInt64 = 0, freeBytes: UInt64 = 0) {
        (self.offeredBytes, self.freeBytes) = (offeredBytes, freeBytes)
    }

    var bounded: StorageOffer {
        let offered = min(offeredBytes, OfferLimits.numberMax)
        return StorageOffer(offeredBytes: offered, freeBytes: min(freeBytes, offered))
    }
}

/// The best throughput that a node saw lately, in bytes a second; 0 where nothing was measured.
public struct MeasuredBandwidth: Hashable, Sendable {
    public var up: UInt64 = 0
    public var down: UInt64 = 0

    public init(up: UInt64 = 0, down: UInt64 = 0) { (self.up, self.down) = (up, down) }

    var bounded: MeasuredBandwidth {
        MeasuredBandwidth(
            up: min(up, OfferLimits.numberMax), down: min(down, OfferLimits.numberMax))
    }
}

/// A model that a node answers with.
public struct ModelOffer: Hashable, Sendable {
    /// 1 to 64 bytes of UTF-8.
    public var name: String
    /// Tokens of prompt and answer together.
    public var contextTokens: UInt32
    /// Price of a million tokens of the prompt, in millionths of the unit of account.
    public var inputPrice: UInt64
    /// Price of a million tokens of the answer, in millionths of the unit of account.
    public var outputPrice: UInt64
    /// Calls that could start at once; at most ``slots``.
    public var slotsFree: UInt16
    public var slots: UInt16
    /// Calls that wait for a slot.
    public var queued: UInt16
    /// Milliseconds from the begin of a call to its first token, on the average; 0 where that is not
    /// known, 65,535 for more.
    public var firstTokenMilliseconds: UInt16

    public static let nameBytesMax = 64

    public init(
        name: String, contextTokens: UInt32 = 0, inputPrice: UInt64 = 0, outputPrice: UInt64 = 0,
        slotsFree: UInt16 = 0, slots: UInt16 = 0, queued: UInt16 = 0,
        firstTokenMilliseconds: UInt16 = 0
    ) {
        (self.name, self.contextTokens) = (name, contextTokens)
        (self.inputPrice, self.outputPrice) = (inputPrice, outputPrice)
        (self.slotsFree, self.slots, self.queued) = (slotsFree, slots, queued)
        self.firstTokenMilliseconds = firstTokenMilliseconds
    }

    var isValid: Bool {
        (1...Self.nameBytesMax).contains(name.utf8.count) && slotsFree <= slots
            && inputPrice <= OfferLimits.numberMax && outputPrice <= OfferLimits.numberMax
    }
}

enum OfferLimits {
    /// What a variable-length integer of RFC 9000 §16 can hold.
    static let numberMax: UInt64 = 1 << 62 - 1
}
