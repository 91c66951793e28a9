/// The provider's side: admits calls while there are slots and places in the queue, refuses the rest at
/// once with a reason, and runs what was admitted at the model server.
///
/// Backpressure goes from end to end: the model server may tell only so much more than the slowest
/// stream that follows it has taken, by its caller's credit and the transport's room. A caller that
/// hangs up stops the model server at once.

import AROCrypto
import AROPrimitives
import AROWire

/// What serving wants done.
enum ServingStep {
    case write(StreamToken, [UInt8], isFinal: Bool)
    case reset(StreamToken)
    case release(StreamToken)
    case backend(BackendRequest)
    case provide(model: String)
    case withdraw(model: String)
    case misbehaved(PeerHandle?, CallViolation)
}

struct Serving {
    private let shared: SharedConfiguration
    var config: InferenceConfiguration { shared.value }
    let local: PeerID
    var steps: [ServingStep] = []
    var queues: [ModelQueue] = []
    var streams: [StreamToken: ServedStream] = [:]
    /// The streams in the order in which they came.
    var order: [StreamToken] = []
    /// Calls that wait, run, or are remembered, in the order in which they came.
    var runs: [Run] = []
    var answered: Answered
    /// Receipts that their callers may still sign, oldest first.
    var unsigned: [Signature] = []
    /// Bytes of bodies that are held.
    var bodiesHeld = 0
    var lastToken: UInt64 = 0
    var isShuttingDown = false
    private var offersTold: [ModelOffer] = []
    /// When to look for what takes too long; nil while there is nothing.
    private(set) var nextDeadline: Instant?
    var refusals: UInt64 = 0
    var runsFinished: UInt64 = 0
    var runsFailed: UInt64 = 0

    init(_ shared: SharedConfiguration, local: PeerID) {
        (self.shared, self.local) = (shared, local)
        answered = Answered(max: shared.value.answeredMax)
    }

    mutating func takeSteps() -> [ServingStep] {
        guard !steps.isEmpty else { return [] }
        defer { steps = [] }
        return steps
    }

    func holds(_ stream: StreamToken) -> Bool { streams[stream] != nil }

    func markUsed(_ mark: (PeerHandle) -> Void) {
        for token in order { if let peer = streams[token]?.peer { mark(peer) } }
        for run in runs { if let peer = run.peer { mark(peer) } }
    }

    func count(into counters: inout InferenceCounters) {
        counters.runsRunning = queues.reduce(0) { $0 + $1.running.count }
        counters.runsQueued = queues.reduce(0) { $0 + $1.waiting.count }
        (counters.runsFinished, counters.runsFailed) = (runsFinished, runsFailed)
        counters.refusals = refusals
    }
}

// MARK: - Models

extension Serving {
    func offers(_ name: String) -> Bool { queue(of: name) != nil }

    func queue(of name: String) -> Int? { queues.firstIndex { $0.model.name == name } }

    var offers: [ModelOffer] { queues.filter { $0.model.slots > 0 }.map(\.offer) }

    /// What we offer, where it has changed since this was asked last.
    mutating func takeChangedOffers() -> [ModelOffer]? {
        let now = offers
        guard now != offersTold else { return nil }
        offersTold = now
        return now
    }

    mutating func serve(_ models: [ServedModel], at now: Instant) {
        var next: [ModelQueue] = []
        for model in models where (1...ModelOffer.nameBytesMax).contains(model.name.utf8.count) {
            guard !next.contains(where: { $0.model.name == model.name }) else { continue }
            if let i = queue(of: model.name) {
                var old = queues.remove(at: i)
                old.model = model
                next.append(old)
            } else {
                next.append(ModelQueue(model))
                steps.append(.provide(model: model.name))
            }
        }
        let gone = queues
        queues = next
        for queue in gone {
            steps.append(.withdraw(model: queue.model.name))
            // What runs may go on; nobody waits for a model that is gone.
            for (token, _) in queue.waiting { refuse(run: token, .unknownModel, at: now) }
        }
        for i in queues.indices { startNext(of: i, at: now) }
    }

    mutating func restore(_ receipts: [Receipt]) {
        for receipt in receipts where receipt.provider == local {
            guard receipt.statement.outcome == .complete else { continue }
            answered.add(receipt.caller, receipt.statement.key, receipt.statement.requestHash)
        }
    }
}

// MARK: - Streams

extension Serving {
    mutating func streamAccepted(
        _ stream: StreamToken, from peer: PeerHandle?, _ caller: PeerID, room: Int,
        at now: Instant
    ) {
        streams[stream] = ServedStream(peer: peer, caller: caller, room: room, at: now)
        order.append(stream)
        awaken(at: now)
        let ofCaller = order.count { streams[$0]?.caller == caller }
        if order.count > config.servedStreamsMax || ofCaller > config.servedStreamsPerPeerMax {
            refuse(stream, .tooManyCalls, at: now)
        }
    }

    mutating func received(
        _ stream: StreamToken, _ bytes: RawSpan, isFinished: Bool, at now: Instant,
        _ time: UnixTime, _ accounts: inout Accounts, _ identity: borrowing Identity
    ) {
        do throws(CallViolation) {
            try read(stream, bytes, at: now, time, &accounts, identity)
            guard isFinished, let served = streams[stream] else { return }
            guard served.decoder.isBetweenFrames else { throw .malformed(.truncated) }
            streams[stream]!.isFinished = true
            switch served.phase {
            case .awaitingCall, .awaitingBody: end(stream)
            case .following: break
            case .settling: close(stream)
            }
        } catch { offended(stream, error, at: now, time, &accounts, identity) }
    }

