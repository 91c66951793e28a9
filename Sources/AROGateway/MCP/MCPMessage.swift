/// Messages of the Model Context Protocol, JSON-RPC 2.0 in both of the protocol's eras: since 2026-07-28 every
/// request says its version, and nothing is remembered between two; up to 2025-11-25 a client opens by
/// `initialize` (modelcontextprotocol.io/specification, both revisions).

import AROBackend
import ARORuntime

enum MCP {
    /// Stateless: the version comes with each request.
    static let modern = ["2026-07-28"]
    /// By `initialize`.
    static let legacy = ["2025-11-25", "2025-06-18", "2025-03-26"]

    static let versionKey = "io.modelcontextprotocol/protocolVersion"
    static let serverKey = "io.modelcontextprotocol/serverInfo"

    static let server: JSON = [
        "name": "aro", "title": "ARO node", "version": .string(NodeHandle.version),
    ]
    static let instructions = """
        This server is a node of ARO, a peer-to-peer network for agents. Content is named by CID: \
        what is read was verified against its name, whoever served it. Publish texts to get a CID \
        that others can read, find models that members of the network offer, and call them.
        """
    /// Nothing but tools, and these never change while the node runs.
    static let capabilities: JSON = ["tools": [:]]
    static let listMilliseconds: JSON = 3_600_000

    struct Failure: Error {
        var code: Int64
        var message: String
        var data: JSON?
        /// Of the HTTP answer, where the protocol says one.
        var status: Int

        init(_ code: Int64, _ message: String, data: JSON? = nil, status: Int = 200) {
            (self.code, self.message, self.data, self.status) = (code, message, data, status)
        }

        static let parse = Failure(-32700, "this is not valid JSON", status: 400)

        static func invalid(_ words: String) -> Failure {
            Failure(-32600, words, status: 400)
        }

        static func parameters(_ words: String) -> Failure { Failure(-32602, words) }

        static func headers(_ words: String) -> Failure { Failure(-32020, words, status: 400) }

        static func version(_ asked: String) -> Failure {
            Failure(
                -32022, "the protocol version \(asked) is not spoken here",
                data: [
                    "supported": .array((modern + legacy.prefix(1)).map { .string($0) }),
                    "requested": .string(asked),
                ], status: 400)
        }
    }

    /// A request or a notification.
    struct Message {
        /// nil for a notification.
        var id: JSON?
        var method: String
        var parameters: JSON
        /// Of the stateless era.
        var version: String?

        init(_ document: JSON) throws(Failure) {
            guard case .object = document else {
                throw .invalid("one request or notification is expected, as an object")
            }
            guard document["jsonrpc"] == "2.0", let method = document["method"]?.string else {
                throw .invalid("this is no request of JSON-RPC 2.0")
            }
            switch document["id"] {
            case nil: break
            case .string?, .integer?: id = document["id"]
            default: throw .invalid("the id must be a string or an integer")
            }
            parameters = document["params"] ?? [:]
            guard case .object = parameters else { throw .invalid("params must be an object") }
            self.method = method
            version = parameters["_meta"]?[MCP.versionKey]?.string
        }
    }

    static func answer(_ id: JSON?, result: JSON) -> JSON {
        ["jsonrpc": "2.0", "id": id ?? .null, "result": result]
    }

    static func answer(_ id: JSON?, _ failure: Failure) -> JSON {
        var error: JSON = ["code": .integer(failure.code), "message": .string(failure.message)]
        if let data = failure.data { error["data"] = data }
        var answer: JSON = ["jsonrpc": "2.0", "error": error]
        // Where the id could not be read, the older revisions want null.
        answer["id"] = id ?? .null
        return answer
    }
}
