/// Inference as the node's switchboard sees it: all calls of the local user and all calls that we
/// serve, behind facts in and outputs out, as ``AROContent``'s exchange is (Docs/Decisions/0012-inference.md).
///
/// Streams are named by tokens of this type's own; peers are handles. After each call the outputs
/// are drained; their order is the order to act in. A call for a model that we serve ourselves runs
/// over a stream from us to us, which never leaves this file: so its user sees just the same.

import AROCrypto
import AROPrimitives
import AROWire

public enum InferenceOutput: Sendable {
    /// Answered by `streamOpened`, `streamReset` or `peerUnreachable`, at some time.
    case openStream(PeerHandle, StreamToken)
    /// Only while there is room, which one array may overshoot. `isFinal`: nothing is written after
    /// it. Once all writes of a drain were carried out, `streamWritable` must tell the room that is
    /// left, or as soon as there is some.
    case write(StreamToken, [UInt8], isFinal: Bool)
    /// Abandon both directions. The token is not used again.
    case reset(StreamToken)
    /// Deliver what was written, throw away what still comes. The token is not used again.
    case release(StreamToken)
    case backend(BackendRequest)
    /// Answered by `candidatesFound` any number of times, then once by `candidateSearchEnded`.
    case findProviders(model: String)
    case callEvent(CallID, CallEvent)
    case record(LedgerEntry)
    /// What we offer now.
    case offersChanged([ModelOffer])
    /// Tell the network that we serve a model, now and until withdrawn.
    case provide(model: String)
    case withdraw(model: String)
    case misbehaved(PeerHandle, CallViolation)
}

/// A provider that a call may choose.
public struct Candidate: Hashable, Sendable {
    public var peer: PeerHandle
    public var id: PeerID
    /// What it announced; nil where only the DHT names it.
    public var offer: ModelOffer?
    /// The round trip to expect, where it can be told.
    public var roundTrip: Duration?

    public init(peer: PeerHandle, id: PeerID, offer: ModelOffer?, roundTrip: Duration?) {
        (self.peer, self.id, self.offer, self.roundTrip) = (peer, id, offer, roundTrip)
    }
}

public struct InferenceCounters: Hashable, Sendable {
    public var callsRunning = 0
    public var callsFinished: UInt64 = 0
    public var callsFailed: UInt64 = 0
    public var attempts: UInt64 = 0
    public var hedges: UInt64 = 0
    public var interruptions: UInt64 = 0
    public var runsRunning = 0
    public var runsQueued = 0
    public var runsFinished: UInt64 = 0
    public var runsFailed: UInt64 = 0
    public var refusals: UInt64 = 0
    public var violations: UInt64 = 0
}

public struct Inference: ~Copyable {
    private let identity: Identity
    private var clock: WallClock
    private let parts: UnsafeMutablePointer<Parts>
    private var outputs: [InferenceOutput] = []
    private var lastStream: UInt64 = 0
    private var violations: UInt64 = 0
    /// The two ends of streams from us to us: what is written to one is received by the other.
    private var loops: [StreamToken: Loop] = [:]
    private var looped: [Looped] = []

    private struct Loop {
        let other: StreamToken
        /// The byte that names the protocol is still to be written.
        var isUnnamed: Bool
    }

    /// What happens to an end of a stream from us to us.
    private enum Looped {
        case opened(StreamToken)
        case received(StreamToken, [UInt8], isFinished: Bool)
        case reset(StreamToken)
        case room(StreamToken)
    }

    public init(
        configuration: InferenceConfiguration, identity: borrowing Identity, generator: Generator,
        at now: Instant, wallClock: UnixTime
    ) {
        self.init(
            Shared(configuration), identity: identity, generator: generator, at: now,
            wallClock: wallClock)
    }

    /// - Parameter shared: kept, and not copied.
    package init(
        _ shared: Shared<InferenceConfiguration>, identity: borrowing Identity,
        generator: Generator, at now: Instant, wallClock: UnixTime
    ) {
        self.identity = identity.copy()
        clock = WallClock(time: wallClock, at: now)
        parts = .allocate(capacity: 1)
        parts.initialize(
            to: Parts(
                calling: Calling(shared, local: identity.id, generator: generator),
                serving: Serving(shared, local: identity.id),
                accounts: Accounts(shared, local: identity.id)))
    }