    private mutating func read(
        _ stream: StreamToken, _ bytes: RawSpan, at now: Instant, _ time: UnixTime,
        _ accounts: inout Accounts, _ identity: borrowing Identity
    ) throws(CallViolation) {
        var reader = ByteReader(bytes)
        while streams[stream] != nil {
            let message: CallerMessage?
            do throws(DecodingFailure) {
                message = try streams[stream]!.decoder.next(&reader)
            } catch { throw .malformed(error) }
            guard let message else { return }
            switch message {
            case .call(let head): try called(stream, head, at: now, accounts)
            case .body(let part): try received(part, on: stream, at: now, time, accounts)
            case .cancel: cancelled(stream, at: now, time, &accounts, identity)
            case .credit(let bytes): try credited(stream, bytes, at: now)
            case .countersigned(let signature, let voucher):
                try countersigned(stream, signature, voucher, &accounts)
            }
        }
    }

    private mutating func credited(
        _ stream: StreamToken, _ bytes: UInt64, at now: Instant
    ) throws(CallViolation) {
        guard bytes >= streams[stream]!.credit else { throw .outOfTurn }
        if case .awaitingCall = streams[stream]!.phase { throw .outOfTurn }
        streams[stream]!.credit = bytes
        pump(stream, at: now)
    }

    private mutating func countersigned(
        _ stream: StreamToken, _ signature: Signature, _ voucher: Voucher?,
        _ accounts: inout Accounts
    ) throws(CallViolation) {
        guard case .settling(let receipt) = streams[stream]!.phase else { throw .outOfTurn }
        let i = unsigned.firstIndex(of: receipt.providerSignature)
        try accounts.countersigned(receipt, signature, voucher, isKnown: i == nil)
        if let i { unsigned.remove(at: i) }
        close(stream)
    }

    mutating func writable(_ stream: StreamToken, room: Int, at now: Instant) {
        guard streams[stream] != nil else { return }
        streams[stream]!.room = room
        pump(stream, at: now)
    }

    /// The stream is gone, by the caller's doing or with its session.
    mutating func streamReset(
        _ stream: StreamToken, at now: Instant, _ time: UnixTime, _ accounts: inout Accounts,
        _ identity: borrowing Identity
    ) {
        guard let served = forget(stream) else { return }
        if let token = served.token {
            unfollowed(token, at: now, time, &accounts, identity)
        }
    }

    private mutating func offended(
        _ stream: StreamToken, _ violation: CallViolation, at now: Instant, _ time: UnixTime,
        _ accounts: inout Accounts, _ identity: borrowing Identity
    ) {
        guard let served = forget(stream) else { return }
        steps.append(.misbehaved(served.peer, violation))
        steps.append(.reset(stream))
        if let token = served.token {
            unfollowed(token, at: now, time, &accounts, identity)
        }
    }

    // MARK: Ending streams

    /// Ends a stream without a word.
    mutating func end(_ stream: StreamToken) {
        guard forget(stream) != nil else { return }
        steps.append(.reset(stream))
    }

    /// Ends a stream in order, with what was written before.
    mutating func close(_ stream: StreamToken, _ last: [UInt8] = []) {
        guard let served = forget(stream) else { return }
        steps.append(.write(stream, served.pending + last, isFinal: true))
        steps.append(.release(stream))
    }

    mutating func refuse(
        _ stream: StreamToken, _ reason: CallRefusal, retryAfter: Duration = .zero,
        text: String = "", at now: Instant
    ) {
        refusals += 1
        var bytes: [UInt8] = []
        bytes.append(
            .refused(
                reason, retryAfterMilliseconds: Int(retryAfter.nanoseconds / 1_000_000),
                text: text))
        close(stream, bytes)
    }

    @discardableResult
    private mutating func forget(_ stream: StreamToken) -> ServedStream? {
        guard let served = streams.removeValue(forKey: stream) else { return nil }
        order.removeAll { $0 == stream }
        bodiesHeld -= served.body.count
        if let token = served.token, let i = index(of: token) {
            runs[i].streams.removeAll { $0 == stream }
        }
        return served
    }

    func index(of token: BackendToken) -> Int? { runs.firstIndex { $0.token == token } }

    // MARK: Time

    /// How exactly time-outs are kept.
    private static let sweepInterval = Duration.seconds(1)

    mutating func awaken(at now: Instant) {
        if nextDeadline == nil { nextDeadline = now + Self.sweepInterval }
    }

    mutating func slept(at now: Instant) {
        nextDeadline = order.isEmpty && runs.isEmpty ? nil : now + Self.sweepInterval
    }
}

/// Keys of calls that were answered, so that they do not run again.
struct Answered {
    private struct Name: Hashable {
        var caller: PeerID
        var key: CallKey
    }

    private let max: Int
    private var hashes: [Name: Bits256] = [:]
    private var order: [Name] = []
    /// The oldest is at this place, going round.
    private var next = 0

    init(max: Int) { self.max = max }

    mutating func add(_ caller: PeerID, _ key: CallKey, _ requestHash: Bits256) {
        let name = Name(caller: caller, key: key)
        guard hashes.updateValue(requestHash, forKey: name) == nil else { return }
        if order.count < max {
            order.append(name)
        } else {
            hashes[order[next]] = nil
            order[next] = name
            next = (next + 1) % max
        }
    }

    /// The request that this key stood for.
    func requestHash(_ caller: PeerID, _ key: CallKey) -> Bits256? {
        hashes[Name(caller: caller, key: key)]
    }
}
