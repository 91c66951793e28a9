/// SIGINT and SIGTERM: the first asks for a clean end, the second ends the process at once.

@preconcurrency import Dispatch
import Foundation
import Synchronization

final class StopSignals: Sendable {
    private struct State {
        var reason: String?
        var waiting: CheckedContinuation<String, Never>?
    }

    private let state = Mutex(State())
    private let sources: [any DispatchSourceSignal]

    init() {
        let queue = DispatchQueue(label: "aro.signals")
        sources = [(SIGINT, "interrupted"), (SIGTERM, "terminated")].map { number, _ in
            signal(number, SIG_IGN)
            return DispatchSource.makeSignalSource(signal: number, queue: queue)
        }
        for (source, reason) in zip(sources, ["interrupted", "terminated"]) {
            source.setEventHandler { [weak self] in self?.stop(reason) }
            source.resume()
        }
    }

    /// Waits for the first reason to stop.
    func first() async -> String {
        await withCheckedContinuation { continuation in
            let reason = state.withLock { state in
                if state.reason == nil { state.waiting = continuation }
                return state.reason
            }
            if let reason { continuation.resume(returning: reason) }
        }
    }

    /// The end of standard input is a reason too.
    func stopWhenInputCloses() {
        Thread.detachNewThread {
            var space = [UInt8](repeating: 0, count: 4_096)
            while read(STDIN_FILENO, &space, space.count) > 0 {}
            self.stop("the input was closed")
        }
    }

    private func stop(_ reason: String) {
        let (isSecond, waiting) = state.withLock { state in
            defer {
                state.reason = state.reason ?? reason
                state.waiting = nil
            }
            return (state.reason != nil, state.waiting)
        }
        if isSecond { _exit(ExitStatus.interrupted.rawValue) }
        waiting?.resume(returning: reason)
    }
}
