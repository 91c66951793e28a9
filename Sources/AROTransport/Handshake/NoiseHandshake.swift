/// A Noise handshake: the HandshakeState object of The Noise Protocol Framework, revision 34, §5.3,
/// for the patterns IK and XX (§7.5) with 25519, ChaChaPoly and BLAKE2b.
///
/// The ephemeral key is handed in by the caller, which has the entropy. Reading works on a copy of
/// the state that replaces it only when the whole message was authentic: a forged answer does not
/// end a handshake whose true answer is still on its way.

import AROCrypto
import AROPrimitives

package struct NoiseHandshake: ~Copyable, Sendable {
    package enum Pattern: UInt8, Sendable {
        case ik, xx

        package var protocolName: String {
            switch self {
            case .ik: "Noise_IK_25519_ChaChaPoly_BLAKE2b"
            case .xx: "Noise_XX_25519_ChaChaPoly_BLAKE2b"
            }
        }

        package var messageCount: Int { self == .ik ? 2 : 3 }

        /// The tokens of message `i`, 0 first.
        fileprivate func tokens(_ i: Int) -> [Token] {
            switch (self, i) {
            case (.ik, 0): [.e, .es, .s, .ss]
            case (.ik, _): [.e, .ee, .se]
            case (.xx, 0): [.e]
            case (.xx, 1): [.e, .ee, .s, .es]
            case (.xx, _): [.s, .se]
            }
        }

        /// What message `i` takes besides its payload: keys and tags.
        package func overhead(_ i: Int) -> Int {
            switch (self, i) {
            case (.ik, 0): 32 + 48 + 16
            case (.ik, _): 32 + 16
            case (.xx, 0): 32
            case (.xx, 1): 32 + 48 + 16
            case (.xx, _): 48 + 16
            }
        }
    }

    fileprivate enum Token { case e, s, ee, es, se, ss }

    package let pattern: Pattern
    package let isInitiator: Bool
    private let staticKey: AgreementKey
    private let ephemeral: AgreementKey
    package private(set) var remoteStatic: AgreementPublicKey?
    private var remoteEphemeral: AgreementPublicKey?
    private var symmetric: SymmetricState
    private var messages = 0

    /// - Parameters:
    ///   - staticKey: our long-term key.
    ///   - ephemeral: a key made for this handshake alone.
    ///   - remoteStatic: the responder's key: known to the initiator of IK, else nil.
    ///   - prologue: bytes that both sides must have seen alike.
    package init(
        _ pattern: Pattern, isInitiator: Bool, staticKey: consuming AgreementKey,
        ephemeral: consuming AgreementKey, remoteStatic: AgreementPublicKey?, prologue: RawSpan
    ) {
        precondition((remoteStatic != nil) == (pattern == .ik && isInitiator))
        symmetric = SymmetricState(protocolName: pattern.protocolName)
        symmetric.mixHash(prologue)
        if pattern == .ik {
            let responder = remoteStatic ?? staticKey.publicKey
            symmetric.mixHash(responder.bits.bytes.span.bytes)
        }
        self.pattern = pattern
        self.isInitiator = isInitiator
        self.staticKey = staticKey
        self.ephemeral = ephemeral
        self.remoteStatic = remoteStatic
    }

    package var isComplete: Bool { messages == pattern.messageCount }
    /// The handshake hash: names this handshake and no other (§11.2).
    package var hash: [UInt8] { symmetric.hash }

    /// The transport secrets, once all messages were exchanged.
    package func split() -> TransportSecrets {
        precondition(isComplete)
        return symmetric.split()
    }

    private var isOurTurn: Bool { messages.isMultiple(of: 2) == isInitiator && !isComplete }

    /// Appends our next message to `out`. Throws where the peer's key is a low-order point.
    package mutating func write(
        _ payload: RawSpan, into out: inout [UInt8]
    ) throws(HandshakeFailure) {
        precondition(isOurTurn)
        for token in pattern.tokens(messages) {
            switch token {
            case .e:
                out.appendBits256(ephemeral.publicKey.bits)
                symmetric.mixHash(ephemeral.publicKey.bits.bytes.span.bytes)
            case .s:
                symmetric.encryptAndHash(staticKey.publicKey.bits.bytes.span.bytes, into: &out)
            case .ee, .es, .se, .ss:
                let shared = try Self.agree(
                    token, isInitiator, staticKey, ephemeral, remoteStatic, remoteEphemeral)
                symmetric.mixKey(shared)
            }
        }
        symmetric.encryptAndHash(payload, into: &out)
        messages += 1
    }

    /// Reads the peer's next message and returns its payload. On failure nothing has changed.
    package mutating func read(_ message: RawSpan) throws(HandshakeFailure) -> [UInt8] {
        precondition(!isOurTurn && !isComplete)
        var trial = symmetric.copy()
        var (statics, ephemerals) = (remoteStatic, remoteEphemeral)
        var offset = 0
        for token in pattern.tokens(messages) {
            switch token {
            case .e:
                guard message.byteCount - offset >= 32 else { throw .truncated }
                let key = message.extracting(offset..<offset + 32)
                offset += 32
                ephemerals = AgreementPublicKey(
                    bits: key.withUnsafeBytes { Bits256(loadingFrom: $0.baseAddress!) })
                trial.mixHash(key)
            case .s:
                let count = 32 + (trial.hasKey ? SymmetricState.tagByteCount : 0)
                guard message.byteCount - offset >= count else { throw .truncated }
                let key = try trial.decryptAndHash(message.extracting(offset..<offset + count))
                offset += count
                statics = AgreementPublicKey(bits: Bits256(key)!)
            case .ee, .es, .se, .ss:
                let shared = try Self.agree(
                    token, isInitiator, staticKey, ephemeral, statics, ephemerals)
                trial.mixKey(shared)
            }
        }
        let payload = try trial.decryptAndHash(message.extracting(offset..<message.byteCount))
        symmetric = trial
        (remoteStatic, remoteEphemeral) = (statics, ephemerals)
        messages += 1
        return payload
    }

    /// The Diffie-Hellman of one token: the first letter names the initiator's key, the second the
    /// responder's.
    private static func agree(
        _ token: Token, _ isInitiator: Bool, _ staticKey: borrowing AgreementKey,
        _ ephemeral: borrowing AgreementKey, _ remoteStatic: AgreementPublicKey?,
        _ remoteEphemeral: AgreementPublicKey?
    ) throws(HandshakeFailure) -> SecretKey {
        let (oursIsEphemeral, theirsIsEphemeral) =
            switch token {
            case .ee: (true, true)
            case .ss: (false, false)
            case .es: isInitiator ? (true, false) : (false, true)
            default: isInitiator ? (false, true) : (true, false)
            }
        guard let theirs = theirsIsEphemeral ? remoteEphemeral : remoteStatic else {
            preconditionFailure("a token came before its key")
        }
        let shared =
            oursIsEphemeral
            ? ephemeral.sharedSecret(with: theirs) : staticKey.sharedSecret(with: theirs)
        guard let shared else { throw .lowOrderPoint }
        return shared
    }
}
