/// The gateway's calls, carried by the node: to whichever provider of the network it chooses, or to the model
/// servers behind the node itself.

import AROCrypto
import AROInference
import ARONode
import AROPrimitives
import ARORuntime
import AROWire
import Synchronization

public struct NetworkInference: InferenceServing {
    let node: NodeHandle

    public init(node: NodeHandle) { self.node = node }

    public func models() async throws -> [OfferedModel] {
        let own = try await node.models().flatMap { model in
            model.offers.filter { $0.provider == node.id }
                .map { (peer: node.id, model: $0.offer) }
        }
        return OfferedModel.list(try await node.members(), own: own)
    }

    public func call(_ request: InferenceRequest) async throws -> any InferenceCall {
        var call = CallRequest(
            key: CallKey(hashing: request.key), model: request.model,
            endpoint: CallEndpoint(request.endpoint), isStreamed: request.isStreamed,
            body: request.body)
        call.context = request.context
        call.priceMax = request.priceMax ?? node.priceMax
        call.provider = request.provider
        call.deadline = .nanoseconds(
            request.timeLimit.components.seconds * 1_000_000_000
                + request.timeLimit.components.attoseconds / 1_000_000_000)
        call.conversation = request.conversation.map { SHA256Digest.of($0) }
        return NetworkCall(node.call(call))
    }
}

/// For one reader at a time.
private final class NetworkCall: InferenceCall, @unchecked Sendable {
    private let call: ModelCall
    private var events: ModelCall.Iterator

    init(_ call: ModelCall) {
        self.call = call
        events = call.makeAsyncIterator()
    }

    deinit { call.cancel() }

    func next() async throws -> InferenceEvent? {
        do {
            switch try await events.next() {
            case .accepted(let provider, let position)?:
                return .accepted(provider: "\(provider)", position: position)
            case .output(let bytes)?: return .output(bytes)
            case .interrupted(let interruption)?: return .interrupted("\(interruption.reason)")
            case .failed(let failure)?: throw failure
            case .finished?: return nil
            case nil: throw InferenceFailure.interrupted("the node ended the call")
            }
        } catch let failure as RequestFailure {
            throw InferenceFailure.unavailable("\(failure)")
        } catch let failure as CallFailure {
            throw InferenceFailure(failure)
        }
    }

    func resume(with body: [UInt8]) async throws { call.resume(body: body) }

    func cancel() { call.cancel() }
}

extension CallEndpoint {
    init(_ endpoint: InferenceEndpoint) {
        switch endpoint {
        case .chatCompletions: self = .chatCompletions
        case .completions: self = .completions
        case .embeddings: self = .embeddings
        }
    }
}

extension InferenceFailure {
    init(_ failure: CallFailure) {
        let words = failure.description
        switch failure {
        case .modelNotFound(let model): self = .modelNotFound(model)
        case .busy(let wait):
            self = .busy(
                words, retryAfterSeconds: max(1, (wait.nanoseconds + 999_999_999) / 1_000_000_000))
        case .tooManyCalls: self = .busy(words, retryAfterSeconds: 1)
        case .noProviderLeft, .shuttingDown, .wrongReceipt: self = .unavailable(words)
        case .tooExpensive, .creditExhausted: self = .payment(words)
        case .rejected(_, let text): self = .badRequest(text)
        case .invalidRequest: self = .badRequest(words)
        case .contextUnavailable(_, let text): self = .context(text)
        case .outputTooLong, .interrupted: self = .interrupted(words)
        case .keySpent, .keyInUse: self = .keyReused(words)
        case .deadline: self = .deadline(words)
        }
    }
}
