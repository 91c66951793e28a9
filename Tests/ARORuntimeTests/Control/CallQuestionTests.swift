import AROInference
import AROPrimitives
import AROWire
import Testing

@testable import ARORuntime

/// What the control channel takes for a call's question.
@Suite("Questions of calls") struct CallQuestionTests {
    private func read(
        _ change: (inout CallQuestion) -> Void
    ) throws -> CallRequest {
        var question = CallQuestion(
            model: "m", endpoint: CallEndpoint.chatCompletions.rawValue, isStreamed: true,
            key: "k")
        change(&question)
        return try CallRequest(question, body: [1], priceMax: .free)
    }

    @Test("a conversation is 64 hexadecimal digits, and anything else is an error")
    func conversation() throws {
        let digits = String(repeating: "0f", count: 32)
        let request = try read { $0.conversation = digits }
        #expect(request.conversation.map { Hex.encode($0.bytes) } == digits)
        #expect(try read { _ in }.conversation == nil)
        for bad in ["", "0f", digits + "00", String(digits.dropLast()), "x" + digits.dropFirst()] {
            #expect(throws: FailureReport.self, "\(bad)") {
                try read { $0.conversation = bad }
            }
        }
    }

    @Test("deadlines, endpoints and providers that make no sense are errors")
    func others() throws {
        let changes: [(inout CallQuestion) -> Void] = [
            { $0.deadlineSeconds = 0 }, { $0.deadlineSeconds = .nan },
            { $0.deadlineSeconds = 86_401 }, { $0.endpoint = 200 }, { $0.provider = "nobody" },
        ]
        for change in changes { #expect(throws: FailureReport.self) { try read(change) } }
    }
}
