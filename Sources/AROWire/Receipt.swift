/// A call's receipt: what was asked and answered, by whom, for how much, signed by both sides. The
/// provider signs first; the caller signs what the provider signed, signature included.
///
/// ```
/// statement  version u8 (1) · key 16 · caller 32 · provider 32 · endpoint u8 · outcome u8 ·
///            model length u8 (1…64) · model · request hash 32 · response hash 32 ·
///            events · response bytes · tokens in · tokens out · price (varints) ·
///            started u64 · ended u64 (seconds)
/// receipt    statement · provider's signature 64 · countersigned u8 (0 or 1) ·
///            where it is 1, the caller's signature 64                        at most 469 bytes
/// signed     "ARO receipt of provider 1" · statement
///            "ARO receipt of caller 1" · statement · provider's signature
/// ```
///
/// Every receipt has one encoding, so altering any byte makes it fail: to decode, or to verify.

import AROPrimitives
import AROCrypto

public struct Receipt: Hashable, Sendable {
    public enum Outcome: UInt8, Hashable, Sendable, CaseIterable {
        case complete = 1
        /// The caller stopped it: what came until then is charged.
        case cancelled = 2
        /// The provider stopped it, and says why beside the receipt.
        case cut = 3
    }

    /// All but the signatures.
    public struct Statement: Hashable, Sendable {
        public var key: CallKey
        public var caller: PeerID
        public var provider: PeerID
        public var endpoint: CallEndpoint
        public var outcome: Outcome
        /// 1 to 64 bytes of UTF-8.
        public var model: String
        /// ``CallDigest/request(endpoint:isStreamed:model:context:body:)``.
        public var requestHash: Bits256
        /// ``OutputDigest``.
        public var responseHash: Bits256
        public var eventCount: UInt64
        public var responseByteCount: UInt64
        public var usage: TokenUsage
        /// What the call costs, in millionths of the unit of account.
        public var price: UInt64
        public var started: UnixTime
        public var ended: UnixTime

        public init(
            key: CallKey, caller: PeerID, provider: PeerID, endpoint: CallEndpoint,
            outcome: Outcome, model: String, requestHash: Bits256, responseHash: Bits256,
            eventCount: UInt64, responseByteCount: UInt64, usage: TokenUsage, price: UInt64,
            started: UnixTime, ended: UnixTime
        ) {
            (self.key, self.caller, self.provider) = (key, caller, provider)
            (self.endpoint, self.outcome, self.model) = (endpoint, outcome, model)
            (self.requestHash, self.responseHash) = (requestHash, responseHash)
            (self.eventCount, self.responseByteCount) = (eventCount, responseByteCount)
            (self.usage, self.price) = (usage, price)
            (self.started, self.ended) = (started, ended)
        }
    }

    public let statement: Statement
    public let providerSignature: Signature
    /// Nil while only the provider has signed.
    public private(set) var callerSignature: Signature?

    /// No encoded receipt is longer: 190 + name 64, five numbers of 8, two dates, two signatures.
    public static let byteCountMax =
        1 + 16 + 32 + 32 + 1 + 1 + 1 + ModelOffer.nameBytesMax + 32 + 32 + 5 * 8 + 8 + 8
        + Signature.byteCount + 1 + Signature.byteCount

    private static let providersDomain = Array("ARO receipt of provider 1".utf8)
    private static let callersDomain = Array("ARO receipt of caller 1".utf8)
}

/// Why a receipt is not to be believed.
public enum ReceiptFailure: String, Error, Hashable, Sendable {
    case providerSignature = "not signed by its provider"
    case callerSignature = "not signed by its caller"
}

extension Receipt {
    /// The provider states and signs. Numbers above what the encoding holds are lowered to that.
    public init(_ statement: Statement, signedBy provider: borrowing Identity) {
        precondition(statement.provider == provider.id, "a receipt in another's name")
        var statement = statement
        statement.usage = statement.usage.bounded
        statement.price = min(statement.price, OfferLimits.numberMax)
        self.statement = statement
        providerSignature = provider.sign(Self.providersDomain + statement.bytes)
    }

    /// The signature of a caller that agrees.
    public func countersignature(of caller: borrowing Identity) -> Signature {
        caller.sign(callersBytes)
    }

    /// The receipt with the caller's signature, which is not checked here.
    public func countersigned(_ signature: Signature) -> Receipt {
        var receipt = self
        receipt.callerSignature = signature
        return receipt
    }

    /// Throws unless the provider signed just this statement, and the caller, if it signed.
    public func verify() throws(ReceiptFailure) {
        guard providerSignature.verifies(Self.providersDomain + statement.bytes, by: provider)
        else { throw .providerSignature }
        guard let callerSignature else { return }
        guard callerSignature.verifies(callersBytes, by: statement.caller) else {
            throw .callerSignature
        }
    }

    public var provider: PeerID { statement.provider }
    public var caller: PeerID { statement.caller }
    public var isCountersigned: Bool { callerSignature != nil }

    private var callersBytes: [UInt8] {
        var out = Self.callersDomain + statement.bytes
        out.append(providerSignature)
        return out
    }

    /// The canonical bytes.
    public var bytes: [UInt8] {
        var out = statement.bytes
        out.append(providerSignature)
        out.append(callerSignature == nil ? 0 : 1)
        if let callerSignature { out.append(callerSignature) }
        return out
    }

    /// Reads the canonical bytes, all of them. Nothing is verified yet.
    public init(bytes: [UInt8]) throws(DecodingFailure) {
        guard bytes.count <= Self.byteCountMax else { throw .outOfBounds }
        var reader = ByteReader(bytes.span.bytes)
        self = try Receipt(from: &reader)
        try reader.finish()
    }

    init(from reader: inout ByteReader) throws(DecodingFailure) {
        statement = try Statement(from: &reader)
        providerSignature = try reader.signature()
        switch try reader.u8() {
        case 0: callerSignature = nil
        case 1: callerSignature = try reader.signature()
        default: throw .notCanonical
        }
    }
}

extension Receipt.Statement {
    fileprivate var bytes: [UInt8] {
        var out: [UInt8] = [1]
        out.append(key)
        out.appendBits256(caller.key)
        out.appendBits256(provider.key)
        out.append(endpoint.rawValue)
        out.append(outcome.rawValue)
        out.appendModelName(model)
        out.appendBits256(requestHash)
        out.appendBits256(responseHash)
        for number in [eventCount, responseByteCount, usage.input, usage.output, price] {
            out.appendVarint(number)
        }
        out.append(started)
        out.append(ended)
        return out
    }

    fileprivate init(from reader: inout ByteReader) throws(DecodingFailure) {
        guard try reader.u8() == 1 else { throw .unknown }
        key = try reader.callKey()
        caller = try reader.peerID()
        provider = try reader.peerID()
        guard let endpoint = CallEndpoint(rawValue: try reader.u8()),
            let outcome = Receipt.Outcome(rawValue: try reader.u8())
        else { throw .unknown }
        (self.endpoint, self.outcome) = (endpoint, outcome)
        model = try reader.modelName()
        requestHash = try reader.bits256()
        responseHash = try reader.bits256()
        eventCount = try reader.varint()
        responseByteCount = try reader.varint()
        usage = TokenUsage(input: try reader.varint(), output: try reader.varint())
        price = try reader.varint()
        started = try reader.unixTime()
        ended = try reader.unixTime()
    }
}
