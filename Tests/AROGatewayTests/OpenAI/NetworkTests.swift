import AROBackend
import ARORuntime
import AROWire
import Testing

@testable import AROGateway

@Suite("Models of other nodes", .serialized) struct NetworkTests {
    /// A model server, a node that offers its models, and a node that has none.
    private func network(
        _ home: GatewayHome, _ inference: ScriptedInference,
        _ body: (_ caller: Face, _ provider: Face) async throws -> Void
    ) async throws {
        let server = try await home.face("server", inference: inference)
        let backends = Backends(
            [try ModelServer(server.gateway.url + "/v1")], logger: quiet)
        let desk = ModelDesk(backends)
        let provider = try await home.face("provider", models: desk)
        desk.attach(provider.node)
        let watching = Task { await backends.watch(provider.node) }
        let caller = try await home.face("caller", bootstrap: provider)
        while try await caller.ask("/v1/models").json?["data"]?.array?.isEmpty != false {
            try await Task.sleep(for: .milliseconds(20))
        }
        try await body(caller, provider)
        watching.cancel()
        await watching.value
        try await caller.close()
        try await provider.close()
        await backends.shutdown()
        try await server.close()
    }

    @Test("a gateway without a model answers by the provider in the network, whole and streamed")
    func calls() async throws {
        let home = try GatewayHome()
        let inference = ScriptedInference([
            "m": [.say(delta("Hel")), .say(delta("lo", finish: "stop")), .say(usageChunk)]
        ])
        try await network(home, inference) { caller, provider in
            let list = try await caller.ask("/v1/models")
            #expect(
                list.json?["data"]?[0]?["providers"]?[0]?["peer"] == .string("\(provider.node.id)"))
            let ask: JSON = ["model": "m", "messages": [["role": "user", "content": "hi"]]]
            let whole = try await caller.post("/v1/chat/completions", ask)
            #expect(whole.status == 200, "\(whole.text)")
            #expect(whole.json?["choices"]?[0]?["message"]?["content"] == "Hello")
            var streamed = ask
            streamed["stream"] = true
            let events = try await caller.post("/v1/chat/completions", streamed).events
            #expect(events.count == 3 && events.last?.data == Array("[DONE]".utf8))
            let status = try await caller.ask("/status").json
            #expect(status?["calls"]?[0]?["provider"] == .string("\(provider.node.id)"))
            #expect(status?["receipts"]?.array?.count == 2)
            #expect(status?["receipts"]?[0]?["countersigned"] == true)
            #expect(status?["receipts"]?[0]?["other"] == .string("\(provider.node.id)"))
            let none = try await caller.post(
                "/v1/chat/completions", ["model": "none", "messages": [["role": "user"]]])
            #expect(none.status == 404 && none.json?["error"]?["code"] == "model_not_found")
        }
    }

    @Test("content that a request refers to is fetched by the provider and given to the model")
    func context() async throws {
        let home = try GatewayHome()
        let inference = ScriptedInference([
            "m": [.say(delta("ok", finish: "stop")), .say(usageChunk)]
        ])
        try await network(home, inference) { caller, _ in
            let cid = try await caller.node.put(bytes: Array("the sky is green".utf8)).root
            let answer = try await caller.post(
                "/v1/chat/completions",
                [
                    "model": "m", "messages": [["role": "user", "content": "hi"]],
                    "aro_context": [.string("\(cid)")],
                ])
            #expect(answer.status == 200, "\(answer.text)")
            let body = try JSON(try #require(inference.seen.requests.last).body)
            #expect(body["messages"]?.array?.count == 2)
            #expect(body["messages"]?[0]?["content"]?.string?.contains("the sky is green") == true)
        }
    }

    @Test("what the model server refuses comes back as such, and who hangs up stops it")
    func ends() async throws {
        let home = try GatewayHome()
        let inference = ScriptedInference([
            "wrong": [.fail(.badRequest("too many tokens"))],
            "long": [.say(delta("x")), .hang],
        ])
        try await network(home, inference) { caller, _ in
            let ask: JSON = ["model": "wrong", "messages": [["role": "user", "content": "hi"]]]
            let answer = try await caller.post("/v1/chat/completions", ask)
            #expect(answer.status == 400, "\(answer.text)")
            #expect(answer.json?["error"]?["message"]?.string?.contains("too many tokens") == true)
            let client = try RawClient(port: caller.gateway.address.port)
            let body: JSON = [
                "model": "long", "stream": true,
                "messages": [["role": "user", "content": "hi"]],
            ]
            client.send(
                "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\n"
                    + "Content-Length: \(body.text.utf8.count)\r\n\r\n\(body.text)")
            #expect(await client.some()?.contains("200 OK") == true)
            client.hangUp()
            while inference.seen.cancelled < 1 { try await Task.sleep(for: .milliseconds(5)) }
        }
    }
}
