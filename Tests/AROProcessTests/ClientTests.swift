/// Unmodified clients of others against the gateway of a node that has no model: two other nodes
/// have model servers. `ARO_CLIENTS_PYTHON` names an interpreter with `openai`, `litellm`,
/// `langchain-openai` and `mcp`; without it the tests say that they were left out. `ARO_BACKENDS`
/// names real model servers (URLs with commas between them; each node has all of them) instead of
/// a stub: then their own words are not known, and only their form is looked at. The first model
/// that can chat is asked, and the first that its name says to make embeddings.

import Foundation
import Testing

extension Processes {
    @Suite(
        "Clients of others",
        .enabled(
            if: Trial.variable("ARO_CLIENTS_PYTHON") != nil,
            "ARO_CLIENTS_PYTHON names no interpreter with the clients"))
    struct Clients {
        @Test("openai: models, chat, streams, embeddings and errors")
        func openAI() async throws {
            try await network { asker in
                let said = try await asker.run(
                    """
                    import openai
                    c = openai.OpenAI(base_url=url + "/v1", api_key="any", max_retries=0)
                    names = [m.id for m in c.models.list()]
                    print(chat in names and embedder in names, c.models.retrieve(chat).id == chat)
                    ask = dict(messages=[{"role": "user", "content": "Count to ten."}],
                               temperature=0, max_tokens=40)
                    r = c.chat.completions.create(model=chat, **ask)
                    whole = r.choices[0].message.content
                    print(len(whole) > 0, r.choices[0].finish_reason in ("stop", "length"))
                    print(r.usage.total_tokens == r.usage.prompt_tokens + r.usage.completion_tokens)
                    pieces, usage, last = [], None, None
                    for k in c.chat.completions.create(model=chat, stream=True,
                                                       stream_options={"include_usage": True}, **ask):
                        if k.choices:
                            pieces.append(k.choices[0].delta.content or "")
                            last = k.choices[0].finish_reason or last
                        usage = k.usage or usage
                    print("".join(pieces) == whole or real, len(pieces) > 1, last is not None)
                    print(usage is not None and usage.completion_tokens > 0)
                    e = c.embeddings.create(model=embedder, input=["a", "hello"])
                    print(len(e.data) == 2, len(e.data[0].embedding) > 2, e.data[1].index == 1)
                    for model, body in (("nothing", ask), (chat, dict(messages=[]))):
                        try:
                            c.chat.completions.create(model=model, **body)
                            print("no error")
                        except openai.APIStatusError as e:
                            print(type(e).__name__, e.code, bool(e.message))
                    """)
                #expect(
                    said == """
                        True True
                        True True
                        True
                        True True True
                        True
                        True True True
                        NotFoundError model_not_found True
                        BadRequestError invalid_request True

                        """)
            }
        }

        @Test("openai: eight streams at once over both providers")
        func several() async throws {
            try await network { asker in
                let said = try await asker.run(
                    """
                    import asyncio, openai
                    c = openai.AsyncOpenAI(base_url=url + "/v1", api_key="any", max_retries=0)
                    async def one(i):
                        text = ""
                        async for k in await c.chat.completions.create(
                                model=chat, stream=True, max_tokens=24, temperature=0,
                                messages=[{"role": "user", "content": f"Say the number {i}."}]):
                            text += k.choices[0].delta.content or "" if k.choices else ""
                        return len(text) > 0
                    async def main():
                        print(await asyncio.gather(*(one(i) for i in range(8))) == [True] * 8)
                    asyncio.run(main())
                    """)
                #expect(said == "True\n")
            }
        }

