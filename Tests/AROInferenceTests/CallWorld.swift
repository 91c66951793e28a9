/// The tests' world: `Inference` values linked by streams with latency, model servers that put out
/// events at a rate, in virtual time. Hostile providers and callers speak frames by hand.

import AROCrypto
import AROPrimitives
import AROWire

@testable import AROInference

/// How a simulated model server behaves.
struct ModelServer {
    var firstEvent = Duration.milliseconds(50)
    var eventInterval = Duration.milliseconds(10)
    var eventCount = 10
    var eventByteCount = 20
    /// Fails with this instead of its `failsAt`th event.
    var failure: BackendFailure?
    var failsAt = 0
    var isSilent = false
    /// Whether it counts tokens.
    var counts = true
    /// How many events a request's answer has; nil for ``eventCount`` of all.
    var length: ((_ body: [UInt8]) -> Int)?

    // MARK: What happened
    var started: [BackendCall] = []
    var cancelled: [BackendToken] = []
    var cancelledAt: Instant?
    /// The most bytes told and not taken at any time, as its driver counts.
    var toldAhead = 0

    struct Job {
        var allowance = 0
        var told = 0
        var isWaiting = true
        var length = 0
    }
    var jobs: [BackendToken: Job] = [:]
}

final class TestNode {
    var inference: Inference
    let id: PeerID
    var server = ModelServer()
    var events: [CallID: [CallEvent]] = [:]
    /// Whether output is taken as it comes.
    var takes = true
    /// When each call had its first output.
    var firstOutput: [CallID: Instant] = [:]
    /// What it resumes interrupted calls with, at once.
    var resumes: [UInt8]?
    var entries: [LedgerEntry] = []
    var offers: [ModelOffer] = []
    var misbehaved: [CallViolation] = []
    var isDown = false
    /// What a hostile node answers to messages, by hand.
    var rogue: ((_ received: [CallerMessage]) -> [[UInt8]])?
    var rogueDecoders: [StreamToken: CallerMessageDecoder] = [:]
    var lastRogue: UInt64 = 0

    init(_ n: Int, _ configuration: InferenceConfiguration) {
        var entropy = Entropy(seed: Bits256(UInt64(n), 77, 0, 0))
        let identity = Identity(from: &entropy)
        id = identity.id
        inference = Inference(
            configuration: configuration, identity: identity,
            generator: Generator(seed: UInt64(n)), at: .origin,
            wallClock: UnixTime(seconds: 1_800_000_000))
    }

    func text(of call: CallID) -> [UInt8] {
        (events[call] ?? []).reduce(into: []) { out, event in
            if case .output(let bytes) = event { out += bytes }
        }
    }

    func outcome(of call: CallID) -> CallOutcome? {
        if case .finished(let outcome)? = events[call]?.last { outcome } else { nil }
    }

    func failure(of call: CallID) -> CallFailure? {
        if case .failed(let failure)? = events[call]?.last { failure } else { nil }
    }

    var interruptions: [CallInterruption] {
        events.values.flatMap { $0 }.compactMap {
            if case .interrupted(let interruption) = $0 { interruption } else { nil }
        }
    }

    var receipts: [Receipt] {
        entries.compactMap { if case .receipt(let receipt) = $0 { receipt } else { nil } }
    }
    var vouchers: [Voucher] {
        entries.compactMap { if case .voucher(let voucher) = $0 { voucher } else { nil } }
    }
}

final class CallWorld {
    struct End: Hashable {
        var node: Int
        var stream: StreamToken
    }

    enum Happening {
        case open(from: Int, StreamToken, to: Int)
        case bytes(End, [UInt8], isFinished: Bool)
        case reset(End)
        case room(End)
        case tell(Int, BackendToken)
        case unreachable(Int, Int)
        case timer(Int)
        case arrival(Int)
        case again(Int, CallID)
    }

    /// A binary heap of what is to happen, by time and then by order.
    private struct Agenda {
        typealias Entry = (at: Instant, order: Int, what: Happening)
        private var entries: [Entry] = []

        var first: Entry? { entries.first }

        mutating func push(_ entry: Entry) {
            entries.append(entry)
            var i = entries.count - 1
            while i > 0, isBefore(i, (i - 1) / 2) {
                entries.swapAt(i, (i - 1) / 2)
                i = (i - 1) / 2
            }
        }

