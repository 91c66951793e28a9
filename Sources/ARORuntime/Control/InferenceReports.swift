/// What the control channel says of models, calls, receipts and accounts. Amounts are millionths of
/// the unit of account.

/// One provider's offer of one model.
public struct OfferReport: Codable, Hashable, Sendable {
    public var peer: String
    /// Whether this node offers it itself.
    public var own: Bool
    public var model: ModelReport
    /// By network coordinates.
    public var predictedMilliseconds: Double?
}

/// A call that the node is to make.
public struct CallQuestion: Codable, Hashable, Sendable {
    public var model: String
    /// The number of a `CallEndpoint`.
    public var endpoint: UInt8
    public var isStreamed: Bool
    /// The idempotency key: any text.
    public var key: String
    public var context: [String] = []
    public var deadlineSeconds: Double = 600
    /// At most, for a million tokens; nil for what the node's owner allows.
    public var inputPriceMax: UInt64?
    public var outputPriceMax: UInt64?
    /// What calls of one conversation have in common, 64 hexadecimal digits.
    public var conversation: String?
    /// Only this peer is asked.
    public var provider: String?

    public init(model: String, endpoint: UInt8, isStreamed: Bool, key: String) {
        (self.model, self.endpoint) = (model, endpoint)
        (self.isStreamed, self.key) = (isStreamed, key)
    }
}

/// What happens to a call, in order.
public struct CallStep: Codable, Hashable, Sendable {
    public enum Kind: String, Codable, Sendable {
        /// A provider has taken it, behind `position` others.
        case accepted
        /// `bytes` bytes follow: one event of the model's stream, or a piece of its answer.
        case output
        /// The provider was lost, for `reason`; another body goes on, or hanging up ends the call.
        case interrupted
        case finished
    }

    public var kind: Kind
    public var provider: String?
    public var position: Int?
    public var bytes: Int?
    public var reason: String?
    /// How many providers took over from others.
    public var resumptions: Int?
    public var receipt: ReceiptReport?

    public init(_ kind: Kind) { self.kind = kind }
}

/// A call's receipt.
public struct ReceiptReport: Codable, Hashable, Sendable {
    /// 32 hexadecimal digits.
    public var key: String
    public var caller: String
    public var provider: String
    public var model: String
    public var endpoint: String
    /// complete, cancelled or cut.
    public var outcome: String
    /// SHA-256 over the parts of the request, and over the events of the answer; hexadecimal.
    public var request: String
    public var response: String
    public var events: UInt64
    public var bytes: UInt64
    public var inputTokens: UInt64
    public var outputTokens: UInt64
    public var price: UInt64
    /// Seconds since 1970.
    public var started: Int64
    public var ended: Int64
    /// Whether the caller has signed it, too.
    public var countersigned: Bool
    /// The receipt itself, in Base64: what `aro receipts verify` takes.
    public var signed: String
}

/// How the node stands with a peer.
public struct AccountReport: Codable, Hashable, Sendable {
    public var peer: String
    /// Served, with receipts that the peer has signed, and those that it has not.
    public var earned: UInt64
    public var claimed: UInt64
    public var callsServed: UInt64
    public var callsUnsigned: UInt64
    /// Promised by the peer's newest voucher.
    public var received: UInt64
    /// What it owes beyond that.
    public var owedToUs: UInt64
    /// Of calls that it served us.
    public var spent: UInt64
    public var callsMade: UInt64
    public var callsUnsettled: UInt64
    /// Promised by our newest voucher.
    public var given: UInt64
    public var owedByUs: UInt64
}