        @Test("litellm and langchain-openai chat, stream and embed")
        func frameworks() async throws {
            try await network { asker in
                let lite = try await asker.run(
                    """
                    import litellm
                    litellm.suppress_debug_info = True
                    to = dict(api_base=url + "/v1", api_key="any")
                    ask = dict(messages=[{"role": "user", "content": "hi"}], max_tokens=24)
                    r = litellm.completion(model="openai/" + chat, **ask, **to)
                    print(len(r.choices[0].message.content) > 0)
                    pieces = [k.choices[0].delta.content or "" for k in
                              litellm.completion(model="openai/" + chat, stream=True, **ask, **to)]
                    print(len("".join(pieces)) > 0, len(pieces) > 1)
                    e = litellm.embedding(model="openai/" + embedder, input=["a"], **to)
                    print(len(e.data[0]["embedding"]) > 2)
                    try:
                        litellm.completion(model="openai/nothing", **ask, **to)
                    except litellm.exceptions.NotFoundError: print("not found")
                    """)
                #expect(lite == "True\nTrue True\nTrue\nnot found\n")
                let chain = try await asker.run(
                    """
                    from langchain_openai import ChatOpenAI, OpenAIEmbeddings
                    to = dict(base_url=url + "/v1", api_key="any")
                    c = ChatOpenAI(model=chat, max_tokens=24, max_retries=0, **to)
                    print(len(c.invoke("hi").content) > 0)
                    print(len([k.content for k in c.stream("hi")]) > 1)
                    e = OpenAIEmbeddings(model=embedder, check_embedding_ctx_length=False, **to)
                    print(len(e.embed_query("a")) > 2)
                    """)
                #expect(chain == "True\nTrue\nTrue\n")
            }
        }

        @Test("mcp lists models and infers")
        func mcp() async throws {
            try await network { asker in
                let said = try await asker.run(
                    """
                    import asyncio
                    from mcp.client.client import Client
                    async def main():
                        async with Client(url + "/mcp") as c:
                            r = await c.call_tool("models_list", {})
                            print(r.is_error, chat in r.content[0].text)
                            r = await c.call_tool("infer", {"model": chat, "prompt": "hi"})
                            print(r.is_error, len(r.content[0].text) > 0)
                            r = await c.call_tool("infer", {"model": "nothing", "prompt": "hi"})
                            print(r.is_error)
                    asyncio.run(main())
                    """)
                #expect(said == "False True\nFalse True\nTrue\n")
            }
        }

        // MARK: - The network

        /// A node without a model, whose gateway is asked.
        struct Asker {
            let cluster: Cluster
            let url: String
            let isReal: Bool

            /// What a script prints, that finds the gateway at `url` and the models `chat` and
            /// `embedder`.
            func run(_ script: String) async throws -> String {
                let opening = """
                    import sys, json, urllib.request
                    url, real = "\(url)", \(isReal ? "True" : "False")
                    names = [m["id"] for m in
                             json.load(urllib.request.urlopen(url + "/v1/models"))["data"]]
                    embedders = [n for n in names if "minilm" in n.lower() or "embed" in n.lower()]
                    chat = [n for n in names if n not in embedders and n != "thinker"][0]
                    embedder = (embedders or [chat])[0]

                    """
                let python = try #require(Trial.variable("ARO_CLIENTS_PYTHON"))
                let start = ContinuousClock.now
                let outcome = try await cluster.program([python, "-c", opening + script])
                #expect(outcome.isSuccess, "\(outcome.errors)")
                Trial.tell("a script took \(ContinuousClock.now - start)")
                return outcome.text
            }
        }

        private func network(_ body: (Asker) async throws -> Void) async throws {
            let real = Trial.variable("ARO_BACKENDS")?.split(separator: ",").map(String.init)
            let stub = try real == nil ? ModelServerStub(pace: .milliseconds(5)) : nil
            let urls = real ?? [stub!.url]
            let backends = urls.flatMap { ["--backend", $0] }
            try await Cluster.run { cluster in
                let one = try await cluster.start("one", options: backends)
                _ = try await cluster.start("two", bootstrap: one, options: backends)
                let asking = try await cluster.start(
                    "asking", bootstrap: one, options: ["--gateway", "127.0.0.1:0"])
                try await Patience.until("both offer every model") {
                    let rows = try await asking.aro("models").lines.dropFirst()
                    return rows.count >= 2 * urls.count
                }
                try await body(
                    Asker(cluster: cluster, url: asking.gateway, isReal: real != nil))
            }
        }
    }
}
