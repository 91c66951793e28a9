/// Every node's model server: reads the prompt for a while, then puts out tokens at a rate, each call
/// a length of its own. How long a call's answer is follows from the world's seed and the call's body,
/// so that the same call is as long wherever it runs.

import AROCrypto
import AROInference
import AROPrimitives
import AROWire

/// A model server, as fast as it is.
public struct ModelServer: Hashable, Sendable {
    /// From the start of a call to its first token.
    public var promptTime = Duration.milliseconds(200)
    public var tokenTime = Duration.milliseconds(20)
    /// The mean length of an answer; lengths are exponentially distributed.
    public var tokensMean = 100
    /// Tokens that are told together, to spare events. The first is told alone.
    public var tokensPerEvent = 10

    public init() {}
}

struct SimulatedModels {
    struct Job {
        let node: Int
        let token: BackendToken
        var tokensLeft: Int
        let tokens: Int
        var allowance = 0
        /// An event of the agenda is under way for it.
        var isDue = true
    }

    /// What a job tells when it is due, and after what time it is due again.
    enum Told {
        case event([UInt8], next: Duration)
        case finished(TokenUsage)
        case failed
        /// It may tell no more for now.
        case nothing
    }

    private let seeds: Seeds
    /// By node; nodes without one are not in here. Asked, never iterated.
    private var servers: [Int: ModelServer] = [:]
    private var jobs: [UInt64: Job] = [:]
    private var numbers: [Int: [BackendToken: UInt64]] = [:]
    private var lastJob: UInt64 = 0

    init(seeds: Seeds) { self.seeds = seeds }

    subscript(node: Int) -> ModelServer? {
        get { servers[node] }
        set { servers[node] = newValue }
    }

    /// Begins a call; its number and when it is due.
    mutating func start(
        _ call: BackendCall, _ token: BackendToken, on node: Int
    ) -> (job: UInt64, after: Duration) {
        let server = servers[node]
        let tokens = length(ofBody: call.body, mean: server?.tokensMean ?? 1)
        lastJob += 1
        jobs[lastJob] = Job(node: node, token: token, tokensLeft: tokens, tokens: tokens)
        numbers[node, default: [:]][token] = lastJob
        return (lastJob, server?.promptTime ?? .milliseconds(1))
    }

    /// How many tokens the answer to a request has: at least one.
    func length(ofBody body: [UInt8], mean: Int) -> Int {
        let request = SHA256Digest.of(body)
        let place = seeds.number("answer", request.w0, request.w1)
        let scaled = (Int128(FixedPoint.minusLog(place)) * Int128(mean)) >> 32
        return max(1, Int(scaled))
    }

    /// The job that may go on now, and after what time; nil where it is due anyhow.
    mutating func take(
        _ byteCount: Int, _ token: BackendToken, on node: Int
    ) -> (job: UInt64, after: Duration)? {
        guard let number = numbers[node]?[token], let server = servers[node] else { return nil }
        jobs[number]!.allowance += byteCount
        guard !jobs[number]!.isDue else { return nil }
        jobs[number]!.isDue = true
        return (number, server.tokenTime)
    }

    mutating func cancel(_ token: BackendToken, on node: Int) {
        guard let number = numbers[node]?.removeValue(forKey: token) else { return }
        jobs[number] = nil
    }

    mutating func lostPower(_ node: Int) {
        guard let held = numbers.removeValue(forKey: node) else { return }
        for number in held.values { jobs[number] = nil }
    }

    func job(_ number: UInt64) -> Job? { jobs[number] }

    mutating func tell(_ number: UInt64) -> Told {
        guard let job = jobs[number] else { return .nothing }
        guard let server = servers[job.node] else {
            cancel(job.token, on: job.node)
            return .failed
        }
        guard job.tokensLeft > 0 else {
            cancel(job.token, on: job.node)
            return .finished(TokenUsage(input: 10, output: UInt64(job.tokens)))
        }
        guard job.allowance > 0 else {
            jobs[number]!.isDue = false
            return .nothing
        }
        let isFirst = job.tokensLeft == job.tokens
        let count = isFirst ? 1 : min(server.tokensPerEvent, job.tokensLeft)
        jobs[number]!.tokensLeft -= count
        jobs[number]!.allowance -= count * Self.bytesPerToken
        let left = job.tokensLeft - count
        let next = min(server.tokensPerEvent, max(left, 1))
        let event = [UInt8](
            repeating: UInt8(truncatingIfNeeded: left), count: count * Self.bytesPerToken)
        return .event(event, next: left == 0 ? .zero : server.tokenTime * Int64(next))
    }

    /// A token in the data of a server-sent event, about.
    private static let bytesPerToken = 16
}

extension World where Resident: ~Copyable {
    /// The model server behind a node; what the node is asked to serve is another matter.
    public mutating func setModelServer(_ server: ModelServer?, of node: Int) {
        models[node] = server
    }

    mutating func serve(_ request: BackendRequest, for node: Int) {
        switch request {
        case .start(let call, let token):
            let (job, after) = models.start(call, token, on: node)
            push(job, on: node, after: after)
        case .take(let byteCount, let token):
            if let (job, after) = models.take(byteCount, token, on: node) {
                push(job, on: node, after: after)
            }
        case .cancel(let token): models.cancel(token, on: node)
        }
    }

    private mutating func push(_ job: UInt64, on node: Int, after delay: Duration) {
        let event = Event(.model, node: UInt32(node), epoch: places[node].epoch, word: job)
        agenda.push(event, at: (now + delay).nanoseconds)
    }

    mutating func modelDue(_ event: Event) {
        let node = Int(event.node)
        guard places[node].epoch == event.epoch, let job = models.job(event.word) else { return }
        if places[node].isPaused { return hold(event) }
        let reply: BackendReply
        switch models.tell(event.word) {
        case .nothing: return
        case .event(let bytes, let next):
            reply = .event(job.token, bytes)
            push(event.word, on: node, after: next)
        case .finished(let usage): reply = .finished(job.token, usage)
        case .failed: reply = .failed(job.token, .unavailable("there is no model server"))
        }
        record(.model, node, event.word)
        handle(.backend(reply), node)
    }
}
