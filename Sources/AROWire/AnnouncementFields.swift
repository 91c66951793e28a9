/// The fields of a statement: each once, in ascending order of their tags, left out where they say
/// nothing. A reader keeps fields of unknown tags as they are, so that later versions of the
/// protocol can add some and older nodes still carry and verify the statement.
///
/// ```
/// field      tag u8 · length varint · value
///   1 flags        u8: 1 leaving, 2 serves the DHT
///   2 addresses    count u8 (1...4) · addresses (KademliaContact.swift)
///   3 NAT class    u8 (1...4)
///   4 coordinate   24 bytes (Coordinate.swift)
///   5 storage      offered varint · free varint, at most as much
///   6 bandwidth    up varint · down varint, bytes a second
///   7 models       count u8 (1...8) · for each: name length u8 (1...64) · name, UTF-8 ·
///                  context u32 as varint · input price varint · output price varint ·
///                  free slots, slots, queued: u16 as varints
///   8 software     1...32 bytes of UTF-8
///   9... of later versions: carried, not read
/// ```

import AROPrimitives

/// All fields of a statement.
struct AnnouncementFields {
    var offer = Offer()
    var isLeaving = false
    /// Fields of unknown tags, encoded, ascending.
    var later: [UInt8] = []

    private enum Tag {
        static let flags: UInt8 = 1
        static let addresses: UInt8 = 2
        static let nat: UInt8 = 3
        static let coordinate: UInt8 = 4
        static let storage: UInt8 = 5
        static let bandwidth: UInt8 = 6
        static let models: UInt8 = 7
        static let software: UInt8 = 8
    }

    init(offer: Offer, isLeaving: Bool, later: [UInt8] = []) {
        (self.offer, self.isLeaving, self.later) = (offer, isLeaving, later)
    }

    // MARK: Writing

    func append(to out: inout [UInt8]) {
        let flags: UInt8 = (isLeaving ? 1 : 0) | (offer.servesDHT ? 2 : 0)
        if flags != 0 { out.appendField(Tag.flags) { $0.append(flags) } }
        if !offer.addresses.isEmpty {
            out.appendField(Tag.addresses) { $0.appendCompact(offer.addresses) }
        }
        if offer.nat != .unknown { out.appendField(Tag.nat) { $0.append(offer.nat.rawValue) } }
        if let coordinate = offer.coordinate {
            out.appendField(Tag.coordinate) { $0.appendCoordinate(coordinate) }
        }
        if offer.storage != StorageOffer() {
            out.appendField(Tag.storage) {
                $0.appendVarint(offer.storage.offeredBytes)
                $0.appendVarint(offer.storage.freeBytes)
            }
        }
        if offer.bandwidth != MeasuredBandwidth() {
            out.appendField(Tag.bandwidth) {
                $0.appendVarint(offer.bandwidth.up)
                $0.appendVarint(offer.bandwidth.down)
            }
        }
        if !offer.models.isEmpty {
            out.appendField(Tag.models) { value in
                value.append(UInt8(offer.models.count))
                for model in offer.models { model.append(to: &value) }
            }
        }
        if !offer.software.isEmpty {
            out.appendField(Tag.software) { $0.append(contentsOf: offer.software.utf8) }
        }
        out.append(contentsOf: later)
    }

    // MARK: Reading

    init(decoding bytes: RawSpan) throws(DecodingFailure) {
        var reader = ByteReader(bytes)
        var last: UInt8 = 0
        while !reader.isAtEnd {
            let start = reader.offset
            let tag = try reader.u8()
            guard tag > last else { throw .notCanonical }
            last = tag
            let count = try reader.varint(atMost: Announcement.byteCountMax)
            let value = try reader.span(count)
            if tag > Tag.software {
                later.append(bytes.extracting(start..<reader.offset))
            } else {
                var field = ByteReader(value)
                try read(tag, from: &field)
                try field.finish()
            }
        }
    }

