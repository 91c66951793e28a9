/// One peer that a fetch asks: what was asked and not answered yet, and how fast the answers come.
///
/// The window, in bytes, is twice the product of the measured rate and the shortest round trip, at
/// least two blocks and ``ExchangeConfiguration/windowMin``. The rate is measured as BBR measures it (draft-ietf-ccwg-bbr §4.5.2: bytes that
/// arrived since the request was sent, by the time since the last arrival before it), so a window that
/// is too small doubles with every round trip and one that fills the path stays where it is.

import AROPrimitives
import AROWire

struct FetchLink {
    enum Asked {
        case block(CID)
        case have([CID])
        case attestations
    }

    struct Request {
        var asked: Asked
        /// What it may cost us in memory until it is answered.
        var charge: Int
        /// What it is expected to take, bytes.
        var weight: Int
        var sentAt: Instant
        /// ``FetchLink/received`` when it was sent, and when the last byte of that had come.
        var receivedBefore: Int
        var receivedBeforeAt: Instant
        /// We said that we do not want it any more.
        var isCancelled = false
    }

    let peer: PeerHandle
    private(set) var isOpen = false
    /// It did not answer when it was tried before, and has not answered yet: nobody waits for it.
    private(set) var isDoubted: Bool
    var decoder = ExchangeAnswerDecoder()

    /// In the order they were sent; those before `head` are answered.
    private var requests: [Request] = []
    private var head = 0
    /// The number of the next request on the stream.
    private var nextNumber: UInt64 = 0
    /// What all unanswered blocks may cost.
    private(set) var charged = 0
    /// What all unanswered blocks are expected to take.
    private(set) var weighed = 0

    /// Bytes that arrived, and when the last did.
    private(set) var received = 0
    private var receivedAt: Instant
    /// Bytes a second; nil before the first block.
    private(set) var rate: Int?
    /// The best measurement of this round trip: a lesser one tells more of us than of the path.
    private var bestOfRound = 0
    private var roundFrom = Instant.origin
    private(set) var roundTrip: Duration?
    /// When something was sent while nothing was under way: the next byte tells the round trip.
    private var probeSentAt: Instant?

    /// When the last answer was complete, and ``received`` then.
    private var answeredAt = Instant.origin
    private var receivedAtAnswer = 0

    /// The stall clock runs from here, set back by progress.
    private var stallFrom: Instant
    private var stallBytes = 0

    /// It answered MISSING, or others give already what it might lack: it is only asked for what it
    /// says it holds.
    var isPartial: Bool
    /// It once lacked something.
    var isKnownPartial = false
    var haveMapDueAt: Instant?
    /// Blocks that it said it holds and then missed.
    var brokenPromises = 0
    /// When to look again whether it could give what others are late with.
    var copiesDueAt = Instant.origin
    var attestationsAsked = false
    private(set) var blocksGiven = 0

    init(
        peer: PeerHandle, isDoubted: Bool = false, isPartial: Bool = false, at now: Instant
    ) {
        (self.peer, self.isDoubted, self.isPartial) = (peer, isDoubted, isPartial)
        haveMapDueAt = isPartial ? now : nil
        (receivedAt, stallFrom) = (now, now)
    }

    mutating func opened(at now: Instant) {
        isOpen = true
        (receivedAt, stallFrom) = (now, now)
    }
}

// MARK: - Asking

extension FetchLink {
    var requestCount: Int { requests.count - head }
    var isIdle: Bool { requestCount == 0 }

    /// The next answer must be this one's.
    var due: Request? { head < requests.count ? requests[head] : nil }

    /// What the decoder may accept as a block now.
    var blockMax: Int {
        if case .block? = due?.asked { WireLimits.blockMax } else { 0 }
    }

    /// - Parameters:
    ///   - charge: the most memory that the answer may take, bytes.
    ///   - weight: what it is expected to take.
    mutating func asked(_ asked: Asked, charge: Int = 0, weight: Int = 0, at now: Instant) {
        if isIdle {
            probeSentAt = now
            receivedAt = now
            (stallFrom, stallBytes) = (now, received)
        }
        requests.append(
            Request(
                asked: asked, charge: charge, weight: weight, sentAt: now,
                receivedBefore: received, receivedBeforeAt: receivedAt))
        nextNumber += 1
        charged += charge
        weighed += weight
    }

    /// Marks an unanswered request for the block and returns its number; nil where there is none.
    mutating func cancelled(_ cid: CID) -> UInt64? {
        for i in head..<requests.count where !requests[i].isCancelled {
            guard case .block(cid) = requests[i].asked else { continue }
            requests[i].isCancelled = true
            return nextNumber - UInt64(requests.count - i)
        }
        return nil
    }

    /// The block under way is larger than was promised: charges the difference.
    mutating func announced(_ byteCount: Int) -> Int {
        let extra = max(0, byteCount - requests[head].charge)
        requests[head].charge += extra
        charged += extra
        return extra
    }

    /// The blocks that are still owed, in the order they were asked for.
    var blocksOwed: [CID] {
        requests[head...].compactMap {
            if case .block(let cid) = $0.asked { cid } else { nil }
        }
    }
}

// MARK: - Answers and speed

extension FetchLink {
    mutating func arrived(_ byteCount: Int, at now: Instant, _ config: ExchangeConfiguration) {
        if let sent = probeSentAt {
            let sample = max(now - sent, .microseconds(10))
            roundTrip = roundTrip.map { min($0, sample) } ?? sample
            probeSentAt = nil
        }
        received += byteCount
        receivedAt = now
        isDoubted = false
        if received - stallBytes >= config.stallBytesMin {
            (stallFrom, stallBytes) = (now, received)
        }
    }

