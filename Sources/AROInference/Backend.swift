/// What the node asks of the model servers behind it, and what they answer. The node itself opens no
/// socket to them: the driver carries requests to a client of theirs and brings the replies back.
///
/// A driver may find a request for a call that it has ended already: it ignores it.

import AROPrimitives
import AROWire

/// Pairs replies with their request. Chosen by the node, opaque to the driver. Never reused.
public struct BackendToken: Hashable, Comparable, Sendable {
    public var number: UInt64
    public init(number: UInt64) { self.number = number }
    public static func < (a: Self, b: Self) -> Bool { a.number < b.number }
}

/// A call for a model server.
public struct BackendCall: Sendable {
    public var model: String
    public var endpoint: CallEndpoint
    /// Whether each event of the answer is to be one of a stream; else pieces of the answer.
    public var isStreamed: Bool
    public var body: [UInt8]
    /// Content to be fetched, verified and given to the model.
    public var context: [CID]
    public var caller: PeerID
    /// How long the caller still waits.
    public var timeLeft: Duration
}

public enum BackendRequest: Sendable {
    /// Start a call. Replies: any number of ``BackendReply/event(_:_:)``, then one of `finished` and
    /// `failed`, the last. Nothing may be told before it was taken by ``take(byteCount:_:)``.
    case start(BackendCall, BackendToken)
    /// So many bytes of events may be told more than before. One event may overshoot the sum.
    case take(byteCount: Int, BackendToken)
    /// Stop at once. No reply is awaited any more.
    case cancel(BackendToken)
}

public enum BackendReply: Sendable {
    /// One whole event, 1 to 262,144 bytes; of an answer that is not streamed, the next piece.
    case event(BackendToken, [UInt8])
    /// The answer is complete.
    case finished(BackendToken, TokenUsage)
    case failed(BackendToken, BackendFailure)
}

/// Why a model server did not answer, with words for the caller.
public enum BackendFailure: Error, Hashable, Sendable {
    /// It cannot be reached, broke off, or failed: another may do better.
    case unavailable(String)
    /// It says that the request is wrong: no other will like it better.
    case badRequest(String)
    /// The context could not be fetched or verified.
    case context(String)
    /// It has no room after all.
    case busy(String)
}

/// A model that this node offers to others, and to its own user.
public struct ServedModel: Hashable, Sendable {
    /// 1 to 64 bytes of UTF-8.
    public var name: String
    /// Tokens of prompt and answer together.
    public var contextTokens: UInt32
    public var price: TokenPrice
    public var endpoints: [CallEndpoint]
    /// Calls that run at once; 0 while the model server is not well.
    public var slots: Int
    /// Calls that may wait.
    public var queueMax: Int

    public init(
        name: String, contextTokens: UInt32 = 0, price: TokenPrice = .free,
        endpoints: [CallEndpoint] = CallEndpoint.allCases, slots: Int = 1, queueMax: Int = 16
    ) {
        (self.name, self.contextTokens, self.price) = (name, contextTokens, price)
        (self.endpoints, self.slots, self.queueMax) = (endpoints, slots, queueMax)
    }
}
