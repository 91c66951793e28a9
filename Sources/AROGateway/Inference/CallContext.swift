/// Context by reference: what a call names by CID is fetched over the overlay, verified block by block, and put
/// before what the caller says. Text only: a model reads nothing else.

import AROBackend
import AROContent
import AROInference
import ARORuntime
import AROWire
import Synchronization

enum CallContext {
    /// Bytes of all context of one call. A guess: 64k tokens, more than most models read.
    static let byteCountMax = 256 << 10

    /// The request's body with its context in it.
    static func filled(
        _ call: BackendCall, by node: NodeHandle?
    ) async throws(BackendFailure) -> [UInt8] {
        guard !call.context.isEmpty else { return call.body }
        guard let node else { throw .unavailable("the provider is still starting") }
        guard var body = try? JSON(call.body) else { throw .badRequest("the body is not JSON") }
        var texts: [String] = []
        var byteCount = 0
        for cid in call.context {
            let text = try await read(cid, atMost: byteCountMax - byteCount, by: node)
            byteCount += text.utf8.count
            texts.append("[\(cid)]\n\(text)")
        }
        let context = texts.joined(separator: "\n\n")
        switch call.endpoint {
        case .chatCompletions:
            guard let messages = body["messages"]?.array else {
                throw .badRequest("messages must be an array")
            }
            body["messages"] = .array(
                [["role": "system", "content": .string("Context:\n\n\(context)")]] + messages)
        case .completions:
            guard let prompt = body["prompt"]?.string else {
                throw .badRequest("context needs a prompt that is a string")
            }
            body["prompt"] = .string("\(context)\n\n\(prompt)")
        case .embeddings, .responses: throw .badRequest("this endpoint takes no context")
        }
        return body.bytes
    }

    private static func read(
        _ cid: CID, atMost limit: Int, by node: NodeHandle
    ) async throws(BackendFailure) -> String {
        let bytes = Mutex<[UInt8]>([])
        do {
            try await node.stream(FetchOptions(root: cid)) { step in
                switch step {
                case .beginFile(_, _, let byteCount) where byteCount > limit:
                    throw BackendFailure.context(
                        "\(cid) has \(byteCount) bytes; \(limit) are left for context")
                case .bytes(let part, _):
                    bytes.withLock { $0 += part }
                case .enterDirectory:
                    throw BackendFailure.context("\(cid) is a directory; name its files")
                default: break
                }
            }
        } catch let failure as BackendFailure {
            throw failure
        } catch { throw .context("\(cid): \(error)") }
        let all = bytes.withLock { $0 }
        guard all.count <= limit, let text = String(validating: all, as: UTF8.self) else {
            throw .context("\(cid) is no text in UTF-8")
        }
        return text
    }
}
