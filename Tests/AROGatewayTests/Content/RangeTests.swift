import Testing

@testable import AROGateway

@Suite("Ranges of bytes") struct RangeTests {
    @Test("a Range header is read as HTTP says, and ignored where it makes no sense")
    func headers() {
        let wishes: [(String?, ByteRange.Wish)] = [
            (nil, .all), ("bytes=0-0", .part(0..<1)), ("bytes=5-", .part(5..<10)),
            ("bytes=-3", .part(7..<10)), ("bytes=-99", .part(0..<10)),
            ("bytes=3-99", .part(3..<10)), ("Bytes= 1-2", .part(1..<3)),
            ("bytes=10-", .outside), ("bytes=10-11", .outside), ("bytes=-0", .outside),
            ("bytes=5-4", .all), ("bytes=a-b", .all), ("items=0-1", .all), ("bytes=0-1,3-4", .all),
            ("bytes=", .all), ("bytes=--1", .all), ("bytes=1", .all), ("bytes=-", .all),
            ("bytes=99999999999999999999-", .outside),
            ("bytes=0-99999999999999999999", .part(0..<10)),
        ]
        for (header, wish) in wishes {
            #expect(ByteRange.wish(header, fileBytes: 10) == wish, "\(header ?? "none")")
        }
        #expect(ByteRange.wish("bytes=0-", fileBytes: 0) == .outside)
    }

    @Test("entity-bytes counts from both ends and never leaves the file")
    func entityBytes() throws {
        let parts: [(String, EntityBytes.Part)] = [
            ("0:*", .range(0..<10)), ("0:0", .range(0..<1)), ("-3:*", .range(7..<10)),
            ("-30:*", .range(0..<10)), ("2:-3", .range(2..<8)), ("4:99", .range(4..<10)),
            ("10:*", .outside), ("11:12", .outside), ("5:4", .empty), ("0:-11", .empty),
            ("-9223372036854775808:9223372036854775807", .range(0..<10)),
            ("0:-9223372036854775808", .empty),
        ]
        for (text, part) in parts {
            #expect(try #require(EntityBytes(text)).part(of: 10) == part, "\(text)")
        }
        for text in ["", ":", "1", "a:b", "1:2:3", "*:1", "99999999999999999999:*", "1:"] {
            #expect(EntityBytes(text) == nil, "\(text)")
        }
        #expect(try #require(EntityBytes("0:*")).part(of: 0) == .empty)
    }
}
