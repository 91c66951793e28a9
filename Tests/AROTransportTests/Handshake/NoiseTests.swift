import AROCrypto
import AROPrimitives
import AROTransport
import Testing

private struct Handshakes: ~Copyable {
    var initiator, responder: NoiseHandshake
}

/// The two sides of one handshake with given keys.
private func handshakes(
    _ vector: NoiseVector, prologues: (String, String)? = nil
) -> Handshakes {
    let pattern: NoiseHandshake.Pattern = vector.protocolName.contains("_IK_") ? .ik : .xx
    func key(_ hex: String) -> AgreementKey {
        AgreementKey(secret: SecretKey(copying: Hex.decode(hex)!))
    }
    func prologue(_ hex: String) -> [UInt8] { Hex.decode(hex)! }
    let (ours, theirs) = prologues ?? (vector.prologue, vector.prologue)
    let remote = vector.responderPublic.map {
        AgreementPublicKey(bits: Bits256(Hex.decode($0)!)!)
    }
    return Handshakes(
        initiator: NoiseHandshake(
            pattern, isInitiator: true, staticKey: key(vector.initiatorStatic),
            ephemeral: key(vector.initiatorEphemeral), remoteStatic: remote,
            prologue: prologue(ours).span.bytes),
        responder: NoiseHandshake(
            pattern, isInitiator: false, staticKey: key(vector.responderStatic),
            ephemeral: key(vector.responderEphemeral), remoteStatic: nil,
            prologue: prologue(theirs).span.bytes)
    )
}

@Suite struct NoiseTests {
    @Test(arguments: [0, 1])
    func `messages, hash and transport keys match the published vectors`(which: Int) throws {
        let vector = [NoiseVector.ik, .xx][which]
        var pair = handshakes(vector)
        let count = pair.initiator.pattern.messageCount
        for (i, message) in vector.messages.prefix(count).enumerated() {
            let payload = Hex.decode(message.payload)!
            var out: [UInt8] = []
            var read: [UInt8] = []
            if i.isMultiple(of: 2) {
                try pair.initiator.write(payload.span.bytes, into: &out)
                read = try pair.responder.read(out.span.bytes)
            } else {
                try pair.responder.write(payload.span.bytes, into: &out)
                read = try pair.initiator.read(out.span.bytes)
            }
            #expect(Hex.encode(out) == message.ciphertext)
            #expect(read == payload)
            let overhead = pair.initiator.pattern.overhead(i)
            #expect(out.count == payload.count + overhead)
        }
        let hashes = (pair.initiator.hash, pair.responder.hash)
        #expect(Hex.encode(hashes.0) == vector.handshakeHash)
        #expect(Hex.encode(hashes.1) == vector.handshakeHash)

        let ours = pair.initiator.split()
        let theirs = pair.responder.split()
        var sequences: (UInt64, UInt64) = (0, 0)
        for (i, message) in vector.messages.enumerated().dropFirst(count) {
            let payload = Hex.decode(message.payload)!
            var text = payload + Array(repeating: 0, count: 16)
            let fromInitiator = i.isMultiple(of: 2)
            let sequence = fromInitiator ? sequences.0 : sequences.1
            let key =
                fromInitiator
                ? PacketKey(.chaCha20Poly1305, key: ours.fromInitiator)
                : PacketKey(.chaCha20Poly1305, key: theirs.fromResponder)
            text.withUnsafeMutableBytes {
                key.seal(
                    $0.baseAddress!, count: payload.count, sequence: sequence,
                    header: UnsafeRawBufferPointer(start: nil, count: 0))
            }
            #expect(Hex.encode(text) == message.ciphertext)
            if fromInitiator { sequences.0 += 1 } else { sequences.1 += 1 }
        }
    }

    @Test(arguments: [0, 1])
    func `another prologue is refused`(which: Int) throws {
        let vector = [NoiseVector.ik, .xx][which]
        var pair = handshakes(vector, prologues: ("00", "01"))
        let nothing: [UInt8] = []
        var first: [UInt8] = []
        try pair.initiator.write(nothing.span.bytes, into: &first)
        if which == 0 {
            #expect(failure(of: &pair.responder, reading: first) == .notAuthentic)
        } else {
            _ = try pair.responder.read(first.span.bytes)
            var second: [UInt8] = []
            try pair.responder.write(nothing.span.bytes, into: &second)
            #expect(failure(of: &pair.initiator, reading: second) == .notAuthentic)
        }
    }

    @Test
    func `every flipped bit and every truncation is refused, and the true message still read`()
        throws
    {
        var pair = handshakes(.ik)
        let payload = Array("a question".utf8)
        var first: [UInt8] = []
        try pair.initiator.write(payload.span.bytes, into: &first)
        for i in first.indices {
            var forged = first
            forged[i] ^= 1 << UInt8(i & 7)
            #expect(failure(of: &pair.responder, reading: forged) != nil, "byte \(i)")
        }
        for count in first.indices {
            let refusal = failure(of: &pair.responder, reading: Array(first.prefix(count)))
            #expect(refusal != nil, "\(count) bytes")
        }
        let read = try pair.responder.read(first.span.bytes)
        #expect(read == payload)
    }

    /// The points of low order on Curve25519 and its twist: the list of libsodium's
    /// `has_small_order`, after Bernstein's "Validate" list (cr.yp.to/ecdh.html).
    @Test(arguments: [
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0100000000000000000000000000000000000000000000000000000000000000",
        "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
        "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    ])
    func `low-order ephemeral keys are refused`(hex: String) throws {
        var known = handshakes(.ik)
        let message = Hex.decode(hex)! + Array(repeating: 7, count: 64)
        #expect(failure(of: &known.responder, reading: message) == .lowOrderPoint)

        var unknown = handshakes(.xx)
        let nothing: [UInt8] = []
        var first: [UInt8] = []
        try unknown.initiator.write(nothing.span.bytes, into: &first)
        #expect(failure(of: &unknown.initiator, reading: message) == .lowOrderPoint)
    }

    private func failure(
        of handshake: inout NoiseHandshake, reading message: [UInt8]
    ) -> HandshakeFailure? {
        do throws(HandshakeFailure) {
            _ = try handshake.read(message.span.bytes)
            return nil
        } catch { return error }
    }
}
