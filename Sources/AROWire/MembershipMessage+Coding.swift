/// The encodings that MembershipMessage.swift lays out. Every message has one encoding: unknown
/// kinds, scopes and flags and trailing bytes are refused.

import AROPrimitives
import AROCrypto

extension MembershipMessage {
    public init(decoding bytes: RawSpan) throws(DecodingFailure) {
        guard bytes.byteCount <= WireLimits.messageMax else { throw .outOfBounds }
        var reader = ByteReader(bytes)
        guard let kind = Kind(rawValue: try reader.u8()) else { throw .unknown }
        let swarm = try reader.scope()
        let body: Body
        switch kind {
        case .join: body = .join(addresses: try reader.compactAddressList())
        case .forwardJoin:
            let hopsLeft = try reader.hopsLeft()
            body = .forwardJoin(try reader.compactContact(), hopsLeft: hopsLeft)
        case .neighbour:
            guard let priority = MembershipPriority(rawValue: try reader.u8()) else {
                throw .unknown
            }
            body = .neighbour(priority)
        case .neighbourReply:
            let accepted = try reader.u8()
            guard accepted < 2 else { throw .unknown }
            body = .neighbourReply(accepted: accepted == 1, try reader.contacts())
        case .disconnect:
            guard let disconnect = MembershipDisconnect(rawValue: try reader.u8()) else {
                throw .unknown
            }
            body = .disconnect(disconnect)
        case .shuffle: body = .shuffle(try MembershipShuffle(from: &reader))
        case .shuffleReply:
            let number = try reader.u32()
            body = .shuffleReply(number: number, try reader.contacts())
        }
        try reader.finish()
        self.init(swarm: swarm, body)
    }

    public func append(to out: inout [UInt8]) {
        switch body {
        case .join(let addresses):
            out.appendHeader(.join, swarm)
            out.appendCompact(addresses)
        case .forwardJoin(let contact, let hopsLeft):
            out.appendHeader(.forwardJoin, swarm)
            out.append(UInt8(hopsLeft))
            out.appendCompact(contact)
        case .neighbour(let priority):
            out.appendHeader(.neighbour, swarm)
            out.append(priority.rawValue)
        case .neighbourReply(let accepted, let contacts):
            out.appendHeader(.neighbourReply, swarm)
            out.append(accepted ? 1 : 0)
            out.appendContacts(contacts)
        case .disconnect(let disconnect):
            out.appendHeader(.disconnect, swarm)
            out.append(disconnect.rawValue)
        case .shuffle(let shuffle):
            out.appendHeader(.shuffle, swarm)
            shuffle.append(to: &out)
        case .shuffleReply(let number, let contacts):
            out.appendHeader(.shuffleReply, swarm)
            out.appendU32(number)
            out.appendContacts(contacts)
        }
    }

    /// A message alone, for tests and tools; the node appends to a buffer.
    public var bytes: [UInt8] {
        var out: [UInt8] = []
        append(to: &out)
        return out
    }
}

extension MembershipShuffle {
    fileprivate init(from reader: inout ByteReader) throws(DecodingFailure) {
        let hopsLeft = try reader.hopsLeft()
        let number = try reader.u32()
        let origin = try reader.peerID()
        let addresses = try reader.compactAddressList()
        self.init(
            hopsLeft: hopsLeft, number: number, origin: origin, addresses: addresses,
            contacts: try reader.contacts())
    }

    fileprivate func append(to out: inout [UInt8]) {
        out.append(UInt8(hopsLeft))
        out.appendU32(number)
        out.appendBits256(origin.key)
        out.appendCompact(addresses)
        out.appendContacts(contacts)
    }
}

extension [UInt8] {
    fileprivate mutating func appendHeader(_ kind: MembershipMessage.Kind, _ swarm: SwarmID?) {
        append(kind.rawValue)
        guard let swarm else { return append(0) }
        append(1)
        appendBits256(swarm.bits)
    }

    fileprivate mutating func appendContacts(_ contacts: [Contact]) {
        precondition(contacts.count <= MembershipMessage.contactsMax)
        append(UInt8(contacts.count))
        for contact in contacts { appendCompact(contact) }
    }
}

extension ByteReader {
    @_lifetime(self: copy self)
    fileprivate mutating func scope() throws(DecodingFailure) -> SwarmID? {
        switch try u8() {
        case 0: return nil
        case 1: return SwarmID(bits: try bits256())
        default: throw .unknown
        }
    }

    @_lifetime(self: copy self)
    fileprivate mutating func hopsLeft() throws(DecodingFailure) -> Int {
        let hops = Int(try u8())
        guard hops <= MembershipMessage.hopsMax else { throw .outOfBounds }
        return hops
    }

    @_lifetime(self: copy self)
    fileprivate mutating func contacts() throws(DecodingFailure) -> [Contact] {
        let count = Int(try u8())
        guard count <= MembershipMessage.contactsMax else { throw .outOfBounds }
        var contacts: [Contact] = []
        contacts.reserveCapacity(count)
        for _ in 0..<count { contacts.append(try compactContact()) }
        return contacts
    }
}
