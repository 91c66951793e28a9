/// Whole nodes, handshakes and packets and all, that call each other's models.

import AROCrypto
import AROInference
import ARONode
import AROPrimitives
import AROTransport
import AROWire
import Testing

/// Nodes on a wire of five milliseconds, with model servers that put out an event each ten.
private final class Wire {
    private final class Host {
        var node: Node
        var outbox = Outbox()
        var isDown = false
        var replies: [RequestID: [Reply]] = [:]
        var jobs: [BackendToken: Int] = [:]
        var allowance: [BackendToken: Int] = [:]
        var cancelled: [BackendToken] = []
        var recorded: [LedgerEntry] = []

        init(_ n: Int, at now: Instant) {
            var configuration = Configuration()
            configuration.addresses = [Wire.address(n)]
            let seed = [UInt8](repeating: UInt8(n + 1), count: 32)
            node = Node(
                configuration: configuration, identity: Identity(seed: SecretKey(copying: seed)),
                entropy: Entropy(seed: Bits256(0, 0, 0, UInt64(n + 1))), seed: UInt64(n + 1),
                at: now, wallClock: UnixTime(seconds: 1_800_000_000))
        }
    }

    private(set) var now = Instant.origin + .seconds(1)
    private var hosts: [Host] = []
    private var datagrams: [(at: Instant, from: Int, to: Int, bytes: [UInt8])] = []
    private var events: [(at: Instant, node: Int, token: BackendToken)] = []
    private var lastRequest: UInt64 = 0
    var eventCount = 20
    var takes = true

    private static func address(_ n: Int) -> SocketAddress {
        SocketAddress(ipv4: 0x0a00_0001 + UInt32(n) << 8, port: 4_001)
    }

    init(_ count: Int) {
        for n in 0..<count { hosts.append(Host(n, at: now)) }
        for n in 1..<count { ask(.join([Self.address(0)]), of: n) }
        run(for: .seconds(2))
    }

    func id(_ n: Int) -> PeerID { hosts[n].node.id }
    func replies(_ id: RequestID, of n: Int) -> [Reply] { hosts[n].replies[id] ?? [] }
    func cancelled(_ n: Int) -> Int { hosts[n].cancelled.count }
    func told(_ n: Int) -> Int { hosts[n].jobs.values.max() ?? 0 }
    func isServing(_ n: Int) -> Bool { !hosts[n].jobs.isEmpty }
    func recorded(_ n: Int) -> [LedgerEntry] { hosts[n].recorded }
    func kill(_ n: Int) { hosts[n].isDown = true }

    @discardableResult
    func ask(_ request: Request, of n: Int) -> RequestID {
        lastRequest += 1
        let id = RequestID(number: lastRequest)
        hosts[n].node.handle(.request(request, id), at: now, into: &hosts[n].outbox)
        drain(n)
        return id
    }

    func cancel(_ id: RequestID, of n: Int) {
        hosts[n].node.handle(.cancel(id), at: now, into: &hosts[n].outbox)
        drain(n)
    }

    func serve(_ n: Int, slots: Int = 1) {
        ask(.serve([ServedModel(name: "m", contextTokens: 2_048, slots: slots)]), of: n)
        run(for: .seconds(1))
    }

    func call(_ n: Int, _ key: UInt64 = 1, deadline: Duration = .minutes(1)) -> RequestID {
        var request = CallRequest(
            key: CallKey(high: 0, low: key), model: "m", endpoint: .chatCompletions,
            isStreamed: true, body: Array("hello".utf8))
        request.deadline = deadline
        return ask(.call(request), of: n)
    }

    func run(for span: Duration, until isDone: () -> Bool = { false }) {
        let end = now + span
        while now < end, !isDone() {
            now += .milliseconds(1)
            step()
        }
    }

