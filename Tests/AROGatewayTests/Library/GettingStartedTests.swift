// Only what a program gets that imports the library, as the article has it.
import ARO
import Foundation
import Logging
import Testing

/// What the article "Getting started" shows.
@Suite("The library, as its article shows it") struct GettingStartedTests {
    private func node(
        _ name: String, in folder: String, bootstrap: NodeHandle? = nil, models: ModelDesk? = nil
    ) async throws -> NodeHandle {
        var configuration = NodeConfiguration(
            listen: [SocketAddress("127.0.0.1:0")!],
            bootstrap: bootstrap.map { [HostPort("\($0.addresses[0])")!] } ?? [],
            dataDirectory: "\(folder)/\(name)",
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
        configuration.models = models
        let node = try await NodeHandle.start(configuration)
        await node.waitForFirstJoin(atMost: 30)
        return node
    }

    @Test("content, a model and a topic, between nodes in one program")
    func article() async throws {
        let home = try GatewayHome()
        let server = try await home.face(
            "server",
            inference: ScriptedInference([
                "m": [.say(delta("Hel")), .say(delta("lo", finish: "stop")), .say(usageChunk)]
            ]))
        let backends = Backends([try ModelServer(server.gateway.url + "/v1")], logger: quiet)
        let desk = ModelDesk(backends)
        let node = try await node("node", in: home.path, models: desk)
        desk.attach(node)
        let watching = Task { await backends.watch(node) }
        let other = try await self.node("other", in: home.path, bootstrap: node)

        let put = try await node.put(bytes: Array("hello".utf8))
        for try await _ in other.fetch(FetchOptions(root: put.root)) {}
        #expect(try await other.bytes(of: put.root) == Array("hello".utf8))

        while try await other.models().isEmpty { try await Task.sleep(nanoseconds: 20_000_000) }
        var request = ChatRequest(model: "m", messages: [.system("Be kind."), .user("Hi!")])
        request.key = "once"
        var tokens: [String] = []
        for try await token in other.infer(request) { tokens.append(token) }
        #expect(tokens == ["Hel", "lo"])
        let receipts = try await other.receipts(of: CallKey(hashing: "once"))
        #expect(receipts.count == 1 && receipts.first?.provider == node.id)
        await #expect(throws: InferenceFailure.self) {
            for try await _ in other.infer(ChatRequest(model: "none", messages: [.user("x")])) {}
        }

        let posts = try node.subscribe(to: "news")
        let reading = Task { () -> (PeerID, [UInt8])? in
            for try await case .post(let publisher, _, let payload) in posts {
                return (publisher, payload)
            }
            return nil
        }
        let posting = Task {
            while !Task.isCancelled {
                _ = try await other.post(Array("hello, everybody".utf8), to: "news")
                try await Task.sleep(nanoseconds: 200_000_000)
            }
        }
        let heard = try await reading.value
        posting.cancel()
        #expect(heard?.0 == other.id && heard?.1 == Array("hello, everybody".utf8))

        watching.cancel()
        await watching.value
        await other.shutdown()
        await node.shutdown()
        await backends.shutdown()
        try await server.close()
    }
}
