/// `aro mcp`: MCP over standard input and output, for clients that start their servers themselves. Each message
/// goes to the gateway of the node that runs, with the token, and the answer comes back.

import ARO
import AROBackend
import AROGateway
import ArgumentParser
import AsyncHTTPClient
import Foundation
import NIOCore
import Synchronization

struct MCPCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "mcp", abstract: "Serve the node's tools to an MCP client (stdio).",
        discussion: """
            To be started by an MCP client. The node must run with --gateway. Ends when its standard \
            input does.
            """)

    @OptionGroup var node: NodeOptions

    func run() async throws {
        guard let place = GatewayPlace(dataDirectory: node.path) else {
            throw CommandFailure(
                .noNode,
                """
                no gateway is running with the data directory \(node.path)
                start the node with one:  aro node --gateway 127.0.0.1:8080 --data-dir '\(node.path)'
                """)
        }
        var configuration = HTTPClient.Configuration()
        configuration.redirectConfiguration = .disallow
        let client = HTTPClient(
            eventLoopGroupProvider: .singleton, configuration: configuration)
        let relay = MCPRelay(place, client)
        await withDiscardingTaskGroup { group in
            for await line in Self.lines() { relay.take(line, &group) }
        }
        try? await client.shutdown()
    }

    /// Lines of standard input, read on a thread of their own: reading waits.
    private static func lines() -> AsyncStream<String> {
        let (lines, sink) = AsyncStream.makeStream(of: String.self)
        Thread.detachNewThread {
            while let line = readLine() { sink.yield(line) }
            sink.finish()
        }
        return lines
    }
}

/// Messages on their way to the gateway and back.
private final class MCPRelay: Sendable {
    /// How long a tool may take. A guess: a long answer of a slow model.
    private static let timeLimit = TimeAmount.minutes(30)
    private static let answerBytesMax = 64 << 20

    private let place: GatewayPlace
    private let client: HTTPClient
    /// By the text of their id, to be cancelled.
    private let underWay = Mutex<[String: Task<Void, Never>]>([:])
    private let output = Mutex(())

    init(_ place: GatewayPlace, _ client: HTTPClient) {
        (self.place, self.client) = (place, client)
    }

    func take(_ line: String, _ group: inout DiscardingTaskGroup) {
        guard !line.allSatisfy(\.isWhitespace) else { return }
        let message = try? JSON(Array(line.utf8))
        if message?["method"] == "notifications/cancelled" {
            let id = message?["params"]?["requestId"]?.text ?? ""
            underWay.withLock { $0[id] }?.cancel()
            return
        }
        let id = message?["id"]
        let task = Task { await pass(on: line, message) }
        if let id { underWay.withLock { $0[id.text] = task } }
        group.addTask {
            await task.value
            if let id { self.underWay.withLock { $0[id.text] = nil } }
        }
    }

    private func pass(on line: String, _ message: JSON?) async {
        do {
            let response = try await client.execute(
                request(line, message), timeout: Self.timeLimit)
            let bytes = try await response.body.collect(upTo: Self.answerBytesMax)
            guard bytes.readableBytes > 0, !Task.isCancelled else { return }
            guard let answer = try? JSON(bytes.readableBytesView), answer["jsonrpc"] != nil else {
                return fail(message, "the gateway answered \(response.status.code)")
            }
            say(answer)
        } catch {
            guard !Task.isCancelled else { return }
            fail(message, "the node's gateway does not answer: \(error)")
        }
    }

    private func request(_ line: String, _ message: JSON?) -> HTTPClientRequest {
        var request = HTTPClientRequest(url: place.url + "/mcp")
        request.method = .POST
        request.headers.add(name: "content-type", value: "application/json")
        request.headers.add(name: "accept", value: "application/json, text/event-stream")
        request.headers.add(name: "authorization", value: "Bearer \(place.token)")
        // What a client on HTTP says beside its message, since 2026-07-28.
        let parameters = message?["params"]
        let version = parameters?["_meta"]?["io.modelcontextprotocol/protocolVersion"]?.string
        if let version, let method = message?["method"]?.string {
            request.headers.add(name: "mcp-protocol-version", value: version)
            request.headers.add(name: "mcp-method", value: method)
            if method == "tools/call", let name = parameters?["name"]?.string {
                request.headers.add(name: "mcp-name", value: name)
            }
        }
        request.body = .bytes(ByteBuffer(string: line))
        return request
    }

    private func fail(_ message: JSON?, _ words: String) {
        guard let id = message?["id"] else { return Terminal.complain(words) }
        say([
            "jsonrpc": "2.0", "id": id, "error": ["code": -32603, "message": .string(words)],
        ])
    }

    private func say(_ answer: JSON) {
        output.withLock { _ in try? Terminal.write(answer.bytes + [UInt8(ascii: "\n")]) }
    }
}
