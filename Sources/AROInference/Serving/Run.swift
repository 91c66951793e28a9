/// One call at our model server: from the queue to the receipt. What it puts out is a log of whole
/// frames, which each stream that follows it reads at its own place: so a retry of the same key joins
/// a run, or is told the outcome again, and nothing runs twice.

import AROPrimitives
import AROWire

struct Run {
    enum State {
        case queued
        case running(since: Instant)
        /// Nothing more is added to the log.
        case over(at: Instant)
    }

    enum Entry {
        case event([UInt8])
        /// A whole frame that takes no credit.
        case frame([UInt8])

        var bytes: [UInt8] {
            switch self {
            case .event(let bytes), .frame(let bytes): bytes
            }
        }
    }

    let token: BackendToken
    let peer: PeerHandle?
    let caller: PeerID
    let head: CallHead
    let price: TokenPrice
    let deadline: Instant
    let started: UnixTime
    /// Empty once the model server has it.
    var body: [UInt8]
    var state = State.queued
    var queuedAt: Instant

    /// The frames from number `logStart` on.
    private(set) var log: [Entry] = []
    private(set) var logStart = 0
    private(set) var logByteCount = 0
    /// Whether the log holds all from the first frame on.
    var isWhole: Bool { logStart == 0 }
    /// What may be told again to a caller who asks again.
    var isReplayable = true
    private(set) var digest = OutputDigest()
    /// What the last checkpoint said.
    private(set) var signedEvents: UInt64 = 0
    private(set) var signedBytes: UInt64 = 0
    /// Bytes that the model server was allowed to tell.
    var allowed: UInt64 = 0
    var lastEventAt: Instant
    /// The streams that follow.
    var streams: [StreamToken] = []
    /// What the caller is to sign.
    var receipt: Receipt?

    init(
        token: BackendToken, peer: PeerHandle?, caller: PeerID, head: CallHead,
        price: TokenPrice, deadline: Instant, started: UnixTime, body: [UInt8], at now: Instant
    ) {
        (self.token, self.peer, self.caller, self.head) = (token, peer, caller, head)
        (self.price, self.deadline, self.started, self.body) = (price, deadline, started, body)
        (queuedAt, lastEventAt) = (now, now)
    }

    var isQueued: Bool { if case .queued = state { true } else { false } }
    var isRunning: Bool { if case .running = state { true } else { false } }
    var isOver: Bool { if case .over = state { true } else { false } }

    var logEnd: Int { logStart + log.count }

    subscript(entry number: Int) -> Entry { log[number - logStart] }

    // MARK: The log

    mutating func append(event: [UInt8]) {
        digest.add(event)
        append(Entry.event(event))
    }

    mutating func append(_ message: ProviderMessage) {
        var frame: [UInt8] = []
        frame.append(message)
        append(Entry.frame(frame))
    }

    private mutating func append(_ entry: Entry) {
        log.append(entry)
        logByteCount += entry.bytes.count
    }

    mutating func signed(_ checkpoint: OutputCheckpoint) {
        (signedEvents, signedBytes) = (checkpoint.eventCount, checkpoint.byteCount)
        append(.checkpoint(checkpoint))
    }

    /// Forgets the frames before number `place`, in lots.
    mutating func trim(before place: Int) {
        let count = place - logStart
        guard count >= 64 || (count > 0 && logByteCount > 256 << 10) else { return }
        for entry in log[..<count] { logByteCount -= entry.bytes.count }
        log.removeFirst(count)
        logStart = place
    }

    // MARK: What it says

    func subject(of provider: PeerID) -> OutputCheckpoint.Subject {
        OutputCheckpoint.Subject(
            provider: provider, caller: caller, key: head.key, requestHash: head.requestHash)
    }

    /// What the tokens put out so far will cost, an event counted as a token.
    var runningCost: UInt64 { price.cost(of: TokenUsage(output: digest.eventCount)) }
}
