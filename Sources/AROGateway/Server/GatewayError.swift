/// What went wrong, for the client: a status, a word for programs, a sentence for people. OpenAI's
/// clients get its body of four keys, MCP's one of JSON-RPC, all others a plain object.

import AROContent
import ARONode
import ARORuntime
import AROBackend
import HTTPTypes
import HummingbirdCore
import NIOCore

package struct GatewayError: Error, Sendable {
    var status: HTTPResponse.Status
    var code: String
    package var message: String
    /// OpenAI's: which field of the request is meant.
    var field: String?
    var headers = HTTPFields()
    /// What follows on the connection makes no sense any more.
    var closes = false

    init(
        _ status: HTTPResponse.Status, _ code: String, _ message: String, field: String? = nil,
        closes: Bool = false
    ) {
        (self.status, self.code, self.message) = (status, code, message)
        (self.field, self.closes) = (field, closes)
    }
}

extension GatewayError {
    /// In the words of the node.
    init(_ error: any Error) {
        switch error {
        case let error as GatewayError: self = error
        case let failure as InferenceFailure: self.init(failure)
        case is CancellationError: self.init(.serviceUnavailable, "cancelled", "cancelled")
        default:
            let report = FailureReport(error)
            self.init(Self.status(of: report.code), report.code.rawValue, report.message)
        }
    }

    private static func status(of code: FailureReport.Code) -> HTTPResponse.Status {
        switch code {
        case .usage: .badRequest
        case .notFound: .notFound
        case .unverified: .badGateway
        case .full: .init(code: 507, reasonPhrase: "Insufficient Storage")
        case .busy: .serviceUnavailable
        case .failed, .version: .internalServerError
        }
    }

    var document: JSON {
        ["error": ["code": .string(code), "message": .string(message)]]
    }

    /// The body of OpenAI's errors (platform.openai.com/docs/guides/error-codes).
    var openAI: JSON {
        let kind =
            switch status.code {
            case 401, 403: "authentication_error"
            case 429: "rate_limit_error"
            case 400..<500: "invalid_request_error"
            default: "server_error"
            }
        return [
            "error": [
                "message": .string(message), "type": .string(kind), "param": JSON(field),
                "code": .string(code),
            ]
        ]
    }
}

extension Response {
    init(_ error: GatewayError, document: JSON) {
        self.init(json: document, status: error.status)
        for field in error.headers { headers[field.name] = field.value }
        headers[.cacheControl] = "no-store"
        if error.closes { headers[.connection] = "close" }
    }

    init(json: JSON, status: HTTPResponse.Status = .ok) {
        var bytes = ByteBuffer(bytes: json.bytes)
        bytes.writeString("\n")
        self.init(
            status: status, headers: [.contentType: "application/json"],
            body: ResponseBody(byteBuffer: bytes))
    }

    init(
        text: String, type: String = "text/plain; charset=utf-8",
        status: HTTPResponse.Status = .ok
    ) {
        self.init(
            status: status, headers: [.contentType: type],
            body: ResponseBody(byteBuffer: ByteBuffer(string: text)))
    }
}
