import AROBackend
import AROWire
import Testing

@testable import AROGateway

@Suite("OpenAI's interface", .serialized) struct ModelTests {
    private let chat: JSON = ["model": "m", "messages": [["role": "user", "content": "hi"]]]

    private func asking(_ change: [String: JSON]) -> JSON {
        .object(chat.object!.merging(change) { $1 })
    }

    private func face(
        _ home: GatewayHome, _ script: [ScriptedInference.Line]
    ) async throws -> (Face, ScriptedInference) {
        let inference = ScriptedInference(["m": script])
        return (try await home.face("a", inference: inference), inference)
    }

    @Test("models are listed, found by name, also with slashes, and missed with 404")
    func models() async throws {
        let home = try GatewayHome()
        let a = try await home.face("a", inference: ScriptedInference(["org/m": [], "z": []]))
        let list = try await a.ask("/v1/models")
        #expect(list.json?["object"] == "list")
        #expect(list.json?["data"]?.array?.map { $0["id"]?.string } == ["org/m", "z"])
        #expect(try await a.ask("/v1/models/org/m").json?["id"] == "org/m")
        let absent = try await a.ask("/v1/models/none")
        #expect(absent.status == 404)
        let error = try #require(absent.json?["error"]?.object)
        #expect(Set(error.keys) == ["message", "type", "param", "code"])
        #expect(error["code"] == "model_not_found" && error["param"] == "model")
        try await a.close()
    }

    @Test("an answer comes whole, put together from the stream that the model is asked for")
    func whole() async throws {
        let home = try GatewayHome()
        let (a, inference) = try await face(
            home, [.say(delta("Hel")), .say(delta("lo", finish: "stop")), .say(usageChunk)])
        let answer = try await a.post("/v1/chat/completions", asking(["temperature": 0.5]))
        #expect(answer.status == 200 && answer.json?["object"] == "chat.completion")
        #expect(answer.json?["choices"]?[0]?["message"]?["content"] == "Hello")
        #expect(answer.json?["choices"]?[0]?["finish_reason"] == "stop")
        #expect(answer.json?["usage"]?["total_tokens"] == 5)
        let request = try #require(inference.seen.requests.first)
        let body = try JSON(request.body)
        #expect(request.isStreamed && body["stream"] == true && body["temperature"] == 0.5)
        #expect(body["stream_options"]?["include_usage"] == true)
        try await a.close()
    }

    @Test("a stream holds every chunk, the usage only where it was asked for, and ends with [DONE]")
    func streams() async throws {
        let home = try GatewayHome()
        let (a, _) = try await face(
            home, [.say(delta("Hel")), .say(delta("lo", finish: "stop")), .say(usageChunk)])
        let plain = try await a.post("/v1/chat/completions", asking(["stream": true]))
        #expect(plain["content-type"]?.hasPrefix("text/event-stream") == true)
        #expect(plain.events.count == 3 && plain.events.last?.data == Array("[DONE]".utf8))
        let chunks = try plain.events.dropLast().map { try JSON($0.data) }
        #expect(chunks.allSatisfy { $0["usage"] == nil })
        let asked = try await a.post(
            "/v1/chat/completions",
            asking(["stream": true, "stream_options": ["include_usage": true]]))
        #expect(asked.events.count == 4)
        #expect(try JSON(asked.events[2].data)["usage"]?["prompt_tokens"] == 3)
        try await a.close()
    }

    @Test("a lost provider is replaced in the middle, and the stream says so and stays one answer")
    func resumption() async throws {
        let home = try GatewayHome()
        let script: [ScriptedInference.Line] = [
            .say(delta("Hel")), .lose("it hung up"), .say(delta("lo", id: "c-2")),
            .say(delta("", finish: "stop", id: "c-2")),
        ]
        let (a, inference) = try await face(home, script)
        let answer = try await a.post(
            "/v1/chat/completions", asking(["stream": true, "max_tokens": 10]))
        let chunks = try answer.events.dropLast().map { try JSON($0.data) }
        #expect(chunks.map { $0["id"]?.string } == ["c-1", "c-1", "c-1"])
        #expect(chunks[1]["aro_resumed"] == "it hung up" && chunks[2]["aro_resumed"] == nil)
        #expect(answer.events.last?.data == Array("[DONE]".utf8))
        let body = try #require(inference.seen.resumptions.first)
        #expect(body["messages"]?[1] == ["role": "assistant", "content": "Hel"])
        #expect(body["max_tokens"] == 9)
        let whole = try await a.post("/v1/chat/completions", chat)
        #expect(whole.json?["choices"]?[0]?["message"]?["content"] == "Hello")
        try await a.close()
    }

