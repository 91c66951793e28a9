/// The caller's side: chooses providers, asks, hedges, takes over before the first event, and asks its user
/// afterwards (Docs/Decisions/0012-inference.md).
///
/// What is known of other nodes' queues is old: announcements of a large network come minutes
/// late, and a caller's own calls tell it of few. So a provider is chosen by what it says now: a
/// call's head goes to those of several drawn at random that may be soonest, each answers how long
/// it would take, and the body goes to the best. This is the power of a few choices (Mitzenmacher
/// 2001) with fresh information, at the price of a round trip to a near peer. Where there is no
/// choice, or one that is known to be right (it knows the conversation), the body goes out at
/// once. A call that waits behind others asks on, and one that waits in two queues leaves the
/// other when one begins (tied requests: Dean and Barroso
/// 2013).

import AROCrypto
import AROPrimitives
import AROWire

/// What calling wants done.
enum CallingStep {
    /// Answered at once by ``Calling/named(_:_:)``.
    case open(AttemptID, PeerHandle?)
    case write(StreamToken, [UInt8], isFinal: Bool)
    case reset(StreamToken)
    case release(StreamToken)
    case findProviders(model: String)
    case tell(CallID, CallEvent)
    case misbehaved(PeerHandle?, CallViolation)
    case unsettled(PeerID)
}

struct Calling {
    private let shared: SharedConfiguration
    var config: InferenceConfiguration { shared.value }
    let local: PeerID
    var generator: Generator
    var steps: [CallingStep] = []
    var calls: [Call] = []
    var attempts: [AttemptID: Attempt] = [:]
    /// Attempts that nobody waits for, in the order in which they came to that.
    var closing: [AttemptID] = []
    var conduct: Conduct
    var warm: RecentProviders<Bits256>
    var keys: RecentProviders<CallKey>
    private var streams: [StreamToken: AttemptID] = [:]
    private var lastAttempt: UInt64 = 0
    private(set) var nextDeadline: Instant?
    /// Hedges that may be made, in units of ``InferenceConfiguration/hedgeOneIn`` a hedge.
    var hedgeAllowance: Int
    var counters = InferenceCounters()

    init(_ shared: SharedConfiguration, local: PeerID, generator: Generator) {
        (self.shared, self.local, self.generator) = (shared, local, generator)
        let config = shared.value
        conduct = Conduct(shared)
        warm = RecentProviders(max: config.conversationsMax)
        keys = RecentProviders(max: config.keysMax)
        hedgeAllowance = config.hedgeBurst * config.hedgeOneIn
    }

    mutating func takeSteps() -> [CallingStep] {
        guard !steps.isEmpty else { return [] }
        defer { steps = [] }
        return steps
    }

    func holds(_ stream: StreamToken) -> Bool { streams[stream] != nil }
    func index(of id: CallID) -> Int? { calls.firstIndex { $0.id == id } }

    func markUsed(_ mark: (PeerHandle) -> Void) {
        for call in calls {
            for candidate in call.candidates { if let peer = candidate.peer { mark(peer) } }
            for id in call.attempts { if let peer = attempts[id]?.peer { mark(peer) } }
        }
        for id in closing { if let peer = attempts[id]?.peer { mark(peer) } }
    }

    func count(into counters: inout InferenceCounters) {
        counters = self.counters
        counters.callsRunning = calls.count
    }
}

// MARK: - The local user

extension Calling {
    mutating func start(
        _ request: CallRequest, _ id: CallID, isServedHere: Bool, at now: Instant
    ) {
        precondition(index(of: id) == nil, "a call's id was used twice")
        if let failure = objection(to: request) {
            counters.callsFailed += 1
            return steps.append(.tell(id, .failed(failure)))
        }
        var call = Call(request, id, at: now)
        if isServedHere {
            call.found(
                CallCandidate(peer: nil, id: local, offer: nil, roundTrip: .zero),
                atMost: config.candidatesMax)
        }
        calls.append(call)
        hedgeAllowance = min(hedgeAllowance + 1, config.hedgeBurst * config.hedgeOneIn)
        wake(calls.count - 1, at: call.deadline)
        steps.append(.findProviders(model: request.model))
        drive(id, at: now)
    }

    private func objection(to request: CallRequest) -> CallFailure? {
        let (name, body) = (request.model.utf8.count, request.body.count)
        guard (1...ModelOffer.nameBytesMax).contains(name) else {
            return .invalidRequest("a model's name has 1 to \(ModelOffer.nameBytesMax) bytes")
        }
        guard (1...CallLimits.bodyByteCountMax).contains(body) else {
            return .invalidRequest(
                "a request has 1 to \(CallLimits.bodyByteCountMax) bytes, not \(body)")
        }
        guard request.context.count <= CallLimits.contextMax else {
            return .invalidRequest("at most \(CallLimits.contextMax) CIDs are given as context")
        }
        guard request.deadline > .zero, request.deadline <= CallLimits.deadlineMax else {
            return .invalidRequest("a call's deadline lies within a day")
        }
        guard !calls.contains(where: { $0.request.key == request.key }) else { return .keyInUse }
        return calls.count < config.callsMax ? nil : .tooManyCalls
    }

