import Foundation
import Logging
import NIOConcurrencyHelpers
import NIOCore
import Testing

@testable import ARORuntime

private let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }

private func temporaryDirectory(_ name: String = "aro") throws -> String {
    let path = NSTemporaryDirectory() + "\(name)-\(UUID().uuidString)"
    try FileManager.default.createDirectory(
        atPath: path, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
    return path
}

/// Runs blocking work of a client on a thread of its own.
private func blocking<T: Sendable>(_ work: @escaping @Sendable () throws -> T) async throws -> T {
    try await withCheckedThrowingContinuation { continuation in
        Thread.detachNewThread { continuation.resume(with: Result { try work() }) }
    }
}

private typealias Answer = @Sendable (ControlCommand, ControlClientEnd) async throws -> Void

private func withServer(
    _ answer: @escaping Answer, _ body: (String) async throws -> Void
) async throws {
    let directory = try temporaryDirectory()
    defer { try? FileManager.default.removeItem(atPath: directory) }
    let server = try await ControlServer(
        socket: ControlSocket(dataDirectory: directory), logger: logger, answer: answer)
    do { try await body(directory) } catch {
        await server.close()
        throw error
    }
    await server.close()
}

@Suite("The control channel") struct ControlServerTests {
    @Test("a client gets the events and bytes that the node sends, in order")
    func answers() async throws {
        try await withServer { command, client in
            #expect(command == .id)
            for i in 0..<50 {
                try await client.send(.progress(.init(phase: .sending, done: UInt64(i))))
                try await client.send(bytes: [UInt8](repeating: UInt8(i), count: 300_000))
            }
        } _: { directory in
            let (events, bytes) = try await blocking {
                let client = try ControlClient(dataDirectory: directory, .id)
                var (events, bytes) = (0, 0)
                while let message = try client.next() {
                    switch message {
                    case .event(.progress(let report)):
                        #expect(report.done == UInt64(events))
                        events += 1
                    case .bytes(let run):
                        #expect(
                            run.withUnsafeReadableBytes {
                                $0.first == $0.last && $0.first == UInt8(events - 1)
                            })
                        bytes += run.readableBytes
                    default: Issue.record("an event nobody sent")
                    }
                }
                return (events, bytes)
            }
            #expect(events == 50)
            #expect(bytes == 15_000_000)
        }
    }

    @Test("bytes of a put arrive whole, and no faster than they are taken")
    func body() async throws {
        let held = NIOLockedValueBox(0)
        try await withServer { _, client in
            var sum = 0
            while let bytes = try await client.nextBytes() {
                sum += bytes.count
                held.withLockedValue { $0 = sum }
                if sum < 2_000_000 { try await Task.sleep(nanoseconds: 1_000_000) }
            }
            try await client.send(
                .put(.init(cid: "c", bytes: UInt64(sum), holders: 0, wanted: 0)))
        } _: { directory in
            let reported = try await blocking {
                let client = try ControlClient(dataDirectory: directory, .put(path: nil))
                let piece = [UInt8](repeating: 3, count: 1_000_000)
                for _ in 0..<8 {
                    try piece.withUnsafeBytes { try client.send(bytes: $0) { _ in } }
                }
                try client.sendEnd()
                var reported: UInt64 = 0
                while let message = try client.next() {
                    if case .event(.put(let report)) = message { reported = report.bytes }
                }
                return reported
            }
            #expect(reported == 8_000_000)
        }
    }

    @Test("when the client hangs up, its work is cancelled")
    func hangUp() async throws {
        let (cancelled, tell) = AsyncStream.makeStream(of: Bool.self)
        try await withServer { _, client in
            try await client.send(.progress(.init(phase: .fetching, done: 1)))
            do {
                try await Task.sleep(nanoseconds: 60_000_000_000)
                tell.yield(false)
            } catch { tell.yield(true) }
        } _: { directory in
            try await blocking {
                let client = try ControlClient(dataDirectory: directory, .peers)
                _ = try client.next()
            }
            var iterator = cancelled.makeAsyncIterator()
            #expect(await iterator.next() == true)
        }
    }

    @Test("a node that ends does not wait for clients that neither read nor hang up")
    func stuckClients() async throws {
        let (started, tell) = AsyncStream.makeStream(of: Void.self)
        var clients: [ControlClient] = []
        try await withServer { command, client in
            tell.yield()
            switch command {
            case .id:
                while true { try await client.send(bytes: [UInt8](repeating: 1, count: 1 << 20)) }
            case .put: while try await client.nextBytes() != nil {}
            default: try await Task.sleep(nanoseconds: 3_600_000_000_000)
            }
        } _: { directory in
            var iterator = started.makeAsyncIterator()
            for command in [ControlCommand.id, .put(path: nil), .peers] {
                clients.append(try ControlClient(dataDirectory: directory, command))
                await iterator.next()
            }
            try await Task.sleep(nanoseconds: 100_000_000)
        }
        withExtendedLifetime(clients) {}
    }

    @Test("a put whose client goes away before the end is no put")
    func cutBody() async throws {
        let (outcomes, tell) = AsyncStream.makeStream(of: Bool.self)
        try await withServer { _, client in
            try await client.send(.progress(.init(phase: .importing, done: 0)))
            do {
                while try await client.nextBytes() != nil {}
                tell.yield(true)
            } catch {
                tell.yield(false)
                throw error
            }
        } _: { directory in
            try await blocking {
                let client = try ControlClient(dataDirectory: directory, .put(path: nil))
                _ = try client.next()
                try [UInt8](repeating: 1, count: 1_000).withUnsafeBytes {
                    try client.send(bytes: $0) { _ in }
                }
            }
            var iterator = outcomes.makeAsyncIterator()
            #expect(await iterator.next() == false)
        }
    }

    @Test("a failure of the node arrives with its code and words")
    func failure() async throws {
        try await withServer { _, _ in
            throw FailureReport(.notFound, "nobody holds it")
        } _: { directory in
            let failure = await #expect(throws: FailureReport.self) {
                try await blocking {
                    let client = try ControlClient(dataDirectory: directory, .status)
                    _ = try client.next()
                }
            }
            #expect(failure == FailureReport(.notFound, "nobody holds it"))
        }
    }

    @Test("many clients are served at once")
    func many() async throws {
        try await withServer { command, client in
            guard case .providers(let root, _) = command else { return }
            try await Task.sleep(nanoseconds: 20_000_000)
            try await client.send(.provider(.init(peer: root, addresses: [])))
        } _: { directory in
            try await withThrowingTaskGroup(of: Bool.self) { group in
                for i in 0..<40 {
                    group.addTask {
                        try await blocking {
                            let client = try ControlClient(
                                dataDirectory: directory, .providers(root: "\(i)", limit: 1))
                            guard case .event(.provider(let report)) = try client.next() else {
                                return false
                            }
                            return try report.peer == "\(i)" && client.next() == nil
                        }
                    }
                }
                for try await isRight in group { #expect(isRight) }
            }
        }
    }

    @Test(
        "other versions, unknown requests and noise get an answer that says what is wrong",
        arguments: [
            ("{\"version\":99,\"command\":{\"id\":{}}}", FailureReport.Code.version),
            ("{\"version\":1,\"command\":{\"teleport\":{}}}", .usage),
            ("GET / HTTP/1.1", .usage), ("", .usage), ("{\"version\":1}", .usage),
        ])
    func strangers(line: String, code: FailureReport.Code) async throws {
        try await withServer { _, _ in
            Issue.record("a request that makes no sense was answered")
        } _: { directory in
            let answer = try await blocking {
                let connected = try ControlSocket(dataDirectory: directory).connect()
                let descriptor = try #require(connected)
                defer { close(descriptor) }
                let bytes = Array((line + "\n").utf8)
                _ = write(descriptor, bytes, bytes.count)
                var space = [UInt8](repeating: 0, count: 4_096)
                let count = read(descriptor, &space, space.count)
                return Array(space[..<max(0, count)].prefix { $0 != 10 })
            }
            guard case .failed(let report) = try ControlJSON.decode(ControlEvent.self, from: answer)
            else {
                Issue.record("no failure was told")
                return
            }
            #expect(report.code == code)
        }
    }

    @Test("only the owner may open the socket, and it is gone after the close")
    func permissions() async throws {
        var path = ""
        try await withServer { _, _ in
        } _: { directory in
            path = ControlSocket(dataDirectory: directory).path
            var status = stat()
            #expect(lstat(path, &status) == 0)
            #expect(status.st_mode & 0o777 == 0o600)
        }
        #expect(access(path, F_OK) != 0)
    }

    @Test("where no node runs, the client says how to start one")
    func noNode() throws {
        let failure = #expect(throws: ControlClientFailure.self) {
            try ControlClient(dataDirectory: "/nonexistent/aro-data", .id)
        }
        #expect(
            failure?.description.contains("aro node --data-dir '/nonexistent/aro-data'") == true)
    }

    @Test("a data directory with a long path has its socket elsewhere, and both sides find it")
    func longPath() async throws {
        let parent = try temporaryDirectory()
        defer { try? FileManager.default.removeItem(atPath: parent) }
        let directory = parent + "/" + String(repeating: "d", count: 120)
        try FileManager.default.createDirectory(
            atPath: directory, withIntermediateDirectories: true)
        let socket = ControlSocket(dataDirectory: directory)
        #expect(socket.path.utf8.count <= ControlSocket.pathBytesMax)
        #expect(socket == ControlSocket(dataDirectory: directory))
        #expect(socket != ControlSocket(dataDirectory: directory + "e"))
        let server = try await ControlServer(socket: socket, logger: logger) { _, client in
            try await client.send(.end)
        }
        let isAnswered = try await blocking {
            try ControlClient(dataDirectory: directory, .id).next() != nil
        }
        #expect(isAnswered)
        await server.close()
    }

    @Test("what a node that crashed left behind does not stop the next one")
    func leftover() async throws {
        let directory = try temporaryDirectory()
        defer { try? FileManager.default.removeItem(atPath: directory) }
        let socket = ControlSocket(dataDirectory: directory)
        close(try socket.listen())
        #expect(access(socket.path, F_OK) == 0)
        let failure = #expect(throws: ControlClientFailure.self) {
            try ControlClient(dataDirectory: directory, .id)
        }
        #expect(failure == .noNode(dataDirectory: directory))
        let server = try await ControlServer(socket: socket, logger: logger) { _, _ in }
        await server.close()
    }
}
