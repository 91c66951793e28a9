/// OpenAI's streamed answers put together to what a client gets that did not ask for a stream:
/// `chat.completion` and `text_completion`, choice by choice
/// (platform.openai.com/docs/api-reference/chat and …/completions).

/// An answer as it grows, chunk by chunk.
public struct Completion: Sendable {
    fileprivate struct Choice: Sendable {
        var text = ""
        var role: String?
        var refusal: String?
        var reasoning: String?
        var tools: [Int64: JSON] = [:]
        var logprobs: [JSON] = []
        var finish: JSON = .null
    }

    /// Choices of one answer; OpenAI allows 128.
    private static let choicesMax = 128
    /// Calls of tools in one choice. A guess: OpenAI's models make a handful.
    private static let toolsMax = 256

    private let isChat: Bool
    private var head: [String: JSON] = [:]
    private var choices: [Int64: Choice] = [:]
    public private(set) var usage: JSON?

    public init(isChat: Bool) { self.isChat = isChat }

    /// The text of the first choice so far: where another server goes on from.
    public var text: String { choices[0]?.text ?? "" }

    /// Whether all that was said is the text of one choice, so that another server can go on from it.
    public var isPlain: Bool {
        choices.allSatisfy { index, choice in
            index == 0 && choice.tools.isEmpty && choice.reasoning == nil
        }
    }

    /// Every choice has said why it ended.
    public var isFinished: Bool {
        !choices.isEmpty && choices.values.allSatisfy { !$0.finish.isNull }
    }

    /// False for what is no chunk of such an answer.
    @discardableResult
    public mutating func take(_ chunk: JSON) -> Bool {
        guard let parts = chunk["choices"]?.array else { return false }
        for key in ["id", "created", "model", "system_fingerprint", "service_tier"]
        where head[key] == nil {
            if let value = chunk[key], !value.isNull { head[key] = value }
        }
        if let told = chunk["usage"], !told.isNull { usage = told }
        for part in parts {
            let index = part["index"]?.integer ?? 0
            guard (0..<Int64(Self.choicesMax)).contains(index) else { continue }
            choices[index, default: Choice()].take(part, isChat: isChat, Self.toolsMax)
        }
        return true
    }

    /// The whole answer.
    public var answer: JSON {
        var out = head
        out["object"] = .string(isChat ? "chat.completion" : "text_completion")
        out["choices"] = .array(
            choices.keys.sorted().map { choices[$0]!.answer(index: $0, isChat: isChat) })
        if let usage { out["usage"] = usage }
        return .object(out)
    }
}

extension Completion.Choice {
    mutating func take(_ part: JSON, isChat: Bool, _ toolsMax: Int) {
        if let reason = part["finish_reason"], !reason.isNull { finish = reason }
        if isChat {
            let delta = part["delta"] ?? .null
            text += delta["content"]?.string ?? ""
            if let said = delta["role"]?.string { role = said }
            append(delta["refusal"], to: &refusal)
            append(delta["reasoning_content"], to: &reasoning)
            for tool in delta["tool_calls"]?.array ?? [] { take(tool: tool, toolsMax) }
            logprobs += part["logprobs"]?["content"]?.array ?? []
        } else {
            text += part["text"]?.string ?? ""
            if let more = part["logprobs"], !more.isNull { logprobs.append(more) }
        }
    }

    private func append(_ more: JSON?, to text: inout String?) {
        if let more = more?.string { text = (text ?? "") + more }
    }

    /// A call's name comes first, its arguments in pieces.
    private mutating func take(tool: JSON, _ toolsMax: Int) {
        let index = tool["index"]?.integer ?? 0
        guard tools[index] != nil || tools.count < toolsMax else { return }
        var known =
            tools[index] ?? ["type": "function", "function": ["name": "", "arguments": ""]]
        if let id = tool["id"], !id.isNull { known["id"] = id }
        if let kind = tool["type"], !kind.isNull { known["type"] = kind }
        var function = known["function"] ?? [:]
        for key in ["name", "arguments"] {
            guard let more = tool["function"]?[key]?.string else { continue }
            function[key] = .string((function[key]?.string ?? "") + more)
        }
        known["function"] = function
        tools[index] = known
    }

    func answer(index: Int64, isChat: Bool) -> JSON {
        guard isChat else {
            return [
                "index": .integer(index), "text": .string(text), "finish_reason": finish,
                "logprobs": joinedLogprobs,
            ]
        }
        var message: [String: JSON] = ["role": .string(role ?? "assistant")]
        let isSilent = text.isEmpty && !tools.isEmpty
        message["content"] = isSilent ? .null : .string(text)
        message["refusal"] = JSON(refusal)
        if let reasoning { message["reasoning_content"] = .string(reasoning) }
        if !tools.isEmpty {
            message["tool_calls"] = .array(tools.keys.sorted().map { tools[$0]! })
        }
        return [
            "index": .integer(index), "message": .object(message), "finish_reason": finish,
            "logprobs": logprobs.isEmpty ? .null : ["content": .array(logprobs)],
        ]
    }

    /// Of text completions: columns, one entry a token, joined column by column.
    private var joinedLogprobs: JSON {
        guard !logprobs.isEmpty else { return .null }
        var columns: [String: JSON] = [:]
        for part in logprobs {
            for (key, value) in part.object ?? [:] {
                if case .array(let more) = value {
                    columns[key] = .array((columns[key]?.array ?? []) + more)
                } else {
                    columns[key] = value
                }
            }
        }
        return .object(columns)
    }
}
