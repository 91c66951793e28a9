/// The tools that agents get: content, names, models, peers, topics.

import AROBackend
import AROContent
import AROPrimitives
import ARORuntime
import AROWire
import Foundation

/// Words of schemas.
private enum Schema {
    static func text(_ words: String) -> JSON {
        ["type": "string", "description": .string(words)]
    }

    static func number(_ words: String, minimum: Int64 = 0, maximum: Int64? = nil) -> JSON {
        var schema: JSON = [
            "type": "integer", "description": .string(words), "minimum": .integer(minimum),
        ]
        if let maximum { schema["maximum"] = .integer(maximum) }
        return schema
    }

    static let cid = text("The content's name: a CID, such as bafybei…")
    static let path = text("Names to follow from there through directories, parted by slashes.")
    static let list: JSON = ["type": "array", "items": ["type": "object"]]
}

extension Tool {
    static let all: [Tool] = [
        contentResolve, contentRead, contentPublish, nameResolve, modelsList, infer, peersFind,
        topicPublish,
    ]

    // MARK: Content

    static let contentResolve = Tool(
        name: "content_resolve", title: "Resolve content",
        description: """
            Says what a CID names (a file with its size, or a directory with its entries) and which \
            peers of the network hold it.
            """,
        inputs: ["cid": Schema.cid, "path": Schema.path], required: ["cid"],
        outputs: [
            "cid": Schema.text("What the path leads to."), "kind": Schema.text("file, directory…"),
            "bytes": ["type": ["integer", "null"]], "entries": Schema.list,
            "providers": ["type": "array", "items": ["type": "string"]],
        ]
    ) { desk, arguments in
        let root = try arguments.cid("cid")
        let entry = try await desk.entry(root, arguments.path("path"))
        var entries: [JSON] = []
        if entry.kind == .directory {
            entries = try await desk.node.list(entry.cid).prefix(listedMax).map { $0.document }
        }
        var providers: [JSON] = []
        for try await contact in desk.node.providers(of: root, limit: 10) {
            providers.append(.string("\(contact.id)"))
        }
        return ToolResult([
            "cid": .string("\(entry.cid)"), "kind": .string(entry.kind.rawValue),
            "bytes": entry.byteCount.map { JSON($0) } ?? .null, "entries": .array(entries),
            "providers": .array(providers),
        ])
    }

    /// Entries of a directory in one answer. A guess: more is of no use to a model.
    private static let listedMax = 1_000
    /// Bytes in one answer; and where nothing is said. Guesses: a model's context holds no more.
    private static let readMax: UInt64 = 1 << 20
    private static let readDefault: UInt64 = 64 << 10

    static let contentRead = Tool(
        name: "content_read", title: "Read content",
        description: """
            Reads bytes of a file by its CID, fetched from the network where they are not here, and \
            verified. Text comes as text, all else in Base64. Read long files piece by piece by \
            offset.
            """,
        inputs: [
            "cid": Schema.cid, "path": Schema.path,
            "offset": Schema.number("The first byte that is wanted."),
            "length": Schema.number(
                "Bytes that are wanted; 65536 where nothing is said.", minimum: 1,
                maximum: Int64(readMax)),
        ], required: ["cid"],
        outputs: [
            "cid": Schema.text("The file's."), "offset": ["type": "integer"],
            "bytes": ["type": "integer"], "total_bytes": ["type": "integer"],
            "encoding": Schema.text("utf-8 or base64"), "data": Schema.text("The bytes."),
        ]
    ) { desk, arguments in
        let root = try arguments.cid("cid")
        let path = arguments.path("path")
        let entry = try await desk.entry(root, path)
        guard entry.kind == .file, let total = entry.byteCount else {
            throw wrong("this is no file, but a \(entry.kind.rawValue)")
        }
        let offset = try arguments.count("offset", default: 0, max: total)
        let length = try arguments.count("length", default: readDefault, max: readMax)
        let read = Bytes()
        let range = offset..<min(total, offset + max(1, length))
        if !range.isEmpty {
            let options = FetchOptions(root: root, path: path, range: range)
            try await desk.node.stream(options) { step in
                if case .bytes(let bytes, _) = step { read.append(bytes) }
            }
        }
        return result(entry.cid, offset, total, read.bytes)
    }

