/// `aro infer`: asks a model of the network, and prints its answer as it comes.

import ARO
import AROBackend
import AROGateway
import AROWire
import ArgumentParser
import Foundation

struct InferCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "infer", abstract: "Ask a model of the network, and print its answer.",
        discussion: """
            The node chooses a provider, signs the receipt, and goes on elsewhere when the provider \
            is lost; 'aro models' lists what can be asked. Content named by --context is fetched, \
            verified and given to the model by the provider.
            """)

    @Argument(help: "The model's name.") var model: String
    @Argument(help: "The question; without it, all of standard input.") var prompt: [String] = []

    @Option(help: "What the model is told about its task.") var system: String?

    @Option(
        help: ArgumentHelp("Content that the model is given. May be repeated.", valueName: "cid"),
        transform: Typed.cid)
    var context: [CID] = []

    @Option(
        name: .customLong("max-tokens"), help: "How long the answer may be, in tokens.")
    var tokensMax: Int?

    @Option(help: "How freely the model chooses its words: 0 to 2.") var temperature: Double?
    @Option(help: "Ask only this peer.", transform: Typed.peer) var provider: PeerID?

    @Option(
        help: "An idempotency key: a call that is made again with it is not run or billed twice.")
    var key: String?

    @Option(help: "Give up after so many seconds.") var deadline = 600.0

    @Option(
        name: .customLong("pay-input"),
        help: ArgumentHelp(
            "Millionths of the unit of account that a million tokens of the prompt may cost.",
            discussion: "Without this and the next, what the node was started with.", valueName: "n"
        ))
    var payInput: UInt64?

    @Option(
        name: .customLong("pay-output"),
        help: ArgumentHelp("The same for a million tokens of the answer.", valueName: "n"))
    var payOutput: UInt64?

    @Flag(name: .shortAndLong, help: "Say on standard error who answered, how fast, for how much.")
    var verbose = false

    @OptionGroup var node: NodeOptions
    @OptionGroup var json: JSONOption

    func validate() throws {
        guard deadline > 0, deadline <= 86_400 else {
            throw ValidationError("--deadline is more than 0 and at most 86400")
        }
        guard tokensMax.map({ $0 > 0 }) ?? true else {
            throw ValidationError("--max-tokens is 1 or more")
        }
        guard temperature.map({ (0...2).contains($0) }) ?? true else {
            throw ValidationError("--temperature is 0 to 2")
        }
        guard context.count <= 16 else { throw ValidationError("at most 16 times --context") }
    }

    func run() async throws {
        let began = ContinuousClock.now
        let serving = ControlInference(dataDirectory: node.path)
        let reply: ModelReply
        var first: Swift.Duration?
        do {
            reply = try await ModelReply(try request.query(), serving, CallLog())
            while let chunk = try await reply.chunk() {
                guard let text = chunk.deltaText else { continue }
                first = first ?? ContinuousClock.now - began
                if !json.isOn { try Terminal.write(Array(text.utf8)) }
            }
        } catch let failure as InferenceFailure {
            if first != nil, !json.isOn { try Terminal.line("") }
            throw CommandFailure("\(failure)")
        }
        if json.isOn { return try printDocument(reply.completion, serving.receipt) }
        try Terminal.line("")
        if verbose { summarise(serving, first, ContinuousClock.now - began) }
    }

    private var request: ChatRequest {
        get throws {
            var text = prompt.joined(separator: " ")
            if prompt.isEmpty {
                text = String(
                    decoding: FileHandle.standardInput.readDataToEndOfFile(), as: UTF8.self)
            }
            guard !text.isEmpty else { throw CommandFailure(.usage, "there is no question") }
            var request = ChatRequest(model: model, messages: [.user(text)])
            if let system { request.messages.insert(.system(system), at: 0) }
            (request.tokensMax, request.temperature) = (tokensMax, temperature)
            (request.context, request.key, request.provider) = (context, key, provider)
            request.timeLimit = .seconds(deadline)
            if payInput != nil || payOutput != nil {
                request.priceMax = TokenPrice(input: payInput ?? 0, output: payOutput ?? 0)
            }
            return request
        }
    }

    /// The answer as OpenAI's interface gives it, and with it who gave it for how much.
    private func printDocument(_ completion: Completion, _ receipt: ReceiptReport?) throws {
        var answer = completion.answer
        if let receipt { answer["aro"] = try JSON(ControlJSON.encode(["receipt": receipt])) }
        try Terminal.line(answer.text)
    }

    private func summarise(
        _ serving: ControlInference, _ first: Swift.Duration?, _ whole: Swift.Duration
    ) {
        guard let receipt = serving.receipt else { return }
        let seconds = whole.inSeconds - (first?.inSeconds ?? 0)
        let rate = seconds > 0 ? Double(receipt.outputTokens) / seconds : 0
        let lines = [
            "provider      \(receipt.provider)",
            "first token   \(first.map { Format.milliseconds($0.inSeconds * 1_000) } ?? "-")",
            "tokens        \(receipt.inputTokens) in, \(receipt.outputTokens) out, "
                + "\((rate * 10).rounded() / 10) a second",
            "price         \(Format.amount(receipt.price))",
            "receipt       \(receipt.key)",
        ]
        Terminal.error(lines.map { $0 + "\n" }.joined())
    }
}

extension Swift.Duration {
    var inSeconds: Double {
        Double(components.seconds) + Double(components.attoseconds) / 1e18
    }
}
