/// Real clients against a gateway: Python's `openai`, `mcp` and `ipfsspec`, unmodified. They are
/// run where the environment variable ARO_CLIENTS_PYTHON names an interpreter that has them
/// (`.ci/run` makes one where ARO_CLIENTS is set); else the tests say that they were left out.

import Foundation
import Testing

@testable import AROGateway

private let python = ProcessInfo.processInfo.environment["ARO_CLIENTS_PYTHON"]

@Suite(
    "Clients of others", .serialized,
    .enabled(if: python != nil, "ARO_CLIENTS_PYTHON names no interpreter with the clients"))
struct PythonClientTests {
    /// What a script prints.
    private func run(_ script: String, _ arguments: [String]) async throws -> String {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: try #require(python))
        process.arguments = ["-c", script] + arguments
        let output = Pipe()
        process.standardOutput = output
        process.standardError = output
        return try await withCheckedThrowingContinuation { continuation in
            Thread.detachNewThread {
                do { try process.run() } catch { return continuation.resume(throwing: error) }
                let bytes = output.fileHandleForReading.readDataToEndOfFile()
                process.waitUntilExit()
                continuation.resume(returning: String(decoding: bytes, as: UTF8.self))
            }
        }
    }

    @Test("openai lists models, chats, streams, and raises its own errors")
    func openAI() async throws {
        let home = try GatewayHome()
        let hello: [ScriptedInference.Line] = [
            .say(delta("Hel")), .say(delta("lo", finish: "stop")), .say(usageChunk),
        ]
        let cut: [ScriptedInference.Line] = [.say(delta("Hel")), .fail(.interrupted("gone"))]
        let inference = ScriptedInference([
            "m": hello, "cut": cut, "busy": [.fail(.busy("full", retryAfterSeconds: 1))],
        ])
        let a = try await home.face("a", inference: inference)
        let script = """
            import sys, openai
            c = openai.OpenAI(base_url=sys.argv[1] + "/v1", api_key="any", max_retries=0)
            ask = dict(messages=[{"role": "user", "content": "hi"}])
            print(sorted(m.id for m in c.models.list()), c.models.retrieve("m").id)
            r = c.chat.completions.create(model="m", **ask)
            print(r.choices[0].message.content, r.choices[0].finish_reason, r.usage.total_tokens)
            text = ""
            for k in c.chat.completions.create(model="m", stream=True, **ask):
                text += k.choices[0].delta.content
            print(text)
            print(c.responses.create(model="m", input="hi").output_text)
            for model in ("none", "busy", "cut"):
                try:
                    for k in c.chat.completions.create(model=model, stream=True, **ask): pass
                    print(model, "looked complete")
                except openai.APIError as e:
                    print(model, type(e).__name__)
            """
        let said = try await run(script, [a.gateway.url])
        #expect(
            said == """
                ['busy', 'cut', 'm'] m
                Hello stop 5
                Hello
                Hello
                none NotFoundError
                busy RateLimitError
                cut APIError

                """)
        try await a.close()
    }

    @Test("mcp finds and calls tools in both eras", arguments: ["auto", "legacy"])
    func mcp(mode: String) async throws {
        let home = try GatewayHome()
        let a = try await home.face("a")
        let put = try await a.node.put(bytes: Array("hello".utf8))
        let script = """
            import sys, asyncio
            from mcp.client.client import Client
            async def main():
                async with Client(sys.argv[1] + "/mcp", mode=sys.argv[3]) as c:
                    print(len((await c.list_tools()).tools))
                    r = await c.call_tool("content_read", {"cid": sys.argv[2]})
                    print(r.is_error, r.content[0].text)
                    r = await c.call_tool("content_publish", {"text": "x"})
                    print(r.is_error)
            asyncio.run(main())
            """
        let said = try await run(script, [a.gateway.url, "\(put.root)", mode])
        #expect(said == "8\nFalse hello\nTrue\n")
        try await a.close()
    }

    @Test("ipfsspec lists and reads a directory")
    func ipfsspec() async throws {
        let home = try GatewayHome()
        let a = try await home.face("a")
        let top = home.path + "/d"
        try FileManager.default.createDirectory(
            atPath: top + "/sub", withIntermediateDirectories: true)
        try Data("hello".utf8).write(to: URL(fileURLWithPath: top + "/sub/x.txt"))
        let root = try await a.node.put(path: top).root
        let script = """
            import os, sys
            os.environ["IPFS_GATEWAY"] = sys.argv[1]
            import fsspec
            fs = fsspec.filesystem("ipfs")
            root = sys.argv[2]
            print([n.split("/", 1)[1] for n in fs.ls("ipfs://" + root, detail=False)])
            print(fs.info("ipfs://" + root + "/sub/x.txt")["size"])
            print(fs.cat("ipfs://" + root + "/sub/x.txt"))
            """
        let said = try await run(script, [a.gateway.url, "\(root)"])
        #expect(said == "['sub']\n5\nb'hello'\n")
        try await a.close()
    }
}
