/// One call of the local user: its candidates, and how far it has come.

import AROPrimitives
import AROWire

/// A provider that a call may ask.
struct CallCandidate {
    /// Nil for ourselves.
    var peer: PeerHandle?
    var id: PeerID
    var offer: ModelOffer?
    var roundTrip: Duration?
}

struct Call {
    enum Phase {
        /// Nothing was put out: providers may be changed unseen.
        case choosing
        /// This one puts out.
        case streaming(AttemptID)
        case interrupted(PeerID, AttemptFailure, since: Instant)
    }

    let id: CallID
    let request: CallRequest
    let beganAt: Instant
    let deadline: Instant
    var phase = Phase.choosing
    /// What is asked now: the request's, until the call is resumed.
    var key: CallKey
    var body: [UInt8]
    var requestHash: Bits256
    var resumptions = 0

    var candidates: [CallCandidate] = []
    var tried: [PeerID] = []
    /// Of those tried the ones that were only asked: they may be asked again when others fail.
    var spared: [PeerID] = []
    /// Providers that hung up before they had answered, and were asked once more.
    var retried: [PeerID] = []
    var isSearchOver = false
    /// The attempts that may still answer.
    var attempts: [AttemptID] = []
    var failures = FailureTally()
    /// Who was lost in the middle of the answer, and why, where others are looked for.
    var lost: (provider: PeerID, reason: AttemptFailure)?

    var eventCount: UInt64 = 0
    var byteCount: UInt64 = 0
    /// Bytes told and not taken.
    var untaken = 0
    /// When one of those asked gets the body, whoever has answered by then.
    var decidesAt: Instant?
    /// When the call is to be looked at again.
    var wake: Instant

    init(_ request: CallRequest, _ id: CallID, at now: Instant) {
        (self.id, self.request, beganAt, wake) = (id, request, now, now)
        deadline = now + request.deadline
        (key, body) = (request.key, request.body)
        requestHash = Self.hash(of: request, request.body)
    }

    mutating func resume(with body: [UInt8], avoiding provider: PeerID) {
        resumptions += 1
        if case .interrupted(let provider, let reason, _) = phase { lost = (provider, reason) }
        key = request.key.resumed(resumptions)
        self.body = body
        requestHash = Self.hash(of: request, body)
        (tried, spared, retried) = ([provider], [], [])
        failures = FailureTally()
        isSearchOver = false
        decidesAt = nil
        phase = .choosing
    }

    private static func hash(of request: CallRequest, _ body: [UInt8]) -> Bits256 {
        CallDigest.request(
            endpoint: request.endpoint, isStreamed: request.isStreamed, model: request.model,
            context: request.context, body: body)
    }

    var isChoosing: Bool { if case .choosing = phase { true } else { false } }

    /// What it tells a provider, that may send so many bytes.
    func head(credit: Int, at now: Instant) -> CallHead {
        let left = max(1, (deadline - now).nanoseconds / 1_000_000)
        return CallHead(
            key: key, requestHash: requestHash, endpoint: request.endpoint,
            isStreamed: request.isStreamed,
            deadlineMilliseconds: UInt32(min(left, Int64(CallLimits.millisecondsMax))),
            credit: UInt64(credit), priceMax: request.priceMax, bodyByteCount: body.count,
            model: request.model, context: request.context)
    }

    /// Candidates that were not asked and whose price is not known to be too high.
    var untried: [CallCandidate] {
        candidates.filter { candidate in
            !tried.contains(candidate.id)
                && (candidate.peer == nil || candidate.offer == nil
                    || candidate.offer!.price.isWithin(request.priceMax))
        }
    }

    /// A stream that ends before any answer had a session that the provider had forgotten, most
    /// often: it is asked again, once, over a new one.
    mutating func retry(_ provider: PeerID) {
        guard !retried.contains(provider) else { return }
        retried.append(provider)
        tried.removeAll { $0 == provider }
    }

    /// Those who were only asked may be asked again.
    mutating func reconsider() {
        tried.removeAll { spared.contains($0) }
        spared = []
    }

    mutating func found(_ candidate: CallCandidate, atMost max: Int) {
        if let wanted = request.provider, wanted != candidate.id { return }
        if let i = candidates.firstIndex(where: { $0.id == candidate.id }) {
            candidates[i].offer = candidate.offer ?? candidates[i].offer
            candidates[i].roundTrip = candidate.roundTrip ?? candidates[i].roundTrip
        } else if candidates.count < max {
            candidates.append(candidate)
        }
    }

    /// Why nobody is left to ask.
    var failure: CallFailure {
        if let last = failures.last, !tried.isEmpty {
            if let wait = failures.retryAfter { return .busy(retryAfter: wait) }
            switch last {
            case .refused(.price, _) where failures.areAlike: return .tooExpensive
            case .refused(.credit, _) where failures.areAlike: return .creditExhausted
            case .refused(.unknownModel, _) where failures.areAlike:
                return .modelNotFound(request.model)
            default: return .noProviderLeft(tried: tried.count, last)
            }
        }
        if let lost { return .interrupted(provider: lost.provider, lost.reason) }
        return candidates.isEmpty ? .modelNotFound(request.model) : .tooExpensive
    }
}

/// Why the providers of a call did not answer, as far as its end depends on it.
struct FailureTally {
    private(set) var last: AttemptFailure?
    /// Whether all failed for one reason.
    private(set) var areAlike = true
    /// The least time after which a full one may be asked again.
    private(set) var retryAfter: Duration?

    mutating func add(_ failure: AttemptFailure) {
        if let last, last.kind != failure.kind { areAlike = false }
        last = failure
    }

    mutating func full(retryAfter: Duration) {
        self.retryAfter = min(self.retryAfter ?? retryAfter, retryAfter)
    }
}

extension AttemptFailure {
    /// One number for each reason, whatever its words.
    fileprivate var kind: Int {
        switch self {
        case .refused(let reason, _): Int(reason.rawValue)
        case .failed(let fault, _): 0x100 + Int(fault.rawValue)
        case .unreachable: 0x200
        case .hungUp: 0x201
        case .silent: 0x202
        case .violation: 0x203
        }
    }
}
