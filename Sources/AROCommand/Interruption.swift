/// What to tidy up when the user interrupts a command: temporary files and directories.

@preconcurrency import Dispatch
import Foundation
import Synchronization

enum Interruption {
    private struct State {
        var paths: [String] = []
        var sources: [any DispatchSourceSignal] = []
    }

    private static let state = Mutex(State())

    /// From now on `path` is removed when SIGINT or SIGTERM ends the process.
    static func add(_ path: String) {
        state.withLock { state in
            state.paths.append(path)
            if state.sources.isEmpty { state.sources = [SIGINT, SIGTERM].map(watch) }
        }
    }

    static func remove(_ path: String) {
        state.withLock { $0.paths.removeAll { $0 == path } }
    }

    private static func watch(_ number: Int32) -> any DispatchSourceSignal {
        signal(number, SIG_IGN)
        let source = DispatchSource.makeSignalSource(signal: number, queue: .global())
        source.setEventHandler { end() }
        source.resume()
        return source
    }

    private static func end() {
        for path in state.withLock({ $0.paths }) {
            // Nodes of a demo that end just now may still be writing there.
            for _ in 0..<50 where access(path, F_OK) == 0 {
                if (try? FileManager.default.removeItem(atPath: path)) == nil { usleep(100_000) }
            }
        }
        _exit(ExitStatus.interrupted.rawValue)
    }
}
