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
        let wrong = [
            "", "{", "{\"a\"}", "nul", "\u{0}", "{\"a\":1}x", "[1,]", "{,}", "01", "-", "1.", ".5",
            "1e", "+1", "1e999", "\"\n\"", "\"\\x\"", "\"\\u12\"", "\"", "[1 2]", "{1:2}", "tru",
            "\"\\u+123\"", "//x\n1", "NaN",
        ]
        for text in wrong {
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

    @Test("escapes, surrogate pairs and bytes that are no UTF-8")
    func strings() throws {
        let texts = [
            (#""\u00e9\ud83d\ude00\/\b""#, "é😀/\u{8}"), (#""\ud83d""#, "\u{fffd}"),
            (#""\ud83dx""#, "\u{fffd}x"), (#""\ude00\u0041""#, "\u{fffd}A"),
            (#""\ud83d\u0041""#, "\u{fffd}A"),
        ]
        for (text, meant) in texts {
            #expect(try JSON(Array(text.utf8)).string == meant, "\(text)")
        }
        #expect(throws: JSONFailure.malformed) { try JSON([0x22, 0xff, 0x22]) }
    }

    @Test("random damage is refused or read, and never a trap; seed 20")
    func damage() {
        var generator = SplitMix(state: 20)
        let text = Array(#"{"a":[1,-2.5e3,"x\u00e9\n",true,null],"b":{"c":[]}}"#.utf8)
        for _ in 0..<20_000 {
            var bytes = text
            for _ in 0..<(generator.next() % 4 + 1) {
                bytes[Int(generator.next() % UInt64(bytes.count))] = UInt8(
                    truncatingIfNeeded: generator.next())
            }
            _ = try? JSON(bytes.prefix(Int(generator.next() % UInt64(bytes.count + 1))))
            _ = try? JSON(bytes)
        }
    }

    @Test("numbers keep their kind; members are found by key")
    func access() throws {
        let json = try JSON(Array(#"{"i":9007199254740993,"d":0.7,"s":["x"]}"#.utf8))
        #expect(json["i"]?.integer == 9_007_199_254_740_993 && json["d"]?.double == 0.7)
        #expect(json["s"]?[0]?.string == "x" && json["s"]?[1] == nil && json["x"] == nil)
        #expect(json["d"]?.integer == nil && json["i"]?.count == 9_007_199_254_740_993)
    }
}

/// Vigna's SplitMix64.
private struct SplitMix {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var z = state
        z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
        z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
        return z ^ (z >> 31)
    }
}
