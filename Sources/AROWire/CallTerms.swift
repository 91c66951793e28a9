/// The small values of an inference call that messages, receipts and offers share: its key, what is
/// asked of the model, tokens and prices.

import AROPrimitives
import AROCrypto

/// A call's idempotency key, 16 bytes that its user chose: the same key from the same caller never
/// runs twice at one provider.
public struct CallKey: Hashable, Comparable, Sendable {
    public var high, low: UInt64

    public static let byteCount = 16

    public init(high: UInt64, low: UInt64) { (self.high, self.low) = (high, low) }

    /// Reads exactly 16 bytes; nil for any other count.
    public init?(_ bytes: [UInt8]) {
        guard bytes.count == Self.byteCount else { return nil }
        self.init(
            high: bytes[..<8].reduce(0) { $0 << 8 | UInt64($1) },
            low: bytes[8...].reduce(0) { $0 << 8 | UInt64($1) })
    }

    /// The key that stands for a text of any length, such as the header of an HTTP request.
    public init(hashing text: String) {
        let digest = SHA256Digest.of(Array(text.utf8))
        self.init(high: digest.w0, low: digest.w1)
    }

    /// The key of the call that goes on where this one was cut for the `number`th time.
    public func resumed(_ number: Int) -> CallKey {
        var bytes = bytes
        bytes.appendU64(UInt64(number))
        let digest = SHA256Digest.of(bytes)
        return CallKey(high: digest.w0, low: digest.w1)
    }

    public var bytes: [UInt8] {
        var out: [UInt8] = []
        out.append(self)
        return out
    }

    public static func < (a: Self, b: Self) -> Bool { (a.high, a.low) < (b.high, b.low) }
}

extension CallKey: CustomStringConvertible {
    /// 32 lowercase hexadecimal digits.
    public var description: String { Hex.encode(bytes) }

    /// Reads what ``description`` gives.
    public init?(_ text: String) {
        guard let bytes = Hex.decode(text) else { return nil }
        self.init(bytes)
    }
}

/// What is asked of a model: the endpoints of OpenAI's interface by their last path component.
public enum CallEndpoint: UInt8, Hashable, Sendable, CaseIterable {
    case chatCompletions = 1
    case completions = 2
    case embeddings = 3
    case responses = 4
}

/// Tokens of one call.
public struct TokenUsage: Hashable, Sendable {
    public var input: UInt64
    public var output: UInt64

    public init(input: UInt64 = 0, output: UInt64 = 0) {
        (self.input, self.output) = (input, output)
    }

    /// Within what a variable-length integer holds.
    package var bounded: TokenUsage {
        TokenUsage(
            input: min(input, OfferLimits.numberMax), output: min(output, OfferLimits.numberMax))
    }
}

/// Prices of a million tokens, in millionths of the unit of account.
public struct TokenPrice: Hashable, Sendable {
    public var input: UInt64
    public var output: UInt64

    public static let free = TokenPrice()

    public init(input: UInt64 = 0, output: UInt64 = 0) {
        (self.input, self.output) = (input, output)
    }

    public var isFree: Bool { input == 0 && output == 0 }

    /// Whether neither price is above the other's.
    public func isWithin(_ ceiling: TokenPrice) -> Bool {
        input <= ceiling.input && output <= ceiling.output
    }

    /// What these tokens cost, in millionths of the unit of account, rounded up; never more than a
    /// receipt can say.
    public func cost(of usage: TokenUsage) -> UInt64 {
        let parts = [(usage.input, input), (usage.output, output)]
        var total: UInt64 = 0
        for (tokens, price) in parts {
            let product = tokens.multipliedFullWidth(by: price)
            guard product.high < Self.million else { return OfferLimits.numberMax }
            let (quotient, rest) = Self.million.dividingFullWidth(product)
            let sum = total.addingReportingOverflow(quotient)
            let up = sum.partialValue.addingReportingOverflow(rest > 0 ? 1 : 0)
            guard !sum.overflow, !up.overflow else { return OfferLimits.numberMax }
            total = up.partialValue
        }
        return min(total, OfferLimits.numberMax)
    }

    private static let million: UInt64 = 1_000_000
}

/// Hashes that a receipt names.
public enum CallDigest {
    /// Of a request: endpoint, flag, model, context and body, so that a receipt shows what was
    /// asked. SHA-256 of
    ///
    /// ```
    /// "ARO call 1" · endpoint u8 · streamed u8 · model length u8 · model ·
    /// context count u8 · CIDs, each after its length byte · body
    /// ```
    public static func request(
        endpoint: CallEndpoint, isStreamed: Bool, model: String, context: [CID], body: [UInt8]
    ) -> Bits256 {
        var head = Array("ARO call 1".utf8)
        head.append(endpoint.rawValue)
        head.append(isStreamed ? 1 : 0)
        head.append(UInt8(truncatingIfNeeded: model.utf8.count))
        head.append(contentsOf: model.utf8)
        head.append(UInt8(truncatingIfNeeded: context.count))
        for cid in context { head.append(cid) }
        var hasher = SHA256Hasher()
        hasher.update(head.span.bytes)
        hasher.update(body.span.bytes)
        return hasher.finish()
    }
}

/// The running hash of a call's output: SHA-256 of its events, each after its length as a u32.
public struct OutputDigest: Sendable {
    private var hasher = SHA256Hasher()
    public private(set) var eventCount: UInt64 = 0
    public private(set) var byteCount: UInt64 = 0

    public init() {}

    public mutating func add(_ event: [UInt8]) {
        var length: [UInt8] = []
        length.appendU32(UInt32(truncatingIfNeeded: event.count))
        hasher.update(length.span.bytes)
        hasher.update(event.span.bytes)
        eventCount += 1
        byteCount += UInt64(event.count)
    }

    /// The hash of what was added so far.
    public var hash: Bits256 { hasher.finish() }
}

extension [UInt8] {
    package mutating func append(_ key: CallKey) {
        appendU64(key.high)
        appendU64(key.low)
    }
}

extension ByteReader {
    @_lifetime(self: copy self)
    package mutating func callKey() throws(DecodingFailure) -> CallKey {
        CallKey(high: try u64(), low: try u64())
    }

    /// A model's name after its length byte.
    @_lifetime(self: copy self)
    package mutating func modelName() throws(DecodingFailure) -> String {
        let count = Int(try u8())
        guard (1...ModelOffer.nameBytesMax).contains(count),
            let name = String(validating: try bytes(count), as: UTF8.self)
        else { throw .outOfBounds }
        return name
    }
}

extension [UInt8] {
    /// A model's name, which must be of a legal length, after its length byte.
    package mutating func appendModelName(_ name: String) {
        precondition((1...ModelOffer.nameBytesMax).contains(name.utf8.count))
        append(UInt8(name.utf8.count))
        append(contentsOf: name.utf8)
    }
}

extension ModelOffer {
    /// Where the DHT keeps who offers a model: SHA-256 of "model:" and its name.
    public static func key(of name: String) -> DHTKey {
        DHTKey(hashing: Array("model:".utf8) + Array(name.utf8))
    }

    public var price: TokenPrice { TokenPrice(input: inputPrice, output: outputPrice) }
}
