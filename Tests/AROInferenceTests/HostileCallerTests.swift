import AROCrypto
import AROPrimitives
import AROWire
import Testing

@testable import AROInference

/// A provider alone, whose callers are played by hand.
private final class Provider {
    let node = TestNode(1, InferenceConfiguration())
    let caller = TestNode(0, InferenceConfiguration()).id
    private(set) var now = Instant.origin
    var written: [StreamToken: [UInt8]] = [:]
    var resets: Set<StreamToken> = []

    init(_ model: ServedModel = ServedModel(name: "m")) {
        node.inference.serve([model], at: now)
        drain()
    }

    func open() -> StreamToken {
        let stream = node.inference.streamAccepted(
            from: PeerHandle(index: 0), caller, room: 1 << 20, at: now)
        drain()
        return stream
    }

    func say(_ messages: CallerMessage..., on stream: StreamToken) {
        let bytes = messages.reduce(into: [UInt8]()) { $0.append($1) }
        say(bytes, on: stream)
    }

    func say(_ bytes: [UInt8], on stream: StreamToken) {
        node.inference.streamReceived(
            stream, bytes.span.bytes, isFinished: false, at: now)
        drain()
    }

    func wait(_ span: Duration) {
        let end = now + span
        while let due = node.inference.nextDeadline, due <= end {
            now = max(now, due)
            node.inference.deadlinePassed(at: now)
            drain()
        }
        now = end
    }

    /// Keeps what was written, hands on the rest.
    func drain() {
        for output in node.inference.takeOutputs() {
            switch output {
            case .write(let stream, let bytes, _): written[stream, default: []] += bytes
            case .reset(let stream): resets.insert(stream)
            case .backend(.start(let call, let token)):
                node.server.started.append(call)
                node.server.jobs[token] = ModelServer.Job()
            case .backend(.cancel(let token)): node.server.cancelled.append(token)
            case .misbehaved(_, let violation): node.misbehaved.append(violation)
            default: break
            }
        }
    }

    func answers(on stream: StreamToken) -> [ProviderMessage] {
        var decoder = ProviderMessageDecoder()
        var all: [ProviderMessage] = []
        let bytes = written[stream] ?? []
        var reader = ByteReader(bytes.span.bytes)
        while let message = try? decoder.next(&reader) { all.append(message) }
        return all
    }

    func refusal(on stream: StreamToken) -> CallRefusal? {
        if case .refused(let reason, _, _)? = answers(on: stream).last { reason } else { nil }
    }
}

private func head(
    _ key: UInt64 = 1, body: [UInt8] = [1, 2, 3], count: Int? = nil, model: String = "m"
) -> CallHead {
    CallHead(
        key: CallKey(high: 0, low: key),
        requestHash: CallDigest.request(
            endpoint: .completions, isStreamed: true, model: model, context: [], body: body),
        endpoint: .completions, isStreamed: true, deadlineMilliseconds: 60_000, credit: 1_000,
        priceMax: .free, bodyByteCount: count ?? body.count, model: model, context: [])
}

@Suite("A hostile caller")
struct HostileCallerTests {
    @Test("That breaks the order of messages is reset")
    func outOfTurn() {
        let all: [[CallerMessage]] = [
            [.body([1])], [.credit(5)], [.call(head()), .call(head())],
            [.call(head()), .credit(1)],
            [.call(head()), .countersigned(Signature(r: .zero, s: .zero), nil)],
        ]
        for messages in all {
            let provider = Provider()
            let stream = provider.open()
            provider.say(messages.reduce(into: [UInt8]()) { $0.append($1) }, on: stream)
            #expect(provider.node.misbehaved == [.outOfTurn])
            #expect(provider.resets == [stream])
        }
    }

    @Test("Whose body is not what was announced never reaches the model server")
    func bodyMismatch() {
        for body: [UInt8] in [[1, 2, 4], [1, 2, 3, 4]] {
            let provider = Provider()
            let stream = provider.open()
            provider.say(.call(head()), .body(body), on: stream)
            #expect(provider.node.misbehaved == [.bodyMismatch])
            #expect(provider.node.server.started.isEmpty)
        }
    }

