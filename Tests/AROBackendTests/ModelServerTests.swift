import Testing

@testable import AROBackend

@Suite("Model servers", .serialized) struct ModelServerTests {
    private func with(
        _ reply: @escaping @Sendable (StubServer) -> StubServer.Reply,
        _ body: (ModelServer, StubServer) async throws -> Void
    ) async throws {
        let stub = StubServer()
        try await stub.start(reply(stub))
        let server = try ModelServer(stub.address)
        do { try await body(server, stub) } catch {
            await server.shutdown()
            throw error
        }
        await server.shutdown()
        await stub.stop()
    }

    private func question(
        _ body: JSON = ["model": "m", "messages": []], isStreamed: Bool = true
    ) -> ModelQuestion {
        ModelQuestion(endpoint: .chatCompletions, body: body.bytes, isStreamed: isStreamed)
    }

    private func all(_ answer: ModelAnswer) async throws -> [String] {
        var events: [String] = []
        while let bytes = try await answer.next() {
            events.append(String(decoding: bytes, as: UTF8.self))
        }
        return events
    }

    @Test("models, slots and queue are found as llama.cpp and vLLM tell them")
    func discovery() async throws {
        try await with({ _ in
            { path, _ in
                switch path {
                case "/v1/models":
                    StubServer.json(
                        #"{"data":[{"id":"a","meta":{"n_ctx_train":2048}},{"id":"b","max_model_len":9},{"id":""}]}"#
                    )
                case "/slots":
                    StubServer.json(
                        #"[{"is_processing":true,"n_ctx":1024},{"is_processing":false,"n_ctx":1024}]"#
                    )
                case "/metrics":
                    StubServer.json("# TYPE x gauge\nllamacpp:requests_deferred 3\nnonsense\n")
                default: StubServer.json("{}", status: .notFound)
                }
            }
        }) { server, _ in
            let models = try await server.models()
            #expect(
                models == [
                    ServedModel(name: "a", contextTokens: 2_048),
                    ServedModel(name: "b", contextTokens: 9),
                ])
            let load = await server.load()
            #expect(load?.slots == 2 && load?.busy == 1 && load?.free == 1 && load?.queued == 3)
            #expect(load?.contextTokens == 1_024)
        }
        let vllm = "vllm:num_requests_running{m=\"a\"} 2.0\nvllm:num_requests_waiting{m=\"a\"} 5\n"
        let load = ServerLoad(slots: nil, metrics: Array(vllm.utf8))
        #expect(load?.busy == 2 && load?.queued == 5 && load?.slots == nil)
        #expect(ServerLoad(slots: nil, metrics: nil) == nil)
        for address in ["", "127.0.0.1:80", "http://", "ftp://x/v1", "http://a b/v1"] {
            #expect(throws: ModelServerFailure.badAddress(address)) { try ModelServer(address) }
        }
    }

    @Test("an answer is always asked for as a stream; the usage is passed on only where asked for")
    func streams() async throws {
        try await with({ stub in
            { _, _ in stub.stream([event("Hel"), event("lo", finish: "stop"), usageEvent, done]) }
        }) { server, stub in
            let answer = try await server.ask(question())
            let events = try await all(answer)
            #expect(events.count == 2 && events[0].contains("Hel"))
            #expect(answer.usage == TokenCount(["prompt_tokens": 3, "completion_tokens": 2]))
            let asked = try await all(
                server.ask(question(["stream_options": ["include_usage": true]])))
            #expect(asked.count == 3)
            let whole = try await server.ask(question(isStreamed: false))
            let document = try JSON(Array(try await all(whole).joined().utf8))
            #expect(document["object"] == "chat.completion")
            #expect(document["choices"]?[0]?["message"]?["content"] == "Hello")
            #expect(document["usage"]?["prompt_tokens"] == 3 && whole.usage?.output == 2)
            for (path, body) in stub.state.withLock({ $0.requests }) {
                let body = try JSON(Array(body.utf8))
                #expect(path == "/v1/chat/completions" && body["stream"] == true)
                #expect(body["stream_options"]?["include_usage"] == true)
            }
        }
    }

    @Test("events are whole however the bytes are cut")
    func pieces() async throws {
        let text = event("a") + ": comment\n\n" + event("b", finish: "stop") + done
        let pieces = text.map { String($0) }
        try await with({ stub in { _, _ in stub.stream(pieces) } }) { server, _ in
            let events = try await all(server.ask(question()))
            #expect(events.count == 2)
        }
    }

    @Test("a cut, an error in the middle, garbage and endless events are failures, not answers")
    func failures() async throws {
        let endless = "data: " + String(repeating: "x", count: AnswerLimits.eventBytesMax + 100)
        let replies: [String: ([String], Bool)] = [
            "cut": ([event("a")], true), "early": ([event("a")], false),
            "error": ([event("a"), "data: {\"error\":{\"message\":\"boom\"}}\n\n"], false),
            "old": ([event("a"), "error: {\"message\":\"boom\"}\n\n"], false),
            "garbage": ([event("a"), "data: {nope\n\n"], false), "endless": ([endless], false),
        ]
        try await with({ stub in
            { _, body in
                let (pieces, cut) = replies.first { body.contains("\"\($0.key)\"") }!.value
                return stub.stream(pieces, cut: cut)
            }
        }) { server, _ in
            for name in replies.keys.sorted() {
                for isStreamed in [true, false] {
                    let answer = try await server.ask(
                        question(["model": .string(name)], isStreamed: isStreamed))
                    await #expect(throws: ModelServerFailure.self, "\(name)") {
                        _ = try await all(answer)
                    }
                }
            }
        }
    }

    @Test("what the server refuses comes with its status and words; who is not there, as such")
    func refusals() async throws {
        try await with({ _ in
            { _, body in
                body.contains("plain")
                    ? StubServer.json("{}", status: .serviceUnavailable)
                    : StubServer.json(#"{"error":{"message":"too long"}}"#, status: .badRequest)
            }
        }) { server, _ in
            await #expect(throws: ModelServerFailure.refused(status: 400, message: "too long")) {
                _ = try await server.ask(question())
            }
            await #expect(
                throws: ModelServerFailure.refused(status: 503, message: "Service Unavailable")
            ) { _ = try await server.ask(question(["model": "plain"])) }
        }
        let nobody = try ModelServer("http://127.0.0.1:1/v1")
        await #expect(throws: ModelServerFailure.self) { _ = try await nobody.models() }
        await nobody.shutdown()
    }

    @Test("cancelling the reader stops the server, in the middle and before the first token")
    func cancellation() async throws {
        let many = Array(repeating: event("x"), count: 2_000)
        try await with({ stub in { _, _ in stub.stream(many, every: .milliseconds(5)) } }) {
            server, stub in
            let reading = Task { try await all(server.ask(question())) }
            while stub.state.withLock({ $0.written }) < 5 {
                try await Task.sleep(for: .milliseconds(5))
            }
            let cancelled = ContinuousClock.now
            reading.cancel()
            _ = await reading.result
            var hungUp: ContinuousClock.Instant?
            while hungUp == nil {
                try await Task.sleep(for: .milliseconds(5))
                hungUp = stub.state.withLock { $0.hungUp }
            }
            print("the server saw the hang-up after \(hungUp! - cancelled)")
            #expect(stub.state.withLock { $0.written } < many.count)
        }
    }

    @Test("a slow reader slows the server")
    func backpressure() async throws {
        let big = event(String(repeating: "x", count: 60_000))
        // On a busy machine the stub queues a hundred megabytes before its own loop holds it back.
        let many = Array(repeating: big, count: 20_000)
        try await with({ stub in { _, _ in stub.stream(many) } }) { server, stub in
            let answer = try await server.ask(question())
            _ = try await answer.next()
            var before = -1
            while stub.state.withLock({ $0.written }) != before {
                before = stub.state.withLock { $0.written }
                try await Task.sleep(for: .milliseconds(300))
            }
            #expect(before < 10_000, "\(before) of 20,000 pieces were taken")
        }
    }

    @Test("embeddings pass whole, in pieces of a bounded size")
    func embeddings() async throws {
        let numbers = Array(repeating: "0.123456", count: 30_000).joined(separator: ",")
        let document =
            #"{"data":[{"embedding":["# + numbers
            + #"]}],"usage":{"prompt_tokens":4}}"#
        try await with({ _ in { _, _ in StubServer.json(document) } }) { server, _ in
            let answer = try await server.ask(
                ModelQuestion(
                    endpoint: .embeddings, body: Array(#"{"input":"x"}"#.utf8), isStreamed: false))
            let pieces = try await all(answer)
            #expect(pieces.joined() == document && pieces.count > 1)
            #expect(pieces.allSatisfy { $0.utf8.count <= AnswerLimits.pieceBytesMax })
            #expect(answer.usage?.input == 4)
        }
    }
}