    private mutating func read(
        _ tag: UInt8, from field: inout ByteReader
    ) throws(DecodingFailure) {
        switch tag {
        case Tag.flags:
            let flags = try field.u8()
            guard (1...3).contains(flags) else { throw .unknown }
            isLeaving = flags & 1 != 0
            offer.servesDHT = flags & 2 != 0
        case Tag.addresses:
            offer.addresses = try field.compactAddresses()
            guard !offer.addresses.isEmpty else { throw .notCanonical }
        case Tag.nat:
            guard let nat = NATClass(rawValue: try field.u8()) else { throw .unknown }
            guard nat != .unknown else { throw .notCanonical }
            offer.nat = nat
        case Tag.coordinate: offer.coordinate = try field.coordinate()
        case Tag.storage:
            offer.storage = StorageOffer(
                offeredBytes: try field.varint(), freeBytes: try field.varint())
            guard offer.storage.freeBytes <= offer.storage.offeredBytes else { throw .outOfBounds }
            guard offer.storage != StorageOffer() else { throw .notCanonical }
        case Tag.bandwidth:
            offer.bandwidth = MeasuredBandwidth(up: try field.varint(), down: try field.varint())
            guard offer.bandwidth != MeasuredBandwidth() else { throw .notCanonical }
        case Tag.models: offer.models = try ModelOffer.list(from: &field)
        case Tag.software:
            offer.software = try field.text(1...Offer.softwareBytesMax, count: field.remaining)
        default: throw .outOfBounds
        }
    }
}

extension ModelOffer {
    fileprivate func append(to out: inout [UInt8]) {
        out.append(UInt8(name.utf8.count))
        out.append(contentsOf: name.utf8)
        out.appendVarint(UInt64(contextTokens))
        out.appendVarint(inputPrice)
        out.appendVarint(outputPrice)
        out.appendVarint(UInt64(slotsFree))
        out.appendVarint(UInt64(slots))
        out.appendVarint(UInt64(queued))
        out.appendVarint(UInt64(firstTokenMilliseconds))
    }

    fileprivate static func list(
        from reader: inout ByteReader
    ) throws(DecodingFailure) -> [ModelOffer] {
        let count = Int(try reader.u8())
        guard (1...Offer.modelsMax).contains(count) else { throw .outOfBounds }
        var models: [ModelOffer] = []
        models.reserveCapacity(count)
        for _ in 0..<count {
            let model = try ModelOffer(from: &reader)
            guard !models.contains(where: { $0.name == model.name }) else { throw .notCanonical }
            models.append(model)
        }
        return models
    }

    private init(from reader: inout ByteReader) throws(DecodingFailure) {
        let nameCount = Int(try reader.u8())
        name = try reader.text(1...Self.nameBytesMax, count: nameCount)
        contextTokens = UInt32(try reader.varint(atMost: Int(UInt32.max)))
        inputPrice = try reader.varint()
        outputPrice = try reader.varint()
        slotsFree = UInt16(try reader.varint(atMost: Int(UInt16.max)))
        slots = UInt16(try reader.varint(atMost: Int(UInt16.max)))
        queued = UInt16(try reader.varint(atMost: Int(UInt16.max)))
        firstTokenMilliseconds = UInt16(try reader.varint(atMost: Int(UInt16.max)))
        guard slotsFree <= slots else { throw .outOfBounds }
    }
}

extension [UInt8] {
    /// A field whose value `write` appends. No value has 16,384 bytes or more.
    fileprivate mutating func appendField(_ tag: UInt8, _ write: (inout [UInt8]) -> Void) {
        var value: [UInt8] = []
        write(&value)
        append(tag)
        appendLengthPrefixed(value)
    }
}

extension ByteReader {
    /// Text of `count` bytes, which must lie in `bounds` and be valid UTF-8.
    @_lifetime(self: copy self)
    fileprivate mutating func text(
        _ bounds: ClosedRange<Int>, count: Int
    ) throws(DecodingFailure) -> String {
        guard bounds.contains(count) else { throw .outOfBounds }
        guard let text = String(validating: try bytes(count), as: UTF8.self) else {
            throw .outOfBounds
        }
        return text
    }
}