    mutating func consumed(_ byteCount: Int, of id: CallID, at now: Instant) {
        guard let i = index(of: id) else { return }
        calls[i].untaken -= min(max(0, byteCount), calls[i].untaken)
        guard case .streaming(let attempt) = calls[i].phase else { return }
        let ahead = config.outputAhead
        let got = attempts[attempt]!.digest.byteCount
        let target = got + UInt64(max(0, ahead - calls[i].untaken))
        guard target >= attempts[attempt]!.credit + UInt64(ahead / 2) else { return }
        attempts[attempt]!.grant(target)
        flush(attempt)
    }

    mutating func resume(_ id: CallID, body: [UInt8], at now: Instant) {
        guard let i = index(of: id), case .interrupted(let provider, _, _) = calls[i].phase,
            (1...CallLimits.bodyByteCountMax).contains(body.count)
        else { return }
        calls[i].resume(with: body, avoiding: provider)
        steps.append(.findProviders(model: calls[i].request.model))
        drive(id, at: now)
    }

    mutating func cancel(_ id: CallID, at now: Instant) {
        guard let i = index(of: id) else { return }
        let call = calls.remove(at: i)
        for attempt in call.attempts { retire(attempt, at: now) }
    }

    mutating func shutDown(at now: Instant) {
        for id in calls.map(\.id) { fail(id, .shuttingDown, at: now) }
        for id in closing { drop(id, resets: true) }
    }

    /// Ends a call with a failure.
    mutating func fail(_ id: CallID, _ failure: CallFailure, at now: Instant) {
        guard index(of: id) != nil else { return }
        counters.callsFailed += 1
        cancel(id, at: now)
        steps.append(.tell(id, .failed(failure)))
    }
}

// MARK: - Candidates

extension Calling {
    mutating func candidatesFound(
        _ model: String, _ candidates: [Candidate], at now: Instant
    ) {
        var candidates = candidates
        // Where there are more than a call remembers, each call has others of them.
        if candidates.count > config.candidatesMax { generator.shuffle(&candidates) }
        for id in calls(for: model) {
            let i = index(of: id)!
            for one in candidates where one.id != local {
                calls[i].found(
                    CallCandidate(
                        peer: one.peer, id: one.id, offer: one.offer, roundTrip: one.roundTrip),
                    atMost: config.candidatesMax)
            }
            drive(id, at: now)
        }
    }

    mutating func candidateSearchEnded(_ model: String, at now: Instant) {
        for id in calls(for: model) {
            calls[index(of: id)!].isSearchOver = true
            drive(id, at: now)
        }
    }

    private func calls(for model: String) -> [CallID] {
        calls.filter { $0.request.model == model }.map(\.id)
    }

    mutating func peerUnreachable(_ peer: PeerHandle, at now: Instant) {
        for id in calls.flatMap(\.attempts) + closing where attempts[id]?.peer == peer {
            lost(id, .unreachable, resets: true, at: now)
        }
    }
}

// MARK: - Attempts

extension Calling {
    /// Opens a stream to a provider; with the body, or only to ask.
    mutating func launch(
        _ i: Int, _ candidate: CallCandidate, withBody: Bool, at now: Instant
    ) {
        lastAttempt += 1
        counters.attempts += 1
        let id = AttemptID(number: lastAttempt)
        let credit = max(1, config.outputAhead - calls[i].untaken)
        var attempt = Attempt(
            id: id, call: calls[i].id, peer: candidate.peer, provider: candidate.id,
            head: calls[i].head(credit: credit, at: now), body: calls[i].body,
            roundTrip: candidate.roundTrip ?? conduct[candidate.id].answer
                ?? config.roundTripUnknown, at: now)
        if withBody { attempt.commit(at: now) }
        attempts[id] = attempt
        calls[i].attempts.append(id)
        calls[i].tried.append(candidate.id)
        steps.append(.open(id, candidate.peer))
    }

    mutating func named(_ attempt: AttemptID, _ stream: StreamToken) {
        guard attempts[attempt] != nil else { return steps.append(.reset(stream)) }
        attempts[attempt]!.stream = stream
        streams[stream] = attempt
    }

