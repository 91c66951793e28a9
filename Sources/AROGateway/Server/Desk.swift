/// Where every request arrives: it is screened, routed, answered, and its answer is sent. The refusal of a body
/// comes before the body is read.

import AROBackend
import AROPrimitives
import ARORuntime
import HTTPTypes
import HummingbirdCore
import Logging
import NIOCore

final class Desk: Sendable {
    let node: NodeHandle
    let inference: any InferenceServing
    let screen: Screen
    let limits: GatewayLimits
    let connections: Connections
    let counters = Counters()
    let calls = CallLog()
    let logger: Logger

    init(
        _ configuration: GatewayConfiguration, node: NodeHandle,
        inference: any InferenceServing, _ token: ControlToken, logger: Logger
    ) {
        (self.node, self.inference, self.logger) = (node, inference, logger)
        limits = configuration.limits
        screen = Screen(configuration, token)
        connections = Connections(max: configuration.limits.connectionsMax)
    }

    func answer(
        _ request: Request, _ writer: consuming ResponseWriter, _ channel: any Channel
    ) async throws {
        let id = RequestName(request.head)
        var route = Route.unknown
        var response: Response
        do throws(GatewayError) {
            let target = try target(of: request.head)
            route = try Route(target, request.method)
            try screen.check(request.head, need: route.need)
            try checkBody(request, route)
            if request.headers[.expect]?.lowercased() == "100-continue" {
                do {
                    try await writer.writeInformationalHead(HTTPResponse(status: .continue))
                } catch { throw GatewayError(error) }
            }
            response = try await respond(to: request, target, route, id)
        } catch {
            response = Response(
                error, document: route.isOpenAI ? error.openAI : error.document)
            if hasLongBody(request) { response.headers[.connection] = "close" }
        }
        finish(&response, request, route, id)
        counters.count(route, response.status)
        try await send(response, to: request, writer)
    }

    private func target(of head: HTTPRequest) throws(GatewayError) -> Target {
        let text = head.path ?? "/"
        guard text.utf8.count <= limits.targetBytesMax else {
            throw GatewayError(.uriTooLong, "target_too_long", "the path is too long")
        }
        guard let target = Target(text, byteCountMax: limits.targetBytesMax) else {
            throw GatewayError(.badRequest, "target_malformed", "the path is malformed")
        }
        return target
    }

    private func respond(
        to request: Request, _ target: Target, _ route: Route, _ id: RequestName
    ) async throws(GatewayError) -> Response {
        do {
            return switch route {
            case .content: try await content(request, target)
            case .publish: try await publish(request)
            case .health: Response(json: ["status": "ok", "peer": .string("\(node.id)")])
            case .metrics: try await metrics()
            case .page: Response(asset: StatusPage.html, type: "text/html; charset=utf-8")
            case .script: Response(asset: StatusPage.script, type: "text/javascript; charset=utf-8")
            case .style: Response(asset: StatusPage.style, type: "text/css; charset=utf-8")
            case .status: try await status()
            case .statusEvents: statusEvents()
            case .models: try await listModels()
            case .model: try await model(target.parts.dropFirst(2).joined(separator: "/"))
            case .chat: try await call(request, .chatCompletions)
            case .completions: try await call(request, .completions)
            case .embeddings: try await call(request, .embeddings)
            case .responses: try await respond(request)
            case .mcp: try await mcp(request)
            case .agentCard: agentCard(request.head)
            case .unknown:
                throw GatewayError(.notFound, "not_found", "there is no \(target.rawPath) here")
            }
        } catch { throw GatewayError(error) }
    }

    /// Length and kind of a body are judged by the headers.
    private func checkBody(_ request: Request, _ route: Route) throws(GatewayError) {
        guard let text = request.headers[.contentLength] else { return }
        let limit = route == .publish ? node.quota : UInt64(limits.bodyBytesMax)
        guard let count = UInt64(text), count <= limit else {
            throw GatewayError(
                .contentTooLarge, "body_too_large",
                "the body has \(text) bytes; at most \(limit) are taken", closes: true)
        }
    }