    deinit {
        parts.deinitialize(count: 1)
        parts.deallocate()
    }

    /// Behind a pointer, lest every field of theirs be one of each value that holds an inference:
    /// the compiler takes minutes for the node otherwise.
    private struct Parts {
        var calling: Calling
        var serving: Serving
        var accounts: Accounts
    }

    var calling: Calling {
        _read { yield parts.pointee.calling }
        nonmutating _modify { yield &parts.pointee.calling }
    }
    var serving: Serving {
        _read { yield parts.pointee.serving }
        nonmutating _modify { yield &parts.pointee.serving }
    }
    var accounts: Accounts {
        _read { yield parts.pointee.accounts }
        nonmutating _modify { yield &parts.pointee.accounts }
    }

    /// What is to be done, in order; empty afterwards.
    public mutating func takeOutputs() -> [InferenceOutput] {
        guard !outputs.isEmpty else { return [] }
        defer { outputs = [] }
        return outputs
    }

    @inline(__always)
    public var nextDeadline: Instant? { earliest(calling.nextDeadline, serving.nextDeadline) }

    /// ``nextDeadline`` for who asks after every input: a borrowed value of this size is copied for
    /// a call, a mutable one is not.
    package mutating func dueNext() -> Instant? { nextDeadline }

    public var counters: InferenceCounters {
        var counters = InferenceCounters()
        calling.count(into: &counters)
        serving.count(into: &counters)
        counters.violations = violations
        return counters
    }

    /// What we offer now.
    public var offers: [ModelOffer] { serving.offers }

    /// How we stand with all peers, in the order of their keys.
    public var balances: [PeerBalance] { accounts.list }

    /// Calls `mark` with every peer whose handle is held here, some more than once.
    public func markUsed(_ mark: (PeerHandle) -> Void) {
        calling.markUsed(mark)
        serving.markUsed(mark)
    }

    /// Whether a stream's name was given here, and not by the content exchange.
    public static func names(_ stream: StreamToken) -> Bool { stream.number & tokenBit != 0 }

    private static let tokenBit: UInt64 = 1 << 63
}

// MARK: - The local user

extension Inference {
    /// Serves these models from now on, and no others. Calls that run go on.
    public mutating func serve(_ models: [ServedModel], at now: Instant) {
        serving.serve(models, at: now)
        settle(at: now)
    }

    /// Begins a call; `id` must not be in use. What happens is told by `callEvent`s.
    public mutating func start(_ request: CallRequest, _ id: CallID, at now: Instant) {
        calling.start(request, id, isServedHere: serving.offers(request.model), at: now)
        settle(at: now)
    }

    /// The user took so many bytes of a call's output.
    public mutating func consumed(_ byteCount: Int, of id: CallID, at now: Instant) {
        calling.consumed(byteCount, of: id, at: now)
        settle(at: now)
    }

    /// Goes on with an interrupted call: what is to be asked now, which says what was already said.
    public mutating func resume(_ id: CallID, body: [UInt8], at now: Instant) {
        calling.resume(id, body: body, at: now)
        settle(at: now)
    }

    /// Ends a call without a further event; one that is over already is no error.
    public mutating func cancel(_ id: CallID, at now: Instant) {
        calling.cancel(id, at: now)
        settle(at: now)
    }

    /// What was recorded in an earlier life.
    public mutating func restore(_ ledger: Ledger, at now: Instant) {
        accounts.restore(ledger.balances)
        serving.restore(ledger.served)
    }

    /// Ends all streams with a word of explanation, and all calls with an event.
    public mutating func shutDown(at now: Instant) {
        calling.shutDown(at: now)
        settle(at: now)
        serving.shutDown(at: now, clock.time(at: now), &accounts, identity)
        settle(at: now)
    }

    public mutating func wallClockRead(_ time: UnixTime, at now: Instant) {
        clock = WallClock(time: time, at: now)
    }
}

// MARK: - Peers and backends

