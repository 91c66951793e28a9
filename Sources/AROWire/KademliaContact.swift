/// Addresses and contacts as Kademlia's messages and records carry them.
///
/// ```
/// address   family u8 (4 | 6) · host 4 or 16 bytes · port u16            7 or 19 bytes
/// contact   Ed25519 public key 32 · address count u8 (1...4) · addresses 40 bytes with one IPv4
/// ```
///
/// An IPv4 address has one form only: a mapped IPv6 one is refused. So is an address that no
/// datagram can be sent to.

import AROPrimitives
import AROCrypto

extension [UInt8] {
    package mutating func appendCompact(_ address: SocketAddress) {
        if address.isIPv4 {
            append(4)
            appendU32(address.ipv4)
        } else {
            append(6)
            appendU64(address.high)
            appendU64(address.low)
        }
        appendU16(address.port)
    }

    /// A count of at most ``Contact/addressesMax``, then the addresses.
    package mutating func appendCompact(_ addresses: some Collection<SocketAddress>) {
        precondition(addresses.count <= Contact.addressesMax)
        append(UInt8(addresses.count))
        for address in addresses { appendCompact(address) }
    }

    package mutating func appendCompact(_ contact: Contact) {
        appendBits256(contact.id.key)
        append(UInt8(contact.addresses.count))
        for i in contact.addresses.indices { appendCompact(contact.addresses[i]) }
    }
}

extension ByteReader {
    @_lifetime(self: copy self)
    package mutating func compactAddress() throws(DecodingFailure) -> SocketAddress {
        let address: SocketAddress
        switch try u8() {
        case 4:
            let host = try u32()
            address = SocketAddress(ipv4: host, port: try u16())
        case 6:
            let high = try u64()
            let low = try u64()
            address = SocketAddress(high: high, low: low, port: try u16())
            guard !address.isIPv4 else { throw .notCanonical }
        default: throw .unknown
        }
        guard !address.isUnusable else { throw .outOfBounds }
        return address
    }

    @_lifetime(self: copy self)
    package mutating func compactAddresses() throws(DecodingFailure) -> [SocketAddress] {
        let count = Int(try u8())
        guard count <= Contact.addressesMax else { throw .outOfBounds }
        var addresses: [SocketAddress] = []
        addresses.reserveCapacity(count)
        for _ in 0..<count { addresses.append(try compactAddress()) }
        return addresses
    }

    @_lifetime(self: copy self)
    package mutating func compactAddressList() throws(DecodingFailure) -> AddressList {
        let count = Int(try u8())
        guard count <= Contact.addressesMax else { throw .outOfBounds }
        var addresses = AddressList()
        for _ in 0..<count { addresses.append(try compactAddress()) }
        return addresses
    }

    @_lifetime(self: copy self)
    package mutating func compactContact() throws(DecodingFailure) -> Contact {
        let id = try peerID()
        let addresses = try compactAddressList()
        guard !addresses.isEmpty else { throw .outOfBounds }
        return Contact(id: id, addresses: addresses)
    }
}

/// The bytes that ``Swift/Array/appendCompact(_:)`` takes for an address.
package func compactByteCount(_ address: SocketAddress) -> Int { address.isIPv4 ? 7 : 19 }

/// The bytes that a contact takes with these addresses.
package func compactByteCount(contactAt addresses: AddressList) -> Int {
    var count = 33
    for i in addresses.indices { count += compactByteCount(addresses[i]) }
    return count
}
