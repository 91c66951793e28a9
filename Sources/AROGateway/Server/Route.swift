/// What there is, under which path, and what it needs.

import HTTPTypes

enum Route: String, Sendable, CaseIterable {
    case content, publish, health, metrics, page, script, style, status, statusEvents
    case models, model, chat, completions, embeddings, responses, mcp, agentCard, unknown

    /// - Throws: 405 with the methods that there are.
    init(_ target: Target, _ method: HTTPRequest.Method) throws(GatewayError) {
        let parts = target.parts
        let (route, methods): (Route, [HTTPRequest.Method]) =
            switch (parts.first, parts.count) {
            case ("ipfs", 2...), ("ipns", 2...): (.content, [.get, .head])
            case ("content", 1): (.publish, [.post])
            case ("healthz", 1): (.health, [.get, .head])
            case ("metrics", 1): (.metrics, [.get, .head])
            case (nil, 0): (.page, [.get, .head])
            case ("status.js", 1): (.script, [.get, .head])
            case ("status.css", 1): (.style, [.get, .head])
            case ("status", 1): (.status, [.get])
            case ("status", 2) where parts[1] == "events": (.statusEvents, [.get])
            case ("mcp", 1): (.mcp, [.post])
            case (".well-known", 2) where parts[1] == "agent-card.json":
                (.agentCard, [.get, .head])
            case ("v1", 2...): Self.openAI(Array(parts.dropFirst()))
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

    private static func openAI(_ parts: [String]) -> (Route, [HTTPRequest.Method]) {
        switch parts {
        case ["models"]: (.models, [.get])
        case ["chat", "completions"]: (.chat, [.post])
        case ["completions"]: (.completions, [.post])
        case ["embeddings"]: (.embeddings, [.post])
        case ["responses"]: (.responses, [.post])
        default: parts[0] == "models" ? (.model, [.get]) : (.unknown, [])
        }
    }

    var need: Screen.Need {
        switch self {
        case .content, .health, .agentCard, .unknown: .nothing
        case .metrics, .page, .script, .style, .status, .statusEvents, .mcp: .use
        case .models, .model, .chat, .completions, .embeddings, .responses: .use
        case .publish: .control
        }
    }

    /// Whether errors are told as OpenAI tells them.
    var isOpenAI: Bool {
        switch self {
        case .models, .model, .chat, .completions, .embeddings, .responses: true
        default: false
        }
    }
}
