/// A node in a process of its own, started from this program: `aro node` on a free port of the
/// loopback interface, with a data directory below the demo's.

import ARO
import Foundation

final class ChildNode {
    let name: String
    let dataDirectory: String
    let process: pid_t
    /// As it says itself when it is ready.
    let address: String
    let peer: String
    /// The node ends when this end of its standard input closes, so it cannot outlive the demo.
    private let input: Int32
    private var isRunning = true

    var options: NodeOptions {
        var options = NodeOptions()
        options.dataDirectory = dataDirectory
        return options
    }

    init(_ name: String, in directory: String, bootstrap: String?) throws {
        self.name = name
        dataDirectory = "\(directory)/\(name)"
        guard mkdir(dataDirectory, 0o700) == 0 else {
            throw SystemFailure("make the directory \(dataDirectory)")
        }
        var arguments = [
            "aro", "node", "--listen", "127.0.0.1:0", "--data-dir", dataDirectory,
            "--until-stdin-closes", "--log-level", "debug",
        ]
        if let bootstrap { arguments += ["--bootstrap", bootstrap] }
        let (toChild, input) = try Self.makePipe()
        let (output, fromChild) = try Self.makePipe()
        defer {
            close(toChild)
            close(output)
        }
        process = try Self.spawn(
            arguments, input: toChild, output: fromChild, log: dataDirectory + "/log")
        close(fromChild)
        self.input = input
        let words = Self.firstLine(of: output).split(separator: " ")
        guard words.count == 5, words[0] == "listening" else {
            close(input)
            waitpid(process, nil, 0)
            throw CommandFailure("node \(name) did not start; its log: \(dataDirectory)/log")
        }
        (address, peer) = (String(words[2]), String(words[4]))
    }

    /// Ends it as a crash would, without a word to anybody.
    func kill() {
        guard isRunning else { return }
        Foundation.kill(process, SIGKILL)
        reap()
    }

    /// Asks it to end.
    func askToStop() {
        if isRunning { Foundation.kill(process, SIGTERM) }
    }

    /// Waits for its end, and returns whether it ended well.
    func waitForEnd() -> Bool { !isRunning || reap() == 0 }

    @discardableResult
    private func reap() -> Int32 {
        var status: Int32 = 0
        while waitpid(process, &status, 0) < 0, errno == EINTR {}
        close(input)
        isRunning = false
        return status
    }

    deinit { kill() }

    func status() throws -> StatusReport {
        var found: StatusReport?
        try options.ask(.status) { if case .event(.status(let report)) = $0 { found = report } }
        guard let found else { throw CommandFailure("node \(name) told no status") }
        return found
    }
}

extension ChildNode {
    private static func makePipe() throws -> (read: Int32, write: Int32) {
        var ends: [Int32] = [0, 0]
        guard pipe(&ends) == 0 else { throw SystemFailure("make a pipe") }
        for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        return (ends[0], ends[1])
    }

    private static func spawn(
        _ arguments: [String], input: Int32, output: Int32, log: String
    ) throws -> pid_t {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_adddup2(&actions, input, STDIN_FILENO)
        posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO)
        posix_spawn_file_actions_addopen(
            &actions, STDERR_FILENO, log, O_WRONLY | O_CREAT | O_APPEND, 0o600)
        var words: [UnsafeMutablePointer<CChar>?] = arguments.map { strdup($0) } + [nil]
        defer { for word in words { free(word) } }
        var process: pid_t = 0
        let code = posix_spawn(&process, "/proc/self/exe", &actions, nil, &words, environ)
        guard code == 0 else { throw SystemFailure("start a node", code: code) }
        return process
    }

    /// Up to the first newline, or the end.
    private static func firstLine(of descriptor: Int32) -> String {
        var line: [UInt8] = []
        var byte: UInt8 = 0
        while read(descriptor, &byte, 1) == 1, byte != UInt8(ascii: "\n"), line.count < 4_096 {
            line.append(byte)
        }
        return String(decoding: line, as: UTF8.self)
    }
}
