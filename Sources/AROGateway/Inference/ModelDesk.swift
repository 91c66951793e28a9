/// Carries the node's calls to the model servers behind it: each call is a task that asks a server and tells
/// the node its events, no faster than the node takes them.

import AROBackend
import AROInference
import AROPrimitives
import ARORuntime
import AROWire
import Logging
import Synchronization

public final class ModelDesk: ModelServicing {
    private struct Run {
        var demand: Demand
        var task: Task<Void, Never>?
    }

    private struct State {
        var runs: [BackendToken: Run] = [:]
        var node: NodeHandle?
    }

    private let backends: Backends
    private let state = Mutex(State())

    public init(_ backends: Backends) { self.backends = backends }

    /// The node that fetches what calls name as their context. Known after the node has started.
    public func attach(_ node: NodeHandle) { state.withLock { $0.node = node } }

    public func perform(
        _ request: BackendRequest, reply: @escaping @Sendable (BackendReply) -> Void
    ) {
        switch request {
        case .start(let call, let token): start(call, token, reply)
        case .take(let byteCount, let token):
            let demand = state.withLock { $0.runs[token]?.demand }
            demand?.allow(byteCount)
        case .cancel(let token):
            let task = state.withLock { $0.runs.removeValue(forKey: token)?.task }
            task?.cancel()
        }
    }

    private func start(
        _ call: BackendCall, _ token: BackendToken,
        _ reply: @escaping @Sendable (BackendReply) -> Void
    ) {
        let demand = Demand()
        state.withLock { state in
            let node = state.node
            let task = Task { [self] in
                await answer(call, token, demand, node, reply)
                _ = self.state.withLock { $0.runs.removeValue(forKey: token) }
            }
            state.runs[token] = Run(demand: demand, task: task)
        }
    }

    private func answer(
        _ call: BackendCall, _ token: BackendToken, _ demand: Demand, _ node: NodeHandle?,
        _ reply: @Sendable (BackendReply) -> Void
    ) async {
        do throws(BackendFailure) {
            let usage = try await answer(call, demand, node) { reply(.event(token, $0)) }
            reply(.finished(token, usage))
        } catch {
            guard !Task.isCancelled else { return }
            reply(.failed(token, error))
        }
    }

    private func answer(
        _ call: BackendCall, _ demand: Demand, _ node: NodeHandle?,
        _ tell: @Sendable ([UInt8]) -> Void
    ) async throws(BackendFailure) -> TokenUsage {
        guard let server = backends.server(of: call.model) else {
            throw .unavailable("no model server here has \(call.model) now")
        }
        guard let endpoint = ModelQuestion.Endpoint(call.endpoint) else {
            throw .badRequest("this endpoint is not served")
        }
        let body = try await CallContext.filled(call, by: node)
        let question = ModelQuestion(
            endpoint: endpoint, body: body, isStreamed: call.isStreamed,
            timeLimit: .nanoseconds(call.timeLeft.nanoseconds))
        do throws(ModelServerFailure) {
            let answer = try await server.ask(question)
            while await demand.isThere(), let event = try await answer.next() {
                demand.used(event.count)
                tell(event)
            }
            guard !Task.isCancelled else { throw ModelServerFailure.broken("cancelled") }
            let usage = answer.usage
            return TokenUsage(input: usage?.input ?? 0, output: usage?.output ?? 0)
        } catch { throw BackendFailure(error) }
    }
}

extension ModelQuestion.Endpoint {
    init?(_ endpoint: CallEndpoint) {
        switch endpoint {
        case .chatCompletions: self = .chatCompletions
        case .completions: self = .completions
        case .embeddings: self = .embeddings
        case .responses: return nil
        }
    }
}

extension BackendFailure {
    init(_ failure: ModelServerFailure) {
        switch failure {
        case .refused(429, let words), .refused(503, let words): self = .busy(words)
        case .refused(let status, let words) where (400..<500).contains(status):
            self = .badRequest(words)
        default: self = .unavailable(failure.description)
        }
    }
}

/// How many bytes the node takes, for one task that waits until there is room.
private final class Demand: Sendable {
    private struct State {
        var room = 0
        var waiter: CheckedContinuation<Bool, Never>?
        var isCancelled = false

        mutating func takeWaiter() -> CheckedContinuation<Bool, Never>? {
            defer { waiter = nil }
            return waiter
        }
    }

    private let state = Mutex(State())

    func allow(_ byteCount: Int) {
        let waiter = state.withLock { state in
            state.room += byteCount
            return state.room > 0 ? state.takeWaiter() : nil
        }
        waiter?.resume(returning: true)
    }

    func used(_ byteCount: Int) { state.withLock { $0.room -= byteCount } }

    /// Waits for room; false where the task was cancelled.
    func isThere() async -> Bool {
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let known: Bool? = state.withLock { state in
                    if state.isCancelled { return false }
                    if state.room > 0 { return true }
                    state.waiter = continuation
                    return nil
                }
                if let known { continuation.resume(returning: known) }
            }
        } onCancel: {
            let waiter = state.withLock { state in
                state.isCancelled = true
                return state.takeWaiter()
            }
            waiter?.resume(returning: false)
        }
    }
}

extension Backends {
    /// What the node serves by these servers: each healthy model once, with the room of all.
    var served: [AROInference.ServedModel] {
        offers.prefix(Offer.modelsMax).map { offer in
            AROInference.ServedModel(
                name: offer.name, contextTokens: offer.contextTokens, price: price,
                endpoints: [.chatCompletions, .completions, .embeddings],
                slots: Int(offer.slots))
        }
    }
}
