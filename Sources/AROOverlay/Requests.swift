/// What was sent and not answered yet: when to send it again, when to race it, when to give up.
///
/// With T the time in which the peer is expected to answer: sent at 0, again at T (from then on others
/// are asked in its place) and at 2 T, suspended at 3.5 T, forgotten at ``KademliaConfiguration/
/// requestLifetime``. T follows measured round-trip times, so that a look-up among fast peers does not
/// wait as long as one among slow ones. What is in flight does not depend on sessions: a request to a
/// peer without one opens it.

import AROPrimitives
import AROWire

struct Request: Sendable {
    enum Purpose: Hashable, Sendable {
        /// Are you alive?
        case probe
        case find, store, readBack
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
    fileprivate var stage: Stage
    fileprivate var next: Instant

    fileprivate enum Stage: Sendable { case first, second, third, suspended }
}

struct Requests: Sendable {
    enum Event: Sendable {
        /// Send it again. `isLate` the first time: race it.
        case transmit(Request, isLate: Bool)
        case suspended(Request)
        case expired(Request)
    }

    private(set) var pending: [Request] = []

    /// When ``next(at:_:)`` will have something to say.
    var deadline: Instant? { pending.min { $0.next < $1.next }?.next }

    /// A request is being sent for the first time. Returns its number.
    mutating func started(
        to peer: PeerHandle, _ purpose: Request.Purpose, for operation: OperationID?,
        expected: Duration, at now: Instant, _ generator: inout Generator
    ) -> UInt32 {
        let number = UInt32(truncatingIfNeeded: generator.next()) & ~3
        pending.append(
            Request(
                number: number, peer: peer, purpose: purpose, operation: operation,
                expected: expected, sent: now, transmissions: 1, stage: .first,
                next: now + expected))
        return number
    }

    /// The peer answered with this number. Returns the request, which is forgotten, and the
    /// round-trip time of the transmission that was answered; nil for an answer that nobody awaits.
    mutating func answered(
        _ number: UInt32, by peer: PeerHandle, at now: Instant
    ) -> (Request, roundTrip: Duration)? {
        guard
            let i = pending.firstIndex(where: { $0.number == number & ~3 && $0.peer == peer }),
            number & 3 < UInt32(pending[i].transmissions)
        else { return nil }
        let request = pending.remove(at: i)
        // Transmission n was sent n times T after the first.
        let delay = request.expected * Int64(number & 3)
        return (request, max(now - request.sent - delay, .zero))
    }

    /// The next thing to do about a request whose time has come; nil if there is none.
    mutating func next(at now: Instant, lifetime: Duration) -> Event? {
        guard let i = pending.indices.min(by: { pending[$0].next < pending[$1].next }),
            pending[i].next <= now
        else { return nil }
        let expected = pending[i].expected
        switch pending[i].stage {
        case .first:
            pending[i].stage = .second
            pending[i].transmissions = 2
            pending[i].next = pending[i].sent + expected * 2
            return .transmit(pending[i], isLate: true)
        case .second:
            pending[i].stage = .third
            pending[i].transmissions = 3
            pending[i].next = pending[i].sent + expected * 7 / 2
            return .transmit(pending[i], isLate: false)
        case .third:
            pending[i].stage = .suspended
            pending[i].next = pending[i].sent + max(expected * 7 / 2, lifetime)
            return .suspended(pending[i])
        case .suspended: return .expired(pending.remove(at: i))
        }
    }

    /// The peer cannot be reached: its requests are forgotten and returned.
    mutating func unreachable(_ peer: PeerHandle) -> [Request] {
        let lost = pending.filter { $0.peer == peer }
        if !lost.isEmpty { pending.removeAll { $0.peer == peer } }
        return lost
    }

    /// The operation has ended; late answers still tell that a peer lives and how fast it is.
    mutating func ended(_ operation: OperationID, lifetime: Duration) {
        for i in pending.indices where pending[i].operation == operation {
            pending[i].operation = nil
            pending[i].stage = .suspended
            pending[i].next = pending[i].sent + max(pending[i].expected * 7 / 2, lifetime)
        }
    }

    func isProbing(_ peer: PeerHandle) -> Bool {
        pending.contains { $0.peer == peer && $0.purpose == .probe }
    }
}
