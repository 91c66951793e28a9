/// The node's models as a command calls them: the gateway's seam, over the control channel.

import ARO
import AROCrypto
import AROGateway
import AROInference
import AROPrimitives
import AROWire
import Foundation

/// The models behind the node of a data directory, over its control channel. For one call.
final class ControlInference: InferenceServing, @unchecked Sendable {
    let dataDirectory: String
    /// Once the call has ended well.
    fileprivate(set) var receipt: ReceiptReport?

    init(dataDirectory: String) { self.dataDirectory = dataDirectory }

    func models() async throws -> [OfferedModel] { [] }

    func call(_ request: InferenceRequest) async throws -> any InferenceCall {
        var question = CallQuestion(
            model: request.model, endpoint: CallEndpoint.chatCompletions.rawValue,
            isStreamed: request.isStreamed, key: request.key)
        question.context = request.context.map { "\($0)" }
        question.deadlineSeconds = request.timeLimit.inSeconds
        question.provider = request.provider.map { "\($0)" }
        (question.inputPriceMax, question.outputPriceMax) = (
            request.priceMax?.input, request.priceMax?.output
        )
        question.conversation = request.conversation.map { Hex.encode(SHA256Digest.of($0).bytes) }
        let client = try ControlClient(dataDirectory: dataDirectory, .call(question))
        client.output = STDOUT_FILENO
        let call = ControlCall(client, self)
        try call.send(request.body)
        return call
    }
}

/// A call over the control channel. Blocks: the command has nothing else to do.
private final class ControlCall: InferenceCall, @unchecked Sendable {
    private let client: ControlClient
    private let serving: ControlInference

    init(_ client: ControlClient, _ serving: ControlInference) {
        (self.client, self.serving) = (client, serving)
    }

    func send(_ body: [UInt8]) throws {
        try body.withUnsafeBytes { try client.send(bytes: $0) { _ in } }
        try client.sendEnd()
    }

    func next() async throws -> InferenceEvent? {
        while let message = try client.next() {
            guard case .event(.call(let step)) = message else { continue }
            switch step.kind {
            case .accepted:
                return .accepted(provider: step.provider ?? "", position: step.position ?? 0)
            case .output: return .output(try bytes(step.bytes ?? 0))
            case .interrupted: return .interrupted(step.reason ?? "")
            case .finished: serving.receipt = step.receipt
            }
        }
        return nil
    }

    private func bytes(_ count: Int) throws -> [UInt8] {
        var bytes: [UInt8] = []
        while bytes.count < count, let message = try client.next() {
            guard case .bytes(let part) = message else { break }
            bytes += part.readableBytesView
        }
        guard bytes.count == count else {
            throw ControlClientFailure.malformed("an event of a call was cut short")
        }
        return bytes
    }

    func resume(with body: [UInt8]) async throws { try send(body) }

    /// The command ends with the call, and hangs up then.
    func cancel() {}
}
