import AROBackend
import AROInference
import AROPrimitives
import ARORuntime
import AROWire
import Foundation
import Testing

@testable import AROGateway

/// `aro infer`, `models`, `receipts` and `accounts`, as a user types them.
@Suite("Commands that call models", .serialized) struct CallCommandTests {
    /// A caller whose commands are answered, and a provider with a model server behind it.
    private func network(
        _ script: [ScriptedInference.Line], price: TokenPrice = .free,
        _ body: (_ caller: Face, _ home: GatewayHome, _ provider: Provider) async throws -> Void
    ) async throws {
        let home = try GatewayHome()
        let inference = ScriptedInference(["m": script])
        let provider = try await Provider(home, "provider", inference, price: price)
        let caller = try await home.face("caller", bootstrap: provider.face)
        let control = try await caller.node.openControl()
        while try await caller.node.models().isEmpty {
            try await Task.sleep(for: .milliseconds(20))
        }
        try await body(caller, home, provider)
        await control.close()
        try await caller.close()
        try await provider.close()
    }

    private let hello: [ScriptedInference.Line] = [
        .say(delta("Hel")), .say(delta("lo", finish: "stop")), .say(usageChunk),
    ]

    @Test("a model answers, the receipt is signed by both, and can be checked anywhere")
    func receipts() async throws {
        try await network(hello) { caller, home, provider in
            let here = caller.node.dataDirectory
            let models = try Child(["models"], node: here)
            #expect(try await models.status() == 0)
            #expect(
                models.output.contains("\(provider.face.node.id)") && models.output.contains("free")
            )

            let infer = try Child(["infer", "m", "hi", "--key", "k 1", "-v"], node: here)
            #expect(try await infer.status() == 0, "\(infer.complaint)")
            #expect(infer.output == "Hello\n")
            #expect(infer.complaint.contains("tokens        3 in, 2 out"))

            let piped = try Child(["infer", "m", "--json"], node: here, input: "hi")
            #expect(try await piped.status() == 0, "\(piped.complaint)")
            let answer = try JSON(Array(piped.output.utf8))
            #expect(answer["choices"]?[0]?["message"]?["content"] == "Hello")
            #expect(answer["aro"]?["receipt"]?["countersigned"] == true)

            let list = try Child(["receipts", "ls", "--json"], node: here)
            #expect(try await list.status() == 0)
            #expect(list.output.split(separator: "\n").count == 2)
            let file = "\(home.path)/receipt"
            let show = try Child(["receipts", "show", "k 1", "-o", file], node: here)
            #expect(try await show.status() == 0, "\(show.complaint)")
            let verify = try Child(
                [
                    "receipts", "verify", file, "--countersigned", "--provider",
                    "\(provider.face.node.id)", "--caller", "\(caller.node.id)", "--json",
                ])
            #expect(try await verify.status() == 0, "\(verify.complaint)")
            #expect(try JSON(Array(verify.output.utf8))["outputTokens"] == 2)
            let other = try Child([
                "receipts", "verify", file, "--caller", "\(provider.face.node.id)",
            ])
            #expect(try await other.status() == 5)
        }
    }

    @Test("of several receipts under one key all are shown, and one is written that is named")
    func sharedKey() async throws {
        try await network(hello) { caller, home, provider in
            let second = try await home.face("second-caller", bootstrap: provider.face)
            while try await second.node.models().isEmpty {
                try await Task.sleep(for: .milliseconds(20))
            }
            for node in [caller.node, second.node] {
                var request = CallRequest(
                    key: CallKey(hashing: "k"), model: "m", endpoint: .chatCompletions,
                    isStreamed: true,
                    body: Array(
                        #"{"model":"m","messages":[{"role":"user","content":"hi"}]}"#.utf8))
                request.provider = provider.face.node.id
                for try await _ in node.call(request) {}
            }
            let control = try await provider.face.node.openControl()
            let there = provider.face.node.dataDirectory
            let file = "\(home.path)/receipt"
            while try await provider.face.node.receipts(of: CallKey(hashing: "k")).count < 2 {
                try await Task.sleep(for: .milliseconds(10))
            }
            let show = try Child(["receipts", "show", "k", "--json"], node: there)
            #expect(try await show.status() == 0, "\(show.complaint)")
            #expect(show.output.split(separator: "\n").count == 2)
            let vague = try Child(["receipts", "show", "k", "-o", file], node: there)
            #expect(try await vague.status() == 64)
            #expect(vague.complaint.contains("--caller"), "\(vague.complaint)")
            #expect(vague.complaint.contains("\(second.node.id)"), "\(vague.complaint)")
            #expect(!FileManager.default.fileExists(atPath: file))
            let one = try Child(
                ["receipts", "show", "k", "-o", file, "--caller", "\(second.node.id)"],
                node: there)
            #expect(try await one.status() == 0, "\(one.complaint)")
            let verify = try Child([
                "receipts", "verify", file, "--caller", "\(second.node.id)",
            ])
            #expect(try await verify.status() == 0, "\(verify.complaint)")
            await control.close()
            try await second.close()
        }
    }

    @Test("a receipt with one bit changed is not believed")
    func damage() async throws {
        try await network(hello) { caller, home, _ in
            let here = caller.node.dataDirectory
            let infer = try Child(["infer", "m", "hi", "--key", "k"], node: here)
            #expect(try await infer.status() == 0, "\(infer.complaint)")
            let file = "\(home.path)/receipt"
            let show = try Child(["receipts", "show", "k", "-o", file], node: here)
            #expect(try await show.status() == 0)
            let good = try Data(contentsOf: URL(fileURLWithPath: file))
            for position in stride(from: 0, to: good.count, by: good.count / 7) {
                var bad = good
                bad[position] ^= 1
                try bad.write(to: URL(fileURLWithPath: file))
                let verify = try Child(["receipts", "verify", file])
                #expect(try await verify.status() == 5, "byte \(position)")
                #expect(verify.output.isEmpty)
            }
            let none = try Child(["receipts", "show", "another"], node: here)
            #expect(try await none.status() == 3)
        }
    }

    @Test("prices are shown, refused where they are too high, paid, and accounted for")
    func prices() async throws {
        let price = TokenPrice(input: 1_000_000, output: 2_000_000)
        try await network(hello, price: price) { caller, _, provider in
            let here = caller.node.dataDirectory
            let models = try Child(["models"], node: here)
            #expect(try await models.status() == 0)
            #expect(models.output.contains("1/2"))
            let refused = try Child(["infer", "m", "hi"], node: here)
            #expect(try await refused.status() == 1)
            #expect(refused.complaint.contains("--pay-input"), "\(refused.complaint)")
            let paid = try Child(
                ["infer", "m", "hi", "--pay-input", "1000000", "--pay-output", "2000000"],
                node: here)
            #expect(try await paid.status() == 0, "\(paid.complaint)")
            let accounts = try Child(["accounts", "--json"], node: here)
            #expect(try await accounts.status() == 0)
            let row = try JSON(Array(accounts.output.utf8))
            #expect(row["peer"] == .string("\(provider.face.node.id)"))
            // 3 tokens in at 1, 2 out at 2: 7 millionths.
            #expect(row["spent"] == 7 && row["callsMade"] == 1)
        }
    }

    @Test("what cannot be asked is refused with words, and nothing on standard output")
    func refusals() async throws {
        try await network(hello) { caller, _, _ in
            let here = caller.node.dataDirectory
            let cases: [([String], Int32, String)] = [
                (["infer", "nothing", "hi"], 3, "aro models"),
                (["infer", "m"], 64, "no question"),
                (["infer", "m", "hi", "--deadline", "0"], 64, "--deadline"),
                (["infer", "m", "hi", "--max-tokens", "0"], 64, "--max-tokens"),
                (["infer", "m", "hi", "--temperature", "3"], 64, "--temperature"),
                (["infer", "m", "hi", "--context", "x"], 64, "x"),
                (["infer", "m", "hi", "--provider", "x"], 64, "bafzaa"),
                (["receipts", "ls", "--limit", "0"], 64, "--limit"),
                (["receipts", "verify", "/nothing/here"], 1, "/nothing/here"),
            ]
            for (arguments, status, words) in cases {
                let child = try Child(arguments, node: arguments[1] == "verify" ? nil : here)
                #expect(try await child.status() == status, "\(arguments) \(child.complaint)")
                #expect(child.complaint.contains(words), "\(arguments) \(child.complaint)")
                #expect(child.output.isEmpty, "\(arguments)")
            }
        }
    }

    @Test("an answer goes on at another provider where the first one is lost")
    func resumption() async throws {
        try await network([.say(delta("Hel")), .hang]) { caller, home, first in
            let infer = try Child(["infer", "m", "hi", "-v"], node: caller.node.dataDirectory)
            while infer.output != "Hel" { try await Task.sleep(for: .milliseconds(5)) }
            let other = ScriptedInference(
                ["m": [.say(delta("lo", finish: "stop")), .say(usageChunk)]])
            let second = try await Provider(home, "second", other, bootstrap: caller)
            while try await caller.node.models().first?.offers.count != 2 {
                try await Task.sleep(for: .milliseconds(20))
            }
            await first.face.node.shutdown()
            #expect(try await infer.status() == 0, "\(infer.complaint)")
            #expect(infer.output == "Hello\n")
            #expect(infer.complaint.contains("\(second.face.node.id)"))
            let body = try JSON(try #require(other.seen.requests.last).body)
            let last = body["messages"]?.array?.last
            #expect(last?["role"] == "assistant" && last?["content"] == "Hel")
            try await second.close()
        }
    }
}

/// A node that offers what a script says, by a model server of its own.
private struct Provider {
    let face: Face
    private let server: Face
    private let backends: Backends
    private let watching: Task<Void, Never>

    init(
        _ home: GatewayHome, _ name: String, _ inference: ScriptedInference,
        price: TokenPrice = .free, bootstrap: Face? = nil
    ) async throws {
        let server = try await home.face("\(name)-server", inference: inference)
        let backends = Backends(
            [try ModelServer(server.gateway.url + "/v1")], price: price, logger: quiet)
        let desk = ModelDesk(backends)
        let face = try await home.face(
            name, bootstrap: bootstrap, models: desk, creditLimit: 100)
        desk.attach(face.node)
        (self.server, self.backends, self.face) = (server, backends, face)
        watching = Task { await backends.watch(face.node) }
    }

    func close() async throws {
        watching.cancel()
        await watching.value
        try await face.close()
        await backends.shutdown()
        try await server.close()
    }
}