    private static func result(
        _ cid: CID, _ offset: UInt64, _ total: UInt64, _ bytes: [UInt8]
    ) -> ToolResult {
        let text = String(validating: bytes, as: UTF8.self)
        let data = text ?? Data(bytes).base64EncodedString()
        let value: JSON = [
            "cid": .string("\(cid)"), "offset": JSON(offset), "bytes": JSON(bytes.count),
            "total_bytes": JSON(total), "encoding": text == nil ? "base64" : "utf-8",
            "data": .string(data),
        ]
        guard text == nil else {
            return ToolResult(value, content: [["type": "text", "text": .string(data)]])
        }
        return ToolResult(
            value,
            content: [
                [
                    "type": "resource",
                    "resource": [
                        "uri": .string("ipfs://\(cid)"), "blob": .string(data),
                        "mimeType": .string(MediaType.sniff(bytes)),
                    ],
                ]
            ])
    }

    static let contentPublish = Tool(
        name: "content_publish", title: "Publish content",
        description: """
            Stores a text, or bytes in Base64, in this node, signs it as this node's, and tells the \
            network. Gives the CID by which anybody can read it. What is published is public and \
            cannot be taken back.
            """,
        inputs: [
            "text": Schema.text("The text."),
            "base64": Schema.text("Instead of text: bytes in Base64."),
        ], required: [],
        outputs: [
            "cid": Schema.text("Its name."), "bytes": ["type": "integer"],
            "held_by": Schema.number("Peers seen to keep the record that says who holds it."),
            "wanted": Schema.number("Peers that should keep it."),
        ], isReadOnly: false, needsToken: true
    ) { desk, arguments in
        let bytes: [UInt8]
        switch (arguments.text("text"), arguments.text("base64")) {
        case (let text?, nil): bytes = Array(text.utf8)
        case (nil, let encoded?):
            guard let data = Data(base64Encoded: encoded) else {
                throw wrong("'base64' is not Base64")
            }
            bytes = Array(data)
        default: throw wrong("say either 'text' or 'base64'")
        }
        return ToolResult(Desk.report(try await desk.node.put(bytes: bytes)))
    }

    static let nameResolve = Tool(
        name: "name_resolve", title: "Resolve a name",
        description: """
            Says what a mutable name points to now: a peer's key and a label that it gave, signed \
            by that peer.
            """,
        inputs: [
            "peer": Schema.text("Whose name it is: bafzaa…"),
            "label": Schema.text("What the peer calls it."),
        ], required: ["peer", "label"],
        outputs: [
            "cid": Schema.text("What it points to."), "sequence": ["type": "integer"],
            "expires": Schema.number("Seconds since 1970."),
        ]
    ) { desk, arguments in
        let name = try await desk.node.resolve(
            arguments.text("label") ?? "", of: try arguments.peer("peer"))
        return ToolResult([
            "cid": .string("\(name.target)"), "sequence": JSON(name.sequence),
            "expires": JSON(name.expires.seconds),
        ])
    }

    // MARK: Models

    static let modelsList = Tool(
        name: "models_list", title: "List models",
        description: """
            Lists the models that members of the network offer, with context length, free slots, \
            queue and price of each provider.
            """,
        inputs: [:], required: [], outputs: ["models": Schema.list]
    ) { desk, _ in
        let models = try await desk.inference.models()
        return ToolResult(["models": .array(models.map(\.document))])
    }

