/// `/v1/…` as OpenAI's clients speak it (platform.openai.com/docs/api-reference), over whatever answers calls of
/// models.

import AROBackend
import HTTPTypes
import HummingbirdCore
import NIOCore

extension Desk {
    // MARK: What there is

    func listModels() async throws -> Response {
        let models = try await inference.models()
        return Response(json: ["object": "list", "data": .array(models.map(\.document))])
    }

    func model(_ name: String) async throws -> Response {
        guard let model = try await inference.models().first(where: { $0.name == name }) else {
            throw GatewayError(InferenceFailure.modelNotFound(name))
        }
        return Response(json: model.document)
    }

    // MARK: Calls

    func call(_ request: Request, _ endpoint: InferenceEndpoint) async throws -> Response {
        let query = try ModelQuery(
            try await json(request), endpoint, key: request.headers[.init("Idempotency-Key")!])
        let reply = try await ModelReply(query, inference, calls)
        if endpoint == .embeddings {
            let bytes = try await reply.whole(byteCountMax: AnswerLimits.wholeBytesMax)
            return Response(
                status: .ok, headers: [.contentType: "application/json"],
                body: ResponseBody(byteBuffer: ByteBuffer(bytes: bytes)))
        }
        guard query.wantsStream else {
            while try await reply.chunk() != nil {}
            return Response(json: reply.completion.answer)
        }
        // Until the first chunk is there, what goes wrong is told by the status.
        guard let first = try await reply.chunk() else {
            throw GatewayError(.badGateway, "empty_answer", "the model said nothing")
        }
        return Response(events: { sink in
            var next: JSON? = first
            while let chunk = next {
                if let shown = Self.shown(chunk, wantsUsage: query.wantsUsage) {
                    try await sink.send(shown)
                }
                next = try await reply.chunk()
            }
            try await sink.send(data: "[DONE]")
        })
    }

    /// The chunk without the usage that the client did not ask for; nil where nothing is left.
    private static func shown(_ chunk: JSON, wantsUsage: Bool) -> JSON? {
        guard !wantsUsage, chunk["usage"] != nil else { return chunk }
        guard chunk["choices"]?.array?.isEmpty == false else { return nil }
        var chunk = chunk
        chunk["usage"] = nil
        return chunk
    }
}

extension OfferedModel {
    var document: JSON {
        let rows = providers.map { provider -> JSON in
            [
                "peer": .string(provider.name), "slots": JSON(provider.slots),
                "slots_free": JSON(provider.slotsFree), "queued": JSON(provider.queued),
                "input_price": JSON(provider.inputPrice),
                "output_price": JSON(provider.outputPrice),
                "round_trip_ms": provider.roundTripMilliseconds.map { .number($0) } ?? .null,
            ]
        }
        return [
            "id": .string(name), "object": "model", "created": 0, "owned_by": "aro",
            "context_tokens": contextTokens.map { JSON($0) } ?? .null, "providers": .array(rows),
        ]
    }
}

/// Where events of an answer go, and the last word if it breaks off.
final class EventSink: @unchecked Sendable {
    private let out: BodySink

    init(_ out: BodySink) { self.out = out }

    func send(_ document: JSON, name: String? = nil) async throws {
        try await send(data: document.text, name: name)
    }

    func send(data: String, name: String? = nil) async throws {
        let line = name.map { "event: \($0)\n" } ?? ""
        try await out.write("\(line)data: \(data)\n\n".utf8)
    }

    /// Something that clients skip, to see whether they are still there.
    func beat() async throws { try await out.write(":\n\n".utf8) }
}

extension Response {
    /// A stream of events (WHATWG HTML §9.2). What goes wrong in the middle is told by an event with
    /// an `error`, as OpenAI's clients understand it; then the stream ends without its usual last
    /// event.
    init(
        failureName: String? = nil,
        events: @escaping @Sendable (EventSink) async throws -> Void
    ) {
        self.init(
            status: .ok,
            headers: [
                .contentType: "text/event-stream; charset=utf-8", .cacheControl: "no-store",
                .init("X-Accel-Buffering")!: "no",
            ],
            body: ResponseBody { writer in
                let out = BodySink(writer)
                let sink = EventSink(out)
                do { try await events(sink) } catch {
                    try Task.checkCancellation()
                    try await sink.send(GatewayError(error).openAI, name: failureName)
                }
                try await out.finish()
            })
    }
}
