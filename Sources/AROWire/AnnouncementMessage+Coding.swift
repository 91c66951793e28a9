/// The encodings that AnnouncementMessage.swift lays out. Every message has one encoding; statements
/// are carried as bytes and not looked into.

import AROPrimitives
import AROCrypto

extension AnnouncementMessage {
    public init(decoding bytes: RawSpan) throws(DecodingFailure) {
        guard bytes.byteCount <= WireLimits.messageMax else { throw .outOfBounds }
        var reader = ByteReader(bytes)
        guard let kind = Kind(rawValue: try reader.u8()) else { throw .unknown }
        switch kind {
        case .rumour: self = .rumour(try reader.announcementItems(atLeast: 1))
        case .digest: self = .digest(try AnnouncementDigest(from: &reader))
        case .answer: self = .answer(try AnnouncementAnswer(from: &reader))
        case .want:
            let exchange = try reader.u16()
            let (count, rest) = reader.remaining.quotientAndRemainder(dividingBy: 8)
            guard rest == 0 else { throw .truncated }
            guard (1...AnnouncementAnswer.wantedMax).contains(count) else { throw .outOfBounds }
            self = .want(exchange: exchange, try reader.places(count))
        case .news:
            self = .news(
                exchange: try reader.u16(), try reader.announcementItems(atLeast: 1))
        }
        try reader.finish()
    }

    public func append(to out: inout [UInt8]) {
        switch self {
        case .rumour(let items):
            out.append(Kind.rumour.rawValue)
            for item in items { out.append(item) }
        case .digest(let digest): digest.append(to: &out)
        case .answer(let answer): answer.append(to: &out)
        case .want(let exchange, let places):
            out.append(Kind.want.rawValue)
            out.appendU16(exchange)
            for place in places { out.appendU64(place) }
        case .news(let exchange, let items):
            out.append(Kind.news.rawValue)
            out.appendU16(exchange)
            for item in items { out.append(item) }
        }
    }

    /// A message alone, for tests and tools; the node appends to a buffer.
    public var bytes: [UInt8] {
        var out: [UInt8] = []
        append(to: &out)
        return out
    }
}

extension AnnouncementDigest {
    fileprivate init(from reader: inout ByteReader) throws(DecodingFailure) {
        exchange = try reader.u16()
        room = try reader.u8()
        guard room <= Self.roomMax else { throw .outOfBounds }
        from = try reader.u64()
        to = try reader.u64()
        guard from <= to else { throw .notCanonical }
        let (count, rest) = reader.remaining.quotientAndRemainder(
            dividingBy: AnnouncementEntry.byteCount)
        guard rest == 0 else { throw .truncated }
        guard count <= Self.entriesMax else { throw .outOfBounds }
        entries = try reader.entries(count)
        guard entries.allSatisfy({ from <= $0.place && $0.place <= to }) else {
            throw .outOfBounds
        }
    }

    fileprivate func append(to out: inout [UInt8]) {
        out.append(AnnouncementMessage.Kind.digest.rawValue)
        out.appendU16(exchange)
        out.append(room)
        out.appendU64(from)
        out.appendU64(to)
        for entry in entries { out.append(entry) }
    }
}

extension AnnouncementAnswer {
    fileprivate init(from reader: inout ByteReader) throws(DecodingFailure) {
        exchange = try reader.u16()
        covered = try reader.u64()
        let wantedCount = Int(try reader.u8())
        guard wantedCount <= Self.wantedMax else { throw .outOfBounds }
        wanted = try reader.places(wantedCount)
        let listedCount = Int(try reader.u8())
        guard listedCount <= Self.listedMax else { throw .outOfBounds }
        listed = try reader.entries(listedCount)
        items = try reader.announcementItems(atLeast: 0)
    }

    fileprivate func append(to out: inout [UInt8]) {
        out.append(AnnouncementMessage.Kind.answer.rawValue)
        out.appendU16(exchange)
        out.appendU64(covered)
        out.append(UInt8(wanted.count))
        for place in wanted { out.appendU64(place) }
        out.append(UInt8(listed.count))
        for entry in listed { out.append(entry) }
        for item in items { out.append(item) }
    }
}

extension ByteReader {
    /// Places, strictly ascending.
    @_lifetime(self: copy self)
    fileprivate mutating func places(_ count: Int) throws(DecodingFailure) -> [UInt64] {
        var places: [UInt64] = []
        places.reserveCapacity(count)
        for _ in 0..<count {
            let place = try u64()
            if let last = places.last, last >= place { throw .notCanonical }
            places.append(place)
        }
        return places
    }

    /// Entries, strictly ascending.
    @_lifetime(self: copy self)
    fileprivate mutating func entries(
        _ count: Int
    ) throws(DecodingFailure) -> [AnnouncementEntry] {
        var entries: [AnnouncementEntry] = []
        entries.reserveCapacity(count)
        for _ in 0..<count {
            let place = try u64()
            if let last = entries.last, last.place >= place { throw .notCanonical }
            entries.append(AnnouncementEntry(place: place, mark: .init(bits: try u32())))
        }
        return entries
    }

    /// Items up to the end. The size of a datagram bounds their count.
    @_lifetime(self: copy self)
    fileprivate mutating func announcementItems(
        atLeast least: Int
    ) throws(DecodingFailure) -> [AnnouncementItem] {
        var items: [AnnouncementItem] = []
        while !isAtEnd {
            switch try u8() {
            case 1:
                let count = Int(try u16())
                guard count <= Announcement.byteCountMax else { throw .outOfBounds }
                items.append(.statement(try bytes(count)))
            case 2: items.append(.obituary(place: try u64(), sequence: try u64()))
            default: throw .unknown
            }
        }
        guard items.count >= least else { throw .truncated }
        return items
    }
}

extension [UInt8] {
    fileprivate mutating func append(_ entry: AnnouncementEntry) {
        appendU64(entry.place)
        appendU32(entry.mark.bits)
    }

    package mutating func append(_ item: AnnouncementItem) {
        switch item {
        case .statement(let bytes):
            append(1)
            appendU16(UInt16(bytes.count))
            append(contentsOf: bytes)
        case .obituary(let place, let sequence):
            append(2)
            appendU64(place)
            appendU64(sequence)
        }
    }
}
