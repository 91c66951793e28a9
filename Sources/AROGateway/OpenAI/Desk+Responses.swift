/// `POST /v1/responses` (platform.openai.com/docs/api-reference/responses), told to models as a chat: texts in,
/// a text out, whole or as events. What needs a memory on the server or tools is refused with words.

import AROBackend
import Foundation
import HTTPTypes
import HummingbirdCore

/// A request at `/v1/responses` as the chat that it means.
struct ResponsesQuery {
    let document: JSON

    init(_ document: JSON) throws(GatewayError) {
        guard case .object = document else {
            throw ModelQuery.wrong("the body must be an object")
        }
        self.document = document
        for key in ["previous_response_id", "conversation", "prompt"] {
            guard let value = document[key], !value.isNull else { continue }
            throw ModelQuery.wrong("\(key): nothing is remembered here; send the whole input", key)
        }
        if let tools = document["tools"]?.array, !tools.isEmpty {
            throw ModelQuery.wrong("tools are served at /v1/chat/completions only", "tools")
        }
        if document["background"]?.bool == true {
            throw ModelQuery.wrong("answers are given at once only", "background")
        }
    }

    func chat() throws(GatewayError) -> JSON {
        var messages: [JSON] = []
        if let instructions = document["instructions"]?.string {
            messages.append(["role": "system", "content": .string(instructions)])
        }
        switch document["input"] {
        case .string(let text)?: messages.append(["role": "user", "content": .string(text)])
        case .array(let items)?:
            for (i, item) in items.enumerated() { messages.append(try Self.message(item, i)) }
        default: throw ModelQuery.wrong("input must be a text or an array", "input")
        }
        var chat: JSON = ["messages": .array(messages)]
        for key in ["model", "temperature", "top_p", "stream", "user", "aro_context", "seed"] {
            if let value = document[key], !value.isNull { chat[key] = value }
        }
        if let limit = document["max_output_tokens"], !limit.isNull { chat["max_tokens"] = limit }
        return chat
    }

    private static func message(_ item: JSON, _ index: Int) throws(GatewayError) -> JSON {
        let field = "input[\(index)]"
        guard (item["type"]?.string ?? "message") == "message", let role = item["role"]?.string
        else { throw ModelQuery.wrong("\(field): only messages are served here", field) }
        let kind = role == "developer" ? "system" : role
        switch item["content"] {
        case .string(let text)?: return ["role": .string(kind), "content": .string(text)]
        case .array(let parts)?:
            var text = ""
            for part in parts {
                guard let more = part["text"]?.string else {
                    throw ModelQuery.wrong("\(field): only texts are served here", field)
                }
                text += more
            }
            return ["role": .string(kind), "content": .string(text)]
        default: throw ModelQuery.wrong("\(field) has no content", field)
        }
    }
}

/// The documents of one response as it grows.
private struct ResponseDocument {
    let id = "resp_" + String(UInt64.random(in: 0...UInt64.max), radix: 16)
    let item = "msg_" + String(UInt64.random(in: 0...UInt64.max), radix: 16)
    let created = Int64(Date().timeIntervalSince1970)
    let query: JSON

    func part(_ text: String) -> JSON {
        ["type": "output_text", "text": .string(text), "annotations": [], "logprobs": []]
    }

    func message(_ text: String?, status: String) -> JSON {
        [
            "id": .string(item), "type": "message", "role": "assistant",
            "status": .string(status), "content": .array(text.map { [part($0)] } ?? []),
        ]
    }

    func whole(
        _ status: String, _ completion: Completion?, error: JSON = .null
    ) -> JSON {
        let reason = completion?.answer["choices"]?[0]?["finish_reason"]?.string
        let isCut = status == "completed" && reason == "length"
        let text = completion?.text
        let shown = isCut ? "incomplete" : status
        return [
            "id": .string(id), "object": "response", "created_at": .integer(created),
            "status": .string(shown), "error": error,
            "incomplete_details": isCut ? ["reason": "max_output_tokens"] : .null,
            "instructions": query["instructions"] ?? .null, "metadata": query["metadata"] ?? [:],
            "model": completion?.answer["model"] ?? query["model"] ?? .null,
            "output": .array(text.map { [message($0, status: shown)] } ?? []),
            "parallel_tool_calls": true, "temperature": query["temperature"] ?? .null,
            "tool_choice": "auto", "tools": [], "top_p": query["top_p"] ?? .null,
            "max_output_tokens": query["max_output_tokens"] ?? .null,
            "previous_response_id": .null, "store": false, "usage": usage(completion?.usage),
        ]
    }

