/// Frames of calls, receipts and vouchers; and a whole ``Inference`` whose callers, providers and model
/// server are the fuzzer.

import AROCrypto
import AROInference
import AROPrimitives
import AROWire

enum CallTargets {
    static func callerMessages(_ bytes: [UInt8]) {
        var input = FuzzInput(bytes)
        let piece = 1 + input.below(256)
        let stream = input.rest()
        var whole = ByteReader(stream.span.bytes)
        var decoder = CallerMessageDecoder()
        var messages: [CallerMessage] = []
        var out: [UInt8] = []
        while let message = try? decoder.next(&whole) {
            out.append(message)
            messages.append(message)
        }
        check(out[...] == stream.prefix(out.count), "a caller's message has one form")
        var again: [CallerMessage] = []
        var parts = CallerMessageDecoder()
        for start in stride(from: 0, to: stream.count, by: piece) {
            let part = Array(stream[start..<min(start + piece, stream.count)])
            var reader = ByteReader(part.span.bytes)
            do { while let message = try parts.next(&reader) { again.append(message) } } catch {
                break
            }
        }
        check(messages == again, "messages do not depend on how they are cut")
    }

    static func providerMessages(_ bytes: [UInt8]) {
        var input = FuzzInput(bytes)
        let piece = 1 + input.below(256)
        let stream = input.rest()
        var whole = ByteReader(stream.span.bytes)
        var decoder = ProviderMessageDecoder()
        var messages: [ProviderMessage] = []
        var out: [UInt8] = []
        while let message = try? decoder.next(&whole) {
            out.append(message)
            messages.append(message)
        }
        check(out[...] == stream.prefix(out.count), "a provider's message has one form")
        var again: [ProviderMessage] = []
        var parts = ProviderMessageDecoder()
        for start in stride(from: 0, to: stream.count, by: piece) {
            let part = Array(stream[start..<min(start + piece, stream.count)])
            var reader = ByteReader(part.span.bytes)
            do { while let message = try parts.next(&reader) { again.append(message) } } catch {
                break
            }
        }
        check(messages == again, "messages do not depend on how they are cut")
    }

    static func receipts(_ bytes: [UInt8]) {
        if let receipt = try? Receipt(bytes: bytes) {
            check(receipt.bytes == bytes, "a receipt has one form")
            check(bytes.count <= Receipt.byteCountMax, "a receipt's size")
            try? receipt.verify()
        }
        if let voucher = try? Voucher(bytes: bytes) {
            check(voucher.bytes == bytes, "a voucher has one form")
            check(!voucher.supersedes(voucher), "no voucher takes its own place")
            try? voucher.verify()
        }
    }
}

struct InferenceTarget: ~Copyable {
    private var input: FuzzInput
    private var inference: Inference
    private var now = Instant.origin + .seconds(1_000)
    private var streams: [StreamToken] = []
    private var opened: [(PeerHandle, StreamToken)] = []
    private var tokens: [BackendToken] = []
    private var lastCall: UInt64 = 0
    private static let streamsMax = 12

    static func run(_ bytes: [UInt8]) {
        var target = InferenceTarget(FuzzInput(bytes))
        target.run()
    }

    private init(_ input: FuzzInput) {
        self.input = input
        var configuration = InferenceConfiguration()
        configuration.servedStreamsMax = Self.streamsMax
        configuration.servedStreamsPerPeerMax = 6
        configuration.bodiesByteCountMax = 100_000
        configuration.replaysMax = 4
        configuration.answeredMax = 4
        configuration.callsMax = 4
        configuration.outputAhead = 1_000
        configuration.creditLimit = 100
        configuration.promiseMax = 100
        inference = Inference(
            configuration: configuration, identity: Seeds.identity(),
            generator: Generator(seed: 1), at: now, wallClock: UnixTime(seconds: 1_800_000_000))
        inference.serve(
            [
                ServedModel(name: "m", slots: 1, queueMax: 2),
                ServedModel(name: "p", price: TokenPrice(input: 1_000_000), slots: 1),
            ], at: now)
    }

    private mutating func run() {
        var steps = 0
        while !input.isAtEnd, steps < 300 {
            steps += 1
            step()
            drain()
            let counters = inference.counters
            check(counters.runsRunning <= 2, "slots")
            check(counters.runsQueued <= 18, "the queues")
            check(counters.callsRunning <= 4, "calls of the user")
        }
    }

    private mutating func step() {
        switch input.below(13) {
        case 0: accept()
        case 1, 2, 3: serve()
        case 4: garbage()
        case 5, 6: backend()
        case 7: call()
        case 8: open()
        case 9: answer()
        case 10:
            now += .nanoseconds(1 << Int64(input.below(38)))
            inference.deadlinePassed(at: now)
        case 11:
            guard let stream = draw() else { return }
            streams.removeAll { $0 == stream }
            inference.streamReset(stream, at: now)
        default:
            let id = CallID(number: UInt64(input.below(Int(lastCall) + 1)))
            if input.flag() { return inference.cancel(id, at: now) }
            if input.flag() { return inference.resume(id, body: input.run(9), at: now) }
            inference.consumed(input.below(5_000), of: id, at: now)
        }
    }

