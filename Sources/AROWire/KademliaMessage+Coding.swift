/// The encodings that KademliaMessage.swift lays out. Every message has one encoding: unknown
/// flags, kinds and trailing bytes are refused.

import AROPrimitives
import AROCrypto

extension KademliaMessage {
    public init(decoding bytes: RawSpan) throws(DecodingFailure) {
        guard bytes.byteCount <= WireLimits.messageMax else { throw .outOfBounds }
        var reader = ByteReader(bytes)
        guard let kind = Kind(rawValue: try reader.u8()) else { throw .unknown }
        let request = try reader.u32()
        switch kind {
        case .find: self = .find(try KademliaFind(request: request, from: &reader))
        case .answer: self = .answer(try KademliaAnswer(request: request, from: &reader))
        case .store: self = .store(try KademliaStore(request: request, from: &reader))
        case .stored:
            guard let status = KademliaStored.Status(rawValue: try reader.u8()) else {
                throw .unknown
            }
            self = .stored(KademliaStored(request: request, status: status))
        }
        try reader.finish()
    }

    public func append(to out: inout [UInt8]) {
        switch self {
        case .find(let find): find.append(to: &out)
        case .answer(let answer): answer.append(to: &out)
        case .store(let store): store.append(to: &out)
        case .stored(let stored): stored.append(to: &out)
        }
    }

    /// A message alone, for tests and tools; the node appends to a buffer.
    public var bytes: [UInt8] {
        var out: [UInt8] = []
        append(to: &out)
        return out
    }
}

extension [UInt8] {
    fileprivate mutating func appendHeader(_ kind: KademliaMessage.Kind, _ request: UInt32) {
        append(kind.rawValue)
        appendU32(request)
    }
}

extension ByteReader {
    @_lifetime(self: copy self)
    fileprivate mutating func flags(below bound: UInt8) throws(DecodingFailure) -> UInt8 {
        let flags = try u8()
        guard flags < bound else { throw .unknown }
        return flags
    }
}

extension KademliaFind {
    fileprivate init(request: UInt32, from reader: inout ByteReader) throws(DecodingFailure) {
        let serves = try reader.flags(below: 2) == 1
        let code = try reader.u8()
        let key = DHTKey(bits: try reader.bits256())
        let wanted: Wanted
        switch code {
        case 0: wanted = .signOfLife
        case 1: wanted = .peers
        case 2: wanted = .providers
        case 3: wanted = .name
        case 4: wanted = .provider(try reader.peerID())
        default: throw .unknown
        }
        self.init(request: request, serves: serves, wanted: wanted, key: key)
    }

    package func append(to out: inout [UInt8]) {
        out.appendHeader(.find, request)
        out.append(serves ? 1 : 0)
        switch wanted {
        case .signOfLife: out.append(0)
        case .peers: out.append(1)
        case .providers: out.append(2)
        case .name: out.append(3)
        case .provider: out.append(4)
        }
        out.appendBits256(key.bits)
        if case .provider(let author) = wanted { out.appendBits256(author.key) }
    }
}

extension KademliaAnswer {
    fileprivate init(request: UInt32, from reader: inout ByteReader) throws(DecodingFailure) {
        let flags = try reader.flags(below: 4)
        let records: Records
        switch try reader.u8() {
        case 0: records = .none
        case 2: records = .providers(try Self.providers(from: &reader))
        case 3: records = .name(try NameRecord(from: &reader))
        default: throw .unknown
        }
        let count = Int(try reader.u8())
        guard count <= Self.contactsMax else { throw .outOfBounds }
        var contacts: [Contact] = []
        contacts.reserveCapacity(count)
        for _ in 0..<count { contacts.append(try reader.compactContact()) }
        self.init(
            request: request, records: records, contacts: contacts,
            contactsLeftOut: flags & 1 != 0, recordsLeftOut: flags & 2 != 0)
    }

    /// The size of a datagram bounds the count: a body takes at least 109 bytes.
    private static func providers(
        from reader: inout ByteReader
    ) throws(DecodingFailure) -> [ProviderRecord] {
        let key = DHTKey(bits: try reader.bits256())
        let count = try reader.u8()
        guard count > 0 else { throw .outOfBounds }
        var records: [ProviderRecord] = []
        for _ in 0..<count { records.append(try ProviderRecord.body(of: key, from: &reader)) }
        return records
    }

    package func append(to out: inout [UInt8]) {
        out.appendHeader(.answer, request)
        out.append((contactsLeftOut ? 1 : 0) | (recordsLeftOut ? 2 : 0))
        switch records {
        case .none: out.append(0)
        case .providers(let records):
            out.append(2)
            out.appendBits256(records[0].key.bits)
            out.append(UInt8(records.count))
            for record in records { record.appendBody(to: &out) }
        case .name(let record):
            out.append(3)
            record.append(to: &out)
        }
        out.append(UInt8(contacts.count))
        for contact in contacts { out.appendCompact(contact) }
    }

    /// The bytes of an answer without contacts.
    package var byteCountWithoutContacts: Int {
        switch records {
        case .none: 8
        case .providers(let records): records.reduce(8 + 33) { $0 + $1.bodyByteCount }
        case .name(let record): 8 + record.byteCount
        }
    }
}

extension KademliaStore {
    fileprivate init(request: UInt32, from reader: inout ByteReader) throws(DecodingFailure) {
        let serves = try reader.flags(below: 2) == 1
        let record: Record
        switch try reader.u8() {
        case 2:
            let key = DHTKey(bits: try reader.bits256())
            record = .provider(try ProviderRecord.body(of: key, from: &reader))
        case 3: record = .name(try NameRecord(from: &reader))
        default: throw .unknown
        }
        self.init(request: request, serves: serves, record: record)
    }

    package func append(to out: inout [UInt8]) {
        out.appendHeader(.store, request)
        out.append(serves ? 1 : 0)
        switch record {
        case .provider(let record):
            out.append(2)
            out.appendBits256(record.key.bits)
            record.appendBody(to: &out)
        case .name(let record):
            out.append(3)
            record.append(to: &out)
        }
    }
}

extension KademliaStored {
    package func append(to out: inout [UInt8]) {
        out.appendHeader(.stored, request)
        out.append(status.rawValue)
    }
}
