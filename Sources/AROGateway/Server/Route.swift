/// What there is, under which path, and what it needs.

import HTTPTypes

enum Route: String, Sendable, CaseIterable {
    case content, publish, health, metrics, unknown

    /// - Throws: 405 with the methods that there are.
    init(_ target: Target, _ method: HTTPRequest.Method) throws(GatewayError) {
        let parts = target.parts
        let (route, methods): (Route, [HTTPRequest.Method]) =
            switch (parts.first, parts.count) {
            case ("ipfs", 2...), ("ipns", 2...): (.content, [.get, .head])
            case ("content", 1): (.publish, [.post])
            case ("healthz", 1): (.health, [.get, .head])
            case ("metrics", 1): (.metrics, [.get, .head])
            default: (.unknown, [])
            }
        guard methods.isEmpty || methods.contains(method) else {
            var error = GatewayError(
                .methodNotAllowed, "method_not_allowed",
                "\(target.rawPath) is not for \(method.rawValue)")
            error.headers[.allow] = methods.map(\.rawValue).joined(separator: ", ")
            throw error
        }
        self = route
    }

    var need: Screen.Need {
        switch self {
        case .content, .health, .unknown: .nothing
        case .metrics: .use
        case .publish: .control
        }
    }

    /// Whether errors are told as OpenAI tells them.
    var isOpenAI: Bool { false }
}
