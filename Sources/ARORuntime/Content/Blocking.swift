/// From async code to calls that block: on threads of our own, never on those of the Swift runtime,
/// which has one for each core and expects them not to wait.

import Foundation
import Synchronization

final class BlockingThreads: Sendable {
    private let queue: OperationQueue

    init(_ name: String, width: Int) {
        queue = OperationQueue()
        queue.name = name
        queue.maxConcurrentOperationCount = width
    }

    /// Runs `body` on a thread of ours. Where the task is cancelled, `body` sees it by the flag.
    func run<R: Sendable>(
        _ body: @escaping @Sendable (Cancellation) throws(ContentFailure) -> R
    ) async throws(ContentFailure) -> R {
        let cancellation = Cancellation()
        let result = await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                queue.addOperation {
                    let result: Result<R, ContentFailure>
                    do throws(ContentFailure) { result = .success(try body(cancellation)) } catch {
                        result = .failure(error)
                    }
                    continuation.resume(returning: result)
                }
            }
        } onCancel: {
            cancellation.cancel()
        }
        return try result.get()
    }
}

/// Whether somebody lost interest.
final class Cancellation: Sendable {
    private let flag = Atomic<Bool>(false)

    func cancel() { flag.store(true, ordering: .relaxed) }

    func check() throws(ContentFailure) {
        if flag.load(ordering: .relaxed) { throw .cancelled }
    }
}
