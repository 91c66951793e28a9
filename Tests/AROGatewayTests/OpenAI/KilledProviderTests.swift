/// Calls through a gateway while their providers, real processes, are killed: every answer is whole,
/// or says that it is not.

import AROBackend
import AROPrimitives
import ARORuntime
import Foundation
import Testing

@testable import AROGateway

@Suite("Providers that are killed", .serialized) struct KilledProviderTests {
    /// Fifty with `ARO_HEAVY=1`.
    private static let rounds = ProcessInfo.processInfo.environment["ARO_HEAVY"] == nil ? 4 : 50

    @Test("in the middle of an answer, another goes on, and the whole reads as one")
    func kills() async throws {
        let seed = ProcessInfo.processInfo.environment["ARO_SEED"].flatMap(UInt64.init) ?? 1
        print("· killed providers: ARO_SEED=\(seed)")
        var chance = Generator(seed: seed)
        let home = try GatewayHome()
        let server = try await home.face("server", inference: CountingInference())
        let caller = try await home.face("caller")
        var providers: [RealProvider] = []
        for n in 0..<3 { providers.append(try await RealProvider(n, home, server, caller)) }
        var resumed = 0
        for round in 0..<Self.rounds {
            while try await caller.node.models().first?.offers.count != 3 {
                try await Task.sleep(for: .milliseconds(20))
            }
            let wait = Int(chance.next() % 700)
            async let answer = caller.post(
                "/v1/chat/completions",
                [
                    "model": "count", "stream": true,
                    "messages": [["role": "user", "content": .string("round \(round)")]],
                ])
            try await Task.sleep(for: .milliseconds(wait))
            let busy = try await caller.ask("/status").json?["calls"]?[0]?["provider"]?.string
            let victim = providers.firstIndex { $0.id == busy } ?? 0
            providers[victim].child.kill()
            let events = try await answer.events
            let chunks = events.compactMap { try? JSON($0.data) }
            let said = chunks.compactMap { $0["choices"]?[0]?["delta"]?["content"]?.string }
            if chunks.contains(where: { $0["aro_resumed"] != nil }) { resumed += 1 }
            #expect(said.joined() == CountingInference.all, "round \(round), after \(wait) ms")
            #expect(events.last?.data == Array("[DONE]".utf8), "round \(round)")
            providers[victim] = try await RealProvider(victim, home, server, caller)
        }
        print("· \(resumed) of \(Self.rounds) answers were taken up by another provider")
        #expect(resumed > 0)
        for provider in providers { provider.child.kill() }
        try await caller.close()
        try await server.close()
    }

    @Test("when nobody is left, the stream says so and does not end as a whole one does")
    func nobodyLeft() async throws {
        let home = try GatewayHome()
        let server = try await home.face("server", inference: CountingInference())
        let caller = try await home.face("caller")
        let provider = try await RealProvider(0, home, server, caller)
        while try await caller.node.models().isEmpty {
            try await Task.sleep(for: .milliseconds(20))
        }
        async let answer = caller.post(
            "/v1/chat/completions",
            ["model": "count", "stream": true, "messages": [["role": "user", "content": "x"]]])
        while try await caller.ask("/status").json?["calls"]?[0]?["first_output_seconds"]?.isNull
            != false
        {
            try await Task.sleep(for: .milliseconds(10))
        }
        provider.child.kill()
        let events = try await answer.events
        let last = try #require(events.last.flatMap { try? JSON($0.data) })
        #expect(last["error"]?["code"] == "answer_interrupted", "\(last)")
        #expect(!events.contains { $0.data == Array("[DONE]".utf8) })
        try await caller.close()
        try await server.close()
    }
}

/// An `aro node` of its own that offers what the server has.
private struct RealProvider {
    let id: String
    let child: Child

    init(_ number: Int, _ home: GatewayHome, _ server: Face, _ caller: Face) async throws {
        let child = try Child(
            [
                "node", "--listen", "127.0.0.1:0", "--backend", server.gateway.url + "/v1",
                "--bootstrap", "127.0.0.1:\(caller.node.addresses[0].port)",
            ], node: "\(home.path)/provider-\(number)")
        while !child.output.contains("\n") { try await Task.sleep(for: .milliseconds(5)) }
        let words = child.output.split(whereSeparator: \.isWhitespace)
        (self.child, id) = (child, String(words.last ?? ""))
    }
}

/// Counts to a hundred, a number in ten milliseconds, and goes on where an answer was left.
private struct CountingInference: InferenceServing {
    static let numbers = (0..<100).map { "\($0) " }
    static let all = numbers.joined()

    func models() async throws -> [OfferedModel] {
        [
            OfferedModel(
                name: "count", contextTokens: 2_048,
                providers: [
                    .init(
                        name: "peer", slots: 4, slotsFree: 4, queued: 0, inputPrice: 0,
                        outputPrice: 0)
                ])
        ]
    }

    func call(_ request: InferenceRequest) async throws -> any InferenceCall {
        let last = try JSON(request.body)["messages"]?.array?.last
        let said = last?["role"] == "assistant" ? last?["content"]?.string ?? "" : ""
        return Counting(from: said.split(separator: " ").count)
    }

    private final class Counting: InferenceCall, @unchecked Sendable {
        private var next: Int

        init(from start: Int) { next = start }

        func next() async throws -> InferenceEvent? {
            defer { next += 1 }
            guard next <= CountingInference.numbers.count else { return nil }
            guard next < CountingInference.numbers.count else {
                return .output(delta("", finish: "stop").bytes)
            }
            try await Task.sleep(for: .milliseconds(10))
            return .output(delta(CountingInference.numbers[next]).bytes)
        }

        func resume(with body: [UInt8]) async throws {}
        func cancel() {}
    }
}
