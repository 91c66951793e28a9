/// A model server behind this node: anything that speaks OpenAI's HTTP interface (llama.cpp, Ollama,
/// vLLM), and what is known of their habits.
///
/// * llama.cpp goes on generating after a client hung up, unless the answer is streamed: so every
///   answer is asked for as a stream, and assembled here where it is wanted whole.
/// * It closes the connection behind a streamed answer although it promised to keep it: so no
///   connection is used twice.
/// * It tells of its slots and its queue at `/slots` and `/metrics`, beside `/v1`.

import AsyncHTTPClient
import NIOCore
import NIOHTTP1

/// Why a model server did not answer, or not to the end.
public enum ModelServerFailure: Error, Hashable, Sendable, CustomStringConvertible {
    case badAddress(String)
    /// It cannot be reached or did not begin to answer in time.
    case unreachable(String)
    /// It answered with an error: its status, and its words.
    case refused(status: Int, message: String)
    /// It broke off, or sent what makes no sense.
    case broken(String)
    /// One event or answer is longer than is taken.
    case tooLong

    public var description: String {
        switch self {
        case .badAddress(let text):
            "'\(text)' is no address of a model server (http://HOST:PORT/v1)"
        case .unreachable(let why): "the model server cannot be reached: \(why)"
        case .refused(let status, let message): "the model server says \(status): \(message)"
        case .broken(let why): "the model server broke off: \(why)"
        case .tooLong: "the model server's answer is too long"
        }
    }
}

/// A model of a server.
public struct ServedModel: Hashable, Sendable {
    public var name: String
    /// Tokens that question and answer have together, where the server tells.
    public var contextTokens: UInt64?
}

/// How busy a server is.
public struct ServerLoad: Hashable, Sendable {
    /// Calls that it works on at once; nil where it does not tell.
    public var slots: Int?
    public var busy: Int
    public var queued: Int
    /// Tokens that one slot has.
    public var contextTokens: UInt64?

    public var free: Int? { slots.map { max(0, $0 - busy) } }
}

public final class ModelServer: Sendable {
    /// Bytes of a list of models, of slots or of metrics. A guess: vLLM's metrics are the longest.
    private static let documentBytesMax = 4 << 20
    /// How long such a document may take. A guess: a server that is busy answers within a second.
    private static let documentTimeout = TimeAmount.seconds(5)
    /// Connections at a time to one server: as many as a big server has slots, with room to queue.
    private static let connectionsMax = 512

    /// With `/v1`, without a slash at the end.
    public let address: String
    let client: HTTPClient
    private let key: String?

    /// - Parameter address: as `http://127.0.0.1:8080/v1`.
    /// - Parameter key: sent as `Authorization: Bearer`.
    public init(_ address: String, key: String? = nil) throws(ModelServerFailure) {
        guard address.hasPrefix("http://") || address.hasPrefix("https://"),
            !address.contains(where: { $0.isWhitespace || $0 == "?" || $0 == "#" }),
            address.split(separator: "/").count >= 2
        else { throw .badAddress(address) }
        self.address = address.hasSuffix("/") ? String(address.dropLast()) : address
        self.key = key
        var configuration = HTTPClient.Configuration()
        configuration.httpVersion = .http1Only
        configuration.redirectConfiguration = .disallow
        configuration.timeout.connect = .seconds(5)
        configuration.connectionPool.concurrentHTTP1ConnectionsPerHostSoftLimit =
            Self.connectionsMax
        configuration.connectionPool.retryConnectionEstablishment = false
        client = HTTPClient(
            eventLoopGroupProvider: .singleton, configuration: configuration)
    }

    public func shutdown() async { try? await client.shutdown() }

    // MARK: What it has

    /// The models that it says it has.
    public func models() async throws(ModelServerFailure) -> [ServedModel] {
        let list = try await document("\(address)/models")
        guard let rows = (try? JSON(list))?["data"]?.array else {
            throw .broken("its list of models makes no sense")
        }
        return rows.compactMap { row in
            guard let name = row["id"]?.string, !name.isEmpty else { return nil }
            // llama.cpp, vLLM
            let context = row["meta"]?["n_ctx_train"]?.count ?? row["max_model_len"]?.count
            return ServedModel(name: name, contextTokens: context)
        }
    }

    /// How busy it is; nil where it does not tell.
    public func load() async -> ServerLoad? {
        async let slots = try? document("\(root)/slots")
        async let metrics = try? document("\(root)/metrics")
        return await ServerLoad(slots: slots, metrics: metrics)
    }

    /// Without `/v1`: where servers have what is not OpenAI's.
    private var root: String {
        address.hasSuffix("/v1") ? String(address.dropLast(3)) : address
    }

    private func document(_ url: String) async throws(ModelServerFailure) -> [UInt8] {
        let response = try await send(request(url), within: Self.documentTimeout)
        guard response.status == .ok else {
            throw .refused(
                status: Int(response.status.code), message: response.status.reasonPhrase)
        }
        do {
            let body = try await response.body.collect(upTo: Self.documentBytesMax)
            return Array(body.readableBytesView)
        } catch is NIOTooManyBytesError {
            throw .tooLong
        } catch {
            throw .broken("\(error)")
        }
    }

    // MARK: Requests

    func request(_ url: String) -> HTTPClientRequest {
        var request = HTTPClientRequest(url: url)
        request.headers.add(name: "connection", value: "close")
        if let key { request.headers.add(name: "authorization", value: "Bearer \(key)") }
        return request
    }

    func send(
        _ request: HTTPClientRequest, within limit: TimeAmount
    ) async throws(ModelServerFailure) -> HTTPClientResponse {
        do {
            return try await client.execute(request, timeout: limit)
        } catch let error as HTTPClientError {
            throw .unreachable(error.shortDescription)
        } catch {
            throw .unreachable("\(error)")
        }
    }
}

extension ServerLoad {
    /// - Parameters:
    ///   - slots: llama.cpp's list.
    ///   - metrics: in Prometheus' text format, of llama.cpp or vLLM.
    init?(slots: [UInt8]?, metrics: [UInt8]?) {
        let rows = slots.flatMap { try? JSON($0) }?.array
        let values = metrics.map { Self.values(String(decoding: $0, as: UTF8.self)) } ?? [:]
        let running = values["llamacpp:requests_processing"] ?? values["vllm:num_requests_running"]
        let waiting = values["llamacpp:requests_deferred"] ?? values["vllm:num_requests_waiting"]
        guard rows != nil || running != nil else { return nil }
        let working = rows.map { rows in
            rows.count { $0["is_processing"]?.bool == true }
        }
        self.slots = rows?.count
        busy = working ?? Self.count(running)
        queued = Self.count(waiting)
        contextTokens = rows?.first?["n_ctx"]?.count
    }

    private static func count(_ value: Double?) -> Int {
        value.flatMap { Int(exactly: $0.rounded()) } ?? 0
    }

    /// The samples by name, labels left out, those of one name added up.
    private static func values(_ text: String) -> [String: Double] {
        var values: [String: Double] = [:]
        for line in text.split(separator: "\n") where !line.hasPrefix("#") {
            guard let space = line.lastIndex(of: " "),
                let value = Double(line[line.index(after: space)...])
            else { continue }
            let name = String(line[..<(line.firstIndex(of: "{") ?? space)])
            values[name, default: 0] += value
        }
        return values
    }
}
