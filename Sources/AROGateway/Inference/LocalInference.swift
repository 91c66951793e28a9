/// Calls that the model servers behind this node answer themselves, without the network: for a node whose
/// owner also uses it.

import AROBackend
import AROPrimitives
import AROWire
import ARORuntime

public struct LocalInference: InferenceServing {
    let node: NodeHandle
    let backends: Backends

    public init(node: NodeHandle, backends: Backends) {
        (self.node, self.backends) = (node, backends)
    }

    public func models() async throws -> [OfferedModel] {
        let own = backends.offers.map { (peer: node.id, model: $0) }
        return OfferedModel.list(try await node.members(), own: own)
    }

    public func call(_ request: InferenceRequest) async throws -> any InferenceCall {
        guard let server = backends.server(of: request.model) else {
            let isKnown = try await models().contains { $0.name == request.model }
            guard isKnown else { throw InferenceFailure.modelNotFound(request.model) }
            throw InferenceFailure.unavailable("this node does not call models of others")
        }
        guard request.context.isEmpty else {
            throw InferenceFailure.context("context by reference needs a provider in the network")
        }
        guard let endpoint = ModelQuestion.Endpoint(rawValue: request.endpoint.rawValue) else {
            throw InferenceFailure.badRequest("\(request.endpoint.rawValue) is not served")
        }
        let question = ModelQuestion(
            endpoint: endpoint, body: request.body, isStreamed: request.isStreamed,
            timeLimit: request.timeLimit)
        do throws(ModelServerFailure) {
            return LocalCall(try await server.ask(question), provider: "\(node.id)")
        } catch {
            throw InferenceFailure(error)
        }
    }
}

/// One call of a server of ours.
private final class LocalCall: InferenceCall, @unchecked Sendable {
    private var answer: ModelAnswer?
    private let provider: String
    private var hasTold = false

    init(_ answer: ModelAnswer, provider: String) {
        (self.answer, self.provider) = (answer, provider)
    }

    func next() async throws -> InferenceEvent? {
        if !hasTold {
            hasTold = true
            return .accepted(provider: provider, position: 0)
        }
        do throws(ModelServerFailure) {
            return try await answer?.next().map { .output($0) }
        } catch {
            throw InferenceFailure(error)
        }
    }

    func resume(with body: [UInt8]) async throws {
        throw InferenceFailure.interrupted("there is no other provider")
    }

    /// The connection is closed with the answer's end of life.
    func cancel() { answer = nil }
}

extension InferenceFailure {
    init(_ failure: ModelServerFailure) {
        switch failure {
        case .refused(let status, let message) where (400..<500).contains(status):
            self =
                status == 429
                ? .busy(message, retryAfterSeconds: 1) : .badRequest(message)
        case .broken: self = .interrupted(failure.description)
        default: self = .unavailable(failure.description)
        }
    }
}