        mutating func pop() -> Entry {
            entries.swapAt(0, entries.count - 1)
            let first = entries.removeLast()
            var i = 0
            while true {
                var least = i
                for child in [2 * i + 1, 2 * i + 2]
                where child < entries.count && isBefore(child, least) {
                    least = child
                }
                guard least != i else { return first }
                entries.swapAt(i, least)
                i = least
            }
        }

        private func isBefore(_ a: Int, _ b: Int) -> Bool {
            (entries[a].at, entries[a].order) < (entries[b].at, entries[b].order)
        }
    }

    private(set) var now = Instant.origin
    let nodes: [TestNode]
    /// Between two nodes, one way.
    var latency: (Int, Int) -> Duration = { _, _ in .milliseconds(10) }
    /// What a stream takes before it is full.
    var highWater = 256 << 10
    private var agenda = Agenda()
    /// When each node is to be woken.
    private var armed: [Instant] = []
    /// What happens when a number that was scheduled is due.
    var arrived: (Int) -> Void = { _ in }
    private var order = 0
    private var other: [End: End] = [:]
    private var unconfirmed: [End: Int] = [:]
    /// The first byte of an accepted stream is the transport's.
    private var unnamed: Set<End> = []
    /// The last arrival at an end: a stream keeps its order.
    private var lastArrival: [End: Instant] = [:]
    var searches = 0
    /// So many of the next streams are reset by who accepts them.
    var resetsNext = 0
    /// Whether the first knows the second by its announcements.
    var knows: (Int, Int) -> Bool = { _, _ in true }
    /// What a node announced last; nil for what it offers now.
    var announces: (Int) -> [ModelOffer]? = { _ in nil }

    init(_ count: Int, _ change: (inout InferenceConfiguration) -> Void = { _ in }) {
        var configuration = InferenceConfiguration()
        change(&configuration)
        nodes = (0..<count).map { TestNode($0, configuration) }
        armed = Array(repeating: .distantFuture, count: count)
    }

    func peer(_ n: Int) -> PeerHandle { PeerHandle(index: UInt32(n)) }

    // MARK: Commands

    func serve(_ n: Int, _ models: ServedModel...) {
        nodes[n].inference.serve(models, at: now)
        drain(n)
    }

    func call(_ n: Int, _ request: CallRequest, _ id: UInt64 = 1) {
        nodes[n].inference.start(request, CallID(number: id), at: now)
        drain(n)
    }

    func consume(_ n: Int, _ byteCount: Int, _ id: UInt64 = 1) {
        nodes[n].inference.consumed(byteCount, of: CallID(number: id), at: now)
        drain(n)
    }

    func resume(_ n: Int, _ body: [UInt8], _ id: UInt64 = 1) {
        nodes[n].inference.resume(CallID(number: id), body: body, at: now)
        drain(n)
    }

    func cancel(_ n: Int, _ id: UInt64 = 1) {
        nodes[n].inference.cancel(CallID(number: id), at: now)
        drain(n)
    }

    /// The node is gone without a word; others notice after a while.
    func kill(_ n: Int, noticedAfter delay: Duration = .milliseconds(500)) {
        nodes[n].isDown = true
        for other in nodes.indices where other != n {
            push(.unreachable(other, n), after: delay)
        }
    }

    func run(for span: Duration) { run(until: now + span) { false } }

    /// Runs until something holds, or for a while; false where it does not then.
    @discardableResult
    func run(until end: Instant, _ isDone: () -> Bool) -> Bool {
        while !isDone() {
            guard let next = agenda.first, next.at <= end else {
                now = max(now, end)
                return isDone()
            }
            now = max(now, next.at)
            happen(agenda.pop().what)
        }
        return true
    }

    /// Runs until a call is over.
    func finish(_ n: Int, _ id: UInt64 = 1, within span: Duration = .seconds(120)) {
        run(until: now + span) {
            self.nodes[n].events[CallID(number: id)]?.last?.isFinal ?? false
        }
    }

    // MARK: What happens

    private func push(_ what: Happening, after delay: Duration) { push(what, at: now + delay) }

    private func push(_ what: Happening, at: Instant) {
        order += 1
        agenda.push((at, order, what))
    }

    /// Asks for ``arrived`` with this number.
    func schedule(_ number: Int, at time: Instant) { push(.arrival(number), at: time) }

    /// Wakes a node when it wishes.
    private func arm(_ n: Int) {
        guard let due = nodes[n].inference.nextDeadline, due < armed[n] else { return }
        armed[n] = due
        push(.timer(n), at: max(due, now))
    }