extension Inference {
    public mutating func candidatesFound(
        _ model: String, _ candidates: [Candidate], at now: Instant
    ) {
        calling.candidatesFound(model, candidates, at: now)
        settle(at: now)
    }

    public mutating func candidateSearchEnded(_ model: String, at now: Instant) {
        calling.candidateSearchEnded(model, at: now)
        settle(at: now)
    }

    /// The peer cannot be reached, or went away: streams to it are lost, or will never be open.
    public mutating func peerUnreachable(_ peer: PeerHandle, at now: Instant) {
        calling.peerUnreachable(peer, at: now)
        settle(at: now)
    }

    public mutating func backendReplied(_ reply: BackendReply, at now: Instant) {
        serving.backendReplied(reply, at: now, clock.time(at: now), &accounts, identity)
        settle(at: now)
    }

    /// The clock reached ``nextDeadline``; spurious calls are harmless.
    public mutating func deadlinePassed(at now: Instant) {
        if let due = calling.nextDeadline, due <= now { calling.deadlinePassed(at: now) }
        if let due = serving.nextDeadline, due <= now {
            serving.deadlinePassed(at: now, clock.time(at: now), &accounts, identity)
        }
        settle(at: now)
    }
}

// MARK: - Streams

extension Inference {
    /// A stream that we asked for is open.
    ///
    /// - Parameter room: the bytes that may be written now.
    public mutating func streamOpened(_ stream: StreamToken, room: Int, at now: Instant) {
        calling.streamOpened(stream, room: room, at: now)
        settle(at: now)
    }

    /// A peer opened a stream; its first byte, which says that it is one for inference, is not ours
    /// to read. Returns the stream's name.
    public mutating func streamAccepted(
        from peer: PeerHandle, _ id: PeerID, room: Int, at now: Instant
    ) -> StreamToken {
        let stream = nextStream()
        serving.streamAccepted(stream, from: peer, id, room: room, at: now)
        settle(at: now)
        return stream
    }

    /// - Parameter isFinished: the peer writes nothing more.
    public mutating func streamReceived(
        _ stream: StreamToken, _ bytes: RawSpan, isFinished: Bool, at now: Instant
    ) {
        received(stream, bytes, isFinished: isFinished, at: now)
        settle(at: now)
    }

    /// - Parameter room: the bytes that may be written now.
    public mutating func streamWritable(_ stream: StreamToken, room: Int, at now: Instant) {
        writable(stream, room: room, at: now)
        settle(at: now)
    }

    /// The stream is gone, by the peer's doing or with its session.
    public mutating func streamReset(_ stream: StreamToken, at now: Instant) {
        lost(stream, at: now)
        settle(at: now)
    }

    private mutating func received(
        _ stream: StreamToken, _ bytes: RawSpan, isFinished: Bool, at now: Instant
    ) {
        if serving.holds(stream) {
            serving.received(
                stream, bytes, isFinished: isFinished, at: now, clock.time(at: now), &accounts,
                identity)
        } else {
            calling.received(
                stream, bytes, isFinished: isFinished, at: now, clock.time(at: now), &accounts,
                identity)
        }
    }

    private mutating func writable(_ stream: StreamToken, room: Int, at now: Instant) {
        if serving.holds(stream) {
            serving.writable(stream, room: room, at: now)
        } else {
            calling.writable(stream, room: room, at: now)
        }
    }

    private mutating func lost(_ stream: StreamToken, at now: Instant) {
        if serving.holds(stream) {
            serving.streamReset(stream, at: now, clock.time(at: now), &accounts, identity)
        } else {
            calling.streamReset(stream, at: now)
        }
    }

    private mutating func nextStream() -> StreamToken {
        lastStream += 1
        return StreamToken(number: Self.tokenBit | lastStream)
    }
}

// MARK: - Decisions out

extension Inference {
    /// Turns what both sides want done into outputs, and carries streams from us to us, until both
    /// are quiet. Ends: each write is carried once, and both sides answer boundedly.
    private mutating func settle(at now: Instant) {
        while true {
            collectCalling(at: now)
            collectServing()
            for entry in accounts.takeEntries() { outputs.append(.record(entry)) }
            guard !looped.isEmpty else { break }
            let due = looped
            looped = []
            for step in due { carry(step, at: now) }
        }
        if let offers = serving.takeChangedOffers() { outputs.append(.offersChanged(offers)) }
    }

