import AROBackend
import AROWire
import Testing

@testable import AROGateway

@Suite("Tools over MCP", .serialized) struct MCPTests {
    private let meta: JSON = [
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientInfo": ["name": "test", "version": "1"],
        "io.modelcontextprotocol/clientCapabilities": [:],
    ]

    /// A request of the stateless era, with its headers.
    private func modern(
        _ face: Face, _ method: String, _ parameters: [String: JSON] = [:],
        _ headers: [String: String] = [:]
    ) async throws -> Answer {
        let body: JSON = [
            "jsonrpc": "2.0", "id": 1, "method": .string(method),
            "params": .object(parameters.merging(["_meta": meta]) { own, _ in own }),
        ]
        var all = ["mcp-protocol-version": "2026-07-28", "mcp-method": method]
        if let name = parameters["name"]?.string { all["mcp-name"] = name }
        return try await face.post("/mcp", body, all.merging(headers) { $1 })
    }

    private func legacy(
        _ face: Face, _ method: String, _ parameters: JSON = [:], _ headers: [String: String] = [:]
    ) async throws -> Answer {
        try await face.post(
            "/mcp",
            ["jsonrpc": "2.0", "id": "x", "method": .string(method), "params": parameters], headers)
    }

    @Test("the stateless era: discovery, lists with their time to live, results with their type")
    func stateless() async throws {
        let home = try GatewayHome()
        let a = try await home.face("a")
        let found = try #require(try await modern(a, "server/discover").json?["result"])
        #expect(found["resultType"] == "complete" && found["supportedVersions"] == ["2026-07-28"])
        #expect(found["ttlMs"]?.integer ?? -1 >= 0 && found["cacheScope"] == "public")
        #expect(found["capabilities"]?["tools"] != nil)
        let list = try #require(try await modern(a, "tools/list").json?["result"])
        #expect(list["ttlMs"] != nil && list["cacheScope"] == "public")
        let tools = try #require(list["tools"]?.array)
        #expect(
            tools.map { $0["name"]?.string } == [
                "content_resolve", "content_read", "content_publish", "name_resolve",
                "models_list", "infer", "peers_find", "topic_publish",
            ])
        for tool in tools {
            #expect(tool["inputSchema"]?["type"] == "object")
            #expect(tool["outputSchema"]?["type"] == "object")
            #expect(tool["annotations"]?["readOnlyHint"]?.bool != nil)
        }
        let called = try #require(
            try await modern(a, "tools/call", ["name": "peers_find", "arguments": [:]])
                .json?["result"])
        #expect(called["resultType"] == "complete" && called["isError"] == false)
        let server = called["_meta"]?["io.modelcontextprotocol/serverInfo"]?["name"]
        #expect(server == "aro")
        try await a.close()
    }

    @Test("the stateless era: headers that differ from the body, other versions and methods")
    func mismatches() async throws {
        let home = try GatewayHome()
        let a = try await home.face("a")
        func code(_ answer: Answer) -> [Int64] {
            [Int64(answer.status), answer.json?["error"]?["code"]?.integer ?? 0]
        }
        let list = "tools/list"
        #expect(code(try await modern(a, list, [:], ["mcp-method": "ping"])) == [400, -32020])
        #expect(
            code(try await modern(a, list, [:], ["mcp-protocol-version": "2025-11-25"]))
                == [400, -32020])
        let call: [String: JSON] = ["name": "infer", "arguments": [:]]
        #expect(code(try await modern(a, "tools/call", call, ["mcp-name": "x"])) == [400, -32020])
        let old = try await modern(
            a, list, ["_meta": ["io.modelcontextprotocol/protocolVersion": "1900-01-01"]],
            ["mcp-protocol-version": "1900-01-01"])
        #expect(code(old) == [400, -32022])
        #expect(old.json?["error"]?["data"]?["supported"]?[0] == "2026-07-28")
        #expect(code(try await modern(a, "prompts/list")) == [404, -32601])
        #expect(code(try await modern(a, "initialize")) == [404, -32601])
        #expect(code(try await modern(a, "tools/call", ["name": "none"])) == [200, -32602])
        let bare = try await a.ask(
            "/mcp", .POST, ["mcp-protocol-version": "2026-07-28"],
            body: Array(#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#.utf8))
        #expect(code(bare) == [400, -32020])
        try await a.close()
    }

    @Test("the era of initialize: handshake, ping, notifications, and its errors")
    func handshake() async throws {
        let home = try GatewayHome()
        let a = try await home.face("a")
        let opened = try await legacy(
            a, "initialize", ["protocolVersion": "2025-11-25", "capabilities": [:]])
        #expect(opened.json?["id"] == "x")
        #expect(opened.json?["result"]?["protocolVersion"] == "2025-11-25")
        #expect(opened.json?["result"]?["serverInfo"]?["name"] == "aro")
        let future = try await legacy(a, "initialize", ["protocolVersion": "2099-01-01"])
        #expect(future.json?["result"]?["protocolVersion"] == "2025-11-25")
        let noted = try await a.post(
            "/mcp", ["jsonrpc": "2.0", "method": "notifications/initialized"],
            ["mcp-protocol-version": "2025-11-25"])
        #expect(noted.status == 202 && noted.bytes.isEmpty)
        #expect(try await legacy(a, "ping").json?["result"] == [:])
        let list = try await legacy(a, "tools/list").json?["result"]
        #expect(list?["tools"]?.array?.count == 8 && list?["resultType"] == nil)
        let unknown = try await legacy(a, "resources/list")
        #expect(unknown.status == 200 && unknown.json?["error"]?["code"] == -32601)
        let version = try await legacy(a, "ping", [:], ["mcp-protocol-version": "1.0"])
        #expect(version.status == 400)
        for (body, code) in [
            ("{", -32700), ("[]", -32600), ("7", -32600), ("{}", -32600),
            (#"{"jsonrpc":"1.0","id":1,"method":"ping"}"#, -32600),
            (#"{"jsonrpc":"2.0","id":null,"method":"ping"}"#, -32600),
            (#"{"jsonrpc":"2.0","id":[1],"method":"ping"}"#, -32600),
            (#"{"jsonrpc":"2.0","id":1,"method":"ping","params":[1]}"#, -32600),
        ] {
            let answer = try await a.ask("/mcp", .POST, body: Array(body.utf8))
            #expect(answer.json?["error"]?["code"]?.integer == Int64(code), "\(body)")
        }
        #expect(try await a.ask("/mcp").status == 405)
        #expect(try await a.ask("/mcp", .DELETE).status == 405)
        #expect(try await a.ask("/mcp", .POST, ["origin": "http://x"], body: [1]).status == 403)
        try await a.close()
    }

    private func tool(
        _ face: Face, _ name: String, _ arguments: JSON, token: Bool = true
    ) async throws -> JSON {
        let headers = token ? ["authorization": "Bearer \(face.token)"] : [:]
        let answer = try await modern(
            face, "tools/call", ["name": .string(name), "arguments": arguments], headers)
        return try #require(answer.json?["result"])
    }

    @Test("content is published by one node's tools and read by another's")
    func content() async throws {
        let home = try GatewayHome()
        let a = try await home.face("a")
        let b = try await home.face("b", bootstrap: a)
        let refused = try await tool(a, "content_publish", ["text": "x"], token: false)
        #expect(refused["isError"] == true)
        #expect(refused["content"]?[0]?["text"]?.string?.contains("gateway.token") == true)
        let put = try await tool(a, "content_publish", ["text": "grüezi"])
        let cid = try #require(put["structuredContent"]?["cid"])
        #expect(put["structuredContent"]?["held_by"] == 1)
        let read = try await tool(b, "content_read", ["cid": cid], token: false)
        #expect(read["content"]?[0]?["text"] == "grüezi")
        #expect(read["structuredContent"]?["encoding"] == "utf-8")
        let part = try await tool(b, "content_read", ["cid": cid, "offset": 2, "length": 1])
        #expect(part["structuredContent"]?["encoding"] == "base64")
        #expect(part["content"]?[0]?["resource"]?["blob"] == "ww==")
        let end = try await tool(b, "content_read", ["cid": cid, "offset": 7])
        #expect(end["structuredContent"]?["bytes"] == 0 && end["isError"] == false)
        let found = try await tool(b, "content_resolve", ["cid": cid])
        #expect(found["structuredContent"]?["kind"] == "file")
        #expect(found["structuredContent"]?["providers"] == [.string("\(a.node.id)")])
        let holders = try await tool(b, "peers_find", ["cid": cid])
        #expect(holders["structuredContent"]?["peers"]?[0]?["peer"] == .string("\(a.node.id)"))
        _ = try await a.node.publish("greeting", target: try CID(cid.string ?? ""))
        let name = try await tool(
            b, "name_resolve", ["peer": .string("\(a.node.id)"), "label": "greeting"])
        #expect(name["structuredContent"]?["cid"] == cid)
        let post = try await tool(a, "topic_publish", ["topic": "t", "text": "x"])
        #expect(post["isError"] == false)
        for (name, arguments) in [
            ("content_read", [:]), ("content_read", ["cid": 7]), ("content_read", ["cid": "x"]),
            ("content_read", ["cid": cid, "offset": 8]), ("content_read", ["cid": cid, "no": 1]),
            ("content_read", ["cid": cid, "length": 99_999_999]),
            ("content_publish", ["text": "a", "base64": "YQ=="]),
            ("content_publish", ["base64": "%"]), ("name_resolve", ["peer": "x", "label": "y"]),
            ("infer", ["model": "none", "prompt": "x"]), ("infer", ["model": "none"]),
        ] as [(String, JSON)] {
            let result = try await tool(a, name, arguments)
            #expect(result["isError"] == true, "\(name) \(arguments.text)")
            #expect(result["content"]?[0]?["text"]?.string?.isEmpty == false)
        }
        try await b.close()
        try await a.close()
    }

    @Test("models are listed and asked")
    func models() async throws {
        let home = try GatewayHome()
        let inference = ScriptedInference(["m": [.say(delta("hello", finish: "stop"))]])
        let a = try await home.face("a", inference: inference)
        let list = try await tool(a, "models_list", [:])
        #expect(list["structuredContent"]?["models"]?[0]?["id"] == "m")
        let answer = try await tool(
            a, "infer", ["model": "m", "prompt": "hi", "system": "be brief", "max_tokens": 9])
        #expect(answer["content"]?[0]?["text"] == "hello")
        #expect(answer["structuredContent"]?["finish_reason"] == "stop")
        let body = try JSON(try #require(inference.seen.requests.first).body)
        #expect(body["messages"]?.array?.count == 2 && body["max_tokens"] == 9)
        try await a.close()
    }
}
