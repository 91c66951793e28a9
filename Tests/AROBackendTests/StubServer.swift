/// A model server that does as a test says, on a port that the system chooses.

import HTTPTypes
import HummingbirdCore
import Logging
import NIOCore
import NIOPosix
import Synchronization

final class StubServer: Sendable {
    typealias Reply = @Sendable (_ path: String, _ body: String) -> Response

    struct State: Sendable {
        /// Paths and bodies, as they came.
        var requests: [(path: String, body: String)] = []
        /// Pieces of streams that were written.
        var written = 0
        /// When a stream's client was found gone.
        var hungUp: ContinuousClock.Instant?
    }

    let state = Mutex(State())
    private let port = Mutex(0)
    private let serving = Mutex<Task<Void, Never>?>(nil)

    var address: String { "http://127.0.0.1:\(port.withLock { $0 })/v1" }

    func start(_ reply: @escaping Reply) async throws {
        let (ports, told) = AsyncStream.makeStream(of: Int.self)
        let http = HTTP1Channel(responder: { [self] request, writer, _ in
            var body = ""
            for try await piece in request.body { body += String(buffer: piece) }
            let path = request.head.path ?? ""
            state.withLock { $0.requests.append((path, body)) }
            let response = reply(path, body)
            try await writer.write(response: response.head, body: response.body)
        })
        let server = Server<HTTP1Channel>(
            childChannelSetup: http,
            configuration: ServerConfiguration(address: .hostname("127.0.0.1", port: 0)),
            onServerRunning: { told.yield($0.localAddress?.port ?? 0) },
            eventLoopGroup: MultiThreadedEventLoopGroup.singleton,
            logger: Logger(label: "stub") { _ in SwiftLogNoOpLogHandler() })
        let task = Task { _ = try? await server.run() }
        serving.withLock { $0 = task }
        for await port in ports {
            self.port.withLock { $0 = port }
            break
        }
    }

    func stop() async {
        let task = serving.withLock { $0 }
        task?.cancel()
        await task?.value
    }

    // MARK: Replies

    static func json(_ text: String, status: HTTPResponse.Status = .ok) -> Response {
        Response(
            status: status, headers: [.contentType: "application/json"],
            body: ResponseBody(byteBuffer: ByteBuffer(string: text)))
    }

    /// A stream of these pieces, as they are; then the end, or the connection's.
    func stream(
        _ pieces: [String], every: Duration = .zero, cut: Bool = false
    ) -> Response {
        Response(
            status: .ok, headers: [.contentType: "text/event-stream"],
            body: ResponseBody { [self] writer in
                do {
                    for piece in pieces {
                        try await writer.write(ByteBuffer(string: piece))
                        state.withLock { $0.written += 1 }
                        if every > .zero { try await Task.sleep(for: every) }
                    }
                } catch {
                    state.withLock { $0.hungUp = .now }
                    throw error
                }
                if cut { throw CancellationError() }
                try await writer.finish(nil)
            })
    }
}

/// A chunk of a chat, as a server sends it.
func event(_ text: String, finish: String? = nil) -> String {
    let reason = finish.map { "\"\($0)\"" } ?? "null"
    return """
        data: {"id":"c","created":1,"model":"m","choices":[{"index":0,\
        "delta":{"content":"\(text)"},"finish_reason":\(reason)}]}\n\n
        """
}

let usageEvent =
    #"data: {"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":2}}"# + "\n\n"
let done = "data: [DONE]\n\n"
