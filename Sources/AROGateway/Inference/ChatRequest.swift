/// A question to a model of the network and its answer token by token, for programs in Swift; what others ask
/// over HTTP goes the same way.

import AROBackend
import AROPrimitives
import ARORuntime
import AROWire

/// What one chat says to a model.
public struct ChatRequest: Sendable {
    public struct Message: Hashable, Sendable {
        /// `system`, `user` or `assistant`.
        public var role: String
        public var content: String

        public init(role: String, content: String) { (self.role, self.content) = (role, content) }

        public static func system(_ text: String) -> Self { Self(role: "system", content: text) }
        public static func user(_ text: String) -> Self { Self(role: "user", content: text) }
        public static func assistant(_ text: String) -> Self {
            Self(role: "assistant", content: text)
        }
    }

    public var model: String
    public var messages: [Message]
    /// How long the answer may be, in tokens; nil for what the model server allows.
    public var tokensMax: Int?
    /// 0 to 2; nil for the model server's own.
    public var temperature: Double?
    /// Content that the provider fetches, verifies and gives to the model. At most 16.
    public var context: [CID] = []
    /// The idempotency key: a call made again with it is neither run nor billed again.
    public var key: String?
    /// What a million tokens may cost; nil for what the node's owner allows.
    public var priceMax: TokenPrice?
    /// Only this peer is asked.
    public var provider: PeerID?
    public var timeLimit = Swift.Duration.seconds(600)

    public init(model: String, messages: [Message]) {
        (self.model, self.messages) = (model, messages)
    }

    package func query() throws(InferenceFailure) -> ModelQuery {
        do throws(GatewayError) {
            var query = try ModelQuery(document, .chatCompletions, key: key)
            (query.priceMax, query.provider, query.timeLimit) = (priceMax, provider, timeLimit)
            return query
        } catch { throw .badRequest(error.message) }
    }

    /// As OpenAI's interface has it.
    private var document: JSON {
        var document: JSON = [
            "model": .string(model), "stream": true,
            "messages": .array(
                messages.map { ["role": .string($0.role), "content": .string($0.content)] }),
        ]
        if let tokensMax { document["max_tokens"] = .integer(Int64(tokensMax)) }
        if let temperature { document["temperature"] = .number(temperature) }
        if !context.isEmpty {
            document["aro_context"] = .array(context.map { .string("\($0)") })
        }
        return document
    }
}

extension NodeHandle {
    /// Asks a model of the network, and gives its answer piece by piece, a token or so each. Where the
    /// provider is lost, another goes on from what was said.
    ///
    /// ```swift
    /// let request = ChatRequest(model: "smollm2-135m-instruct", messages: [.user("Hello!")])
    /// for try await token in node.infer(request) { print(token, terminator: "") }
    /// ```
    public func infer(_ request: ChatRequest) -> TokenStream { TokenStream(node: self, request) }
}

/// An answer as it comes, for one reader; who stops reading ends the call.
///
/// - Throws: ``InferenceFailure``. What came until then is the truth, and not the whole of it.
public struct TokenStream: AsyncSequence, Sendable {
    public typealias Element = String

    private let node: NodeHandle
    private let request: ChatRequest

    init(node: NodeHandle, _ request: ChatRequest) { (self.node, self.request) = (node, request) }

    public func makeAsyncIterator() -> Iterator { Iterator(node: node, request) }

    public struct Iterator: AsyncIteratorProtocol {
        private let node: NodeHandle
        private let request: ChatRequest
        private var reply: ModelReply?

        init(node: NodeHandle, _ request: ChatRequest) {
            (self.node, self.request) = (node, request)
        }

        public mutating func next() async throws -> String? {
            let reply = try await begun()
            while let chunk = try await reply.chunk() {
                if let text = chunk.deltaText { return text }
            }
            return nil
        }

        private mutating func begun() async throws -> ModelReply {
            if let reply { return reply }
            let reply = try await ModelReply(
                try request.query(), NetworkInference(node: node), CallLog())
            self.reply = reply
            return reply
        }
    }
}

extension JSON {
    /// What a chunk of a chat adds to the answer; nil where that is nothing.
    package var deltaText: String? {
        let text = self["choices"]?[0]?["delta"]?["content"]?.string
        return text?.isEmpty == false ? text : nil
    }
}
