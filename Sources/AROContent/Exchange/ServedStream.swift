/// One stream on which a peer asks us: its requests in order, and how far each answer is.

import AROPrimitives
import AROWire

struct ServedStream {
    enum Asked {
        case block(CID)
        case have([CID])
        case attestations(CID)
    }

    enum State {
        case queued
        /// The disk was asked.
        case reading
        case ready(ExchangeAnswer)
    }

    struct Entry {
        var asked: Asked
        var state = State.queued
        var isCancelled = false
        /// What it may hold in memory now, bytes.
        var held = 0
    }

    let peer: PeerHandle
    var decoder = ExchangeRequestDecoder()
    /// The unanswered requests, the first one due next.
    private(set) var entries: [Entry] = []
    /// The number of the first entry on the stream.
    private(set) var firstNumber: UInt64 = 0
    /// The first entry that the disk was not asked for.
    private var firstQueued = 0
    private(set) var held = 0
    /// Bytes that the transport takes now; one block may overshoot it.
    var room: Int
    private var roomMade = 0
    /// The requester will ask no more.
    var isFinished = false
    /// The last request, or the last time that room was made.
    var activeAt: Instant

    init(peer: PeerHandle, room: Int, at now: Instant) {
        (self.peer, self.room, activeAt) = (peer, room, now)
    }

    /// Whether requests wait for room.
    var isBlocked: Bool { room <= 0 && !entries.isEmpty }

    /// The transport took bytes off. Only so many together count as a sign of life, lest a trickle
    /// hold memory for ever.
    mutating func madeRoom(_ byteCount: Int, _ lifeSign: Int, at now: Instant) {
        room += byteCount
        roomMade += max(0, byteCount)
        guard roomMade >= lifeSign || !isBlocked else { return }
        (roomMade, activeAt) = (0, now)
    }

    var canStart: Bool { room > 0 && firstQueued < entries.count }
}

// MARK: - Requests

extension ServedStream {
    /// Takes a request; false where it breaks a bound.
    mutating func requested(_ request: ExchangeRequest) -> Bool {
        switch request {
        case .want(let cids):
            guard entries.count + cids.count <= ExchangeLimits.requestsMax else { return false }
            for cid in cids { entries.append(Entry(asked: .block(cid))) }
        case .have(let cids):
            let others = entries.reduce(0) { if case .have = $1.asked { $0 + 1 } else { $0 } }
            guard others < ExchangeLimits.haveRequestsMax else { return false }
            entries.append(Entry(asked: .have(cids)))
        case .attestations(let root): entries.append(Entry(asked: .attestations(root)))
        case .cancel(let number): return cancelled(number)
        }
        return entries.count <= ExchangeLimits.requestsMax
    }

    /// A number that was answered already is no offence: the answer was on its way.
    private mutating func cancelled(_ number: UInt64) -> Bool {
        guard number >= firstNumber else { return true }
        let i = number - firstNumber
        guard i < UInt64(entries.count) else { return false }
        entries[Int(i)].isCancelled = true
        if case .ready = entries[Int(i)].state { answer(Int(i), .cancelled) }
        return true
    }
}

// MARK: - Answers

extension ServedStream {
    /// What the next request that was not begun may hold; nil where there is none.
    var nextCharge: Int? {
        guard canStart else { return nil }
        if entries[firstQueued].isCancelled { return 0 }
        if case .block = entries[firstQueued].asked { return WireLimits.blockMax }
        return ExchangeLimits.attestationsMax * ExchangeLimits.attestationByteCountMax
    }

    /// Begins the next request. Returns its number and what to ask of the disk; nil where it was
    /// cancelled and needs no answer but that.
    mutating func start() -> (UInt64, Asked)? {
        let i = firstQueued
        let charge = nextCharge ?? 0
        firstQueued += 1
        guard !entries[i].isCancelled else {
            entries[i].state = .ready(.cancelled)
            return nil
        }
        entries[i].state = .reading
        hold(i, charge)
        return (firstNumber + UInt64(i), entries[i].asked)
    }

    /// The disk answered request `number`.
    mutating func answered(_ number: UInt64, _ answer: ExchangeAnswer) {
        guard number >= firstNumber, number - firstNumber < UInt64(entries.count) else { return }
        let i = Int(number - firstNumber)
        self.answer(i, entries[i].isCancelled ? .cancelled : answer)
    }

    private mutating func answer(_ i: Int, _ answer: ExchangeAnswer) {
        entries[i].state = .ready(answer)
        hold(i, answer.byteCount)
    }

    private mutating func hold(_ i: Int, _ byteCount: Int) {
        held += byteCount - entries[i].held
        entries[i].held = byteCount
    }

    /// The next answer to be sent; nil where there is no room or it is not ready.
    mutating func nextAnswer() -> ExchangeAnswer? {
        guard room > 0, let first = entries.first, case .ready(let answer) = first.state else {
            return nil
        }
        hold(0, 0)
        entries.removeFirst()
        firstNumber += 1
        firstQueued -= 1
        return answer
    }
}

extension ExchangeAnswer {
    /// The bytes that it holds in memory.
    var byteCount: Int {
        switch self {
        case .block(let block): block.count
        case .haveMap(let map): map.count
        case .attestations(let all): all.reduce(0) { $0 + $1.count }
        case .missing, .cancelled, .refused: 0
        }
    }
}
