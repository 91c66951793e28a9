import Testing

@testable import AROBackend

@Suite("Answers put together") struct CompletionTests {
    @Test("calls of tools, several choices and log probabilities come together piece by piece")
    func chat() throws {
        var completion = Completion(isChat: true)
        let chunks: [JSON] = [
            [
                "id": "c",
                "choices": [["index": 0, "delta": ["role": "assistant", "content": .null]]],
            ],
            [
                "choices": [
                    [
                        "index": 0,
                        "delta": [
                            "tool_calls": [
                                [
                                    "index": 0, "id": "t", "type": "function",
                                    "function": ["name": "find", "arguments": "{\"a\""],
                                ]
                            ]
                        ],
                    ]
                ]
            ],
            [
                "choices": [
                    [
                        "index": 0, "finish_reason": "tool_calls",
                        "delta": [
                            "tool_calls": [["index": 0, "function": ["arguments": ":1}"]]]
                        ],
                    ],
                    [
                        "index": 1, "delta": ["content": "b"], "finish_reason": "stop",
                        "logprobs": ["content": [["token": "b"]]],
                    ],
                ]
            ],
        ]
        #expect(!completion.isFinished)
        for chunk in chunks {
            let isTaken = completion.take(chunk)
            #expect(isTaken)
        }
        #expect(completion.isFinished && !completion.isPlain)
        let answer = completion.answer
        let tool = answer["choices"]?[0]?["message"]?["tool_calls"]?[0]
        #expect(tool?["id"] == "t" && tool?["function"]?["name"] == "find")
        #expect(tool?["function"]?["arguments"] == "{\"a\":1}")
        #expect(answer["choices"]?[0]?["message"]?["content"] == .null)
        #expect(answer["choices"]?[1]?["logprobs"]?["content"]?[0]?["token"] == "b")
    }

    @Test("what a hostile server sends is bounded or passed over")
    func hostile() {
        var completion = Completion(isChat: true)
        for document in [["error": "x"], 7, []] as [JSON] {
            let isTaken = completion.take(document)
            #expect(!isTaken)
        }
        for index in [-1, 128, Int64.max] {
            completion.take(["choices": [["index": .integer(index), "delta": ["content": "x"]]]])
        }
        for i in 0..<10_000 {
            completion.take([
                "choices": [["index": 0, "delta": ["tool_calls": [["index": .integer(Int64(i))]]]]]
            ])
        }
        let tools = completion.answer["choices"]?[0]?["message"]?["tool_calls"]?.array
        #expect(tools?.count == 256)
        #expect(completion.answer["choices"]?.array?.count == 1)
    }

    @Test("events come out of lines of all kinds, and an endless one is an error")
    func events() throws {
        var stream = EventStream(byteCountMax: 100)
        let text = "event: a\r\ndata: 1\r\ndata:2\r\n\r\n:x\n\ndata\n\ndata: 3\r\rid: 4\n\n"
        let events = try stream.take(Array(text.utf8))
        #expect(events.map { String(decoding: $0.data, as: UTF8.self) } == ["1\n2", "", "3"])
        #expect(events.map(\.name) == ["a", nil, nil])
        let endless = String(repeating: "y", count: 1_000)
        #expect(throws: EventStream.Overflow.self) {
            var stream = EventStream(byteCountMax: 100)
            _ = try stream.take(endless.utf8)
        }
    }
}