    private mutating func collectCalling(at now: Instant) {
        while true {
            let steps = calling.takeSteps()
            guard !steps.isEmpty else { return }
            for step in steps {
                switch step {
                case .open(let attempt, let peer): open(attempt, peer, at: now)
                case .write(let stream, let bytes, let isFinal):
                    write(stream, bytes, isFinal: isFinal)
                case .reset(let stream): reset(stream)
                case .release(let stream): release(stream)
                case .findProviders(let model): outputs.append(.findProviders(model: model))
                case .tell(let id, let event): outputs.append(.callEvent(id, event))
                case .misbehaved(let peer, let violation): misbehaved(peer, violation)
                case .unsettled(let peer): accounts.unsettled(with: peer)
                }
            }
        }
    }

    private mutating func collectServing() {
        for step in serving.takeSteps() {
            switch step {
            case .write(let stream, let bytes, let isFinal):
                write(stream, bytes, isFinal: isFinal)
            case .reset(let stream): reset(stream)
            case .release(let stream): release(stream)
            case .backend(let request): outputs.append(.backend(request))
            case .provide(let model): outputs.append(.provide(model: model))
            case .withdraw(let model): outputs.append(.withdraw(model: model))
            case .misbehaved(let peer, let violation): misbehaved(peer, violation)
            }
        }
    }

    private mutating func misbehaved(_ peer: PeerHandle?, _ violation: CallViolation) {
        violations += 1
        if let peer { outputs.append(.misbehaved(peer, violation)) }
    }

    /// Opens a stream for an attempt; to ourselves where there is no peer.
    private mutating func open(_ attempt: AttemptID, _ peer: PeerHandle?, at now: Instant) {
        let stream = nextStream()
        calling.named(attempt, stream)
        if let peer { return outputs.append(.openStream(peer, stream)) }
        let other = nextStream()
        loops[stream] = Loop(other: other, isUnnamed: true)
        loops[other] = Loop(other: stream, isUnnamed: false)
        serving.streamAccepted(
            other, from: nil, identity.id, room: Self.loopRoom, at: now)
        looped.append(.opened(stream))
    }

    private mutating func write(_ stream: StreamToken, _ bytes: [UInt8], isFinal: Bool) {
        guard let loop = loops[stream] else {
            return outputs.append(.write(stream, bytes, isFinal: isFinal))
        }
        // The byte that names the protocol is for a transport.
        let content = loop.isUnnamed ? Array(bytes.dropFirst()) : bytes
        if !bytes.isEmpty { loops[stream]?.isUnnamed = false }
        looped.append(.received(loop.other, content, isFinished: isFinal))
        if !isFinal { looped.append(.room(stream)) }
    }

    private mutating func reset(_ stream: StreamToken) {
        guard let loop = loops.removeValue(forKey: stream) else {
            return outputs.append(.reset(stream))
        }
        looped.append(.reset(loop.other))
    }

    private mutating func release(_ stream: StreamToken) {
        // What was written is on its way to the other end, which ends by itself.
        if loops.removeValue(forKey: stream) == nil { outputs.append(.release(stream)) }
    }

    /// What a stream from us to us takes at a time.
    private static let loopRoom = 1 << 20

    private mutating func carry(_ step: Looped, at now: Instant) {
        switch step {
        case .opened(let stream): calling.streamOpened(stream, room: Self.loopRoom, at: now)
        case .received(let stream, let bytes, let isFinished):
            received(stream, bytes.span.bytes, isFinished: isFinished, at: now)
        case .reset(let stream):
            loops[stream] = nil
            lost(stream, at: now)
        case .room(let stream):
            if loops[stream] != nil { writable(stream, room: Self.loopRoom, at: now) }
        }
    }
}

/// The time of day, as far as it was told.
struct WallClock: Sendable {
    let time: UnixTime
    let at: Instant

    func time(at now: Instant) -> UnixTime { time + (now - at) }
}
