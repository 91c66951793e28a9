/// What a local user asks of the network's models, and what it is told: one call from the request to
/// the receipt. The body is bytes with a few fields beside it, and is never looked into here
/// (Docs/Decisions/0012-inference.md).

import AROPrimitives
import AROWire

/// A call of the local user, chosen by it; a request's number in the node.
public struct CallID: Hashable, Comparable, Sendable {
    public var number: UInt64
    public init(number: UInt64) { self.number = number }
    public static func < (a: CallID, b: CallID) -> Bool { a.number < b.number }
}

public struct CallRequest: Sendable {
    /// The idempotency key. A call that is told to end well, and is made again with the same key and
    /// body, goes to the same provider, which answers without running it again.
    public var key: CallKey
    /// 1 to 64 bytes of UTF-8.
    public var model: String
    public var endpoint: CallEndpoint
    /// Whether each event is one of a stream, whole (the data of one server-sent event); else the
    /// events are pieces of one answer, to be joined.
    public var isStreamed: Bool
    /// The request's body, as the model server takes it. 1 to 16,777,216 bytes.
    public var body: [UInt8]
    /// Content that the provider fetches and gives to the model. At most 16.
    public var context: [CID] = []
    /// When to give up, from now. At most a day.
    public var deadline = Duration.minutes(10)
    /// The most that is paid for a million tokens. Free, unless said.
    public var priceMax = TokenPrice.free
    /// A hash of what calls of one conversation have in common. While its provider may still hold
    /// the prefix, the next call of the conversation goes there first.
    public var conversation: Bits256?
    /// Only this provider is asked.
    public var provider: PeerID?

    public init(
        key: CallKey, model: String, endpoint: CallEndpoint, isStreamed: Bool, body: [UInt8]
    ) {
        (self.key, self.model, self.endpoint) = (key, model, endpoint)
        (self.isStreamed, self.body) = (isStreamed, body)
    }
}

/// What happens to a call, in order. One of ``finished(_:)`` and ``failed(_:)`` is the last.
public enum CallEvent: Sendable {
    /// A provider has taken it, behind so many others. May come again, until there is output.
    case accepted(provider: PeerID, position: Int)
    /// One event of the model server. Say by `consumed` when its bytes were taken: only so many are
    /// given ahead.
    case output([UInt8])
    /// The provider was lost after it had put something out. Say by `resume` what another is to be
    /// asked, or cancel. Not resumed in time, the call fails.
    case interrupted(CallInterruption)
    case finished(CallOutcome)
    case failed(CallFailure)

    public var isFinal: Bool {
        switch self {
        case .finished, .failed: true
        case .accepted, .output, .interrupted: false
        }
    }
}

public struct CallInterruption: Hashable, Sendable {
    public var provider: PeerID
    public var reason: AttemptFailure
    /// Events and bytes told so far, of all providers.
    public var eventCount: UInt64
    public var byteCount: UInt64
    /// Other providers that are known and may be asked.
    public var providersLeft: Int
    /// The provider's last signature on what it had put out, which may be a little less.
    public var checkpoint: OutputCheckpoint?
}

/// How a call ended well.
public struct CallOutcome: Hashable, Sendable {
    /// Signed by both sides.
    public var receipt: Receipt
    /// How many providers it took over from others after output had begun.
    public var resumptions: Int

    public var provider: PeerID { receipt.provider }
    public var usage: TokenUsage { receipt.statement.usage }
}

/// Why a call failed; the description is for the user.
public enum CallFailure: Error, Hashable, Sendable {
    /// Nobody who was heard of offers the model.
    case modelNotFound(String)
    /// All who offer the model were asked, and each refused or failed; the last one's reason.
    case noProviderLeft(tried: Int, AttemptFailure)
    /// All who offer the model have no room. Try again after so long.
    case busy(retryAfter: Duration)
    /// All who offer the model ask more than the price that the call may cost.
    case tooExpensive
    /// All who offer the model say that we owe too much.
    case creditExhausted
    /// The model server says that the request is wrong.
    case rejected(provider: PeerID, text: String)
    /// The context could not be fetched or verified by the provider.
    case contextUnavailable(provider: PeerID, text: String)
    /// More output than the provider allows. What came is the truth, not the whole of it.
    case outputTooLong(provider: PeerID)
    /// The key was used for another request, or its answer is not held any more.
    case keySpent(provider: PeerID, CallRefusal)
    /// A call with this key is under way.
    case keyInUse
    /// Cut after output had begun, and not resumed.
    case interrupted(provider: PeerID, AttemptFailure)
    /// The provider's receipt does not say what we saw. The output was told; the call is not paid.
    case wrongReceipt(provider: PeerID, ReceiptFault)
    case deadline(Duration)
    /// Model, body, context or deadline are out of bounds.
    case invalidRequest(String)
    case tooManyCalls
    case shuttingDown
}

/// Why one provider did not answer a call.
public enum AttemptFailure: Error, Hashable, Sendable {
    case refused(CallRefusal, text: String)
    case failed(CallFault, text: String)
    /// No session could be had, or it died.
    case unreachable
    /// The provider reset the stream or ended it too soon.
    case hungUp
    /// Nothing was heard for too long.
    case silent
    /// It broke the protocol.
    case violation(CallViolation)
}

/// What is wrong with a receipt.
public enum ReceiptFault: String, Error, Hashable, Sendable {
    case signature = "its signature is wrong"
    case subject = "it speaks of another call"
    case response = "it speaks of another answer"
    case usage = "it counts more tokens than there can be"
    case price = "it asks more than was agreed"
    case dates = "its dates are wrong"
}

/// What a peer did against the protocol. Such a stream is reset.
public enum CallViolation: Error, Hashable, Sendable {
    case malformed(DecodingFailure)
    /// A message that may not come now.
    case outOfTurn
    /// More than the reader allowed.
    case beyondCredit
    /// The body is not what its head announced.
    case bodyMismatch
    /// A checkpoint that is not signed, or not of this output.
    case wrongCheckpoint
    case wrongReceipt(ReceiptFault)
    /// A countersignature or a voucher that does not verify, or an older voucher.
    case wrongPayment
}