    static let infer = Tool(
        name: "infer", title: "Ask a model",
        description: """
            Asks a model of the network and gives its whole answer. The node chooses a provider, and \
            another one where that fails.
            """,
        inputs: [
            "model": Schema.text("One that models_list names."),
            "prompt": Schema.text("What the user says."),
            "system": Schema.text("How the model is to behave."),
            "messages": [
                "type": "array", "items": ["type": "object"],
                "description": "Instead of prompt: a whole conversation as {role, content}.",
            ],
            "max_tokens": Schema.number("Tokens of the answer at most.", minimum: 1),
            "temperature": ["type": "number", "minimum": 0, "maximum": 2],
            "context": [
                "type": "array", "items": ["type": "string"],
                "description": "CIDs of content that the provider gives to the model.",
            ],
        ], required: ["model"],
        outputs: [
            "text": Schema.text("The answer."), "model": Schema.text("Who gave it."),
            "finish_reason": ["type": ["string", "null"]], "usage": ["type": ["object", "null"]],
        ], isReadOnly: true, isIdempotent: false
    ) { desk, arguments in
        var messages = arguments["messages"]?.array ?? []
        if let prompt = arguments.text("prompt") {
            guard messages.isEmpty else { throw wrong("say either 'prompt' or 'messages'") }
            messages = [["role": "user", "content": .string(prompt)]]
        }
        guard !messages.isEmpty else { throw wrong("say 'prompt' or 'messages'") }
        if let system = arguments.text("system") {
            messages.insert(["role": "system", "content": .string(system)], at: 0)
        }
        var body: JSON = ["messages": .array(messages)]
        for key in ["model", "max_tokens", "temperature"] {
            if let value = arguments[key] { body[key] = value }
        }
        if let context = arguments["context"] { body["aro_context"] = context }
        let query = try ModelQuery(body, .chatCompletions, key: nil)
        let reply = try await ModelReply(query, desk.inference, desk.calls)
        while try await reply.chunk() != nil {}
        let answer = reply.completion.answer
        let value: JSON = [
            "text": .string(reply.completion.text),
            "model": answer["model"] ?? .string(query.model),
            "finish_reason": answer["choices"]?[0]?["finish_reason"] ?? .null,
            "usage": reply.completion.usage ?? .null,
        ]
        return ToolResult(
            value, content: [["type": "text", "text": .string(reply.completion.text)]])
    }

    // MARK: Peers and topics

    static let peersFind = Tool(
        name: "peers_find", title: "Find peers",
        description: """
            Lists members of the network, or only those that offer a model or hold content, with \
            state, round trip and what they offer.
            """,
        inputs: [
            "model": Schema.text("Only peers that offer this model."),
            "cid": Schema.text("Only peers that hold this content."),
            "limit": Schema.number("Peers at most; 50 where nothing is said.", maximum: 1_000),
        ], required: [], outputs: ["peers": Schema.list]
    ) { desk, arguments in
        let limit = Int(try arguments.count("limit", default: 50, max: 1_000))
        let model = arguments.text("model")
        var members = try await desk.node.members()
        if let model {
            members.removeAll { !$0.announcement.offer.models.contains { $0.name == model } }
        }
        guard arguments.text("cid") != nil else {
            return ToolResult(["peers": .array(members.prefix(limit).map { $0.document })])
        }
        var rows: [JSON] = []
        for try await contact in desk.node.providers(
            of: try arguments.cid("cid"), limit: max(1, min(limit, 100)))
        {
            if let member = members.first(where: { $0.id == contact.id }) {
                rows.append(member.document)
            } else if model == nil {
                rows.append([
                    "peer": .string("\(contact.id)"),
                    "addresses": .array(contact.addresses.map { .string("\($0)") }),
                ])
            }
        }
        return ToolResult(["peers": .array(rows)])
    }

    static let topicPublish = Tool(
        name: "topic_publish", title: "Publish to a topic",
        description: """
            Sends a short text, signed as this node's, to all who subscribe to a topic now. For more \
            than \(TopicLimits.payloadMax) bytes publish content and send its CID.
            """,
        inputs: [
            "topic": Schema.text("The topic's name."), "text": Schema.text("What is said."),
        ], required: ["topic", "text"], outputs: ["sequence": ["type": "integer"]],
        isReadOnly: false, isIdempotent: false, needsToken: true
    ) { desk, arguments in
        let receipt = try await desk.node.post(
            Array((arguments.text("text") ?? "").utf8), to: arguments.text("topic") ?? "")
        return ToolResult(["sequence": JSON(receipt.sequence)])
    }
}

extension ContentEntry {
    var document: JSON {
        [
            "name": .string(name), "cid": .string("\(cid)"), "kind": .string(kind.rawValue),
            "bytes": byteCount.map { JSON($0) } ?? .null,
        ]
    }
}
