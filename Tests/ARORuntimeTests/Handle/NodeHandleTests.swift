import AROContent
import ARONode
import AROPrimitives
import AROWire
import Foundation
import Logging
import Testing

@testable import ARORuntime

private let quiet = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
private let loopback = SocketAddress(ipv4: 0x7f00_0001, port: 0)

/// A directory that is gone when the test is.
final class NodeHome: Sendable {
    let path = NSTemporaryDirectory() + "aro-handle-\(UUID().uuidString)"

    init() throws {
        try FileManager.default.createDirectory(
            atPath: path, withIntermediateDirectories: true,
            attributes: [.posixPermissions: 0o700])
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    func node(_ name: String, bootstrap: NodeHandle? = nil) async throws -> NodeHandle {
        var configuration = NodeConfiguration(
            listen: [loopback], dataDirectory: "\(path)/\(name)", logger: quiet)
        if let address = bootstrap?.addresses.first {
            configuration.bootstrap = [HostPort(host: "127.0.0.1", port: address.port)]
        }
        let node = try await NodeHandle.start(configuration)
        await node.waitForFirstJoin(atMost: 30)
        return node
    }
}

private func randomBytes(_ count: Int, seed: UInt64) -> [UInt8] {
    var generator = Generator(seed: seed)
    return (0..<count).map { _ in UInt8(truncatingIfNeeded: generator.next()) }
}

@Suite("Nodes in this process", .serialized) struct NodeHandleTests {
    @Test("what one node puts, another gets, verified, by hash, range and name")
    func putAndGet() async throws {
        let scratch = try NodeHome()
        let a = try await scratch.node("a")
        let b = try await scratch.node("b", bootstrap: a)
        let bytes = randomBytes(1_500_000, seed: 1)
        let put = try await a.put(bytes: bytes)
        #expect(put.byteCount == 1_500_000)
        #expect(put.announced.map { $0.held > 0 } == true)
        #expect(try await b.bytes(of: put.root, publisher: a.id) == bytes)
        var part: [UInt8] = []
        for try await chunk in b.read(put.root, range: 1_000_000..<1_000_010) { part += chunk }
        #expect(part == Array(bytes[1_000_000..<1_000_010]))
        _ = try await a.publish("latest", target: put.root)
        #expect(try await b.resolve("latest", of: a.id).target == put.root)
        var holders: Set<PeerID> = []
        for try await contact in b.providers(of: put.root) { holders.insert(contact.id) }
        #expect(holders.contains(a.id))
        await a.shutdown()
        await b.shutdown()
    }

    @Test("content that its publisher did not sign is refused to who demands it")
    func wrongPublisher() async throws {
        let scratch = try NodeHome()
        let a = try await scratch.node("a")
        let b = try await scratch.node("b", bootstrap: a)
        let root = try await a.put(bytes: [1, 2, 3]).root
        await #expect(throws: FetchFailure.notPublishedBy(b.id)) {
            try await b.bytes(of: root, publisher: b.id)
        }
        await a.shutdown()
        await b.shutdown()
    }

    @Test("a restarted node is the same peer, keeps what it put, and provides it again")
    func restart() async throws {
        let scratch = try NodeHome()
        let first = try await scratch.node("a")
        let (id, root) = (first.id, try await first.put(bytes: [7, 7, 7]).root)
        await first.shutdown()
        let second = try await scratch.node("a")
        #expect(second.id == id)
        #expect(try await second.roots().map(\.root) == [root])
        #expect(try await second.roots().first?.isPinned == true)
        let b = try await scratch.node("b", bootstrap: second)
        #expect(try await b.bytes(of: root) == [7, 7, 7])
        #expect(try await second.unpin(root))
        #expect(try await second.unpin(root) == false)
        await second.shutdown()
        await b.shutdown()
    }

    @Test("content that nobody holds is not found")
    func nobody() async throws {
        let scratch = try NodeHome()
        let a = try await scratch.node("a")
        let b = try await scratch.node("b", bootstrap: a)
        let root = CID(.raw, hashing: [9, 9].span.bytes)
        do {
            for try await _ in b.fetch(FetchOptions(root: root, patience: .seconds(2))) {}
            Issue.record("content came out of nothing")
        } catch {
            #expect(FailureReport(error).code == .notFound)
        }
        await a.shutdown()
        await b.shutdown()
    }

    @Test("a node with nobody to tell stores all the same")
    func alone() async throws {
        let scratch = try NodeHome()
        let a = try await scratch.node("a")
        let put = try await a.put(bytes: [4, 2])
        #expect(put.announced == nil)
        #expect(try await a.bytes(of: put.root) == [4, 2])
        await a.shutdown()
    }

    @Test("a data directory serves one node at a time, and a port one program")
    func conflicts() async throws {
        let scratch = try NodeHome()
        let a = try await scratch.node("a")
        let failure = await #expect(throws: StoreFailure.self) { try await scratch.node("a") }
        #expect(failure?.description.contains("in use by another node") == true)
        await #expect(throws: StartFailure.addressInUse(a.addresses[0])) {
            try await NodeHandle.start(
                NodeConfiguration(
                    listen: a.addresses, dataDirectory: scratch.path + "/b", logger: quiet))
        }
        await a.shutdown()
        let again = try await scratch.node("a")
        await again.shutdown()
    }

    @Test("addresses that are not this machine's, and none at all, are refused with words")
    func badListen() async throws {
        let scratch = try NodeHome()
        let foreign = SocketAddress(ipv4: 0xc000_0201, port: 4_000)
        await #expect(throws: StartFailure.addressUnavailable(foreign)) {
            try await NodeHandle.start(
                NodeConfiguration(listen: [foreign], dataDirectory: scratch.path, logger: quiet))
        }
        await #expect(throws: StartFailure.listenCount(0)) {
            try await NodeHandle.start(
                NodeConfiguration(listen: [], dataDirectory: scratch.path, logger: quiet))
        }
    }

    @Test("the commands reach a node through its control channel")
    func control() async throws {
        let scratch = try NodeHome()
        let a = try await scratch.node("a")
        let control = try await a.openControl()
        let directory = a.dataDirectory
        let (cid, bytes) = try await onThread {
            var cid = ""
            let put = try ControlClient(dataDirectory: directory, .put(path: nil))
            try Array("hello".utf8).withUnsafeBytes { try put.send(bytes: $0) { _ in } }
            try put.sendEnd()
            while let message = try put.next() {
                if case .event(.put(let report)) = message { cid = report.cid }
            }
            var bytes: [UInt8] = []
            let get = try ControlClient(
                dataDirectory: directory,
                .get(root: cid, path: [], from: 1, to: 4, publisher: nil))
            while let message = try get.next() {
                if case .bytes(let run) = message { bytes += run.readableBytesView }
            }
            return (cid, bytes)
        }
        // As `ipfs add --cid-version 1 --raw-leaves` names it.
        #expect(cid == "bafkreibm6jg3ux5qumhcn2b3flc3tyu6dmlb4xa7u5bf44yegnrjhc4yeq")
        #expect(bytes == Array("ell".utf8))
        await control.close()
        await a.shutdown()
    }

    private func onThread<T: Sendable>(_ work: @escaping @Sendable () throws -> T) async throws -> T
    {
        try await withCheckedThrowingContinuation { continuation in
            Thread.detachNewThread { continuation.resume(with: Result { try work() }) }
        }
    }
}
