/// A model server stops when its caller has hung up, on the other side of the network.

import Foundation
import Testing

extension Processes {
    @Suite("Callers that hang up")
    struct HangUps {
        @Test(
            "the model server is hung up on: in the middle of a stream, of a whole answer, and before it"
        )
        func stops() async throws {
            let rounds = Trial.isHeavy ? 50 : 3
            let stub = try ModelServerStub()
            try await Cluster.run { cluster in
                let provider = try await cluster.start(
                    "provider", options: ["--backend", stub.url, "--backend-slots", "8"])
                let asking = try await cluster.start(
                    "asking", bootstrap: provider, options: ["--gateway", "127.0.0.1:0"])
                try await Patience.until("the models are known") {
                    try await asking.aro("models").lines.count > 1
                }
                let port = try #require(UInt16(asking.gateway.split(separator: ":").last ?? ""))
                for (name, model, isStreamed) in [
                    ("a stream", "words", true), ("a whole answer", "words", false),
                    ("a stream without a word yet", "thinker", true),
                    ("a whole answer without a word yet", "thinker", false),
                ] {
                    var spans: [Duration] = []
                    for _ in 0..<rounds {
                        spans.append(
                            try await hangUp(on: port, model, isStreamed: isStreamed, stub))
                    }
                    spans.sort()
                    let (middle, most) = (spans[rounds / 2], spans[rounds - 1])
                    Trial.tell("\(name): hung up on after \(middle) (p50), \(most) (at most)")
                }
                try await Patience.until("no call runs") {
                    try await asking.aro("models").text.contains("8 of 8")
                }
            }
        }

        /// From the caller's hanging up to the model server's notice of it.
        private func hangUp(
            on port: UInt16, _ model: String, isStreamed: Bool, _ stub: ModelServerStub
        ) async throws -> Duration {
            let before = stub.seen
            let client = try LoopbackSocket(port: port)
            let body =
                #"{"model":"\#(model)","stream":\#(isStreamed),"#
                + #""messages":[{"role":"user","content":"hi"}]}"#
            let isSent = client.send(
                "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\n"
                    + "Content-Length: \(body.utf8.count)\r\n\r\n\(body)")
            #expect(isSent)
            try await Patience.until("the model server is asked") {
                stub.seen.asked.count > before.asked.count
            }
            // Some words, where it says any.
            try await Task.sleep(for: .milliseconds(100))
            let start = ContinuousClock.now
            client.hangUp()
            try await Patience.until("the model server is hung up on") {
                stub.seen.hungUp.count > before.hungUp.count
            }
            let last = try #require(stub.seen.hungUp.last)
            #expect(stub.seen.finished == before.finished)
            return last - start
        }
    }
}
