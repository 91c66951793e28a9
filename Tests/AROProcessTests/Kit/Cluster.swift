/// A handful of real nodes on the loopback interface, in a temporary directory; when the body of
/// ``run(_:)`` ends, however it ends, the processes and the directory are gone.

import Foundation
import Testing

final class Cluster {
    /// Short, as the path of a control socket must fit into 107 bytes.
    let directory: String
    private(set) var nodes: [NodeProcess] = []
    private var serial = 0

    static func run(
        isolation: isolated (any Actor)? = #isolation, _ body: (Cluster) async throws -> Void
    ) async throws {
        let cluster = try Cluster()
        defer { cluster.clear() }
        do {
            try await body(cluster)
        } catch {
            Issue.record("\(cluster.lastWords())")
            throw error
        }
    }

    private init() throws {
        var template = Array("/tmp/aro-process-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw POSIXError(.init(rawValue: errno)!) }
        directory = String(
            decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    private func clear() {
        for node in nodes { node.kill() }
        nodes = []
        try? FileManager.default.removeItem(atPath: directory)
    }

    /// The ends of the nodes' logs.
    private func lastWords() -> String {
        nodes.prefix(6).map { node in
            "\(node.name) (\(node.isRunning ? "runs" : "does not run")):\n"
                + node.log.split(separator: "\n").suffix(12).joined(separator: "\n")
        }.joined(separator: "\n")
    }

    func path(_ name: String) -> String { directory + "/" + name }

    /// Starts a node that knows `bootstrap`.
    ///
    /// - Parameters:
    ///   - powerless: file modes hold for it even where root runs the tests.
    ///   - diskMiB: the size of the disk on which it keeps its chunks; nil for no limit.
    ///   - options: more words for `aro node`.
    func start(
        _ name: String, bootstrap: NodeProcess? = nil, powerless: Bool = false,
        diskMiB: Int? = nil, options: [String] = []
    ) async throws -> NodeProcess {
        var prefix = powerless ? Trial.powerless : []
        if let diskMiB { prefix += Trial.onSmallDisk(path(name) + "/chunks", diskMiB) }
        let node = NodeProcess(name, in: directory, prefix: prefix, options: options)
        nodes.append(node)
        try await node.start(bootstrap: bootstrap?.address)
        return node
    }

    /// `aro` with any arguments, and what came of it.
    func aro(
        _ words: String..., input: Data? = nil, environment: [String: String] = [:]
    ) async throws -> Outcome {
        serial += 1
        return try await Outcome.of(
            words, output: path("c\(serial)"), input: input, environment: environment)
    }

    /// Any program, and what came of it.
    func program(_ words: [String]) async throws -> Outcome {
        serial += 1
        return try await Outcome.of(Child(words, output: path("c\(serial)")))
    }

    /// Makes a file of these bytes and tells its path.
    func file(_ name: String, _ bytes: Data) throws -> String {
        try bytes.write(to: URL(fileURLWithPath: path(name)))
        return path(name)
    }
}

/// What a command said, and how it ended.
struct Outcome: Sendable, CustomStringConvertible {
    var words: [String]
    var ending: Child.Ending
    var output: Data
    var errors: String

    static func of(
        _ words: [String], output: String, input: Data? = nil, environment: [String: String] = [:]
    ) async throws -> Outcome {
        let child = try Child(
            [Trial.executable] + words, output: output, environment: environment)
        if let input { try await child.write(input) } else { child.closeInput() }
        return try await of(child)
    }

    /// Waits for the end and tidies up.
    static func of(_ child: Child) async throws -> Outcome {
        let ending = try await child.end()
        defer {
            unlink(child.outputPath)
            unlink(child.errorPath)
        }
        return Outcome(
            words: Array(child.words.dropFirst()), ending: ending,
            output: FileManager.default.contents(atPath: child.outputPath) ?? Data(),
            errors: child.errors)
    }

    var isSuccess: Bool { ending == .exited(0) }
    var text: String { String(decoding: output, as: UTF8.self) }
    var lines: [String] { text.split(separator: "\n").map(String.init) }

    var description: String {
        "'aro \(words.joined(separator: " "))' ended with \(ending): "
            + "\(errors.prefix(600)) \(text.prefix(600))"
    }

    /// The objects of `--json`, one a line.
    func json<Shape: Decodable>(_ shape: Shape.Type = Shape.self) throws -> [Shape] {
        try lines.map { try JSONDecoder().decode(Shape.self, from: Data($0.utf8)) }
    }

    /// The keys of each object of `--json`.
    func jsonKeys() throws -> [Set<String>] {
        try lines.map { line in
            let object = try JSONSerialization.jsonObject(with: Data(line.utf8))
            return Set((object as? [String: Any] ?? [:]).keys)
        }
    }
}

struct CommandFailed: Error, CustomStringConvertible {
    var description: String
}