    /// Whether the body of a refused request is too long to be read away for the next one's sake.
    private func hasLongBody(_ request: Request) -> Bool {
        guard request.method != .get, request.method != .head else { return false }
        let count = request.headers[.contentLength].flatMap { Int($0) }
        return count.map { $0 > 64 << 10 } ?? (request.headers[.transferEncoding] != nil)
    }

    private func finish(
        _ response: inout Response, _ request: Request, _ route: Route, _ id: RequestName
    ) {
        response.headers[.init("X-Request-Id")!] = id.text
        response.headers[.xContentTypeOptions] = "nosniff"
        if response.headers[.cacheControl] == nil {
            response.headers[.cacheControl] = "no-store"
        }
        if response.headers[.contentSecurityPolicy] == nil {
            response.headers[.contentSecurityPolicy] = "default-src 'none'"
        }
        response.headers[.init("Referrer-Policy")!] = "same-origin"
        // A sandboxed page has no origin, and shows pictures all the same.
        if route != .content {
            response.headers[.init("Cross-Origin-Resource-Policy")!] = "same-origin"
        }
        if request.headers[.connection]?.lowercased() == "close" {
            response.headers[.connection] = "close"
        }
    }

    /// The answer to HEAD has no body. Where its length is not known either, only the end of the
    /// connection tells where the answer ends.
    private func send(
        _ response: Response, to request: Request, _ writer: consuming ResponseWriter
    ) async throws {
        guard request.method == .head else {
            return try await writer.write(response: response.head, body: response.body)
        }
        var head = response.head
        if head.headerFields[.contentLength] == nil { head.headerFields[.connection] = "close" }
        try await writer.writeResponse(head)
    }

    // MARK: Bodies

    /// A JSON body, whole.
    func json(_ request: Request) async throws(GatewayError) -> JSON {
        let bytes = try await body(request)
        do throws(JSONFailure) { return try JSON(bytes) } catch {
            throw GatewayError(.badRequest, "json_malformed", error.description)
        }
    }

    func body(_ request: Request) async throws(GatewayError) -> [UInt8] {
        let limit = limits.bodyBytesMax
        do {
            return try await within(limits.bodySeconds, "the body did not come in time") {
                var bytes: [UInt8] = []
                for try await piece in request.body {
                    guard bytes.count + piece.readableBytes <= limit else {
                        throw GatewayError(
                            .contentTooLarge, "body_too_large",
                            "at most \(limit) bytes of a body are taken", closes: true)
                    }
                    bytes += piece.readableBytesView
                }
                return bytes
            }
        } catch { throw GatewayError(error) }
    }
}

/// Runs `work`, but not for longer than `seconds`.
func within<T: Sendable>(
    _ seconds: Int64, _ complaint: String, _ work: @escaping @Sendable () async throws -> T
) async throws -> T {
    try await withThrowingTaskGroup(of: T.self) { group in
        group.addTask { try await work() }
        group.addTask {
            try await Task.sleep(for: .seconds(seconds))
            throw GatewayError(.requestTimeout, "timeout", complaint, closes: true)
        }
        defer { group.cancelAll() }
        guard let result = try await group.next() else { throw CancellationError() }
        return result
    }
}

/// What a request is called in answers and logs: as the client calls it, if it does so decently.
struct RequestName: Sendable {
    let text: String

    init(_ head: HTTPRequest) {
        let given = head.headerFields[.init("X-Request-Id")!] ?? ""
        let isDecent =
            (1...64).contains(given.utf8.count)
            && given.utf8.allSatisfy { byte in
                switch byte {
                case UInt8(ascii: "a")...UInt8(ascii: "z"),
                    UInt8(ascii: "A")...UInt8(ascii: "Z"),
                    UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"),
                    UInt8(ascii: "_"), UInt8(ascii: "."):
                    true
                default: false
                }
            }
        let number = UInt64.random(in: 0...UInt64.max)
        text = isDecent ? given : "req-" + String(number, radix: 16)
    }
}
