/// Nodes with gateways in this process, and clients that speak to them over real sockets.

import AROBackend
import AROPrimitives
import ARORuntime
import AsyncHTTPClient
import Foundation
import Logging
import NIOCore
import NIOHTTP1

@testable import AROGateway

let quiet = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }

/// A directory that is gone when the test is.
final class GatewayHome: Sendable {
    let path = NSTemporaryDirectory() + "aro-gateway-\(UUID().uuidString)"

    init() throws {
        try FileManager.default.createDirectory(
            atPath: path, withIntermediateDirectories: true,
            attributes: [.posixPermissions: 0o700])
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    func face(
        _ name: String, bootstrap: Face? = nil, inference: (any InferenceServing)? = nil,
        models: (any ModelServicing)? = nil, creditLimit: UInt64 = 0,
        change: (inout GatewayConfiguration) -> Void = { _ in }
    ) async throws -> Face {
        let loopback = AROPrimitives.SocketAddress(ipv4: 0x7f00_0001, port: 0)
        var configuration = NodeConfiguration(
            listen: [loopback], dataDirectory: "\(path)/\(name)", logger: quiet)
        configuration.models = models
        configuration.node.inference.creditLimit = creditLimit
        if let address = bootstrap?.node.addresses.first {
            configuration.bootstrap = [HostPort(host: "127.0.0.1", port: address.port)]
        }
        let node = try await NodeHandle.start(configuration)
        await node.waitForFirstJoin(atMost: 30)
        // The other one takes a newcomer into its table when it has answered a query of its own.
        while let bootstrap, try await bootstrap.node.status().tablePeers == 0 {
            try await Task.sleep(for: .milliseconds(10))
        }
        var numbers = GatewayConfiguration(address: loopback)
        change(&numbers)
        do {
            let gateway = try await Gateway.start(
                numbers, node: node, inference: inference, logger: quiet)
            return Face(node: node, gateway: gateway)
        } catch {
            await node.shutdown()
            throw error
        }
    }
}

/// A node and its gateway.
struct Face: Sendable {
    let node: NodeHandle
    let gateway: Gateway
    /// For all tests, and never shut down: a test that throws leaves its faces as they are.
    static let client = {
        var configuration = HTTPClient.Configuration()
        configuration.redirectConfiguration = .disallow
        return HTTPClient(eventLoopGroupProvider: .singleton, configuration: configuration)
    }()

    var client: HTTPClient { Self.client }

    var token: String { ControlToken.read(in: node.dataDirectory) ?? "" }

    func close() async throws {
        await gateway.close()
        await node.shutdown()
    }

    func ask(
        _ path: String, _ method: HTTPMethod = .GET, _ headers: [String: String] = [:],
        body: [UInt8]? = nil
    ) async throws -> Answer {
        var request = HTTPClientRequest(url: gateway.url + path)
        request.method = method
        for (name, value) in headers { request.headers.add(name: name, value: value) }
        if let body { request.body = .bytes(ByteBuffer(bytes: body)) }
        let response = try await client.execute(request, timeout: .seconds(60))
        let bytes = try await response.body.collect(upTo: 256 << 20)
        return Answer(
            status: Int(response.status.code), headers: response.headers,
            bytes: Array(bytes.readableBytesView))
    }

    func post(_ path: String, _ body: JSON, _ headers: [String: String] = [:]) async throws
        -> Answer
    {
        try await ask(
            path, .POST, headers.merging(["content-type": "application/json"]) { own, _ in own },
            body: body.bytes)
    }
}

struct Answer: Sendable {
    var status: Int
    var headers: HTTPHeaders
    var bytes: [UInt8]

    subscript(name: String) -> String? { headers.first(name: name) }
    var text: String { String(decoding: bytes, as: UTF8.self) }
    var json: JSON? { try? JSON(bytes) }
    /// Of an answer as a stream of events.
    var events: [EventStream.Event] {
        var stream = EventStream(byteCountMax: 1 << 20)
        return (try? stream.take(bytes)) ?? []
    }
}

func randomBytes(_ count: Int, seed: UInt64) -> [UInt8] {
    var generator = Generator(seed: seed)
    return (0..<count).map { _ in UInt8(truncatingIfNeeded: generator.next()) }
}
