/// One provider asked by a call: a stream, and how far it has come.

import AROPrimitives
import AROWire

/// Never reused.
struct AttemptID: Hashable, Sendable {
    var number: UInt64
}

struct Attempt {
    let id: AttemptID
    /// Nil once nobody waits for its output: then it is only settled.
    var call: CallID?
    /// Nil for ourselves.
    let peer: PeerHandle?
    let provider: PeerID
    let head: CallHead
    private let body: [UInt8]

    var stream: StreamToken?
    var isOpen = false
    var decoder = ProviderMessageDecoder()
    /// Bytes that the transport takes now; one array may overshoot it.
    private var room = 0
    /// Frames that wait for room.
    private var pending: [UInt8]
    /// Whether the body follows the head, or the provider is only asked.
    var hasBody = false
    private var bodySent = 0
    let askedAt: Instant
    /// What the body and the first event will take on their way, as far as it is known.
    var roundTrip: Duration
    /// When the body was sent, or began to be.
    var committedAt: Instant?

    /// What the provider said: how many go before, what it asks, and when the first event is due.
    var position: Int?
    var price = TokenPrice.free
    var expectedAt: Instant?
    /// Others were asked because it is late.
    var isLate = false
    /// The call was made elsewhere, too, because the first event is late.
    var isHedged = false
    var isOverdue = false

    var digest = OutputDigest()
    var checkpoint: OutputCheckpoint?
    /// Bytes of events that it may send, in all.
    private(set) var credit: UInt64
    /// When it said something last.
    var heardAt: Instant
    /// When it is ended whatever happens; nil while somebody waits for its output.
    var closesAt: Instant?

    init(
        id: AttemptID, call: CallID, peer: PeerHandle?, provider: PeerID, head: CallHead,
        body: [UInt8], roundTrip: Duration, at now: Instant
    ) {
        (self.id, self.call, self.peer, self.provider) = (id, call, peer, provider)
        self.roundTrip = roundTrip
        (self.head, self.body, credit) = (head, body, head.credit)
        (askedAt, heardAt) = (now, now)
        pending = [StreamProtocol.inference.rawValue]
        pending.append(.call(head))
    }

    var isAnswered: Bool { position != nil }
    /// When its first event would be here, if it got the body now.
    var promisedAt: Instant { expectedAt.map { $0 + roundTrip } ?? .distantFuture }
    /// It has the body, and nothing goes before it.
    var isRunning: Bool { hasBody && position == 0 }

    mutating func opened(room: Int) {
        isOpen = true
        self.room = room
    }

    mutating func writable(_ room: Int) { self.room = room }

    mutating func commit(at now: Instant) {
        guard !hasBody else { return }
        (hasBody, committedAt) = (true, now)
    }

    mutating func append(_ message: CallerMessage) { pending.append(message) }

    mutating func grant(_ credit: UInt64) {
        self.credit = credit
        append(.credit(credit))
    }

    /// What may be written now; nil where there is nothing or no room.
    mutating func nextWrite() -> [UInt8]? {
        guard isOpen, room > 0 else { return nil }
        var out = pending
        pending = []
        if hasBody {
            while bodySent < body.count, out.count < room {
                let end = min(bodySent + CallLimits.bodyPartMax, body.count)
                out.append(.body(Array(body[bodySent..<end])))
                bodySent = end
            }
        }
        guard !out.isEmpty else { return nil }
        room -= out.count
        return out
    }

    /// All that waits, for a last write.
    mutating func takePending() -> [UInt8] {
        defer { pending = [] }
        return pending
    }

    func subject(of caller: PeerID) -> OutputCheckpoint.Subject {
        OutputCheckpoint.Subject(
            provider: provider, caller: caller, key: head.key, requestHash: head.requestHash)
    }

    // MARK: The receipt

    /// What is wrong with the provider's receipt; nil where it says what we saw.
    func fault(
        in receipt: Receipt, isWhole: Bool, of caller: PeerID, at time: UnixTime,
        tolerance: Duration, longest: Duration
    ) -> ReceiptFault? {
        let said = receipt.statement
        guard said.key == head.key, said.caller == caller, said.provider == provider,
            said.endpoint == head.endpoint, said.model == head.model,
            said.requestHash == head.requestHash
        else { return .subject }
        guard said.eventCount == digest.eventCount, said.responseByteCount == digest.byteCount,
            said.responseHash == digest.hash, isWhole == (said.outcome == .complete)
        else { return .response }
        // A token is a byte at least; what a template adds to a prompt is little.
        guard said.usage.output <= digest.byteCount,
            !head.context.isEmpty || said.usage.input <= UInt64(head.bodyByteCount) + 4_096
        else { return .usage }
        guard said.price <= price.cost(of: said.usage) else { return .price }
        let first = time + (.zero - longest - tolerance)
        guard said.started <= said.ended, said.started >= first, said.ended <= time + tolerance
        else { return .dates }
        guard (try? receipt.verify()) != nil else { return .signature }
        return nil
    }
}