    private func wake(_ n: Int) {
        guard armed[n] <= now, !nodes[n].isDown else { return }
        armed[n] = .distantFuture
        if let due = nodes[n].inference.nextDeadline, due <= now {
            nodes[n].inference.deadlinePassed(at: now)
        }
        drain(n)
    }

    private func happen(_ what: Happening) {
        switch what {
        case .open(let from, let stream, let to): open(from, stream, to)
        case .bytes(let end, let bytes, let isFinished): arrive(end, bytes, isFinished)
        case .reset(let end):
            guard other[end] != nil, !nodes[end.node].isDown else { return }
            forget(end)
            nodes[end.node].inference.streamReset(end.stream, at: now)
            drain(end.node)
        case .room(let end): room(of: end)
        case .tell(let n, let token): tell(n, token)
        case .timer(let n): wake(n)
        case .arrival(let number): arrived(number)
        case .again(let n, let id):
            if !nodes[n].isDown { resume(n, nodes[n].resumes ?? [1], id.number) }
        case .unreachable(let n, let gone):
            guard !nodes[n].isDown else { return }
            nodes[n].inference.peerUnreachable(peer(gone), at: now)
            for end in other.keys.filter({ $0.node == n && other[$0]?.node == gone }) {
                nodes[n].inference.streamReset(end.stream, at: now)
            }
            drain(n)
        }
    }

    private func open(_ from: Int, _ stream: StreamToken, _ to: Int) {
        guard !nodes[to].isDown else { return }
        let end = End(node: from, stream: stream)
        let token: StreamToken
        if nodes[to].rogue != nil {
            nodes[to].lastRogue += 1
            token = StreamToken(number: nodes[to].lastRogue)
            nodes[to].rogueDecoders[token] = CallerMessageDecoder()
        } else {
            token = nodes[to].inference.streamAccepted(
                from: peer(from), nodes[from].id, room: highWater, at: now)
        }
        let accepted = End(node: to, stream: token)
        other[end] = accepted
        other[accepted] = end
        unnamed.insert(accepted)
        if nodes[to].rogue == nil { drain(to) }
        if resetsNext > 0 {
            resetsNext -= 1
            push(.reset(end), after: latency(to, from))
        }
        nodes[from].inference.streamOpened(stream, room: highWater, at: now)
        drain(from)
    }

    private func arrive(_ end: End, _ bytes: [UInt8], _ isFinished: Bool) {
        guard other[end] != nil, !nodes[end.node].isDown else { return }
        var bytes = bytes
        if let sender = other[end] {
            push(.room(sender), after: latency(end.node, sender.node))
            unconfirmed[sender, default: 0] -= bytes.count
        }
        if unnamed.contains(end), !bytes.isEmpty {
            unnamed.remove(end)
            precondition(bytes.removeFirst() == StreamProtocol.inference.rawValue)
        }
        if let rogue = nodes[end.node].rogue {
            var messages: [CallerMessage] = []
            var reader = ByteReader(bytes.span.bytes)
            while let message = try? nodes[end.node].rogueDecoders[end.stream]?.next(&reader) {
                messages.append(message)
            }
            for answer in rogue(messages) { write(end, answer, isFinal: false) }
            return
        }
        nodes[end.node].inference.streamReceived(
            end.stream, bytes.span.bytes, isFinished: isFinished, at: now)
        drain(end.node)
    }

    private func room(of end: End) {
        guard other[end] != nil, !nodes[end.node].isDown else { return }
        let room = highWater - unconfirmed[end, default: 0]
        guard room > 0, nodes[end.node].rogue == nil else { return }
        nodes[end.node].inference.streamWritable(end.stream, room: room, at: now)
        drain(end.node)
    }

    private func write(_ end: End, _ bytes: [UInt8], isFinal: Bool) {
        guard let to = other[end] else { return }
        unconfirmed[end, default: 0] += bytes.count
        let at = max(now + latency(end.node, to.node), lastArrival[to] ?? .origin)
        lastArrival[to] = at
        push(.bytes(to, bytes, isFinished: isFinal), at: at)
        if unconfirmed[end]! < highWater { push(.room(end), after: .zero) }
    }

    private func forget(_ end: End) {
        if let to = other.removeValue(forKey: end) { other[to] = nil }
    }

    // MARK: Effects

