/// What the network adds to a call of a model: the same questions to a model server directly, and through the
/// gateway of a node that finds it at another node, in turns. The model server is a real one, or one that
/// says a word now and then, so that many streams fit on one machine.

import ARO
import AROBackend
import AROGateway
import AROWire
import ArgumentParser
import Foundation
import Logging

struct Calls: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Calls of a model through the network, beside calls of its server.")

    @Option(help: "Calls each way, one after the other.") var calls = 50
    @Option(help: "Then so many at once each way.") var streams = 64
    @Option(help: "Tokens of an answer.") var tokens = 64
    @Option(help: "Milliseconds between two tokens of the server that only paces.")
    var pace = 20
    @Option(help: "A real model server, as http://127.0.0.1:9001/v1.") var backend: String?
    @Option(help: "Its model.") var model = "paced"

    func run() async throws {
        var logger = Logger(label: "aro-bench")
        logger.logLevel = .error
        let folder = NSTemporaryDirectory() + "aro-bench-\(getpid())"
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let loopback = SocketAddress("127.0.0.1:0")!
        func configuration(_ name: String) -> NodeConfiguration {
            NodeConfiguration(
                listen: [loopback], dataDirectory: "\(folder)/\(name)", logger: logger)
        }
        let stubNode = try await NodeHandle.start(configuration("stub"))
        let stub = try await Gateway.start(
            GatewayConfiguration(address: loopback), node: stubNode,
            inference: PacedInference(
                tokens: tokens, pace: .milliseconds(pace)), logger: logger)
        let address = backend ?? stub.url + "/v1"
        let backends = Backends(
            [try ModelServer(address)], slots: max(streams, 1), logger: logger)
        let desk = ModelDesk(backends)
        var offering = configuration("provider")
        offering.models = desk
        let provider = try await NodeHandle.start(offering)
        desk.attach(provider)
        let watching = Task { await backends.watch(provider) }
        let caller = try await NodeHandle.start(configuration("caller"))
        _ = try await caller.join([provider.addresses[0]])
        let gateway = try await Gateway.start(
            GatewayConfiguration(address: loopback), node: caller, logger: logger)
        while try await caller.models().isEmpty {
            try await Task.sleep(nanoseconds: 10_000_000)
        }
        let direct = try ModelServer(address)
        let network = try ModelServer(gateway.url + "/v1")
        try await compare(direct, network)
        watching.cancel()
        await watching.value
        await gateway.close()
        await stub.close()
        for server in [direct, network] { await server.shutdown() }
        await backends.shutdown()
        for node in [caller, provider, stubNode] { await node.shutdown() }
    }

    private func compare(_ direct: ModelServer, _ network: ModelServer) async throws {
        for server in [direct, network] { _ = try await ask(server, 0) }
        var times: [[Answer]] = [[], []]
        for i in 1...max(1, calls) {
            // Who is first may find the model's cache cold.
            for side in i.isMultiple(of: 2) ? [0, 1] : [1, 0] {
                times[side].append(try await ask([direct, network][side], i))
            }
        }
        print("one call at a time, \(calls) each way")
        report("first token, p50", times.map { $0.map(\.first).quantile(0.5) }, added: true)
        report("first token, p90", times.map { $0.map(\.first).quantile(0.9) }, added: true)
        report("tokens a second, p50", times.map { $0.map(\.rate).quantile(0.5) }, added: false)
        guard streams > 1 else { return }
        var rates: [Double] = []
        for server in [direct, network] {
            let began = ContinuousClock.now
            let answers = try await withThrowingTaskGroup(of: Answer.self) { group in
                for i in 0..<streams { group.addTask { try await ask(server, 1_000 + i) } }
                var all: [Answer] = []
                while let one = try await group.next() { all.append(one) }
                return all
            }
            let seconds = (ContinuousClock.now - began).inSeconds
            rates.append(answers.reduce(0) { $0 + Double($1.tokens) } / seconds)
        }
        print("\(streams) calls at once")
        report("tokens a second, all", rates, added: false)
    }

    private func report(_ name: String, _ values: [Double], added: Bool) {
        let (direct, network) = (values[0], values[1])
        let change =
            added
            ? String(format: "%+.2f ms", (network - direct) * 1_000)
            : String(format: "%.3f x", network / direct)
        let unit = added ? 1_000.0 : 1
        print(
            String(
                format: "  %@  direct %.2f  network %.2f  %@", name, direct * unit, network * unit,
                change))
    }

    private struct Answer: Sendable {
        var first: Double
        var tokens: Int
        var whole: Double
        /// Tokens behind the first, a second.
        var rate: Double { Double(tokens - 1) / max(1e-9, whole - first) }
    }

    private func ask(_ server: ModelServer, _ number: Int) async throws -> Answer {
        let body: JSON = [
            "model": .string(model), "stream": true, "max_tokens": .integer(Int64(tokens)),
            "temperature": .number(0),
            "messages": [["role": "user", "content": .string("Tell story number \(number).")]],
        ]
        let began = ContinuousClock.now
        let answer = try await server.ask(
            ModelQuestion(endpoint: .chatCompletions, body: body.bytes, isStreamed: true))
        var first: Double?
        var count = 0
        while let event = try await answer.next() {
            guard let chunk = try? JSON(event),
                chunk["choices"]?[0]?["delta"]?["content"]?.string?.isEmpty == false
            else { continue }
            first = first ?? (ContinuousClock.now - began).inSeconds
            count += 1
        }
        let whole = (ContinuousClock.now - began).inSeconds
        return Answer(first: first ?? whole, tokens: count, whole: whole)
    }
}

extension Swift.Duration {
    fileprivate var inSeconds: Double {
        Double(components.seconds) + Double(components.attoseconds) / 1e18
    }
}

extension [Double] {
    fileprivate func quantile(_ share: Double) -> Double {
        isEmpty ? 0 : sorted()[Swift.min(count - 1, Int(Double(count) * share))]
    }
}

/// Says a word at a time, after equal waits.
private struct PacedInference: InferenceServing {
    var tokens: Int
    var pace: Swift.Duration

    func models() async throws -> [OfferedModel] {
        [
            OfferedModel(
                name: "paced", contextTokens: 4_096,
                providers: [
                    .init(
                        name: "stub", slots: 4_096, slotsFree: 4_096, queued: 0, inputPrice: 0,
                        outputPrice: 0)
                ])
        ]
    }

    func call(_ request: InferenceRequest) async throws -> any InferenceCall {
        Paced(tokens, pace)
    }

    private final class Paced: InferenceCall, @unchecked Sendable {
        private var left: Int
        private let pace: Swift.Duration
        private var due = ContinuousClock.now

        init(_ tokens: Int, _ pace: Swift.Duration) { (left, self.pace) = (tokens, pace) }

        func next() async throws -> InferenceEvent? {
            guard left >= 0 else { return nil }
            defer { left -= 1 }
            if left > 0 {
                due += pace
                try await Task.sleep(until: due, clock: .continuous)
            }
            return .output(chunk.bytes)
        }

        private var chunk: JSON {
            [
                "id": "c", "object": "chat.completion.chunk", "created": 1, "model": "paced",
                "choices": [
                    [
                        "index": 0, "delta": ["content": .string(left > 0 ? "word " : "")],
                        "finish_reason": left > 0 ? .null : "stop",
                    ]
                ],
            ]
        }

        func resume(with body: [UInt8]) async throws {}
        func cancel() {}
    }
}
