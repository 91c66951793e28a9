/// The built `aro`, in a process of its own, asking a node of this one.

import Foundation
import Synchronization

final class Child: Sendable {
    /// Beside the test bundle, where the build puts it.
    static let program: URL = {
        let bundle = Bundle.allBundles.first { $0.bundlePath.hasSuffix(".xctest") }
        let folder =
            bundle?.bundleURL.deletingLastPathComponent()
            ?? URL(fileURLWithPath: CommandLine.arguments[0]).deletingLastPathComponent()
        return folder.appendingPathComponent("aro")
    }()

    private struct State {
        var output: [UInt8] = []
        var complaint: [UInt8] = []
        var open = 2
        var status: Int32?
    }

    private let state = Mutex(State())
    private let process = Process()

    init(_ arguments: [String], node directory: String? = nil, input: String = "") throws {
        process.executableURL = Self.program
        process.arguments = arguments + (directory.map { ["--data-dir", $0] } ?? [])
        let (given, output, complaint) = (Pipe(), Pipe(), Pipe())
        process.standardInput = given
        process.standardOutput = output
        process.standardError = complaint
        collect(output) { $0.output += $1 }
        collect(complaint) { $0.complaint += $1 }
        process.terminationHandler = { [self] process in
            state.withLock { $0.status = process.terminationStatus }
        }
        try process.run()
        try given.fileHandleForWriting.write(contentsOf: Data(input.utf8))
        try given.fileHandleForWriting.close()
    }

    private func collect(_ pipe: Pipe, _ add: @escaping @Sendable (inout State, Data) -> Void) {
        pipe.fileHandleForReading.readabilityHandler = { [self] handle in
            let data = handle.availableData
            state.withLock { state in
                add(&state, data)
                if data.isEmpty { state.open -= 1 }
            }
            if data.isEmpty { handle.readabilityHandler = nil }
        }
    }

    var output: String { state.withLock { String(decoding: $0.output, as: UTF8.self) } }
    var complaint: String { state.withLock { String(decoding: $0.complaint, as: UTF8.self) } }

    /// Waits for the end and all output; the exit status.
    func status() async throws -> Int32 {
        while true {
            let status = state.withLock { $0.open == 0 ? $0.status : nil }
            if let status { return status }
            try await Task.sleep(for: .milliseconds(5))
        }
    }

    func kill() { Foundation.kill(process.processIdentifier, SIGKILL) }
}
