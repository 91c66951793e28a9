/// Stateless proofs of address, in the manner of WireGuard §5.3: a keyed BLAKE2b over the address and
/// a time slot. Unlike there the cookie is sent in the clear, as in QUIC's Retry: it is of use only to
/// who can receive at that address, and, being part of the prologue, only inside that one's own
/// handshake.

import AROCrypto
import AROPrimitives
import AROWire

struct CookieMint: ~Copyable, Sendable {
    private var secret: SecretKey
    private let period: Int64

    init(period: Duration, from entropy: inout Entropy) {
        secret = entropy.secretKey()
        self.period = period.nanoseconds
    }

    func cookie(for address: SocketAddress, at now: Instant) -> Cookie {
        cookie(for: address, slot: now.nanoseconds / period)
    }

    /// Whether `cookie` was given to `address` in this slot or the one before.
    func verifies(_ cookie: Cookie, from address: SocketAddress, at now: Instant) -> Bool {
        let slot = now.nanoseconds / period
        return isEqual(cookie, self.cookie(for: address, slot: slot))
            || isEqual(cookie, self.cookie(for: address, slot: slot - 1))
    }

    /// Makes every cookie so far invalid.
    mutating func revoke(from entropy: inout Entropy) { secret = entropy.secretKey() }

    private func cookie(for address: SocketAddress, slot: Int64) -> Cookie {
        var message: [UInt8] = []
        message.reserveCapacity(26)
        message.appendU64(address.high)
        message.appendU64(address.low)
        message.appendU16(address.port)
        message.appendU64(UInt64(bitPattern: slot))
        let digest = secret.withBytes {
            BLAKE2b.digest(of: message.span.bytes, byteCount: 16, key: $0.bytes)
        }
        return Cookie(high: digest.loadU64(at: 0), low: digest.loadU64(at: 8))
    }

    private func isEqual(_ a: Cookie, _ b: Cookie) -> Bool {
        // No branch between the halves: the time says nothing of where they differ.
        (a.high ^ b.high) | (a.low ^ b.low) == 0
    }
}

extension [UInt8] {
    func loadU64(at offset: Int) -> UInt64 {
        UInt64(bigEndian: span.bytes.unsafeLoadUnaligned(fromByteOffset: offset, as: UInt64.self))
    }
}