    private func step() {
        while let first = datagrams.first, first.at <= now {
            datagrams.removeFirst()
            guard !hosts[first.to].isDown else { continue }
            hosts[first.to].node.handle(
                .datagram(first.bytes.span.bytes, from: Self.address(first.from)), at: now,
                into: &hosts[first.to].outbox)
            drain(first.to)
        }
        let due = events.filter { $0.at <= now }
        events.removeAll { $0.at <= now }
        for event in due { tell(event.node, event.token) }
        for n in hosts.indices where !hosts[n].isDown {
            guard let wake = hosts[n].node.nextDeadline, wake.at <= now else { continue }
            hosts[n].node.handle(.deadline, at: now, into: &hosts[n].outbox)
            drain(n)
        }
    }

    private func drain(_ n: Int) {
        let host = hosts[n]
        host.node.flush(at: now, into: &host.outbox)
        for run in host.outbox.packets.runs {
            guard let to = hosts.indices.first(where: { Self.address($0) == run.address }) else {
                continue
            }
            for start in stride(from: run.start, to: run.start + run.count, by: run.segment) {
                let end = min(start + run.segment, run.start + run.count)
                let bytes = Array(host.outbox.packets.bytes[start..<end])
                datagrams.append((now + .milliseconds(5), n, to, bytes))
            }
        }
        let effects = host.outbox.effects
        host.outbox.removeAll()
        for effect in effects { carry(effect, n) }
    }

    private func carry(_ effect: Effect, _ n: Int) {
        let host = hosts[n]
        switch effect {
        case .reply(let id, let reply):
            host.replies[id, default: []].append(reply)
            if case .call(.output(let bytes)) = reply, takes {
                ask(.consumed(id, bytes.count), of: n)
            }
        case .backend(.start(_, let token)):
            host.jobs[token] = 0
            events.append((now + .milliseconds(30), n, token))
        case .backend(.take(let count, let token)): host.allowance[token, default: 0] += count
        case .backend(.cancel(let token)):
            host.jobs[token] = nil
            host.cancelled.append(token)
        case .record(let entry): host.recorded.append(entry)
        case .disk: break
        }
    }

    private func tell(_ n: Int, _ token: BackendToken) {
        let host = hosts[n]
        guard !host.isDown, let told = host.jobs[token] else { return }
        if told == eventCount {
            host.jobs[token] = nil
            let usage = TokenUsage(input: 3, output: UInt64(eventCount))
            host.node.handle(.backend(.finished(token, usage)), at: now, into: &host.outbox)
        } else {
            events.append((now + .milliseconds(10), n, token))
            guard host.allowance[token, default: 0] > 0 else { return }
            let event = Array("token \(told);".utf8)
            host.jobs[token] = told + 1
            host.allowance[token]! -= event.count
            host.node.handle(.backend(.event(token, event)), at: now, into: &host.outbox)
        }
        drain(n)
    }

    // MARK: What came of it

    func text(_ id: RequestID, of n: Int) -> String {
        String(
            decoding: replies(id, of: n).flatMap { reply -> [UInt8] in
                if case .call(.output(let bytes)) = reply { bytes } else { [] }
            }, as: UTF8.self)
    }

    func outcome(_ id: RequestID, of n: Int) -> CallOutcome? {
        if case .call(.finished(let outcome))? = replies(id, of: n).last { outcome } else { nil }
    }

    func isOver(_ id: RequestID, of n: Int) -> Bool { replies(id, of: n).last?.isFinal ?? false }

    func isInterrupted(_ id: RequestID, of n: Int) -> Bool {
        replies(id, of: n).contains { if case .call(.interrupted) = $0 { true } else { false } }
    }

    /// What the sample model says.
    func answer(_ count: Int? = nil) -> String {
        (0..<(count ?? eventCount)).map { "token \($0);" }.joined()
    }
}