    private mutating func draw() -> StreamToken? {
        streams.isEmpty ? nil : streams[input.below(streams.count)]
    }

    private mutating func accept() {
        let peer = PeerHandle(index: UInt32(input.below(3)))
        let id = PeerID(key: Bits256(UInt64(peer.index) + 1, 0, 0, 0))
        streams.append(
            inference.streamAccepted(from: peer, id, room: input.below(65_536), at: now))
    }

    /// A caller's message, most often one that fits.
    private mutating func serve() {
        guard let stream = draw() else { return }
        var bytes: [UInt8] = []
        switch input.below(6) {
        case 0, 1:
            let body = [UInt8](repeating: 1, count: 1 + input.below(4))
            let model = input.flag() ? "m" : "p"
            bytes.append(
                .call(
                    CallHead(
                        key: CallKey(high: 0, low: UInt64(input.below(4))),
                        requestHash: CallDigest.request(
                            endpoint: .completions, isStreamed: true, model: model, context: [],
                            body: body), endpoint: .completions, isStreamed: true,
                        deadlineMilliseconds: UInt32(1 + input.below(60_000)),
                        credit: input.number(), priceMax: TokenPrice(input: 1 << 30),
                        bodyByteCount: body.count, model: model, context: [])))
            bytes.append(.body(body))
        case 2: bytes.append(.cancel)
        case 3: bytes.append(.credit(input.number()))
        case 4: bytes.append(.countersigned(Signature(r: .zero, s: .zero), nil))
        default: return inference.streamWritable(stream, room: input.below(65_536), at: now)
        }
        receive(bytes, on: stream)
    }

    private mutating func garbage() {
        guard let stream = draw() else { return }
        receive(input.run(300), on: stream)
    }

    private mutating func receive(_ bytes: [UInt8], on stream: StreamToken) {
        inference.streamReceived(
            stream, bytes.span.bytes, isFinished: input.byte() == 255, at: now)
    }

    private mutating func backend() {
        guard !tokens.isEmpty else { return }
        let token = tokens[input.below(tokens.count)]
        switch input.below(5) {
        case 0: inference.backendReplied(.failed(token, .unavailable("no GPU")), at: now)
        case 1:
            let usage = TokenUsage(input: input.number(), output: input.number())
            inference.backendReplied(.finished(token, usage), at: now)
        default:
            let event = [UInt8](repeating: 5, count: input.below(3_000))
            inference.backendReplied(.event(token, event), at: now)
        }
    }

    private mutating func call() {
        lastCall += 1
        var request = CallRequest(
            key: CallKey(high: 1, low: UInt64(input.below(4))), model: input.flag() ? "x" : "m",
            endpoint: .completions, isStreamed: true, body: input.run(20))
        request.conversation = Bits256(UInt64(input.below(2)), 0, 0, 0)
        inference.start(request, CallID(number: lastCall), at: now)
    }

    private mutating func open() {
        guard let (peer, stream) = opened.popLast() else { return }
        if input.below(4) == 0 { return inference.peerUnreachable(peer, at: now) }
        streams.append(stream)
        inference.streamOpened(stream, room: input.below(65_536), at: now)
    }

    /// A provider's message on one of our streams.
    private mutating func answer() {
        guard let stream = draw() else { return }
        var bytes: [UInt8] = []
        switch input.below(5) {
        case 0, 1:
            bytes.append(
                .accepted(
                    position: input.below(3), firstEventMilliseconds: input.below(10_000),
                    price: .free))
        case 2: bytes.append(.refused(.busy, retryAfterMilliseconds: 10, text: ""))
        case 3: bytes.append(.failed(.backend, text: "no", nil))
        default:
            bytes.append(
                ProviderMessage.event([UInt8](repeating: 5, count: 1 + input.below(3_000))))
        }
        receive(bytes, on: stream)
    }

    private mutating func drain() {
        var rounds = 0
        while true {
            let outputs = inference.takeOutputs()
            guard !outputs.isEmpty else { return }
            rounds += 1
            check(rounds < 1_000, "outputs come to an end")
            for output in outputs { carry(output) }
        }
    }

    private mutating func carry(_ output: InferenceOutput) {
        switch output {
        case .openStream(let peer, let stream): opened.append((peer, stream))
        case .reset(let stream), .release(let stream):
            streams.removeAll { $0 == stream }
            opened.removeAll { $0.1 == stream }
        case .backend(.start(_, let token)): tokens.append(token)
        case .backend(.cancel(let token)): tokens.removeAll { $0 == token }
        case .findProviders(let model):
            let found = (0..<input.below(4)).map { n in
                Candidate(
                    peer: PeerHandle(index: UInt32(10 + n)),
                    id: PeerID(key: Bits256(UInt64(10 + n), 0, 0, 0)), offer: nil,
                    roundTrip: .milliseconds(Int64(n)))
            }
            inference.candidatesFound(model, found, at: now)
            if input.flag() { inference.candidateSearchEnded(model, at: now) }
        default: break
        }
    }
}
