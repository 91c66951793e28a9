/// A model server in this process, on plain sockets: it says words at a pace, or nothing for a long
/// time, and writes down when it was asked and when whoever asked had hung up. A connection is watched
/// while it is answered, so a hang-up is seen when the system sees it.

import Foundation
import Synchronization

final class ModelServerStub: Sendable {
    struct State: Sendable {
        /// Requests for models' answers.
        var asked: [ContinuousClock.Instant] = []
        /// When those who asked hung up before the end.
        var hungUp: [ContinuousClock.Instant] = []
        /// Answers that were told to the end.
        var finished = 0
    }

    /// Models by name, and how long each is silent before its first word.
    static let models: [(name: String, silence: Duration)] = [
        ("words", .zero), ("thinker", .seconds(600)),
    ]
    static let words = (0..<40).map { "w\($0) " }

    private let state = Mutex(State())
    private let listener: Int32
    private let pace: Duration
    let port: UInt16

    var url: String { "http://127.0.0.1:\(port)/v1" }
    var seen: State { state.withLock { $0 } }

    /// - Parameter pace: between two words.
    init(pace: Duration = .milliseconds(20)) throws {
        self.pace = pace
        (listener, port) = try LoopbackSocket.listen()
        Thread.detachNewThread { [listener, weak self] in
            while true {
                let descriptor = accept(listener, nil, nil)
                guard descriptor >= 0 else { return }
                guard let self else { return _ = close(descriptor) }
                Thread.detachNewThread { self.serve(LoopbackSocket(descriptor)) }
            }
        }
    }

    deinit {
        shutdown(listener, Int32(SHUT_RDWR))
        close(listener)
    }

    private func serve(_ socket: LoopbackSocket) {
        var held: [UInt8] = []
        while let request = socket.request(&held) {
            guard answer(request, on: socket) else { return }
        }
    }

    /// False when the connection is over.
    private func answer(_ request: LoopbackSocket.Request, on socket: LoopbackSocket) -> Bool {
        let object = (try? JSONSerialization.jsonObject(with: request.body)) as? [String: Any]
        switch request.path {
        case "/v1/models":
            let rows = Self.models.map { ["id": $0.name, "object": "model"] }
            return socket.send(json: ["object": "list", "data": rows])
        case "/v1/embeddings":
            state.withLock { $0.asked.append(.now) }
            let texts = object?["input"] as? [String] ?? [object?["input"] as? String ?? ""]
            let rows = texts.enumerated().map { i, text in
                [
                    "object": "embedding", "index": i,
                    "embedding": [Double(text.utf8.count), 0.5, -0.25],
                ] as [String: Any]
            }
            return socket.send(json: [
                "object": "list", "data": rows, "model": "words",
                "usage": ["prompt_tokens": 3, "total_tokens": 3],
            ])
        case "/v1/chat/completions":
            state.withLock { $0.asked.append(.now) }
            let silence = Self.models.first { $0.name == object?["model"] as? String }?.silence
            return stream(silence ?? .zero, on: socket)
        default: return socket.send(json: ["error": ["message": "no such path"]], status: 404)
        }
    }

    private func stream(_ silence: Duration, on socket: LoopbackSocket) -> Bool {
        let isWhole =
            socket.send(
                "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
                    + "Transfer-Encoding: chunked\r\n\r\n")
            && !socket.hangsUp(within: silence)
            && Self.words.allSatisfy { word in
                socket.send(event: Self.chunk(word)) && !socket.hangsUp(within: pace)
            }
            && socket.send(event: Self.chunk("", finish: "stop"))
            && socket.send(event: Self.usage) && socket.send(event: "[DONE]")
            && socket.send("0\r\n\r\n")
        state.withLock {
            if isWhole { $0.finished += 1 } else { $0.hungUp.append(.now) }
        }
        return isWhole
    }

    private static func chunk(_ text: String, finish: String? = nil) -> String {
        let reason = finish.map { "\"\($0)\"" } ?? "null"
        return #"{"id":"c-1","object":"chat.completion.chunk","created":1,"model":"words","#
            + #""choices":[{"index":0,"delta":{"content":"\#(text)"},"finish_reason":\#(reason)}]}"#
    }

    private static let usage =
        #"{"id":"c-1","object":"chat.completion.chunk","created":1,"model":"words","choices":[],"#
        + #""usage":{"prompt_tokens":3,"completion_tokens":40,"total_tokens":43}}"#
}
