/// What a tool is: its name and schemas for clients, and what it does.

import AROBackend
import AROPrimitives
import AROWire

struct Tool: Sendable {
    var name: String
    var title: String
    var description: String
    /// Properties by name, as JSON Schema.
    var inputs: [String: JSON]
    var required: [String]
    var outputs: [String: JSON]
    /// Changes nothing.
    var isReadOnly = true
    /// Done twice is as done once.
    var isIdempotent = true
    var needsToken = false
    var run: @Sendable (Desk, ToolArguments) async throws -> ToolResult

    var document: JSON {
        [
            "name": .string(name), "title": .string(title), "description": .string(description),
            "inputSchema": [
                "type": "object", "properties": .object(inputs),
                "required": .array(required.map { .string($0) }), "additionalProperties": false,
            ],
            "outputSchema": ["type": "object", "properties": .object(outputs)],
            "annotations": [
                "title": .string(title), "readOnlyHint": .bool(isReadOnly),
                "destructiveHint": false, "idempotentHint": .bool(isIdempotent),
                "openWorldHint": true,
            ],
        ]
    }

    /// Whether the arguments are those of the schema, by name and kind.
    func check(_ arguments: JSON) throws(GatewayError) {
        guard let given = arguments.object else { throw Self.wrong("arguments must be an object") }
        for key in required where given[key] == nil || given[key] == .null {
            throw Self.wrong("'\(key)' is missing")
        }
        for (key, value) in given where value != .null {
            guard let schema = inputs[key] else {
                throw Self.wrong("there is no argument '\(key)'")
            }
            guard schema["type"]?.string.map({ value.isOf(kind: $0) }) ?? true else {
                throw Self.wrong("'\(key)' must be of type \(schema["type"]?.string ?? "")")
            }
        }
    }

    static func wrong(_ words: String) -> GatewayError {
        GatewayError(.badRequest, "arguments_malformed", words)
    }
}

extension JSON {
    fileprivate func isOf(kind: String) -> Bool {
        switch kind {
        case "string": string != nil
        case "integer": integer != nil
        case "number": double != nil
        case "boolean": bool != nil
        case "array": array != nil
        default: object != nil
        }
    }
}

/// The arguments of one call, of the kinds that the schema says.
struct ToolArguments: Sendable {
    private let json: JSON

    init(_ json: JSON) { self.json = json }

    subscript(key: String) -> JSON? {
        guard let value = json[key], value != .null else { return nil }
        return value
    }

    func text(_ key: String) -> String? { self[key]?.string }

    func count(_ key: String, default standard: UInt64, max: UInt64) throws -> UInt64 {
        guard let value = self[key] else { return standard }
        guard let count = value.count, count <= max else {
            throw Tool.wrong("'\(key)' must be from 0 to \(max)")
        }
        return count
    }

    func cid(_ key: String) throws -> CID { try CID(anyVersion: text(key) ?? "") }

    func peer(_ key: String) throws -> PeerID {
        guard let peer = PeerID(text(key) ?? "") else {
            throw Tool.wrong("'\(key)' must be a peer, bafzaa…")
        }
        return peer
    }

    /// Names to follow, parted by slashes.
    func path(_ key: String) -> [String] {
        (text(key) ?? "").split(separator: "/").map(String.init)
    }
}

/// What a tool gives back: a value for programs, and the same as text, or what suits models better.
struct ToolResult: Sendable {
    var value: JSON
    var content: [JSON]

    init(_ value: JSON, content: [JSON]? = nil) {
        self.value = value
        self.content = content ?? [["type": "text", "text": .string(value.text)]]
    }

    var document: JSON {
        ["content": .array(content), "structuredContent": value, "isError": false]
    }
}