    @Test("That is larger, or asks for what is not there, is refused with the reason")
    func refusals() {
        let provider = Provider(ServedModel(name: "m", endpoints: [.chatCompletions]))
        let wanted: [(CallHead, CallRefusal)] = [
            (head(model: "other"), .unknownModel), (head(), .endpoint),
        ]
        for (head, reason) in wanted {
            let stream = provider.open()
            provider.say(.call(head), on: stream)
            #expect(provider.refusal(on: stream) == reason)
        }
        let other = Provider()
        let stream = other.open()
        other.say(.call(head(count: InferenceConfiguration().bodyByteCountMax + 1)), on: stream)
        #expect(other.refusal(on: stream) == .tooLarge)
    }

    @Test("That says nothing, or half of it, is hung up on")
    func slow() {
        let provider = Provider()
        let mute = provider.open()
        let half = provider.open()
        provider.say(.call(head(count: 3)), .body([1, 2]), on: half)
        provider.wait(.seconds(12))
        #expect(provider.resets == [mute])
        provider.wait(.seconds(20))
        #expect(provider.resets == [mute, half])
        #expect(provider.node.inference.nextDeadline == nil)
    }

    @Test("That opens streams without end is refused beyond the bound")
    func streams() {
        let provider = Provider()
        let most = InferenceConfiguration().servedStreamsPerPeerMax
        let streams = (0..<most + 10).map { _ in provider.open() }
        #expect(streams.prefix(most).allSatisfy { provider.answers(on: $0).isEmpty })
        #expect(streams.suffix(10).allSatisfy { provider.refusal(on: $0) == .tooManyCalls })
    }

    @Test("That takes nothing is hung up on, and the model server stops")
    func stalled() {
        let provider = Provider()
        let stream = provider.open()
        provider.say(.call(head()), .body([1, 2, 3]), on: stream)
        let token = provider.node.server.jobs.keys.first!
        let event = [UInt8](repeating: 1, count: 2_000)
        for _ in 0..<2 {
            provider.node.inference.backendReplied(.event(token, event), at: provider.now)
        }
        provider.drain()
        // The credit of 1,000 is overshot by one event, and the second waits.
        #expect(provider.answers(on: stream).count { $0 == .event(event) } == 1)
        provider.wait(.seconds(65))
        #expect(provider.resets == [stream])
        #expect(provider.node.server.cancelled == [token])
    }

    @Test("That signs wrongly is reset, and owes all the same")
    func wrongSignature() {
        let provider = Provider()
        let stream = provider.open()
        provider.say(.call(head()), .body([1, 2, 3]), on: stream)
        let token = provider.node.server.jobs.keys.first!
        provider.node.inference.backendReplied(
            .finished(token, TokenUsage(input: 1, output: 0)), at: provider.now)
        provider.drain()
        provider.say(
            .countersigned(Signature(r: .zero, s: .zero), nil), on: stream)
        #expect(provider.node.misbehaved == [.wrongPayment])
        #expect(provider.node.inference.balances.first?.callsUnsigned == 1)
    }

    @Test("With random bytes traps nothing, seeds 1 to 200", arguments: 1...200)
    func random(_ seed: UInt64) {
        var generator = Generator(seed: seed)
        let provider = Provider()
        let stream = provider.open()
        var bytes: [UInt8] = []
        bytes.append(.call(head(seed)))
        if generator.chance(1, in: 2) { bytes.append(.body([1, 2, 3])) }
        for _ in 0..<generator.below(4) {
            bytes[generator.below(bytes.count)] = UInt8(generator.below(256))
        }
        for _ in 0..<generator.below(30) { bytes.append(UInt8(generator.below(256))) }
        provider.say(bytes, on: stream)
        provider.wait(.seconds(100))
        #expect(provider.node.inference.counters.runsQueued == 0)
    }
}
