/// How the gateway calls models: whoever finds providers and carries calls to them stands behind this seam. The
/// gateway knows OpenAI's documents, the other side does not (Docs/Decisions/0012-inference.md).

import AROPrimitives
import AROWire

/// Answers calls of models.
public protocol InferenceServing: Sendable {
    /// The models that can be called, each once, in the order of their names.
    func models() async throws -> [OfferedModel]

    /// Begins a call.
    ///
    /// - Throws: ``InferenceFailure``.
    func call(_ request: InferenceRequest) async throws -> any InferenceCall
}

/// A call under way. Pulled: what is not asked for is not sent, so a slow reader slows the model.
public protocol InferenceCall: Sendable {
    /// The next event; nil when the call has ended well. Cancelling the task that waits ends the
    /// call.
    ///
    /// - Throws: ``InferenceFailure``, with which the call is over.
    func next() async throws -> InferenceEvent?

    /// After ``InferenceEvent/interrupted(_:)``: goes on at another provider, with a body that says
    /// what was said already.
    func resume(with body: [UInt8]) async throws

    /// Ends the call; harmless when it is over.
    func cancel()
}

public enum InferenceEndpoint: String, Hashable, Sendable {
    case chatCompletions = "chat/completions"
    case completions = "completions"
    case embeddings = "embeddings"
}

public struct InferenceRequest: Sendable {
    public var endpoint: InferenceEndpoint
    public var model: String
    /// OpenAI's document.
    public var body: [UInt8]
    /// Whether each event is one of a stream, whole; else they are pieces of one answer.
    public var isStreamed: Bool
    /// A call of the same key runs once.
    public var key: String
    /// Content that the provider gives to the model.
    public var context: [CID] = []
    public var timeLimit = Swift.Duration.seconds(600)
    /// What a million tokens may cost; nil for what the node's owner allows.
    public var priceMax: TokenPrice?
    /// Only this peer is asked.
    public var provider: PeerID?
    /// What calls of one conversation have in common: they go to the same provider while it may still
    /// hold the prefix.
    public var conversation: [UInt8]?

    public init(
        endpoint: InferenceEndpoint, model: String, body: [UInt8], isStreamed: Bool, key: String
    ) {
        (self.endpoint, self.model, self.body) = (endpoint, model, body)
        (self.isStreamed, self.key) = (isStreamed, key)
    }
}

public enum InferenceEvent: Hashable, Sendable {
    /// A provider has taken the call, behind so many others. May come again until there is output.
    case accepted(provider: String, position: Int)
    /// The data of one event of the model's stream, or a piece of the answer.
    case output([UInt8])
    /// The provider was lost in the middle of the answer, for this reason; others are left.
    case interrupted(String)
}

/// A model as its callers see it.
public struct OfferedModel: Hashable, Sendable {
    public var name: String
    /// The largest context among its providers.
    public var contextTokens: UInt64?
    public var providers: [Provider]

    public struct Provider: Hashable, Sendable {
        /// The peer.
        public var name: String
        public var slots: Int
        public var slotsFree: Int
        public var queued: Int
        /// Millionths of the unit of account for a million tokens.
        public var inputPrice: UInt64
        public var outputPrice: UInt64
        /// By network coordinates.
        public var roundTripMilliseconds: Double?

        public init(
            name: String, slots: Int, slotsFree: Int, queued: Int, inputPrice: UInt64,
            outputPrice: UInt64, roundTripMilliseconds: Double? = nil
        ) {
            (self.name, self.slots, self.slotsFree) = (name, slots, slotsFree)
            (self.queued, self.inputPrice, self.outputPrice) = (queued, inputPrice, outputPrice)
            self.roundTripMilliseconds = roundTripMilliseconds
        }
    }

    public init(name: String, contextTokens: UInt64?, providers: [Provider]) {
        (self.name, self.contextTokens, self.providers) = (name, contextTokens, providers)
    }
}

/// Why a call did not end well, as its caller needs to know it.
public enum InferenceFailure: Error, Hashable, Sendable {
    /// Nobody offers the model.
    case modelNotFound(String)
    /// Everybody who offers it is full, or owes patience.
    case busy(String, retryAfterSeconds: Int64)
    /// Every provider failed or refused, with the last one's words.
    case unavailable(String)
    /// The model server says that the request is wrong.
    case badRequest(String)
    /// The context could not be had.
    case context(String)
    /// The price, or what is owed, forbids it.
    case payment(String)
    /// Not finished in time.
    case deadline(String)
    /// Lost in the middle of the answer, with nobody to go on.
    case interrupted(String)
    /// The key was used for another request.
    case keyReused(String)
}

extension InferenceFailure: CustomStringConvertible {
    public var description: String {
        switch self {
        case .modelNotFound(let model):
            "the model '\(model)' does not exist in this network: nobody offers it"
        case .busy(let words, _), .unavailable(let words), .badRequest(let words),
            .context(let words), .payment(let words), .deadline(let words),
            .interrupted(let words), .keyReused(let words):
            words
        }
    }
}
