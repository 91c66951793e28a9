/// Requests to the node as async calls: one answer, or a sequence of them. Cancelling the task that
/// waits, or dropping the sequence, cancels the request in the node.

import ARONode
import AROPrimitives
import NIOConcurrencyHelpers

/// Replies kept for a reader that lags: older ones make way, the last one never does. A guess;
/// fetches tell of their progress at most every 64 blocks.
private let repliesMax = 1_024

extension NodeLoop where Machine: ~Copyable {
    /// All replies to a request, the final one included.
    package func replies(to request: Request) -> AsyncStream<Reply> {
        AsyncStream(bufferingPolicy: .bufferingNewest(repliesMax)) { continuation in
            let id = submit(request) { reply in
                continuation.yield(reply)
                if reply.isFinal { continuation.finish() }
            }
            continuation.onTermination = { [weak self] termination in
                if case .cancelled = termination { self?.cancel(id) }
            }
        }
    }

    /// All replies to a request that goes on until it is cancelled, with its number. The node bounds
    /// what it gives ahead, so nothing is dropped here.
    package func listen(_ request: Request) -> (id: RequestID, replies: AsyncStream<Reply>) {
        let (replies, continuation) = AsyncStream.makeStream(of: Reply.self)
        let id = submit(request) { reply in
            continuation.yield(reply)
            if reply.isFinal { continuation.finish() }
        }
        continuation.onTermination = { [weak self] termination in
            if case .cancelled = termination { self?.cancel(id) }
        }
        return (id, replies)
    }

    /// The final reply to a request; nil where the waiting task was cancelled.
    package func answer(to request: Request) async -> Reply? {
        var last: Reply?
        for await reply in replies(to: request) { last = reply }
        return last?.isFinal == true ? last : nil
    }
}
