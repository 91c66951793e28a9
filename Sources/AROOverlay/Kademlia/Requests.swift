/// What was sent and not answered yet: when to send it again, when to race it, when to give up.
///
/// With T the time in which the peer is expected to answer: sent at 0, again at T (from then on
/// others are asked in its place), at 1.5 T and at 2 T, suspended at 3 T, or already at 2 T where
/// hardly any answer needs a repetition (see ``Repetitions``), forgotten after
/// ``KademliaConfiguration/requestLifetime``. T follows measured round-trip times, so that a
/// look-up among fast peers does not wait as long as one among slow ones. What is in flight does
/// not depend on sessions: a request to a peer without one opens it.

import AROPrimitives
import AROWire

struct Request: Sendable {
    enum Purpose: Hashable, Sendable {
        /// Are you alive?
        case probe
        case find, store, readBack
        /// Keep this record, as you are near its key.
        case handOver(RecordPlace)
    }

    /// The random number, its lower two bits zero.
    var number: UInt32
    var peer: PeerHandle
    var purpose: Purpose
    /// Whose request it is; nil for probes and for requests whose operation has ended.
    var operation: OperationID?
    var expected: Duration
    var sent: Instant
    var transmissions: UInt8
    /// Whether two transmissions that nobody answered say enough.
    fileprivate let isBrief: Bool
    fileprivate var isSuspended = false
    fileprivate var next: Instant

    /// When transmission `i` is sent, counted from 0, after the first; the last is when the request
    /// is suspended.
    fileprivate func offset(_ i: Int) -> Duration {
        switch i {
        case 0: .zero
        case 1: expected
        case 2: expected * 3 / 2
        case 3: expected * 2
        default: isBrief ? expected * 2 : expected * 3
        }
    }
}

/// How many answers came only after a request had been sent again: what the paths lose, and how often
/// peers are slower than expected.
struct Repetitions: Sendable {
    /// In 65,536ths, smoothed over some 16 answers; before the first one as if many were lost.
    private var share: Int32 = 1 << 14

    /// An eighth: paths that lose 6 % each way. Two transmissions are both lost in one of 64 cases
    /// then. A guess.
    private static let fewMax: Int32 = 1 << 13

    var areFew: Bool { share <= Self.fewMax }

    mutating func answered(afterRepetition isRepeated: Bool) {
        share += ((isRepeated ? 1 << 16 : 0) - share) / 16
    }
}

struct Requests: Sendable {
    enum Event: Sendable {
        /// Send it again. `isLate` the first time: race it.
        case transmit(Request, isLate: Bool)
        case suspended(Request)
        case expired(Request)
    }

    private(set) var pending: [Request] = []
    /// When ``next(at:lifetime:)`` will have something to say. Kept, as it is asked for after every
    /// input.
    private(set) var deadline: Instant?

    private mutating func settle() {
        guard var next = pending.first?.next else {
            // Only a burst of look-ups needs the room of many.
            (pending, deadline) = ([], nil)
            return
        }
        for i in pending.indices where pending[i].next < next { next = pending[i].next }
        deadline = next
    }

    /// A request is forgotten: the deadline moves only where it was that one's.
    private mutating func remove(_ i: Int) -> Request {
        let request = pending.remove(at: i)
        if request.next == deadline { settle() }
        return request
    }

    /// A request is being sent for the first time. Returns its number.
    mutating func started(
        to peer: PeerHandle, _ purpose: Request.Purpose, for operation: OperationID?,
        expected: Duration, isBrief: Bool = false, at now: Instant,
        _ generator: inout Generator
    ) -> UInt32 {
        let number = UInt32(truncatingIfNeeded: generator.next()) & ~3
        pending.append(
            Request(
                number: number, peer: peer, purpose: purpose, operation: operation,
                expected: expected, sent: now, transmissions: 1, isBrief: isBrief,
                next: now + expected))
        deadline = earliest(deadline, now + expected)
        return number
    }

    /// How long an answer took.
    struct Answer: Sendable {
        var request: Request
        /// Of the transmission that was answered.
        var roundTrip: Duration
        /// Whether a later transmission was sent before the answer came. The transport may have
        /// repeated the answered one together with its handshake, so that the time says little.
        var isAmbiguous: Bool
    }

    /// The peer answered with this number. Returns the request, which is forgotten; nil for an
    /// answer that nobody awaits.
    mutating func answered(_ number: UInt32, by peer: PeerHandle, at now: Instant) -> Answer? {
        guard
            let i = pending.firstIndex(where: { $0.number == number & ~3 && $0.peer == peer }),
            number & 3 < UInt32(pending[i].transmissions)
        else { return nil }
        let request = remove(i)
        let transmission = Int(number & 3)
        return Answer(
            request: request,
            roundTrip: max(now - request.sent - request.offset(transmission), .zero),
            isAmbiguous: transmission + 1 < Int(request.transmissions))
    }

    /// The next thing to do about a request whose time has come; nil if there is none.
    mutating func next(at now: Instant, lifetime: Duration) -> Event? {
        guard let deadline, deadline <= now,
            let i = pending.firstIndex(where: { $0.next == deadline })
        else { return nil }
        defer { settle() }
        let sent = Int(pending[i].transmissions)
        if pending[i].isSuspended { return .expired(pending.remove(at: i)) }
        if sent < KademliaConfiguration.transmissionsMax {
            pending[i].transmissions += 1
            pending[i].next = pending[i].sent + pending[i].offset(sent + 1)
            return .transmit(pending[i], isLate: sent == 1)
        }
        suspend(i, lifetime)
        return .suspended(pending[i])
    }

    private mutating func suspend(_ i: Int, _ lifetime: Duration) {
        pending[i].isSuspended = true
        pending[i].next = pending[i].sent + max(pending[i].expected * 3, lifetime)
    }

    /// The peer cannot be reached: its requests are forgotten and returned.
    mutating func unreachable(_ peer: PeerHandle) -> [Request] {
        let lost = pending.filter { $0.peer == peer }
        guard !lost.isEmpty else { return [] }
        pending.removeAll { $0.peer == peer }
        settle()
        return lost
    }

    /// The operation has ended; late answers still tell that a peer lives and how fast it is.
    mutating func ended(_ operation: OperationID, lifetime: Duration) {
        for i in pending.indices where pending[i].operation == operation {
            pending[i].operation = nil
            suspend(i, lifetime)
        }
        settle()
    }

    func isProbing(_ peer: PeerHandle) -> Bool {
        pending.contains { $0.peer == peer && $0.purpose == .probe }
    }
}