    func drain(_ n: Int) {
        while true {
            let outputs = nodes[n].inference.takeOutputs()
            guard !outputs.isEmpty else { return arm(n) }
            for output in outputs { carry(output, n) }
        }
    }

    private func carry(_ output: InferenceOutput, _ n: Int) {
        let node = nodes[n]
        switch output {
        case .openStream(let peer, let stream):
            let to = Int(peer.index)
            push(.open(from: n, stream, to: to), after: latency(n, to))
        case .write(let stream, let bytes, let isFinal):
            write(End(node: n, stream: stream), bytes, isFinal: isFinal)
        case .reset(let stream):
            let end = End(node: n, stream: stream)
            if let to = other[end] { push(.reset(to), after: latency(n, to.node)) }
        case .release: break
        case .backend(let request): backend(request, n)
        case .findProviders(let model):
            searches += 1
            var found: [Candidate] = []
            for i in nodes.indices where i != n && knows(n, i) {
                guard let offer = nodes[i].offers.first(where: { $0.name == model }) else {
                    continue
                }
                found.append(
                    Candidate(
                        peer: peer(i), id: nodes[i].id, offer: offer,
                        roundTrip: latency(n, i) * 2))
            }
            node.inference.candidatesFound(model, found, at: now)
            node.inference.candidateSearchEnded(model, at: now)
        case .callEvent(let id, let event):
            if case .output = event, node.firstOutput[id] == nil { node.firstOutput[id] = now }
            if case .interrupted = event, node.resumes != nil { push(.again(n, id), after: .zero) }
            node.events[id, default: []].append(event)
            if case .output(let bytes) = event, node.takes {
                node.inference.consumed(bytes.count, of: id, at: now)
            }
        case .record(let entry): node.entries.append(entry)
        case .offersChanged(let offers): node.offers = offers
        case .provide, .withdraw: break
        case .misbehaved(_, let violation): node.misbehaved.append(violation)
        }
    }

    // MARK: Model servers

    private func backend(_ request: BackendRequest, _ n: Int) {
        let node = nodes[n]
        switch request {
        case .start(let call, let token):
            node.server.started.append(call)
            let length = node.server.length?(call.body) ?? node.server.eventCount
            node.server.jobs[token] = ModelServer.Job(length: length)
            if !node.server.isSilent { push(.tell(n, token), after: node.server.firstEvent) }
        case .take(let count, let token):
            guard node.server.jobs[token] != nil else { return }
            node.server.jobs[token]!.allowance += count
            guard !node.server.jobs[token]!.isWaiting else { return }
            node.server.jobs[token]!.isWaiting = true
            push(.tell(n, token), after: node.server.eventInterval)
        case .cancel(let token):
            node.server.cancelled.append(token)
            node.server.cancelledAt = now
            node.server.jobs[token] = nil
        }
    }

    private func tell(_ n: Int, _ token: BackendToken) {
        let node = nodes[n]
        guard !node.isDown, var job = node.server.jobs[token] else { return }
        let reply: BackendReply
        if let failure = node.server.failure, job.told == node.server.failsAt {
            reply = .failed(token, failure)
        } else if job.told == job.length {
            let usage = TokenUsage(input: 7, output: UInt64(job.length))
            reply = .finished(token, node.server.counts ? usage : TokenUsage())
        } else if job.allowance <= 0 {
            node.server.jobs[token]!.isWaiting = false
            return
        } else {
            let byte = UInt8(truncatingIfNeeded: job.told)
            let event = [UInt8](repeating: byte, count: node.server.eventByteCount)
            job.allowance -= event.count
            job.told += 1
            reply = .event(token, event)
        }
        node.server.jobs[token] = job
        if case .event = reply {
            push(.tell(n, token), after: node.server.eventInterval)
        } else {
            node.server.jobs[token] = nil
        }
        node.inference.backendReplied(reply, at: now)
        drain(n)
    }
}

extension CallRequest {
    /// A request for the model `m`.
    static func sample(_ key: UInt64 = 1, body: String = "hello") -> CallRequest {
        CallRequest(
            key: CallKey(high: 0, low: key), model: "m", endpoint: .chatCompletions,
            isStreamed: true, body: Array(body.utf8))
    }
}

/// What the sample model server puts out, from event number `first` on.
func output(_ range: Range<Int>, of byteCount: Int = 20) -> [UInt8] {
    range.flatMap { [UInt8](repeating: UInt8(truncatingIfNeeded: $0), count: byteCount) }
}