    @Test(
        "what cannot go on ends with an error and without [DONE], never looking complete",
        arguments: [true, false])
    func cuts(isStreamed: Bool) async throws {
        let home = try GatewayHome()
        let scripts: [String: [ScriptedInference.Line]] = [
            "lost": [.say(delta("Hel")), .fail(.interrupted("it hung up"))],
            "silent": [.say(delta("Hel"))],
            "tools": [.say(delta("Hel")), .lose("it hung up"), .say(delta("", finish: "stop"))],
            "again": [.say(delta("a"))]
                + (0..<5).flatMap { _ in [.lose("gone"), .say(delta("a"))] }
                + [.say(delta("", finish: "stop"))],
        ]
        let a = try await home.face("a", inference: ScriptedInference(scripts))
        for model in scripts.keys.sorted() {
            var body = asking(["model": .string(model), "stream": .bool(isStreamed)])
            if model == "tools" { body["tools"] = [["type": "function"]] }
            let answer = try await a.post("/v1/chat/completions", body)
            if isStreamed {
                let last = try JSON(try #require(answer.events.last).data)
                #expect(last["error"]?["code"] == "answer_interrupted", "\(model)")
            } else {
                #expect(answer.status == 502, "\(model)")
                #expect(answer.json?["error"]?["code"] == "answer_interrupted", "\(model)")
            }
        }
        try await a.close()
    }

    @Test("failures have the status and code that clients act on")
    func failures() async throws {
        let home = try GatewayHome()
        let failures: [String: (InferenceFailure, Int, String)] = [
            "busy": (.busy("full", retryAfterSeconds: 7), 429, "rate_limit_exceeded"),
            "none": (.unavailable("x"), 503, "no_provider"),
            "wrong": (.badRequest("x"), 400, "invalid_request"),
            "context": (.context("x"), 400, "context_unavailable"),
            "money": (.payment("x"), 402, "payment_required"),
            "late": (.deadline("x"), 504, "deadline_exceeded"),
            "key": (.keyReused("x"), 422, "idempotency_key_reused"),
        ]
        let a = try await home.face(
            "a", inference: ScriptedInference(failures.mapValues { [.fail($0.0)] }))
        for (model, (_, status, code)) in failures {
            let answer = try await a.post(
                "/v1/chat/completions", asking(["model": .string(model), "stream": true]))
            #expect(answer.status == status && answer.json?["error"]?["code"]?.string == code)
            if model == "busy" { #expect(answer["retry-after"] == "7") }
        }
        try await a.close()
    }

    @Test("documents that make no sense are refused by field, bodies that are too long unread")
    func refusals() async throws {
        let home = try GatewayHome()
        let a = try await home.face("a", inference: ScriptedInference(["m": []])) {
            $0.limits.bodyBytesMax = 1_000
        }
        let wrong: [(String, String, String?)] = [
            ("/v1/chat/completions", "", nil), ("/v1/chat/completions", "[]", nil),
            ("/v1/chat/completions", #"{"messages":[]}"#, "model"),
            ("/v1/chat/completions", #"{"model":7}"#, "model"),
            ("/v1/chat/completions", #"{"model":"m"}"#, "messages"),
            ("/v1/chat/completions", #"{"model":"m","messages":[]}"#, "messages"),
            ("/v1/chat/completions", #"{"model":"m","messages":[{}]}"#, "messages[0].role"),
            (
                "/v1/chat/completions", #"{"model":"m","messages":[{"role":"user"}],"stream":1}"#,
                "stream"
            ),
            ("/v1/completions", #"{"model":"m"}"#, "prompt"),
            ("/v1/embeddings", #"{"model":"m"}"#, "input"),
            (
                "/v1/completions", #"{"model":"m","prompt":"x","aro_context":["nonsense"]}"#,
                "aro_context"
            ),
            (
                "/v1/responses", #"{"model":"m","input":"x","previous_response_id":"r"}"#,
                "previous_response_id"
            ),
        ]
        for (path, body, field) in wrong {
            let answer = try await a.ask(path, .POST, body: Array(body.utf8))
            #expect(
                answer.status == 400 && answer.json?["error"]?["param"]?.string == field, "\(body)")
        }
        let long = String(repeating: "x", count: 2_000)
        let answer = try await a.post("/v1/chat/completions", asking(["user": .string(long)]))
        #expect(answer.status == 413 && answer["connection"] == "close")
        #expect(try await a.ask("/v1/chat/completions").status == 405)
        #expect(try await a.ask("/v1/nothing", .POST, body: [1]).status == 404)
        try await a.close()
    }

    @Test("context by CID goes beside the body; embeddings pass as they are")
    func besides() async throws {
        let home = try GatewayHome()
        let (a, inference) = try await face(
            home, [.bytes(Array(#"{"data":"#.utf8)), .bytes(Array("[]}".utf8))])
        let cid = CID(.raw, hashing: [1].span.bytes)
        _ = try await a.post(
            "/v1/embeddings",
            ["model": "m", "input": "x", "aro_context": [.string("\(cid)")]],
            ["idempotency-key": "k"])
        let request = try #require(inference.seen.requests.first)
        #expect(request.context == [cid] && request.key == "k" && !request.isStreamed)
        #expect(try JSON(request.body) == ["model": "m", "input": "x"])
        try await a.close()
    }

    @Test("who hangs up cancels the call, before the first token and after it")
    func hangUps() async throws {
        let home = try GatewayHome()
        let inference = ScriptedInference(["early": [.hang], "late": [.say(delta("x")), .hang]])
        let a = try await home.face("a", inference: inference)
        for (count, model) in [(1, "early"), (2, "late")] {
            let client = try RawClient(port: a.gateway.address.port)
            let body = asking(["model": .string(model), "stream": true]).text
            client.send(
                "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\n"
                    + "Content-Length: \(body.utf8.count)\r\n\r\n\(body)")
            if model == "late" { #expect(await client.some()?.contains("200 OK") == true) }
            while inference.seen.requests.count < count {
                try await Task.sleep(for: .milliseconds(5))
            }
            client.hangUp()
            while inference.seen.cancelled < count { try await Task.sleep(for: .milliseconds(5)) }
        }
        #expect(inference.seen.cancelled == 2)
        try await a.close()
    }

    @Test("a slow reader slows the model")
    func backpressure() async throws {
        let home = try GatewayHome()
        let text = String(repeating: "x", count: 60_000)
        let inference = ScriptedInference([
            "m": Array(repeating: .say(delta(text)), count: 2_000)
        ])
        let a = try await home.face("a", inference: inference)
        let client = try RawClient(port: a.gateway.address.port)
        let body = asking(["stream": true]).text
        client.send(
            "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\n"
                + "Content-Length: \(body.utf8.count)\r\n\r\n\(body)")
        _ = await client.some()
        var before = -1
        while inference.seen.pulled != before {
            before = inference.seen.pulled
            try await Task.sleep(for: .milliseconds(300))
        }
        // Of 120 MB no more is taken than sockets hold.
        #expect(before < 500, "\(before) chunks were taken from the model")
        client.hangUp()
        try await a.close()
    }

    @Test("responses come whole and as numbered events, and fail aloud")
    func responses() async throws {
        let home = try GatewayHome()
        let scripts: [String: [ScriptedInference.Line]] = [
            "m": [.say(delta("Hel")), .say(delta("lo", finish: "stop")), .say(usageChunk)],
            "cut": [.say(delta("Hel")), .fail(.interrupted("it hung up"))],
        ]
        let inference = ScriptedInference(scripts)
        let a = try await home.face("a", inference: inference)
        let ask: JSON = [
            "model": "m", "instructions": "be brief", "max_output_tokens": 5,
            "input": [["role": "user", "content": [["type": "input_text", "text": "hi"]]]],
        ]
        let whole = try await a.post("/v1/responses", ask)
        #expect(whole.json?["status"] == "completed")
        #expect(whole.json?["output"]?[0]?["content"]?[0]?["text"] == "Hello")
        #expect(whole.json?["usage"]?["input_tokens"] == 3)
        let body = try JSON(try #require(inference.seen.requests.first).body)
        #expect(body["messages"]?.array?.map { $0["role"]?.string } == ["system", "user"])
        #expect(body["max_tokens"] == 5)
        var streamed = ask
        streamed["stream"] = true
        let events = try await a.post("/v1/responses", streamed).events
        #expect(
            events.first?.name == "response.created" && events.last?.name == "response.completed")
        #expect(events.count { $0.name == "response.output_text.delta" } == 2)
        let numbers = try events.map { try JSON($0.data)["sequence_number"]?.integer ?? -1 }
        #expect(numbers == Array(0..<Int64(events.count)))
        streamed["model"] = "cut"
        #expect(try await a.post("/v1/responses", streamed).events.last?.name == "response.failed")
        try await a.close()
    }

    @Test("where the owner demands it, models and tools need the token")
    func token() async throws {
        let home = try GatewayHome()
        let a = try await home.face("a", inference: ScriptedInference(["m": []])) {
            $0.requiresToken = true
        }
        let refused = try await a.ask("/v1/models")
        #expect(refused.status == 401 && refused.json?["error"]?["type"] == "authentication_error")
        #expect(
            try await a.ask("/v1/models", .GET, ["authorization": "Bearer \(a.token)"]).status
                == 200)
        try await a.close()
    }
}
