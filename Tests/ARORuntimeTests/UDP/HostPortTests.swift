import AROPrimitives
import Testing

@testable import ARORuntime

@Suite("Bootstrap addresses") struct HostPortTests {
    @Test(
        "names, IPv4 and bracketed IPv6 are read",
        arguments: [
            ("example.org:4002", "example.org", 4002), ("127.0.0.1:1", "127.0.0.1", 1),
            ("[::1]:65535", "::1", 65535), ("localhost:80", "localhost", 80),
        ])
    func good(text: String, host: String, port: Int) {
        let read = HostPort(text)
        #expect(read?.host == host)
        #expect(read.map { Int($0.port) } == port)
        #expect(read?.description == text)
    }

    @Test(
        "what is no address is refused",
        arguments: [
            "", ":", "host", "host:", ":80", "host:0", "host:65536", "host:8x", "::1:80", "[::1]",
            "[host]:80", "a b:80", "a/b:80", "host:-1", "[::1:80",
        ])
    func bad(text: String) { #expect(HostPort(text) == nil) }

    @Test("addresses need no resolver, and names that do not exist say which")
    func resolution() async throws {
        let literal = try #require(HostPort("[::1]:7"))
        #expect(try await literal.resolve() == [SocketAddress(high: 0, low: 1, port: 7)])
        let nobody = HostPort(host: "does-not-exist.invalid", port: 1)
        let failure = await #expect(throws: ResolutionFailure.self) { try await nobody.resolve() }
        #expect(failure?.description.contains("does-not-exist.invalid") == true)
    }

    @Test("waits grow to a bound, with jitter, and start anew after a success")
    func backoff() {
        var backoff = Backoff()
        var generator = SystemRandomNumberGenerator()
        let waits = (0..<10).map { _ in backoff.wait(using: &generator) }
        #expect(waits[0] >= Backoff.first * 3 / 4 && waits[0] <= Backoff.first * 5 / 4)
        #expect(waits.allSatisfy { $0 <= Backoff.longest * 5 / 4 })
        #expect(waits[9] >= Backoff.longest * 3 / 4)
        backoff.reset()
        #expect(backoff.wait(using: &generator) <= Backoff.first * 5 / 4)
    }
}
