/// The encodings that ProbeMessage.swift lays out. Every message has one encoding: unknown flags,
/// kinds and trailing bytes are refused.

import AROPrimitives
import AROCrypto

extension ProbeMessage {
    public init(decoding bytes: RawSpan) throws(DecodingFailure) {
        guard bytes.byteCount <= WireLimits.messageMax else { throw .outOfBounds }
        var reader = ByteReader(bytes)
        guard let kind = Kind(rawValue: try reader.u8()) else { throw .unknown }
        let number = try reader.u32()
        switch kind {
        case .ping: self = .ping(try Ping(number: number, from: &reader))
        case .ack: self = .ack(try Ack(number: number, from: &reader))
        case .pingRequest: self = .pingRequest(try PingRequest(number: number, from: &reader))
        case .vouch: self = .vouch(number: number)
        case .nack: self = .nack(number: number)
        case .suspect: self = .suspect(try Suspicion(number: number, from: &reader))
        }
        try reader.finish()
    }

    public func append(to out: inout [UInt8]) {
        switch self {
        case .ping(let ping): ping.append(to: &out)
        case .ack(let ack): ack.append(to: &out)
        case .pingRequest(let request): request.append(to: &out)
        case .vouch(let number): out.appendHeader(.vouch, number)
        case .nack(let number): out.appendHeader(.nack, number)
        case .suspect(let suspicion): suspicion.append(to: &out)
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
    fileprivate mutating func appendHeader(_ kind: ProbeMessage.Kind, _ number: UInt32) {
        append(kind.rawValue)
        appendU32(number)
    }
}

/// What a ping's or an ack's vitals hold, and whether a suspected incarnation follows them.
private struct ProbeFlags: OptionSet {
    let rawValue: UInt8

    static let coordinate = ProbeFlags(rawValue: 1)
    static let suspected = ProbeFlags(rawValue: 2)
    static let list = ProbeFlags(rawValue: 4)
    static let neighbour = ProbeFlags(rawValue: 8)

    static let ofAck: ProbeFlags = [.coordinate, .list, .neighbour]
    static let ofPing: ProbeFlags = [.ofAck, .suspected]

    init(rawValue: UInt8) { self.rawValue = rawValue }

    init(of vitals: Vitals) {
        self = []
        if vitals.coordinate != nil { insert(.coordinate) }
        if vitals.neighbours != nil { insert(.list) }
        if vitals.isNeighbour { insert(.neighbour) }
    }

    init(
        from reader: inout ByteReader, known: ProbeFlags
    ) throws(DecodingFailure) {
        self.init(rawValue: try reader.u8())
        guard isSubset(of: known) else { throw .unknown }
    }
}

extension Ping {
    fileprivate init(number: UInt32, from reader: inout ByteReader) throws(DecodingFailure) {
        let flags = try ProbeFlags(from: &reader, known: .ofPing)
        let vitals = try Vitals(flags, from: &reader)
        let suspected = flags.contains(.suspected) ? try reader.u64() : nil
        self.init(number: number, vitals: vitals, suspected: suspected)
    }

    package func append(to out: inout [UInt8]) {
        out.appendHeader(.ping, number)
        var flags = ProbeFlags(of: vitals)
        if suspected != nil { flags.insert(.suspected) }
        out.append(flags.rawValue)
        vitals.append(to: &out)
        if let suspected { out.appendU64(suspected) }
    }
}

extension Ack {
    fileprivate init(number: UInt32, from reader: inout ByteReader) throws(DecodingFailure) {
        let flags = try ProbeFlags(from: &reader, known: .ofAck)
        self.init(number: number, vitals: try Vitals(flags, from: &reader))
    }

    package func append(to out: inout [UInt8]) {
        out.appendHeader(.ack, number)
        out.append(ProbeFlags(of: vitals).rawValue)
        vitals.append(to: &out)
    }
}

extension Vitals {
    fileprivate init(
        _ flags: ProbeFlags, from reader: inout ByteReader
    ) throws(DecodingFailure) {
        incarnation = try reader.u64()
        held = try reader.u32()
        isNeighbour = flags.contains(.neighbour)
        coordinate = flags.contains(.coordinate) ? try reader.coordinate() : nil
        neighbours = flags.contains(.list) ? try NeighbourList(from: &reader) : nil
    }

    fileprivate func append(to out: inout [UInt8]) {
        out.appendU64(incarnation)
        out.appendU32(held)
        if let coordinate { out.appendCoordinate(coordinate) }
        neighbours?.append(to: &out)
    }
}

extension NeighbourList {
    fileprivate init(from reader: inout ByteReader) throws(DecodingFailure) {
        let number = try reader.u32()
        guard number != 0 else { throw .outOfBounds }
        let count = Int(try reader.u8())
        guard count <= Self.contactsMax else { throw .outOfBounds }
        var contacts: [Contact] = []
        contacts.reserveCapacity(count)
        for _ in 0..<count {
            let contact = try reader.compactContact()
            guard contact.addresses.count <= Self.addressesMax else { throw .outOfBounds }
            contacts.append(contact)
        }
        self.init(number: number, contacts: contacts)
    }

    fileprivate func append(to out: inout [UInt8]) {
        out.appendU32(number)
        out.append(UInt8(contacts.count))
        for contact in contacts { out.appendCompact(contact) }
    }
}

extension PingRequest {
    fileprivate init(number: UInt32, from reader: inout ByteReader) throws(DecodingFailure) {
        let waited = Duration.milliseconds(Int64(try reader.u16()))
        self.init(number: number, waited: waited, target: try reader.peerID())
    }

    package func append(to out: inout [UInt8]) {
        out.appendHeader(.pingRequest, number)
        out.appendU16(waitedMilliseconds)
        out.appendBits256(target.key)
    }
}

extension Suspicion {
    fileprivate init(number: UInt32, from reader: inout ByteReader) throws(DecodingFailure) {
        let waited = Duration.milliseconds(Int64(try reader.u16()))
        let suspect = try reader.peerID()
        self.init(
            number: number, waited: waited, suspect: suspect, incarnation: try reader.u64())
    }

    package func append(to out: inout [UInt8]) {
        out.appendHeader(.suspect, number)
        out.appendU16(waitedMilliseconds)
        out.appendBits256(suspect.key)
        out.appendU64(incarnation)
    }
}
