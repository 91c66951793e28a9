/// The built `aro`, in a process of its own, asking a node of this one. It reads from a file and writes to
/// files, and is waited for by its id: no pipe can keep it or its reader waiting.

import Foundation
import Synchronization

final class Child: Sendable {
    /// Beside the test bundle, where the build puts it.
    private static let program: String = {
        let bundle = Bundle.allBundles.first { $0.bundlePath.hasSuffix(".xctest") }
        let folder =
            bundle?.bundleURL.deletingLastPathComponent()
            ?? URL(fileURLWithPath: CommandLine.arguments[0]).deletingLastPathComponent()
        return folder.appendingPathComponent("aro").path
    }()

    private let id: pid_t
    private let files = NSTemporaryDirectory() + "aro-child-\(UUID().uuidString)"
    private let ending = Mutex<Int32?>(nil)

    init(_ arguments: [String], node directory: String? = nil, input: String = "") throws {
        try Data(input.utf8).write(to: URL(fileURLWithPath: files + ".in"))
        let words =
            [Self.program] + arguments + (directory.map { ["--data-dir", $0] } ?? [])
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, files + ".in", O_RDONLY, 0)
        for (descriptor, name) in [(STDOUT_FILENO, ".out"), (STDERR_FILENO, ".err")] {
            posix_spawn_file_actions_addopen(
                &actions, descriptor, files + name, O_WRONLY | O_CREAT | O_APPEND, 0o600)
        }
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        // A test runner may block signals; what it starts shall not inherit that.
        var none = sigset_t()
        sigemptyset(&none)
        posix_spawnattr_setsigmask(&attributes, &none)
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK))
        var arguments = words.map { strdup($0) } + [nil]
        defer { for word in arguments { free(word) } }
        var id: pid_t = 0
        let code = posix_spawn(&id, words[0], &actions, &attributes, &arguments, environ)
        guard code == 0 else { throw POSIXError(.init(rawValue: code)!) }
        self.id = id
    }

    deinit {
        kill()
        if ended == nil { waitpid(id, nil, 0) }
        for name in [".in", ".out", ".err"] { unlink(files + name) }
    }

    var output: String { text(".out") }
    var complaint: String { text(".err") }

    private func text(_ name: String) -> String {
        String(
            decoding: FileManager.default.contents(atPath: files + name) ?? Data(), as: UTF8.self)
    }

    /// Its exit status, or the signal that ended it, as a shell counts it; nil while it runs.
    private var ended: Int32? {
        ending.withLock { ending in
            var status: Int32 = 0
            if ending == nil, waitpid(id, &status, WNOHANG) == id {
                let number = status & 0x7f
                ending = number == 0 ? status >> 8 & 0xff : 128 + number
            }
            return ending
        }
    }

    /// Waits for the end; the exit status.
    func status() async throws -> Int32 {
        while true {
            if let ended { return ended }
            try await Task.sleep(for: .milliseconds(5))
        }
    }

    func kill() {
        guard ended == nil else { return }
        Foundation.kill(id, SIGKILL)
    }
}
