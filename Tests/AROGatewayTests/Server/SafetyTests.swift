import AROPrimitives
import ARORuntime
import AsyncHTTPClient
import Foundation
import NIOCore
import Testing

@testable import AROGateway

@Suite("Whom the gateway serves", .serialized) struct SafetyTests {
    @Test("names that were bent to this machine and pages of others are refused")
    func strangers() async throws {
        let home = try GatewayHome()
        let a = try await home.face("a") { $0.hosts = ["Node.Example"] }
        let port = a.gateway.address.port
        func status(_ headers: String) async throws -> String {
            let client = try RawClient(port: port)
            client.send("GET /healthz HTTP/1.1\r\n\(headers)Connection: close\r\n\r\n")
            let text = try #require(await client.untilClosed())
            return String(text.split(separator: " ")[1])
        }
        let hosts = [
            "127.0.0.1:\(port)": "200", "localhost": "200", "LOCALHOST:1": "200",
            "app.localhost": "200", "[::1]:\(port)": "200", "127.9.9.9": "200",
            "node.example:80": "200", "evil.example": "421", "127.0.0.1.evil.example": "421",
            "localhost.evil.example": "421", "10.0.0.1": "421", "evillocalhost": "421",
            "[fe80::1]": "421", "[::1": "400", "": "400",
        ]
        for (host, expected) in hosts {
            #expect(try await status("Host: \(host)\r\n") == expected, "\(host)")
        }
        let host = "Host: localhost:\(port)\r\n"
        let origins = [
            "http://localhost:\(port)": "200", "http://LOCALHOST:\(port)": "200",
            "http://localhost:1": "403", "https://localhost:\(port)": "403", "null": "403",
            "http://evil.example": "403", "http://127.0.0.1:\(port)": "403",
        ]
        for (origin, expected) in origins {
            #expect(try await status("\(host)Origin: \(origin)\r\n") == expected, "\(origin)")
        }
        #expect(try await status("\(host)Sec-Fetch-Site: cross-site\r\n") == "403")
        #expect(try await status("\(host)Sec-Fetch-Site: same-site\r\n") == "403")
        #expect(try await status("\(host)Sec-Fetch-Site: none\r\n") == "200")
        #expect(
            try await status("\(host)Sec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: navigate\r\n")
                == "200")
        #expect(
            try await status(
                "\(host)Sec-Fetch-Site: cross-site\r\nReferer: http://localhost:\(port)/ipfs/x\r\n")
                == "200")
        let open = try await a.ask("/healthz")
        #expect(!open.headers.contains { $0.name.lowercased().hasPrefix("access-control") })
        try await a.close()
    }

    @Test("publishing needs the token, which only the owner can read")
    func token() async throws {
        let home = try GatewayHome()
        let a = try await home.face("a")
        let file = a.node.dataDirectory + "/gateway.token"
        var status = stat()
        #expect(stat(file, &status) == 0 && status.st_mode & 0o777 == 0o600)
        let wrong = [nil, "Bearer x", "Bearer ", a.token, "Basic \(a.token)", "Bearer \(a.token)0"]
        for given in wrong {
            let headers = given.map { ["authorization": $0] } ?? [:]
            let answer = try await a.ask("/content", .POST, headers, body: [1])
            #expect(answer.status == 401 && answer["www-authenticate"] != nil)
        }
        #expect(try await a.node.roots().isEmpty)
        let good = try await a.ask(
            "/content", .POST, ["authorization": "bearer \(a.token)"], body: [])
        #expect(good.status == 201 && good.json?["bytes"] == 0)
        try await a.close()
        #expect(!FileManager.default.fileExists(atPath: file))
    }

    @Test("an address that others can reach is refused, or guarded by the token")
    func remote() async throws {
        let home = try GatewayHome()
        let everywhere = AROPrimitives.SocketAddress(ipv4: 0, port: 0)
        await #expect(throws: GatewayFailure.notLoopback(everywhere)) {
            try await home.face("a") { $0.address = everywhere }
        }
        let b = try await home.face("b") {
            $0.address = everywhere
            $0.allowsRemote = true
        }
        let port = b.gateway.address.port
        let url = "http://127.0.0.1:\(port)"
        #expect(try await status(b, url + "/healthz") == 200)
        #expect(try await status(b, url + "/metrics") == 401)
        #expect(try await status(b, url + "/metrics", token: b.token) == 200)
        #expect(try await status(b, url + "/ipfs/bafkqaaa?format=raw") == 200)
        try await b.close()
    }

    private func status(_ face: Face, _ url: String, token: String? = nil) async throws -> Int {
        var request = HTTPClientRequest(url: url)
        if let token { request.headers.add(name: "authorization", value: "Bearer \(token)") }
        return Int(try await face.client.execute(request, timeout: .seconds(30)).status.code)
    }

    @Test("a body that is too long is refused before it is sent")
    func bodies() async throws {
        let home = try GatewayHome()
        let a = try await home.face("a")
        let client = try RawClient(port: a.gateway.address.port)
        client.send(
            "POST /content HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer \(a.token)\r\n"
                + "Expect: 100-continue\r\nContent-Length: 99999999999999\r\n\r\n")
        let text = try #require(await client.untilClosed())
        #expect(text.hasPrefix("HTTP/1.1 413 ") && text.contains("body_too_large"))
        #expect(!text.contains("100 Continue"))
        let patient = try RawClient(port: a.gateway.address.port)
        patient.send(
            "POST /content HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer \(a.token)\r\n"
                + "Expect: 100-continue\r\nContent-Length: 2\r\nConnection: close\r\n\r\n")
        #expect(await patient.some()?.hasPrefix("HTTP/1.1 100 Continue") == true)
        patient.send("ok")
        #expect(await patient.untilClosed()?.contains("201 Created") == true)
        try await a.close()
    }

    @Test("who drips a head or a body, or sends garbage, is hung up on")
    func slowness() async throws {
        let home = try GatewayHome()
        let a = try await home.face("a") {
            $0.limits.idleSeconds = 1
            $0.limits.bodyPauseSeconds = 1
        }
        let port = a.gateway.address.port
        let silent = try RawClient(port: port)
        let slow = try RawClient(port: port)
        let dripping = Task {
            for byte in "GET /healthz HTTP/1.1\r\nX: aaaaaaaaaaaaaaaaaaaaaaaaaaa" {
                slow.send(String(byte))
                try await Task.sleep(for: .milliseconds(100))
            }
        }
        #expect(await silent.untilClosed() == "")
        #expect(await slow.untilClosed() == "")
        dripping.cancel()
        let paused = try RawClient(port: port)
        paused.send(
            "POST /content HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer \(a.token)\r\n"
                + "Content-Length: 100\r\n\r\nabc")
        let text = try #require(await paused.untilClosed())
        #expect(text.isEmpty || text.hasPrefix("HTTP/1.1 408 "))
        let garbage = [
            "\0\u{1}\u{2}\r\n\r\n", "GET\r\n\r\n", "GET / HTTP/9.9\r\n\r\n",
            "POST /content HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: localhost\r\n" + String(repeating: "a: b\r\n", count: 500)
                + "\r\n",
        ]
        for bytes in garbage {
            let client = try RawClient(port: port)
            client.send(bytes)
            let text = try #require(await client.untilClosed())
            #expect(text.isEmpty || text.hasPrefix("HTTP/1.1 4"), "\(bytes.prefix(40))")
        }
        #expect(try await a.ask("/healthz").status == 200)
        try await a.close()
    }

    @Test("idle connections make way for new ones")
    func crowd() async throws {
        let home = try GatewayHome()
        let a = try await home.face("a") { $0.limits.connectionsMax = 8 }
        var idle: [RawClient] = []
        for _ in 0..<50 { idle.append(try RawClient(port: a.gateway.address.port)) }
        for _ in 0..<5 { #expect(try await a.ask("/healthz").status == 200) }
        let metrics = try await a.ask("/metrics").text
        let open = metrics.split(separator: "\n").first {
            $0.hasPrefix("aro_gateway_connections ")
        }
        #expect(open.flatMap { Int($0.split(separator: " ")[1]) } ?? 99 <= 8)
        #expect(metrics.contains("aro_gateway_connections_closed_total{reason=\"made way\"}"))
        withExtendedLifetime(idle) {}
        try await a.close()
    }

    @Test("every answer has a name for its request, the client's own if it is decent")
    func names() async throws {
        let home = try GatewayHome()
        let a = try await home.face("a")
        #expect(try await a.ask("/healthz")["x-request-id"]?.hasPrefix("req-") == true)
        let given = try await a.ask("/healthz", .GET, ["x-request-id": "my-1.2_3"])
        #expect(given["x-request-id"] == "my-1.2_3")
        let bad = try await a.ask("/healthz", .GET, ["x-request-id": "<script>"])
        #expect(bad["x-request-id"]?.hasPrefix("req-") == true)
        let metrics = try await a.ask("/metrics")
        #expect(metrics["content-type"] == "text/plain; version=0.0.4; charset=utf-8")
        #expect(
            metrics.text.contains("aro_gateway_requests_total{route=\"health\",status=\"200\"} 3"))
        try await a.close()
    }
}
