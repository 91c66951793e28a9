import AROBackend
import Foundation
import Testing

@testable import AROGateway

@Suite("The status page", .serialized) struct StatusTests {
    @Test("the page has nothing from elsewhere and may load nothing from there")
    func page() async throws {
        let home = try GatewayHome()
        let a = try await home.face("a")
        let page = try await a.ask("/")
        #expect(page.status == 200 && page["content-type"] == "text/html; charset=utf-8")
        let policy = try #require(page["content-security-policy"])
        #expect(policy.contains("default-src 'none'") && !policy.contains("unsafe"))
        for path in ["/", "/status.js", "/status.css"] {
            let file = try await a.ask(path)
            #expect(file.status == 200 && !file.text.contains("://"), "\(path)")
            #expect(!file.text.contains("innerHTML"))
        }
        try await a.close()
    }

    @Test("the state is one document, and comes again as events")
    func document() async throws {
        let home = try GatewayHome()
        let inference = ScriptedInference(["m": [.say(delta("x", finish: "stop"))]])
        let a = try await home.face("a", inference: inference)
        _ = try await a.post(
            "/v1/chat/completions", ["model": "m", "messages": [["role": "user", "content": "x"]]])
        _ = try await a.node.put(bytes: [1, 2, 3])
        let state = try #require(try await a.ask("/status").json)
        #expect(state["node"]?["peer"] == .string("\(a.node.id)"))
        #expect(state["content"]?[0]?["bytes"] == 3 && state["models"]?[0]?["id"] == "m")
        #expect(state["calls"]?[0]?["state"] == "finished")
        let client = try RawClient(port: a.gateway.address.port)
        client.send("GET /status/events HTTP/1.1\r\nHost: localhost\r\n\r\n")
        var seen = ""
        while seen.components(separatedBy: "data: ").count < 3 {
            seen += try #require(await client.some())
        }
        #expect(seen.contains("text/event-stream"))
        try await a.close()
    }
}
