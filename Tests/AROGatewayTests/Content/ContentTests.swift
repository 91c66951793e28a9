import AROBackend
import AROPrimitives
import ARORuntime
import AROWire
import Foundation
import Testing

@testable import AROGateway

/// The blocks of a CAR, each checked against its CID.
private func blocks(_ bytes: [UInt8]) throws -> [(cid: CID, bytes: [UInt8])] {
    var reader = LEB128Reader(bytes: bytes)
    let length = reader.next()
    let header = try #require(length)
    var at = reader.offset + Int(header)
    var found: [(CID, [UInt8])] = []
    while at < bytes.count {
        var reader = LEB128Reader(bytes: bytes, offset: at)
        let length = reader.next()
        let count = Int(try #require(length))
        let section = Array(bytes[reader.offset..<reader.offset + count])
        let cid = try CID(bytes: Array(section[..<36]))
        let block = Array(section[36...])
        let matches = cid.matches(block.span.bytes)
        #expect(matches)
        found.append((cid, block))
        at = reader.offset + count
    }
    return found
}

@Suite("Content over HTTP", .serialized) struct ContentTests {
    private let file = randomBytes(2_500_000, seed: 7)

    @Test("a file published at one gateway comes whole and in parts out of another one")
    func files() async throws {
        let home = try GatewayHome()
        let a = try await home.face("a")
        let b = try await home.face("b", bootstrap: a)
        let put = try await a.ask(
            "/content", .POST, ["authorization": "Bearer \(a.token)"], body: file)
        #expect(put.status == 201)
        let cid = try #require(put.json?["cid"]?.string)
        #expect(put.json?["bytes"] == 2_500_000 && put["location"] == "/ipfs/\(cid)")
        #expect(put.json?["held_by"] == 1 && put.json?["wanted"] == 1)

        let part = try await b.ask("/ipfs/\(cid)", .GET, ["range": "bytes=1048570-1048590"])
        #expect(part.status == 206 && part.bytes == Array(file[1_048_570...1_048_590]))
        #expect(part["content-range"] == "bytes 1048570-1048590/2500000")
        let whole = try await b.ask("/ipfs/\(cid)")
        #expect(whole.status == 200 && whole.bytes == file)
        #expect(whole["etag"] == "\"\(cid)\"" && whole["content-length"] == "2500000")
        #expect(whole["cache-control"] == "public, max-age=29030400, immutable")
        #expect(whole["x-ipfs-roots"] == cid && whole["x-ipfs-path"] == "/ipfs/\(cid)")
        #expect(whole["content-security-policy"]?.hasPrefix("sandbox;") == true)
        #expect(whole["content-type"] == "application/octet-stream")

        let tail = try await b.ask("/ipfs/\(cid)", .GET, ["range": "bytes=-5"])
        #expect(tail.bytes == Array(file.suffix(5)))
        let open = try await b.ask("/ipfs/\(cid)", .GET, ["range": "bytes=2499990-"])
        #expect(open.status == 206 && open.bytes == Array(file.suffix(10)))
        let beyond = try await b.ask("/ipfs/\(cid)", .GET, ["range": "bytes=2500000-"])
        #expect(beyond.status == 416 && beyond["content-range"] == "bytes */2500000")
        let stale = try await b.ask(
            "/ipfs/\(cid)", .GET, ["range": "bytes=0-1", "if-range": "\"other\""])
        #expect(stale.status == 200 && stale.bytes.count == file.count)

        let known = try await b.ask("/ipfs/\(cid)", .GET, ["if-none-match": "\"x\", W/\"\(cid)\""])
        #expect(known.status == 304 && known.bytes.isEmpty)
        let head = try await b.ask("/ipfs/\(cid)", .HEAD)
        #expect(head.status == 200 && head["content-length"] == "2500000" && head.bytes.isEmpty)
        try await b.close()
        try await a.close()
    }

    @Test("a directory is listed, its index is shown, and what is not there is not found")
    func directories() async throws {
        let home = try GatewayHome()
        let a = try await home.face("a")
        let top = home.path + "/site"
        try FileManager.default.createDirectory(
            atPath: top + "/sub/ä b", withIntermediateDirectories: true)
        try Data("<h1>hello</h1>".utf8).write(to: URL(fileURLWithPath: top + "/index.html"))
        try Data("one".utf8).write(to: URL(fileURLWithPath: top + "/sub/ä b/<x>.txt"))
        let root = try await a.node.put(path: top).root
        let b = try await home.face("b", bootstrap: a)

        let moved = try await b.ask("/ipfs/\(root)/sub?x=1")
        #expect(moved.status == 301 && moved["location"] == "/ipfs/\(root)/sub/?x=1")
        let index = try await b.ask("/ipfs/\(root)/")
        #expect(index.text == "<h1>hello</h1>")
        #expect(index["content-type"] == "text/html; charset=utf-8")
        let page = try await b.ask("/ipfs/\(root)/sub/%C3%A4%20b/")
        #expect(page.status == 200 && page.text.contains("&lt;x&gt;.txt"))
        #expect(page.text.contains("href=\"./%3Cx%3E.txt\"") && !page.text.contains("<x>"))
        #expect(page["etag"]?.hasPrefix("W/\"DirIndex-") == true)
        let text = try await b.ask("/ipfs/\(root)/sub/%C3%A4%20b/%3Cx%3E.txt")
        #expect(text.text == "one" && text["content-type"] == "text/plain; charset=utf-8")
        #expect(text["x-ipfs-roots"]?.split(separator: ",").count == 4)
        let rows = try await b.ask("/ipfs/\(root)", .GET, ["accept": "application/json"])
        #expect(rows.json?["entries"]?.array?.map { $0["name"]?.string } == ["index.html", "sub"])

        let absent = try await b.ask("/ipfs/\(root)/nothing")
        #expect(absent.status == 404 && absent.json?["error"]?["code"] == "notFound")
        let through = try await b.ask("/ipfs/\(root)/index.html/below")
        #expect(through.status == 400)

        _ = try await a.node.publish("site", target: root)
        let named = try await b.ask("/ipns/\(a.node.id)/site/index.html")
        #expect(named.text == "<h1>hello</h1>")
        #expect(named["cache-control"] == "public, max-age=60")
        try await b.close()
        try await a.close()
    }

    @Test("blocks and CARs hold what their scope says, parents first, each block verified")
    func trustless() async throws {
        let home = try GatewayHome()
        let a = try await home.face("a")
        let top = home.path + "/tree"
        try FileManager.default.createDirectory(
            atPath: top + "/sub", withIntermediateDirectories: true)
        try Data(file).write(to: URL(fileURLWithPath: top + "/sub/big.bin"))
        try Data("same".utf8).write(to: URL(fileURLWithPath: top + "/one"))
        try Data("same".utf8).write(to: URL(fileURLWithPath: top + "/two"))
        let root = try await a.node.put(path: top).root
        let sub = try await a.node.entry(root, path: ["sub"]).cid
        let big = try await a.node.entry(root, path: ["sub", "big.bin"]).cid
        let one = try await a.node.entry(root, path: ["one"]).cid
        let b = try await home.face("b", bootstrap: a)

        func car(_ path: String, _ query: String = "") async throws -> [CID] {
            let answer = try await b.ask("/ipfs/\(root)\(path)?format=car\(query)")
            #expect(answer.status == 200)
            #expect(
                answer["content-type"]?.hasPrefix("application/vnd.ipld.car; version=1; order=dfs")
                    == true)
            #expect(answer["content-disposition"]?.hasPrefix("attachment; filename=") == true)
            return try blocks(answer.bytes).map(\.cid)
        }
        #expect(try await car("", "&dag-scope=block") == [root])
        #expect(try await car("/sub", "&dag-scope=entity") == [root, sub])
        #expect(try await car("/sub/big.bin", "&dag-scope=block") == [root, sub, big])
        let first = try await car("/sub/big.bin", "&entity-bytes=0:0")
        let last = try await car("/sub/big.bin", "&entity-bytes=-1:*")
        #expect(first.count == 4 && last.count == 4 && first[3] != last[3])
        let entity = try await car("/sub/big.bin", "&dag-scope=entity")
        #expect(entity.count == 6 && entity[3] == first[3] && entity[5] == last[3])
        #expect(
            try await car("/sub/big.bin", "&entity-bytes=1048575:1048576") == Array(entity[..<5]))
        #expect(try await car("/sub/big.bin", "&entity-bytes=9:3") == [root, sub, big])
        #expect(try await car("", "&dag-scope=all") == [root, one, sub, big] + entity[3...])
        #expect(try await car("", "&car-dups=y") == [root, one, sub, big] + entity[3...] + [one])
        let outside = try await b.ask(
            "/ipfs/\(root)/sub/big.bin?format=car&entity-bytes=2500000:*")
        #expect(outside.status == 400)

        let accepted = try await b.ask(
            "/ipfs/\(big)", .GET,
            ["accept": "text/plain;q=0.5, application/vnd.ipld.car;order=dfs;dups=y"])
        #expect(accepted["content-type"]?.hasSuffix("dups=y") == true)
        #expect(accepted["content-location"] == "/ipfs/\(big)?format=car")
        let raw = try await b.ask(
            "/ipfs/\(entity[4])", .GET, ["accept": "application/vnd.ipld.raw"])
        #expect(raw.bytes == Array(file[(1 << 20)..<(2 << 20)]))
        #expect(raw["content-type"] == "application/vnd.ipld.raw")
        #expect(raw["etag"] == "\"\(entity[4]).raw\"")
        let withPath = try await b.ask("/ipfs/\(root)/one?format=raw")
        #expect(withPath.status == 400)
        let tags = try await [
            b.ask("/ipfs/\(root)?format=car", .HEAD),
            b.ask("/ipfs/\(root)?format=car&dag-scope=block", .HEAD),
            b.ask("/ipfs/\(root)?format=car&car-dups=y", .HEAD),
        ].map { $0["etag"] }
        #expect(Set(tags).count == 3 && !tags.contains(nil))
        try await b.close()
        try await a.close()
    }

    @Test("the probe is answered, and what is malformed is refused with words")
    func probes() async throws {
        let home = try GatewayHome()
        let a = try await home.face("a")
        let raw = try await a.ask("/ipfs/bafkqaaa?format=raw")
        #expect(raw.status == 200 && raw.bytes.isEmpty)
        let car = try await a.ask(
            "/ipfs/bafkqaaa", .GET, ["accept": "application/vnd.ipld.car"])
        #expect(car.status == 200 && car.bytes.count == 27)
        #expect(try blocks(car.bytes).isEmpty)
        #expect(try await a.ask("/ipfs/bafkqaaa", .HEAD).status == 200)

        let unheard = CID(.raw, hashing: Array("never put".utf8).span.bytes)
        let wrong = [
            "/ipfs/nonsense": 400, "/ipfs/bafk": 400, "/ipfs/\(unheard)": 404,
            "/ipfs/\(unheard)/%00": 400, "/ipfs/%": 400,
            "/ipfs/\(unheard)?format=tar": 400, "/ipfs/\(unheard)?format=car&dag-scope=x": 400,
            "/ipfs/\(unheard)?format=car&entity-bytes=a:b": 400, "/ipfs/": 404, "/nothing": 404,
            "/ipns/nobody/x": 400, "/ipfs/QmYwAPJzv5CZsnA625s3Xf2nemtYgPpHdWEz79ojWnPbdG": 404,
            "/ipfs/" + String(repeating: "b", count: 10_000): 414,
        ]
        for (path, status) in wrong {
            let answer = try await a.ask(path)
            #expect(answer.status == status, "\(path.prefix(80))")
            #expect(
                answer.json?["error"]?["message"]?.string?.isEmpty == false, "\(path.prefix(80))")
        }
        // Not every client would send these.
        let rude = [
            "/ipfs/\(unheard)/%2e%2e", "/ipfs/\(unheard)/..%2f..", "/ipfs/\(unheard)/../x",
            "/ipfs/%", "/ipfs/\(unheard)/%ff",
        ]
        for path in rude {
            let client = try RawClient(port: a.gateway.address.port)
            client.send("GET \(path) HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            #expect(await client.untilClosed()?.hasPrefix("HTTP/1.1 400 ") == true, "\(path)")
        }
        let cached = try await a.ask(
            "/ipfs/\(unheard)", .GET, ["cache-control": "only-if-cached"])
        #expect(cached.status == 412)
        #expect(try await a.ask("/ipfs/\(unheard)", .DELETE).status == 405)
        try await a.close()
    }
}