    mutating func streamOpened(_ stream: StreamToken, room: Int, at now: Instant) {
        // The attempt may have been given up while its session was opened.
        guard let id = streams[stream] else { return steps.append(.reset(stream)) }
        attempts[id]!.opened(room: room)
        flush(id)
    }

    mutating func writable(_ stream: StreamToken, room: Int, at now: Instant) {
        guard let id = streams[stream] else { return }
        attempts[id]!.writable(room)
        flush(id)
    }

    mutating func streamReset(_ stream: StreamToken, at now: Instant) {
        guard let id = streams[stream] else { return }
        lost(id, attempts[id]!.isOpen ? .hungUp : .unreachable, resets: false, at: now)
    }

    mutating func flush(_ id: AttemptID) {
        guard let stream = attempts[id]?.stream, let bytes = attempts[id]!.nextWrite() else {
            return
        }
        steps.append(.write(stream, bytes, isFinal: false))
    }

    /// Nobody waits for its output any more. Where the provider may have begun, it is told to stop and
    /// given time for a receipt.
    mutating func retire(_ id: AttemptID, at now: Instant) {
        guard let attempt = attempts[id] else { return }
        guard attempt.hasBody, attempt.isOpen else { return drop(id, resets: true) }
        attempts[id]!.call = nil
        attempts[id]!.closesAt = now + config.closingTimeout
        attempts[id]!.append(.cancel)
        closing.append(id)
        flush(id)
        wake(at: now + config.closingTimeout)
    }

    /// Forgets an attempt, whose stream is reset or ended in order.
    mutating func drop(_ id: AttemptID, resets: Bool) {
        guard var attempt = attempts.removeValue(forKey: id) else { return }
        closing.removeAll { $0 == id }
        if let call = attempt.call, let i = index(of: call) {
            calls[i].attempts.removeAll { $0 == id }
        }
        guard let stream = attempt.stream else { return }
        streams[stream] = nil
        if resets || !attempt.isOpen {
            steps.append(.reset(stream))
        } else {
            steps.append(.write(stream, attempt.takePending(), isFinal: true))
            steps.append(.release(stream))
        }
    }

    /// Forgets an attempt whose stream is gone already.
    private mutating func forget(_ id: AttemptID) {
        if let stream = attempts[id]?.stream { streams[stream] = nil }
        attempts[id]?.stream = nil
        drop(id, resets: true)
    }

    /// The provider is lost.
    mutating func lost(
        _ id: AttemptID, _ reason: AttemptFailure, resets: Bool, at now: Instant
    ) {
        guard let attempt = attempts[id] else { return }
        if resets { drop(id, resets: true) } else { forget(id) }
        if attempt.digest.eventCount > 0 { steps.append(.unsettled(attempt.provider)) }
        conduct.failed(attempt.provider, at: now)
        if let call = attempt.call { failed(attempt, call, reason, at: now) }
    }

    func attempt(of stream: StreamToken) -> AttemptID? { streams[stream] }
}

// MARK: - Time

extension Calling {
    mutating func deadlinePassed(at now: Instant) {
        nextDeadline = nil
        for id in closing {
            guard let closesAt = attempts[id]?.closesAt else { continue }
            if closesAt <= now {
                if attempts[id]!.digest.eventCount > 0 {
                    steps.append(.unsettled(attempts[id]!.provider))
                }
                drop(id, resets: true)
            } else {
                wake(at: closesAt)
            }
        }
        for id in calls.map(\.id) {
            guard let i = index(of: id) else { continue }
            if calls[i].wake <= now { drive(id, at: now) }
            if let i = index(of: id) { wake(at: calls[i].wake) }
        }
    }

    /// The call is looked at again at that time.
    mutating func wake(_ i: Int, at time: Instant) {
        calls[i].wake = time
        wake(at: time)
    }

    private mutating func wake(at time: Instant) { nextDeadline = earliest(nextDeadline, time) }
}

/// Which provider answered something last, for the latest so many.
struct RecentProviders<Name: Hashable & Sendable> {
    struct Row {
        var provider: PeerID
        var at: Instant
    }

    private let max: Int
    private var rows: [Name: Row] = [:]
    private var order: [Name] = []
    private var oldest = 0

    init(max: Int) { self.max = max }

    subscript(name: Name) -> Row? { rows[name] }

    mutating func set(_ name: Name, _ provider: PeerID, at now: Instant) {
        let row = Row(provider: provider, at: now)
        guard rows.updateValue(row, forKey: name) == nil else { return }
        if order.count < max {
            order.append(name)
        } else {
            rows[order[oldest]] = nil
            order[oldest] = name
            oldest = (oldest + 1) % max
        }
    }

    mutating func remove(_ name: Name) {
        // Its place in the order goes round: the same name may come again before that.
        rows[name] = nil
    }
}
