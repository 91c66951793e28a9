/// `/.well-known/agent-card.json`: what this node can do, for agents that look for agents (A2A 1.0,
/// a2a-protocol.org/latest/specification, Agent Card). It names the interfaces that there are; the node speaks
/// no A2A itself.

import AROBackend
import ARORuntime
import HTTPTypes
import HummingbirdCore

extension Desk {
    func agentCard(_ head: HTTPRequest) -> Response {
        let url = "http://\(head.authority ?? head.headerFields[.init("Host")!] ?? "localhost")"
        let skills = Tool.all.map { tool -> JSON in
            [
                "id": .string(tool.name), "name": .string(tool.title),
                "description": .string(tool.description), "tags": ["aro", "mcp"],
            ]
        }
        return Response(json: [
            "name": "ARO node", "version": .string(NodeHandle.version),
            "description": .string(MCP.instructions),
            "supportedInterfaces": [
                [
                    "url": .string("\(url)/mcp"), "protocolBinding": "MCP",
                    "protocolVersion": "2026-07-28",
                ],
                ["url": .string("\(url)/v1"), "protocolBinding": "OPENAI", "protocolVersion": "1"],
            ],
            "capabilities": ["streaming": true, "pushNotifications": false],
            "defaultInputModes": ["text/plain"], "defaultOutputModes": ["text/plain"],
            "skills": .array(skills),
        ])
    }
}
