/// A client's request at `/v1`, checked as far as the gateway must understand it, and the document that goes to
/// the model.

import AROBackend
import AROPrimitives
import AROWire
import HTTPTypes

package struct ModelQuery: Sendable {
    var endpoint: InferenceEndpoint
    var model: String
    /// What the model is asked: always as a stream, where there is such a thing.
    var body: JSON
    /// Whether the client wants a stream, and the usage in it.
    var wantsStream: Bool
    var wantsUsage: Bool
    var context: [CID]
    var key: String
    /// nil for what the node's owner allows.
    var priceMax: TokenPrice?
    /// Only this peer is asked.
    var provider: PeerID?
    var timeLimit = Swift.Duration.seconds(600)

    /// CIDs of `aro_context` in one request, as a frame between nodes holds them.
    private static let contextMax = 16

    package init(
        _ document: JSON, _ endpoint: InferenceEndpoint, key: String?
    ) throws(GatewayError) {
        guard case .object = document else { throw Self.wrong("the body must be an object") }
        guard let name = document["model"] else {
            throw Self.wrong("you must provide a model", "model")
        }
        guard let model = name.string, !model.isEmpty else {
            throw Self.wrong("model must be a string", "model")
        }
        (self.endpoint, self.model, body) = (endpoint, model, document)
        self.key = key ?? "auto-\(UInt64.random(in: 0...UInt64.max))"
        wantsStream = try Self.flag(document, "stream")
        wantsUsage = document["stream_options"]?["include_usage"]?.bool ?? false
        context = try Self.context(document["aro_context"])
        body["aro_context"] = nil
        try checkInput()
        guard endpoint != .embeddings else { return }
        body["stream"] = true
        var options = document["stream_options"]?.object ?? [:]
        options["include_usage"] = true
        body["stream_options"] = .object(options)
    }

    private func checkInput() throws(GatewayError) {
        switch endpoint {
        case .chatCompletions:
            guard let messages = body["messages"]?.array else {
                throw Self.wrong("messages must be an array", "messages")
            }
            guard !messages.isEmpty else {
                throw Self.wrong("messages must not be empty", "messages")
            }
            for (i, message) in messages.enumerated() where message["role"]?.string == nil {
                throw Self.wrong("messages[\(i)] has no role", "messages[\(i)].role")
            }
        case .completions:
            guard body["prompt"] != nil else { throw Self.wrong("there is no prompt", "prompt") }
        case .embeddings:
            guard body["input"] != nil else { throw Self.wrong("there is no input", "input") }
        }
    }

    private static func flag(_ document: JSON, _ key: String) throws(GatewayError) -> Bool {
        guard let value = document[key], !value.isNull else { return false }
        guard let flag = value.bool else { throw wrong("\(key) must be true or false", key) }
        return flag
    }

    private static func context(_ value: JSON?) throws(GatewayError) -> [CID] {
        guard let value, !value.isNull else { return [] }
        let field = "aro_context"
        guard let texts = value.array else { throw wrong("\(field) must be an array", field) }
        guard texts.count <= contextMax else {
            throw wrong("\(field) has more than \(contextMax) CIDs", field)
        }
        var cids: [CID] = []
        for text in texts {
            guard let text = text.string else { throw wrong("\(field) holds CIDs", field) }
            do throws(GatewayError) { cids.append(try CID(anyVersion: text)) } catch {
                throw wrong("\(field): \(error.message)", field)
            }
        }
        return cids
    }

    static func wrong(_ message: String, _ field: String? = nil) -> GatewayError {
        GatewayError(.badRequest, "invalid_request", message, field: field)
    }

    var request: InferenceRequest {
        var request = InferenceRequest(
            endpoint: endpoint, model: model, body: body.bytes,
            isStreamed: endpoint != .embeddings, key: key)
        request.context = context
        (request.priceMax, request.provider) = (priceMax, provider)
        request.timeLimit = timeLimit
        request.conversation = conversation
        return request
    }

    /// How a conversation begins: what the system says, and the user first.
    private var conversation: [UInt8]? {
        guard let messages = body["messages"]?.array,
            let first = messages.firstIndex(where: { $0["role"] == "user" })
        else { return nil }
        return Array(model.utf8) + JSON.array(Array(messages[...first])).bytes
    }

    /// What another provider is asked to go on with `text`; nil where nobody could do that so that the
    /// whole still is one answer.
    func continued(from completion: Completion, tokens: Int64) -> JSON? {
        guard completion.isPlain, (body["n"]?.integer ?? 1) == 1 else { return nil }
        var body = body
        switch endpoint {
        case .chatCompletions:
            let isConstrained = ["tools", "functions", "response_format", "logprobs"].contains {
                guard let value = body[$0] else { return false }
                return !value.isNull && value != false
            }
            guard !isConstrained, var messages = body["messages"]?.array else { return nil }
            // Servers go on with the last message where it is the assistant's.
            messages.append(["role": "assistant", "content": .string(completion.text)])
            body["messages"] = .array(messages)
        case .completions:
            guard let prompt = body["prompt"]?.string, body["echo"]?.bool != true else {
                return nil
            }
            body["prompt"] = .string(prompt + completion.text)
        case .embeddings: return nil
        }
        for key in ["max_tokens", "max_completion_tokens"] {
            guard let limit = body[key]?.integer else { continue }
            guard limit > tokens else { return nil }
            body[key] = .integer(limit - tokens)
        }
        return body
    }
}

extension GatewayError {
    /// As OpenAI's clients expect it.
    init(_ failure: InferenceFailure) {
        let words = failure.description
        switch failure {
        case .modelNotFound: self.init(.notFound, "model_not_found", words, field: "model")
        case .busy(_, let seconds):
            self.init(.tooManyRequests, "rate_limit_exceeded", words)
            headers[.retryAfter] = "\(max(1, seconds))"
        case .unavailable:
            self.init(.serviceUnavailable, "no_provider", words)
            headers[.retryAfter] = "1"
        case .badRequest: self.init(.badRequest, "invalid_request", words)
        case .context: self.init(.badRequest, "context_unavailable", words, field: "aro_context")
        case .payment: self.init(.init(code: 402), "payment_required", words)
        case .deadline: self.init(.gatewayTimeout, "deadline_exceeded", words)
        case .interrupted: self.init(.badGateway, "answer_interrupted", words)
        case .keyReused: self.init(.unprocessableContent, "idempotency_key_reused", words)
        }
    }
}
