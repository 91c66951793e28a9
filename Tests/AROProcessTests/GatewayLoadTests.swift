/// A gateway under what programs ask of it at worst: ranges of a file that is larger than memory
/// should be, and more connections than it holds.

import Foundation
import Testing

extension Processes {
    @Suite("Gateways under load")
    struct GatewayLoad {
        static let byteCount = Trial.isHeavy ? 1 << 30 : 32 << 20

        @Test("curl gets ranges and the whole of a large file over the network, in flat memory")
        func ranges() async throws {
            try await Cluster.run { cluster in
                var chance = Trial.chance("ranges")
                let one = try await cluster.start("one")
                let two = try await cluster.start(
                    "two", bootstrap: one, options: ["--gateway", "127.0.0.1:0"])
                try await one.meets(1)
                let path = cluster.path("file")
                try Self.write(Self.byteCount, to: path, &chance)
                let put = try await one.put(path)
                let url = "\(two.gateway)/ipfs/\(put.cid)"
                let before = try two.resident().now
                let file = try #require(FileHandle(forReadingAtPath: path))
                for n in 0..<(Trial.isHeavy ? 200 : 20) {
                    let length = Int.random(
                        in: 1...(n.isMultiple(of: 10) ? 8 << 20 : 300_000), using: &chance)
                    let start = Int.random(in: 0...(Self.byteCount - length), using: &chance)
                    let outcome = try await cluster.program([
                        "curl", "-sS", "--fail", "-r", "\(start)-\(start + length - 1)", url,
                    ])
                    try file.seek(toOffset: UInt64(start))
                    let wanted = try file.read(upToCount: length)
                    #expect(outcome.isSuccess && outcome.output == wanted, "\(start) \(length)")
                }
                let kept = try await two.status().storeBytes
                #expect(kept < Self.byteCount)
                let middle = try two.resident()
                let copy = cluster.path("copy")
                let began = ContinuousClock.now
                let whole = try await cluster.program(["curl", "-sS", "--fail", "-o", copy, url])
                let span = ContinuousClock.now - began
                #expect(whole.isSuccess, "\(whole.errors)")
                #expect(FileManager.default.contentsEqual(atPath: path, andPath: copy))
                let after = try two.resident()
                Trial.tell(
                    "resident \(before >> 10) MiB; after ranges \(middle.now >> 10) MiB (most "
                        + "\(middle.most >> 10)); after \(Self.byteCount >> 20) MiB in \(span) "
                        + "\(after.now >> 10) MiB (most \(after.most >> 10))")
                // What flows through, and no more.
                #expect(after.most - before < 192 << 10)
            }
        }

        /// Random bytes, a part at a time.
        private static func write(_ count: Int, to path: String, _ chance: inout Chance) throws {
            try Data().write(to: URL(fileURLWithPath: path))
            let file = try #require(FileHandle(forWritingAtPath: path))
            for start in stride(from: 0, to: count, by: 4 << 20) {
                try file.write(contentsOf: chance.bytes(min(4 << 20, count - start)))
            }
            try file.close()
        }

        @Test("connections that say nothing do not keep others from being answered")
        func idle() async throws {
            let count = Trial.isHeavy ? 10_000 : 700
            try Self.allowFiles(count + 256)
            let stub = try ModelServerStub(pace: .milliseconds(5))
            try await Cluster.run { cluster in
                let node = try await cluster.start(
                    "node", options: ["--gateway", "127.0.0.1:0", "--backend", stub.url])
                try await Patience.until("its model is known") {
                    try await node.aro("models").lines.count > 1
                }
                let port = try #require(UInt16(node.gateway.split(separator: ":").last ?? ""))
                let before = try node.resident().now
                var idle: [LoopbackSocket] = []
                var slowest = Duration.zero
                for n in 1...count {
                    idle.append(try LoopbackSocket(port: port))
                    // Some have begun to say something.
                    if n.isMultiple(of: 3) { _ = idle.last?.send("GET /healthz HTTP/1.1\r\n") }
                    guard n.isMultiple(of: count / 10) else { continue }
                    let start = ContinuousClock.now
                    let health = try await cluster.program([
                        "curl", "-sS", "--fail", "-m", "60", node.gateway + "/healthz",
                    ])
                    slowest = max(slowest, ContinuousClock.now - start)
                    #expect(health.text.contains("ok"), "at \(n): \(health)")
                }
                let answer = try await cluster.program([
                    "curl", "-sS", "--fail", "-m", "60", node.gateway + "/v1/chat/completions",
                    "-d",
                    #"{"model":"words","messages":[{"role":"user","content":"hi"}]}"#,
                ])
                #expect(
                    answer.text.contains(ModelServerStub.words.joined().dropLast()), "\(answer)")
                let after = try node.resident()
                Trial.tell(
                    "\(count) connections: resident \(before >> 10) MiB, then \(after.now >> 10) MiB "
                        + "(most \(after.most >> 10)); /healthz after \(slowest) at most, with curl"
                )
                #expect(after.most - before < 128 << 10)
                withExtendedLifetime(idle) {}
            }
        }

        /// Lets this process have so many files open.
        private static func allowFiles(_ count: Int) throws {
            var limit = rlimit()
            getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
            limit.rlim_cur = max(limit.rlim_cur, rlim_t(count))
            limit.rlim_max = max(limit.rlim_max, limit.rlim_cur)
            guard setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else {
                throw POSIXError(.init(rawValue: errno)!)
            }
        }
    }
}
