/// One `aro node` in a process of its own, and the commands of its owner.

import Foundation
import Synchronization

final class NodeProcess: Sendable {
    let name: String
    let dataDirectory: String
    private let prefix: [String]
    private let options: [String]
    private let scratch: String
    private let state = Mutex(State())

    private struct State {
        var child: Child?
        var starts = 0
        var commands = 0
        var bootstrap: String?
        var address = ""
        var peer = ""
        var gateway = ""
    }

    init(_ name: String, in directory: String, prefix: [String], options: [String] = []) {
        (self.name, self.prefix, self.options) = (name, prefix, options)
        dataDirectory = "\(directory)/\(name)"
        scratch = "\(directory)/\(name)-"
    }

    /// As the ready line says it.
    var address: String { state.withLock { $0.address } }
    var peer: String { state.withLock { $0.peer } }
    /// The URL of its gateway, where it was started with one.
    var gateway: String { state.withLock { $0.gateway } }
    var isRunning: Bool { state.withLock { $0.child }.map { $0.ending == nil } ?? false }
    /// What it wrote to standard error since its last start.
    var log: String { state.withLock { $0.child }?.errors ?? "" }

    // MARK: - Its life

    /// Starts it, on any free port, or again with the same data directory and address, and waits
    /// until it is ready. It ends with the test runner, as its standard input closes then.
    ///
    /// - Parameter bootstrap: whom it joins through; nil for the same one as before.
    func start(bootstrap: String? = nil) async throws {
        let (start, listen, bootstrap) = state.withLock { state in
            state.starts += 1
            state.bootstrap = bootstrap ?? state.bootstrap
            let listen = state.address.isEmpty ? "127.0.0.1:0" : state.address
            return (state.starts, listen, state.bootstrap)
        }
        let join = bootstrap.map { ["--bootstrap", $0] } ?? []
        let child = try Child(
            prefix + [
                Trial.executable, "node", "--listen", listen, "--data-dir", dataDirectory,
                "--until-stdin-closes",
            ] + join + options, output: "\(scratch)node\(start)")
        state.withLock { $0.child = child }
        let lineCount = options.contains("--gateway") ? 2 : 1
        try await Patience.until("the ready line of \(name)") {
            guard child.ending == nil else {
                throw CommandFailed(description: "\(name) did not start: \(child.errors)")
            }
            return child.output.count { $0 == "\n" } >= lineCount
        }
        let words = child.output.split(whereSeparator: \.isWhitespace).map(String.init)
        guard words.count >= 5, words[0] == "listening", words[1] == "on", words[3] == "as" else {
            throw CommandFailed(description: "no ready line: \(child.output)")
        }
        let gateway = words.count == 8 ? words[7] : ""
        state.withLock { ($0.address, $0.peer, $0.gateway) = (words[2], words[4], gateway) }
    }

    /// What it holds in memory now, and has held at most, in KiB.
    func resident() throws -> (now: Int, most: Int) {
        let id = state.withLock { $0.child?.id } ?? 0
        let lines = try String(contentsOfFile: "/proc/\(id)/status", encoding: .utf8)
            .split(separator: "\n")
        func kibibytes(_ key: String) -> Int {
            let line = lines.first { $0.hasPrefix(key) }
            return line?.split(whereSeparator: \.isWhitespace).compactMap { Int($0) }.first ?? 0
        }
        return (kibibytes("VmRSS"), kibibytes("VmHWM"))
    }

    /// Ends it as a crash does, at once.
    func kill() {
        guard let child = state.withLock({ $0.child }) else { return }
        child.send(SIGKILL)
        while child.ending == nil { usleep(1_000) }  // SIGKILL is not put off
    }

    func restart() async throws {
        kill()
        try await start()
    }

    func send(_ number: Int32) { state.withLock { $0.child }?.send(number) }

    /// Asks it to end by a signal, and waits for that.
    func stop(_ number: Int32) async throws -> Child.Ending {
        guard let child = state.withLock({ $0.child }) else {
            throw CommandFailed(description: "\(name) was never started")
        }
        child.send(number)
        return try await child.end()
    }

    // MARK: - Commands

    /// A command to this node that is under way.
    func begin(_ words: [String]) throws -> Child {
        let number = state.withLock { state in
            state.commands += 1
            return state.commands
        }
        return try Child(
            [Trial.executable] + words + ["--data-dir", dataDirectory],
            output: "\(scratch)\(number)")
    }

    /// A command to this node, and what came of it.
    func aro(_ words: String..., input: Data? = nil) async throws -> Outcome {
        try await aro(words, input: input)
    }

    func aro(_ words: [String], input: Data? = nil) async throws -> Outcome {
        let child = try begin(words)
        if let input { try await child.write(input) } else { child.closeInput() }
        return try await Outcome.of(child)
    }

    /// The objects that a command that must succeed prints.
    func ask<Shape: Decodable>(
        _ words: String..., as shape: Shape.Type = Shape.self
    ) async throws -> [Shape] {
        let outcome = try await aro(words + ["--json"])
        guard outcome.isSuccess else { throw CommandFailed(description: outcome.description) }
        return try outcome.json()
    }

    @discardableResult
    func put(_ path: String) async throws -> Put {
        guard let put = try await ask("put", path, as: Put.self).first else {
            throw CommandFailed(description: "put said nothing")
        }
        return put
    }

    @discardableResult
    func get(_ cid: String, to path: String) async throws -> Got {
        guard let got = try await ask("get", cid, "-o", path, as: Got.self).first else {
            throw CommandFailed(description: "get said nothing")
        }
        return got
    }

    /// The peers that hold content, as this node finds them; nobody is no error.
    func providers(of cid: String) async throws -> Set<String> {
        let outcome = try await aro("providers", cid, "--json")
        guard outcome.isSuccess || outcome.ending == .exited(3) else {
            throw CommandFailed(description: outcome.description)
        }
        return Set(try outcome.json(Provider.self).map(\.peer))
    }

    func status() async throws -> Status {
        guard let status = try await ask("status", as: Status.self).first else {
            throw CommandFailed(description: "status said nothing")
        }
        return status
    }

    /// Waits until this node has so many peers in its routing table.
    func meets(_ count: Int) async throws {
        try await Patience.until("\(name) knows \(count) peers") {
            try await status().tablePeers >= count
        }
    }

    /// The files in which this node keeps chunks.
    func chunkFiles() -> [String] {
        let chunks = dataDirectory + "/chunks"
        let names = (try? FileManager.default.subpathsOfDirectory(atPath: chunks)) ?? []
        return names.filter { $0.count > 3 && !$0.hasPrefix(".") }.map { chunks + "/" + $0 }
    }
}

// MARK: - What `--json` prints

struct Put: Decodable, Hashable, Sendable {
    var cid: String
    var bytes: Int
    var holders: Int
    var wanted: Int
}

struct Got: Decodable, Hashable, Sendable {
    var cid: String
    var kind: String
    var files: Int
    var bytes: Int
    /// Bytes that came over the network.
    var fetched: Int
}

struct Provider: Decodable, Hashable, Sendable {
    var peer: String
    var addresses: [String]
}

struct Root: Decodable, Hashable, Sendable {
    var cid: String
    var bytes: Int?
    var name: String
    var pinned: Bool
}

struct Entry: Decodable, Hashable, Sendable {
    var path: [String]
    var kind: String
    var cid: String
    var bytes: Int?
}

struct Status: Decodable, Hashable, Sendable {
    var tablePeers: Int
    var sessions: Int
    var rootsProvided: Int
    var fetchesRunning: Int
    var storeBytes: Int
    var topics: Int
}
