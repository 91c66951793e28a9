import Testing

@testable import AROBackend

@Suite("JSON documents of others") struct JSONTests {
    @Test("what is read is written again, keys in order")
    func roundTrip() throws {
        let text = #"{"a":[1,-2,3.5,true,false,null],"b":"\"\\é","c":{}}"#
        #expect(try JSON(Array(text.utf8)).text == text)
    }

    @Test("malformed and deeply nested documents are refused, brackets in strings do not count")
    func refusals() throws {
        for text in ["", "{", "{\"a\"}", "nul", "\u{0}", "{\"a\":1}x"] {
            #expect(throws: JSONFailure.malformed, "\(text)") { try JSON(Array(text.utf8)) }
        }
        let deep = String(repeating: "[", count: 100_000)
        #expect(throws: JSONFailure.tooDeep) { try JSON(Array(deep.utf8)) }
        let nested = { (n: Int) in
            Array((String(repeating: "[", count: n) + String(repeating: "]", count: n)).utf8)
        }
        #expect(throws: JSONFailure.tooDeep) { try JSON(nested(JSON.depthMax + 1)) }
        _ = try JSON(nested(JSON.depthMax))
        let quoted = "\"" + String(repeating: "[\\\"", count: 500) + "\""
        #expect(try JSON(Array(quoted.utf8)).string?.count == 1_000)
    }

    @Test("numbers keep their kind; members are found by key")
    func access() throws {
        let json = try JSON(Array(#"{"i":9007199254740993,"d":0.7,"s":["x"]}"#.utf8))
        #expect(json["i"]?.integer == 9_007_199_254_740_993 && json["d"]?.double == 0.7)
        #expect(json["s"]?[0]?.string == "x" && json["s"]?[1] == nil && json["x"] == nil)
        #expect(json["d"]?.integer == nil && json["i"]?.count == 9_007_199_254_740_993)
    }
}
