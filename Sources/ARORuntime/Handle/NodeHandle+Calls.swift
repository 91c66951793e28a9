/// Calls of models: as their caller, and as the node that offers them.

import AROInference
import ARONode
import AROPrimitives
import AROWire

extension NodeHandle {
    /// Calls a model of the network, or of this node. The call lasts as long as it is read; a slow
    /// reader slows the model.
    ///
    /// ```swift
    /// var call = CallRequest(
    ///     key: CallKey(hashing: UUID().uuidString), model: "smollm2", endpoint: .chatCompletions,
    ///     isStreamed: true, body: Array(json.utf8))
    /// for try await event in node.call(call) {
    ///     if case .output(let chunk) = event { print(String(decoding: chunk, as: UTF8.self)) }
    /// }
    /// ```
    public func call(_ request: CallRequest) -> ModelCall {
        let (id, replies) = loop.listen(.call(request))
        return ModelCall(id: id, replies: replies, loop: loop)
    }

    /// Answers calls of these models from now on, and of no others, by the model servers that the
    /// node was started with, and announces them.
    public func serve(_ models: [ServedModel]) async throws { _ = try await answer(.serve(models)) }

    /// The models that are offered by anyone known, this node included, in the order of their names.
    public func models() async throws -> [ModelStatus] {
        guard case .models(let models) = try await answer(.models) else { return [] }
        return models
    }

    /// How this node stands with those it served and was served by.
    public func accounts() async throws -> [PeerBalance] {
        guard case .accounts(let balances) = try await answer(.accounts) else { return [] }
        return balances
    }

    /// The latest receipts of calls made and served, the newest first.
    public func receipts(limit: Int = 100) async throws -> [Receipt] {
        try await ledger.receipts(limit: limit)
    }

    /// The receipts of calls with this key.
    public func receipts(of key: CallKey) async throws -> [Receipt] {
        try await ledger.receipts(of: key)
    }
}

/// A call under way, for one reader. The last element is ``CallEvent/finished(_:)``; dropping the
/// sequence, or cancelling the task that reads it, hangs up.
///
/// - Throws: `CallFailure`, or `RequestFailure` where the node could not begin it.
public struct ModelCall: AsyncSequence, Sendable {
    public typealias Element = CallEvent

    let id: RequestID
    let replies: AsyncStream<Reply>
    let loop: NodeLoop<Node>

    /// After ``CallEvent/interrupted(_:)``: goes on at another provider with this body, which says
    /// what was asked and what was answered already.
    public func resume(body: [UInt8]) { _ = loop.submit(.resume(id, body: body)) { _ in } }

    /// Hangs up; harmless once the call is over.
    public func cancel() { loop.cancel(id) }

    public func makeAsyncIterator() -> Iterator {
        Iterator(replies: replies.makeAsyncIterator(), id: id, loop: loop)
    }

    public struct Iterator: AsyncIteratorProtocol {
        var replies: AsyncStream<Reply>.Iterator
        let id: RequestID
        let loop: NodeLoop<Node>
        /// Bytes taken that the node was not told of.
        private var taken = 0

        /// The node is told after so many bytes; it gives far more ahead.
        private static let batch = 16 << 10

        init(replies: AsyncStream<Reply>.Iterator, id: RequestID, loop: NodeLoop<Node>) {
            (self.replies, self.id, self.loop) = (replies, id, loop)
        }

        public mutating func next() async throws -> CallEvent? {
            if taken >= Self.batch {
                _ = loop.submit(.consumed(id, taken)) { _ in }
                taken = 0
            }
            while let reply = await replies.next() {
                switch reply {
                case .call(.failed(let failure)): throw failure
                case .call(let event):
                    if case .output(let bytes) = event { taken += bytes.count }
                    return event
                case .failed(let failure): throw failure
                default: continue
                }
            }
            try Task.checkCancellation()
            return nil
        }
    }
}
