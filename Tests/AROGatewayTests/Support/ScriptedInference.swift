/// Models that say what a test wrote down for them.

import AROBackend
import Synchronization

@testable import AROGateway

final class ScriptedInference: InferenceServing {
    enum Line: Sendable {
        case say(JSON)
        case bytes([UInt8])
        /// The provider is lost.
        case lose(String)
        case fail(InferenceFailure)
        /// Nothing comes any more, until the call is cancelled.
        case hang
    }

    struct State: Sendable {
        var requests: [InferenceRequest] = []
        /// The bodies with which calls went on elsewhere.
        var resumptions: [JSON] = []
        var cancelled = 0
        /// Events that were asked for.
        var pulled = 0
    }

    let state = Mutex(State())
    private let scripts: [String: [Line]]

    init(_ scripts: [String: [Line]]) { self.scripts = scripts }

    var seen: State { state.withLock { $0 } }

    func models() async throws -> [OfferedModel] {
        scripts.keys.sorted().map {
            OfferedModel(
                name: $0, contextTokens: 2_048,
                providers: [
                    .init(
                        name: "peer", slots: 2, slotsFree: 1, queued: 0, inputPrice: 0,
                        outputPrice: 0, roundTripMilliseconds: 1)
                ])
        }
    }

    func call(_ request: InferenceRequest) async throws -> any InferenceCall {
        guard let script = scripts[request.model] else {
            throw InferenceFailure.modelNotFound(request.model)
        }
        if case .fail(let failure)? = script.first { throw failure }
        state.withLock { $0.requests.append(request) }
        return Call(script, self)
    }

    final class Call: InferenceCall {
        private let rest: Mutex<ArraySlice<Line>>
        private let owner: ScriptedInference

        init(_ script: [Line], _ owner: ScriptedInference) {
            rest = Mutex(script[...])
            self.owner = owner
        }

        func next() async throws -> InferenceEvent? {
            owner.state.withLock { $0.pulled += 1 }
            switch rest.withLock({ $0.popFirst() }) {
            case nil: return nil
            case .say(let chunk)?: return .output(chunk.bytes)
            case .bytes(let bytes)?: return .output(bytes)
            case .lose(let why)?: return .interrupted(why)
            case .fail(let failure)?: throw failure
            case .hang?:
                try await Task.sleep(for: .seconds(3_600))
                return nil
            }
        }

        func resume(with body: [UInt8]) async throws {
            let body = try JSON(body)
            owner.state.withLock { $0.resumptions.append(body) }
        }

        func cancel() { owner.state.withLock { $0.cancelled += 1 } }
    }
}

/// A chunk of a chat.
func delta(_ text: String, finish: String? = nil, id: String = "c-1") -> JSON {
    [
        "id": .string(id), "object": "chat.completion.chunk", "created": 1, "model": "m",
        "choices": [
            ["index": 0, "delta": ["content": .string(text)], "finish_reason": JSON(finish)]
        ],
    ]
}

let usageChunk: JSON = [
    "id": "c-1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [],
    "usage": ["prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5],
]