    private func usage(_ told: JSON?) -> JSON {
        guard let told else { return .null }
        let input = told["prompt_tokens"]?.integer ?? 0
        let output = told["completion_tokens"]?.integer ?? 0
        return [
            "input_tokens": .integer(input), "output_tokens": .integer(output),
            "total_tokens": .integer(input + output),
            "input_tokens_details": [
                "cached_tokens": told["prompt_tokens_details"]?["cached_tokens"] ?? 0
            ],
            "output_tokens_details": ["reasoning_tokens": 0],
        ]
    }
}

extension Desk {
    func respond(_ request: Request) async throws -> Response {
        let asked = try ResponsesQuery(try await json(request))
        let query = try ModelQuery(
            try asked.chat(), .chatCompletions,
            key: request.headers[.init("Idempotency-Key")!])
        let reply = try await ModelReply(query, inference, calls)
        let document = ResponseDocument(query: asked.document)
        guard query.wantsStream else {
            while try await reply.chunk() != nil {}
            return Response(json: document.whole("completed", reply.completion))
        }
        let first = try await reply.chunk()
        return Response(failureName: "error") { sink in
            try await Self.tell(reply, first, document, sink)
        }
    }

    private static func tell(
        _ reply: ModelReply, _ first: JSON?, _ document: ResponseDocument, _ sink: EventSink
    ) async throws {
        let out = NumberedEvents(sink)
        try await out.send("response.created", ["response": document.whole("in_progress", nil)])
        try await out.send(
            "response.in_progress", ["response": document.whole("in_progress", nil)])
        try await out.send(
            "response.output_item.added",
            ["output_index": 0, "item": document.message(nil, status: "in_progress")])
        let place: [String: JSON] = [
            "item_id": .string(document.item), "output_index": 0, "content_index": 0,
        ]
        try await out.send(
            "response.content_part.added", place.merging(["part": document.part("")]) { $1 })
        do {
            var next = first
            while let chunk = next {
                let delta = chunk["choices"]?[0]?["delta"]?["content"]?.string ?? ""
                if !delta.isEmpty {
                    try await out.send(
                        "response.output_text.delta",
                        place.merging(["delta": .string(delta), "logprobs": []]) { $1 })
                }
                next = try await reply.chunk()
            }
        } catch let failure as InferenceFailure {
            let error = GatewayError(failure)
            let words: JSON = ["code": .string(error.code), "message": .string(error.message)]
            return try await out.send(
                "response.failed",
                ["response": document.whole("failed", reply.completion, error: words)])
        }
        let text = reply.completion.text
        try await out.send(
            "response.output_text.done",
            place.merging(["text": .string(text), "logprobs": []]) { $1 })
        try await out.send(
            "response.content_part.done", place.merging(["part": document.part(text)]) { $1 })
        try await out.send(
            "response.output_item.done",
            ["output_index": 0, "item": document.message(text, status: "completed")])
        let whole = document.whole("completed", reply.completion)
        let name = whole["status"]?.string ?? "completed"
        try await out.send("response.\(name)", ["response": whole])
    }
}

/// Events with their name and number inside, as this interface has them.
private final class NumberedEvents: @unchecked Sendable {
    private let sink: EventSink
    private var number: Int64 = 0

    init(_ sink: EventSink) { self.sink = sink }

    func send(_ name: String, _ fields: [String: JSON]) async throws {
        var document = fields
        document["type"] = .string(name)
        document["sequence_number"] = .integer(number)
        number += 1
        try await sink.send(.object(document), name: name)
    }
}
