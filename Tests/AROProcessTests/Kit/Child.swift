/// A process that a test started: its output goes to files, so nothing ever waits for a reader, and
/// it is waited for, signalled and reaped by its own id only.

import Foundation
import Synchronization

final class Child: Sendable {
    /// How a process ended.
    enum Ending: Hashable, Sendable {
        case exited(Int32)
        case signalled(Int32)
    }

    struct TooSlow: Error, CustomStringConvertible {
        var description: String
    }

    let id: pid_t
    let words: [String]
    let outputPath: String
    let errorPath: String
    private let state: Mutex<State>

    private struct State {
        var ending: Ending?
        /// Our end of its standard input; -1 once that is closed.
        var input: Int32
    }

    /// Starts a program.
    ///
    /// - Parameter output: where its standard output and, with `.err`, its errors are appended.
    init(_ words: [String], output: String, environment: [String: String] = [:]) throws {
        self.words = words
        (outputPath, errorPath) = (output + ".out", output + ".err")
        let (outputPath, errorPath) = (outputPath, errorPath)
        let (id, input) = try Self.starting.withLock { _ in
            let (theirs, ours) = try Self.makePipe()
            defer { close(theirs) }
            do {
                let id = try Self.spawn(
                    words, input: theirs, output: outputPath, errors: errorPath, environment)
                return (id, ours)
            } catch {
                close(ours)
                throw error
            }
        }
        self.id = id
        state = Mutex(State(ending: nil, input: input))
    }

    /// One at a time: between the making of a pipe and its closing to children another child would
    /// inherit it, and its reader would never see the end.
    private static let starting = Mutex(())

    private static func makePipe() throws -> (Int32, Int32) {
        var ends: [Int32] = [-1, -1]
        guard pipe(&ends) == 0 else { throw POSIXError(.init(rawValue: errno)!) }
        for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        return (ends[0], ends[1])
    }

    deinit {
        send(SIGKILL)
        closeInput()
        if ending == nil { waitpid(id, nil, 0) }
    }

    var output: String { Self.text(outputPath) }
    var errors: String { Self.text(errorPath) }

    /// How it ended; nil while it runs.
    var ending: Ending? {
        state.withLock { state in
            var status: Int32 = 0
            if state.ending == nil, waitpid(id, &status, WNOHANG) == id {
                let number = status & 0x7f
                state.ending = number == 0 ? .exited(status >> 8 & 0xff) : .signalled(number)
            }
            return state.ending
        }
    }

    /// Does nothing once it has ended: its id may be another's by now.
    func send(_ number: Int32) {
        guard ending == nil else { return }
        kill(id, number)
    }

    /// Writes all to its standard input, then closes that.
    func write(_ bytes: Data) async throws {
        let input = state.withLock { $0.input }
        _ = fcntl(input, F_SETFL, O_NONBLOCK)
        var left = bytes[...]
        while !left.isEmpty, ending == nil {
            let count = left.withUnsafeBytes { Foundation.write(input, $0.baseAddress!, $0.count) }
            if count > 0 { left = left.dropFirst(count) } else { try await Patience.pause() }
        }
        closeInput()
    }

    func closeInput() {
        state.withLock { state in
            if state.input >= 0 { close(state.input) }
            state.input = -1
        }
    }

    /// Waits for the end; what takes longer than `limit` is killed, and an error.
    func end(within limit: Duration = Patience.limit) async throws -> Ending {
        let start = ContinuousClock.now
        while true {
            if let ending { return ending }
            guard ContinuousClock.now - start < limit else { break }
            try await Patience.pause()
        }
        send(SIGKILL)
        throw TooSlow(description: "'\(words.joined(separator: " "))' did not end in \(limit)")
    }

    private static func text(_ path: String) -> String {
        String(decoding: FileManager.default.contents(atPath: path) ?? Data(), as: UTF8.self)
    }

    private static func spawn(
        _ words: [String], input: Int32, output: String, errors: String,
        _ environment: [String: String]
    ) throws -> pid_t {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_adddup2(&actions, input, STDIN_FILENO)
        let flags = O_WRONLY | O_CREAT | O_APPEND
        posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, output, flags, 0o600)
        posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, errors, flags, 0o600)
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        // A test runner may ignore or block signals; what it starts shall not inherit that.
        var all = sigset_t()
        var none = sigset_t()
        sigfillset(&all)
        sigemptyset(&none)
        posix_spawnattr_setsigdefault(&attributes, &all)
        posix_spawnattr_setsigmask(&attributes, &none)
        posix_spawnattr_setflags(
            &attributes, Int16(POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK))
        let variables = ProcessInfo.processInfo.environment.merging(environment) { $1 }
        var arguments = words.map { strdup($0) } + [nil]
        var settings = variables.map { strdup("\($0)=\($1)") } + [nil]
        defer { for word in arguments + settings { free(word) } }
        var id: pid_t = 0
        let code = posix_spawnp(&id, words[0], &actions, &attributes, &arguments, &settings)
        guard code == 0 else { throw POSIXError(.init(rawValue: code)!) }
        return id
    }
}

/// How long tests wait. Only liveness depends on these: no test says how fast something must be.
enum Patience {
    /// For one command or one condition, on a machine that builds something else at the same time.
    static let limit = Duration.seconds(180)

    static func pause() async throws { try await Task.sleep(for: .milliseconds(10)) }

    /// Waits for something to become true.
    static func until(
        _ what: String, within limit: Duration = limit, _ condition: () async throws -> Bool
    ) async throws {
        let start = ContinuousClock.now
        while try await !condition() {
            guard ContinuousClock.now - start < limit else {
                throw Child.TooSlow(description: "not after \(limit): \(what)")
            }
            try await pause()
        }
    }
}
