/// The keys of an open session's packets and their renewal, after RFC 9001 §6: a bit in the header
/// tells the phase, each phase's secret is a hash of the one before, the old receiving key stays for a
/// short overlap.
///
/// The suites and the key schedule are ours: a packet key is the keyed BLAKE2b of a label under the
/// traffic secret, which at first is one of the two keys of Noise's Split.

import AROCrypto
import AROPrimitives

struct PacketProtection: ~Copyable, Sendable {
    let suite: CipherSuite
    private(set) var isOddPhase = false

    private var sendSecret, receiveSecret: SecretKey
    private var sendKey, receiveKey: PacketKey
    private var nextReceiveKey: PacketKey?
    private var lastReceiveKey: PacketKey?
    private var lastKeyExpires = Instant.origin

    private var sealedCount: UInt64 = 0
    private var keyedAt: Instant
    /// The least number received in this phase; nil until the peer has followed into it.
    private var leastReceived: UInt64?
    /// Packets that did not verify, over all keys.
    private(set) var forgeries: UInt64 = 0
    private(set) var rekeys: UInt64 = 0

    init(
        _ suite: CipherSuite, secrets: consuming TransportSecrets, isInitiator: Bool,
        at now: Instant
    ) {
        self.suite = suite
        if isInitiator {
            sendSecret = secrets.fromInitiator.copy()
            receiveSecret = secrets.fromResponder.copy()
        } else {
            sendSecret = secrets.fromResponder.copy()
            receiveSecret = secrets.fromInitiator.copy()
        }
        sendKey = Self.packetKey(suite, sendSecret)
        receiveKey = Self.packetKey(suite, receiveSecret)
        keyedAt = now
    }

    /// Encrypts `count` bytes at `text` in place; see ``PacketKey/seal(_:count:sequence:header:)``.
    mutating func seal(
        _ text: UnsafeMutableRawPointer, count: Int, number: UInt64,
        header: UnsafeRawBufferPointer
    ) {
        sealedCount += 1
        sendKey.seal(text, count: count, sequence: number, header: header)
    }

    /// Begins a new phase where the key is old, before the header of the next packet is written. Not
    /// before the peer has followed into this one (RFC 9001 §6.1).
    mutating func renewWhereDue(_ configuration: EndpointConfiguration, at now: Instant) {
        guard leastReceived != nil,
            sealedCount >= configuration.packetsPerKey
                || now - keyedAt >= configuration.keyLifetime
        else { return }
        advance(configuration, at: now)
    }

    /// Decrypts `count` bytes at `text`, tag included, in place. False for anything not authentic.
    mutating func open(
        _ text: UnsafeMutableRawPointer, count: Int, number: UInt64, isOddPhase: Bool,
        header: UnsafeRawBufferPointer, configuration: EndpointConfiguration, at now: Instant
    ) -> Bool {
        let isAuthentic: Bool
        if isOddPhase == self.isOddPhase {
            isAuthentic = receiveKey.open(text, count: count, sequence: number, header: header)
            if isAuthentic { noteReceived(number, configuration, now) }
        } else if isOfLastPhase(number) {
            isAuthentic = openWithLast(text, count, number, header, now)
        } else {
            isAuthentic = openWithNext(text, count, number, header, configuration, now)
        }
        if !isAuthentic { forgeries += 1 }
        return isAuthentic
    }

    private mutating func noteReceived(
        _ number: UInt64, _ configuration: EndpointConfiguration, _ now: Instant
    ) {
        // The overlap counts from when the peer has followed.
        if leastReceived == nil { lastKeyExpires = now + configuration.keyOverlap }
        leastReceived = min(number, leastReceived ?? .max)
    }

    /// Whether a packet of the other phase is of the one before. Where nothing came in this phase yet,
    /// we began it ourselves, unless it is the first.
    private func isOfLastPhase(_ number: UInt64) -> Bool {
        guard let leastReceived else { return lastReceiveKey != nil }
        return number < leastReceived
    }

    private func openWithLast(
        _ text: UnsafeMutableRawPointer, _ count: Int, _ number: UInt64,
        _ header: UnsafeRawBufferPointer, _ now: Instant
    ) -> Bool {
        guard now < lastKeyExpires || leastReceived == nil else { return false }
        switch lastReceiveKey {
        case .some(let key):
            return key.open(text, count: count, sequence: number, header: header)
        case .none: return false
        }
    }

    private mutating func openWithNext(
        _ text: UnsafeMutableRawPointer, _ count: Int, _ number: UInt64,
        _ header: UnsafeRawBufferPointer, _ configuration: EndpointConfiguration, _ now: Instant
    ) -> Bool {
        if nextReceiveKey == nil {
            // Kept whatever comes of it: forged phases must not cost a derivation each.
            nextReceiveKey = Self.packetKey(suite, Self.nextSecret(receiveSecret))
        }
        guard nextReceiveKey!.open(text, count: count, sequence: number, header: header) else {
            return false
        }
        advance(configuration, at: now)
        leastReceived = number
        return true
    }

    private mutating func advance(_ configuration: EndpointConfiguration, at now: Instant) {
        sendSecret = Self.nextSecret(sendSecret)
        receiveSecret = Self.nextSecret(receiveSecret)
        sendKey = Self.packetKey(suite, sendSecret)
        var next = nextReceiveKey.take() ?? Self.packetKey(suite, receiveSecret)
        swap(&next, &receiveKey)
        lastReceiveKey = consume next
        lastKeyExpires = now + configuration.keyOverlap
        isOddPhase.toggle()
        sealedCount = 0
        keyedAt = now
        leastReceived = nil
        rekeys += 1
    }

    private static func packetKey(
        _ suite: CipherSuite, _ secret: borrowing SecretKey
    ) -> PacketKey {
        PacketKey(suite, key: derive(from: secret, "ARO packet key \(suite.rawValue)"))
    }

    private static func nextSecret(_ secret: borrowing SecretKey) -> SecretKey {
        derive(from: secret, "ARO next secret")
    }

    private static func derive(from secret: borrowing SecretKey, _ label: String) -> SecretKey {
        let text = Array(label.utf8)
        var digest = secret.withBytes {
            BLAKE2b.digest(of: text.span.bytes, byteCount: 32, key: $0.bytes)
        }
        defer { wipe(&digest) }
        return SecretKey(copying: digest)
    }
}
