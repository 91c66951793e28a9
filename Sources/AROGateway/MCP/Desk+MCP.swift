/// `POST /mcp`: the streamable HTTP transport of MCP, each answer one JSON document. A client that hangs up
/// cancels its request.

import AROBackend
import HTTPTypes
import HummingbirdCore

extension Desk {
    func mcp(_ request: Request) async throws -> Response {
        let bytes = try await body(request)
        var id: JSON?
        do throws(MCP.Failure) {
            let document: JSON
            do throws(JSONFailure) { document = try JSON(bytes) } catch { throw .parse }
            id = document["id"]
            let message = try MCP.Message(document)
            try check(message, request.headers)
            guard message.id != nil else { return Response(status: .accepted) }
            let result = try await result(
                of: message, mayWrite: screen.hasToken(request.head))
            return Response(json: MCP.answer(message.id, result: result))
        } catch {
            return Response(
                json: MCP.answer(id, error), status: HTTPResponse.Status(code: error.status))
        }
    }

    /// In the stateless era the headers repeat what the body says, for whoever routes by them.
    private func check(_ message: MCP.Message, _ headers: HTTPFields) throws(MCP.Failure) {
        let header = headers[.init("MCP-Protocol-Version")!]
        guard let version = message.version else {
            guard let header else { return }
            if MCP.modern.contains(header) {
                throw .headers("params._meta does not say the protocol version")
            }
            guard MCP.legacy.contains(header) else { throw .version(header) }
            return
        }
        guard header == version else {
            throw .headers(
                "the header MCP-Protocol-Version is '\(header ?? "")', the body says '\(version)'")
        }
        guard MCP.modern.contains(version) else { throw .version(version) }
        guard headers[.init("Mcp-Method")!] == message.method else {
            throw .headers("the header Mcp-Method does not name '\(message.method)'")
        }
        guard message.method == "tools/call" else { return }
        let name = message.parameters["name"]?.string ?? ""
        guard headers[.init("Mcp-Name")!] == name else {
            throw .headers("the header Mcp-Name does not name '\(name)'")
        }
    }

    private func result(
        of message: MCP.Message, mayWrite: Bool
    ) async throws(MCP.Failure) -> JSON {
        let isModern = message.version != nil
        var result: JSON
        switch (message.method, isModern) {
        case ("server/discover", true):
            result = [
                "supportedVersions": .array(MCP.modern.map { .string($0) }),
                "capabilities": MCP.capabilities, "instructions": .string(MCP.instructions),
                "serverInfo": MCP.server, "ttlMs": MCP.listMilliseconds, "cacheScope": "public",
            ]
        case ("initialize", false):
            let asked = message.parameters["protocolVersion"]?.string ?? ""
            return [
                "protocolVersion": .string(MCP.legacy.contains(asked) ? asked : MCP.legacy[0]),
                "capabilities": MCP.capabilities, "serverInfo": MCP.server,
                "instructions": .string(MCP.instructions),
            ]
        case ("ping", false): return [:]
        case ("tools/list", _):
            result = ["tools": .array(Tool.all.map(\.document))]
            if isModern {
                (result["ttlMs"], result["cacheScope"]) = (MCP.listMilliseconds, "public")
            }
        case ("tools/call", _): result = try await callTool(message.parameters, mayWrite)
        default:
            throw MCP.Failure(
                -32601, "there is no method '\(message.method)'", status: isModern ? 404 : 200)
        }
        if isModern {
            result["resultType"] = "complete"
            result["_meta"] = [MCP.serverKey: MCP.server]
        }
        return result
    }

    private func callTool(
        _ parameters: JSON, _ mayWrite: Bool
    ) async throws(MCP.Failure) -> JSON {
        guard let name = parameters["name"]?.string,
            let tool = Tool.all.first(where: { $0.name == name })
        else { throw .parameters("there is no tool '\(parameters["name"]?.string ?? "")'") }
        let arguments = parameters["arguments"] ?? [:]
        do {
            guard mayWrite || !tool.needsToken else {
                throw GatewayError(
                    .unauthorized, "token_missing",
                    "this needs the token in \(screen.token.path) as 'Authorization: Bearer …'; "
                        + "'aro mcp' sends it by itself")
            }
            try tool.check(arguments)
            return try await tool.run(self, ToolArguments(arguments)).document
        } catch {
            // What a tool meets is for the model to read, not for its client.
            let words: String =
                if let failure = error as? InferenceFailure {
                    failure.description
                } else {
                    GatewayError(error).message
                }
            return ["content": [["type": "text", "text": .string(words)]], "isError": true]
        }
    }
}
