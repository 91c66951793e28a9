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

extension Ping {
    private static let coordinateFlag: UInt8 = 1
    private static let suspectedFlag: UInt8 = 2

    fileprivate init(number: UInt32, from reader: inout ByteReader) throws(DecodingFailure) {
        let flags = try reader.u8()
        guard flags < 4 else { throw .unknown }
        let hasCoordinate = flags & Self.coordinateFlag != 0
        let vitals = try Vitals(hasCoordinate: hasCoordinate, from: &reader)
        let suspected = flags & Self.suspectedFlag != 0 ? try reader.u64() : nil
        self.init(number: number, vitals: vitals, suspected: suspected)
    }

    package func append(to out: inout [UInt8]) {
        out.appendHeader(.ping, number)
        out.append(
            (vitals.coordinate == nil ? 0 : Self.coordinateFlag)
                | (suspected == nil ? 0 : Self.suspectedFlag))
        vitals.append(to: &out)
        if let suspected { out.appendU64(suspected) }
    }
}

extension Ack {
    fileprivate init(number: UInt32, from reader: inout ByteReader) throws(DecodingFailure) {
        let flags = try reader.u8()
        guard flags < 2 else { throw .unknown }
        let vitals = try Vitals(hasCoordinate: flags == 1, from: &reader)
        self.init(number: number, vitals: vitals)
    }

    package func append(to out: inout [UInt8]) {
        out.appendHeader(.ack, number)
        out.append(vitals.coordinate == nil ? 0 : 1)
        vitals.append(to: &out)
    }
}

extension Vitals {
    fileprivate init(
        hasCoordinate: Bool, from reader: inout ByteReader
    ) throws(DecodingFailure) {
        let incarnation = try reader.u64()
        let coordinate = hasCoordinate ? try reader.coordinate() : nil
        let count = Int(try reader.u8())
        guard count <= Self.neighboursMax else { throw .outOfBounds }
        var neighbours: [Contact] = []
        neighbours.reserveCapacity(count)
        for _ in 0..<count {
            let contact = try reader.compactContact()
            guard contact.addresses.count <= Self.addressesMax else { throw .outOfBounds }
            neighbours.append(contact)
        }
        self.init(incarnation: incarnation, coordinate: coordinate, neighbours: neighbours)
    }

    fileprivate func append(to out: inout [UInt8]) {
        out.appendU64(incarnation)
        if let coordinate { out.appendCoordinate(coordinate) }
        out.append(UInt8(neighbours.count))
        for contact in neighbours { out.appendCompact(contact) }
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