@Suite("Nodes that call models")
struct CallTests {
    @Test("A model is found by its announcement, streamed, and paid by a receipt of both sides")
    func streamed() throws {
        let wire = Wire(3)
        wire.serve(1)
        let id = wire.call(2)
        wire.run(for: .seconds(20)) { wire.isOver(id, of: 2) }
        #expect(wire.text(id, of: 2) == wire.answer())
        let receipt = try #require(wire.outcome(id, of: 2)).receipt
        try receipt.verify()
        #expect(receipt.isCountersigned && receipt.provider == wire.id(1))
        wire.run(for: .seconds(1))
        #expect(wire.recorded(1).contains(.receipt(receipt)))
        #expect(wire.recorded(2).contains(.receipt(receipt)))
    }

    @Test("Content and calls share a session and do not mix up their streams")
    func sharedSession() {
        let wire = Wire(2)
        wire.serve(0, slots: 4)
        let calls = (1...4).map { wire.call(1, UInt64($0)) }
        wire.run(for: .seconds(20)) { calls.allSatisfy { wire.isOver($0, of: 1) } }
        for id in calls { #expect(wire.text(id, of: 1) == wire.answer()) }
    }

    @Test("The models that are offered are told, ours among them")
    func models() throws {
        let wire = Wire(3)
        wire.serve(0)
        wire.serve(1)
        let id = wire.ask(.models, of: 0)
        guard case .models(let models)? = wire.replies(id, of: 0).last else {
            Issue.record("no answer")
            return
        }
        #expect(models.map(\.name) == ["m"])
        #expect(Set(models[0].offers.map(\.provider)) == [wire.id(0), wire.id(1)])
        #expect(models[0].offers[0].offer.contextTokens == 2_048)
    }

    @Test("A model that nobody offers is not found, after the DHT was asked too")
    func unknown() {
        let wire = Wire(3)
        let id = wire.call(2)
        wire.run(for: .seconds(20)) { wire.isOver(id, of: 2) }
        guard case .call(.failed(.modelNotFound("m")))? = wire.replies(id, of: 2).last else {
            Issue.record("\(wire.replies(id, of: 2))")
            return
        }
    }

    @Test("A provider that dies in the middle is told of, and another goes on")
    func death() throws {
        let wire = Wire(3)
        wire.eventCount = 300
        wire.serve(0)
        wire.serve(1)
        let id = wire.call(2)
        wire.run(for: .seconds(20)) { wire.text(id, of: 2).count > 100 }
        let gone = wire.isServing(0) ? 0 : 1
        wire.kill(gone)
        wire.run(for: .seconds(40)) { wire.isInterrupted(id, of: 2) }
        #expect(wire.isInterrupted(id, of: 2))
        #expect(!wire.isOver(id, of: 2))
        wire.ask(.resume(id, body: Array("go on".utf8)), of: 2)
        wire.run(for: .seconds(20)) { wire.isOver(id, of: 2) }
        let outcome = try #require(wire.outcome(id, of: 2))
        #expect(outcome.resumptions == 1 && outcome.provider == wire.id(1 - gone))
    }

    @Test("Who cancels stops the model server within a tenth of a second")
    func cancelled() {
        let wire = Wire(2)
        wire.eventCount = 1_000
        wire.serve(0)
        let id = wire.call(1)
        wire.run(for: .seconds(20)) { wire.text(id, of: 1).count > 100 }
        let at = wire.now
        wire.cancel(id, of: 1)
        wire.run(for: .seconds(5)) { wire.cancelled(0) > 0 }
        #expect(wire.cancelled(0) == 1)
        #expect(wire.now - at <= .milliseconds(100))
    }

    @Test("Who reads nothing holds the model server back")
    func backpressure() {
        let wire = Wire(2)
        wire.eventCount = 1_000_000
        wire.takes = false
        wire.serve(0)
        let id = wire.call(1, deadline: .hours(1))
        wire.run(for: .seconds(5))
        #expect(wire.text(id, of: 1).utf8.count <= InferenceConfiguration().outputAhead + 100)
    }
}