    /// The first unanswered request is answered.
    mutating func answered(at now: Instant) -> Request {
        let request = requests[head]
        head += 1
        charged -= request.charge
        weighed -= request.weight
        if head == requests.count || head >= 64 {
            requests.removeFirst(head)
            head = 0
        }
        (stallFrom, stallBytes) = (now, received)
        (answeredAt, receivedAtAnswer) = (now, received)
        return request
    }

    /// A whole block came in answer to `request`.
    mutating func delivered(_ request: Request, at now: Instant) {
        blocksGiven += 1
        let time = max(1, (now - request.receivedBeforeAt).nanoseconds)
        let bytes = Int64(clamping: received - request.receivedBefore)
        let (scaled, overflow) = bytes.multipliedReportingOverflow(by: 1_000_000_000)
        let sample = overflow ? Int.max / 4 : Int(clamping: scaled / time)
        bestOfRound = max(bestOfRound, sample)
        guard let old = rate, old > sample else {
            (rate, roundFrom, bestOfRound) = (sample, now, 0)
            return
        }
        guard now >= roundFrom + (roundTrip ?? .zero) else { return }
        rate = max(bestOfRound, old - old / 8 + bestOfRound / 8)
        (roundFrom, bestOfRound) = (now, 0)
    }

    /// Bytes to have under way.
    func window(_ config: ExchangeConfiguration) -> Int {
        guard let rate, let roundTrip else { return config.windowMin }
        let (product, overflow) = rate.multipliedReportingOverflow(
            by: Int(roundTrip.nanoseconds / 1_000))
        let bytes = overflow ? config.bytesInFlightMax : product / 500_000
        return min(max(config.windowMin, bytes), config.bytesInFlightMax)
    }

    /// Blocks that may be asked for whatever they weigh: the second keeps the peer busy while the
    /// next question travels, which does not matter where a block takes long. What a slow peer was
    /// asked for, nobody else is.
    private func blocksAtOnce(_ isAlone: Bool, _ config: ExchangeConfiguration) -> Int {
        if isAlone { return 2 }
        guard let rate, blocksGiven > 0 else { return 1 }
        let (scaled, overflow) = (received / blocksGiven)
            .multipliedReportingOverflow(by: 1_000_000_000)
        guard !overflow, rate > 0 else { return 1 }
        return .nanoseconds(Int64(scaled / rate)) > config.pipelinedTime ? 1 : 2
    }

    /// What more may be asked of it.
    ///
    /// - Parameter isAlone: there is no other peer to ask.
    func budget(
        memory: Int, nodeWeight: Int, isAlone: Bool, _ config: ExchangeConfiguration
    ) -> AskBudget {
        AskBudget(
            requests: ExchangeLimits.requestsMax - requestCount,
            free: blocksAtOnce(isAlone, config) - requestCount,
            window: window(config) - weighed, memory: memory,
            mayExceedMemory: memory == config.bytesInFlightMax, nodeWeight: nodeWeight)
    }

    /// Whether so little is under way that the next batch is worth a message.
    func wantsBatch(_ config: ExchangeConfiguration) -> Bool {
        isOpen && (requestCount < 2 || weighed <= window(config) / 4 * 3)
    }

    /// How long until an answer of `byteCount` bytes more would be complete; nil before anything was
    /// measured.
    func expectedTime(_ byteCount: Int) -> Duration? {
        guard let rate, let roundTrip else { return nil }
        let bytes = Int64(weighed + byteCount)
        let (scaled, overflow) = bytes.multipliedReportingOverflow(by: 1_000_000_000)
        guard !overflow, rate > 0 else { return .seconds(3_600) }
        return roundTrip + .nanoseconds(scaled / Int64(rate))
    }

    /// Since the last answer, or since the question: less says nothing of how fast a peer is now (a
    /// guess).
    private static let evidence = Duration.milliseconds(500)

    /// How long until the block that was asked for is complete: as things went since the last answer,
    /// or while that says little as they went before. Zero where nothing is known; nil where the block
    /// was not asked for.
    func remainingTime(_ cid: CID, at now: Instant) -> Duration? {
        guard let first = due else { return nil }
        var bytes = 0
        for request in requests[head...] {
            bytes += request.weight
            guard case .block(cid) = request.asked, !request.isCancelled else { continue }
            let came = received - receivedAtAnswer
            let since = now - max(first.sentAt, answeredAt)
            let isTold = since >= Self.evidence
            let time = isTold ? since.nanoseconds : 1_000_000_000
            guard let speed = isTold ? came : rate else { return .zero }
            let (scaled, overflow) = Int64(clamping: max(bytes - came, 0))
                .multipliedReportingOverflow(by: time)
            return overflow || speed <= 0 ? .seconds(3_600) : .nanoseconds(scaled / Int64(speed))
        }
        return nil
    }

    /// When the peer is given up unless something comes; nil where it owes nothing.
    func givenUpAt(_ config: ExchangeConfiguration) -> Instant? {
        if !isOpen { return stallFrom + config.connectTimeout }
        if isIdle { return nil }
        return min(stallFrom + config.stallTimeout, receivedAt + config.silenceTimeout)
    }

    /// When others should be looked for besides, unless something comes; nil where it owes nothing.
    func lateAt(_ config: ExchangeConfiguration) -> Instant? {
        if !isOpen { return stallFrom + config.connectLate }
        return isIdle ? nil : receivedAt + config.silenceTimeout / 2
    }
}
