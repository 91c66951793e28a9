/// The sessions of one node in a world of messages: with whom, since when silent. Sorted by peer in
/// arrays, 16 bytes each; idle ones go when the arrays would grow.
///
/// Times and bounds are those of ``EndpointConfiguration``, and their meaning is that of the
/// transport: a session is forgotten after the idle timeout, sooner while its initiator has not
/// proved its address by a second packet.

import AROPrimitives
import AROTransport

/// What of ``EndpointConfiguration`` a session needs, in few bytes: asked with every packet.
struct SessionLimits {
    let idleTimeout, unprovenIdleTimeout, evictableAfter: Duration
    let sessionsMax: Int

    init(_ endpoint: EndpointConfiguration) {
        (idleTimeout, unprovenIdleTimeout) = (endpoint.idleTimeout, endpoint.unprovenIdleTimeout)
        (evictableAfter, sessionsMax) = (endpoint.evictableAfter, endpoint.sessionsMax)
    }
}

struct PlainSession {
    var peer: PeerHandle
    /// Drawn by who began it.
    var number: UInt32
    /// Received last, or sent first after that (RFC 9000 §10.1); kept to the millisecond.
    var activeAt: Instant
    /// We began it and nobody answered yet.
    var isConnecting: Bool
    var isProven: Bool
    var hasSentSinceReceived = false

    func isIdle(_ limits: SessionLimits, at now: Instant) -> Bool {
        guard !isConnecting else { return false }
        return now - activeAt >= (isProven ? limits.idleTimeout : limits.unprovenIdleTimeout)
    }
}

struct PlainSessions {
    private struct Row {
        var number: UInt32
        /// Milliseconds: 32 bits of them are 49 days.
        var activeMark: UInt32
        var isConnecting, isProven, hasSentSinceReceived: Bool

        init(_ session: PlainSession) {
            number = session.number
            activeMark = Self.mark(session.activeAt)
            (isConnecting, isProven) = (session.isConnecting, session.isProven)
            hasSentSinceReceived = session.hasSentSinceReceived
        }

        static func mark(_ moment: Instant) -> UInt32 {
            UInt32(clamping: moment.nanoseconds / 1_000_000)
        }

        var activeAt: Instant { Instant(nanoseconds: Int64(activeMark) * 1_000_000) }
    }

    private var table: [Row] = []
    /// The peers of the table, apart: a search touches these alone.
    private var peers: [PeerHandle] = []
    private var sweepAt = 16

    subscript(i: Int) -> PlainSession {
        let row = table[i]
        return PlainSession(
            peer: peers[i], number: row.number, activeAt: row.activeAt,
            isConnecting: row.isConnecting, isProven: row.isProven,
            hasSentSinceReceived: row.hasSentSinceReceived)
    }

    /// All of them, to look through.
    var rows: [PlainSession] { peers.indices.map { self[$0] } }

    /// The session with a peer, where it is not idle.
    func find(_ peer: PeerHandle, _ limits: SessionLimits, at now: Instant) -> Int? {
        let i = place(of: peer)
        guard i < peers.count, peers[i] == peer, !self[i].isIdle(limits, at: now) else {
            return nil
        }
        return i
    }

    /// Adds a session or puts it in the place of the one with the same peer. False where the table
    /// is full of sessions in use.
    mutating func set(
        _ session: PlainSession, _ limits: SessionLimits, at now: Instant
    ) -> Bool {
        var i = place(of: session.peer)
        if i < peers.count, peers[i] == session.peer {
            table[i] = Row(session)
            return true
        }
        if peers.count >= sweepAt {
            guard makeRoom(limits, at: now) else { return false }
            i = place(of: session.peer)
        }
        if table.count == table.capacity {
            // Doubled room would stay half empty in each of many nodes.
            table.reserveCapacity(table.count + table.count / 4 + 4)
            peers.reserveCapacity(table.capacity)
        }
        table.insert(Row(session), at: i)
        peers.insert(session.peer, at: i)
        return true
    }

    mutating func remove(_ peer: PeerHandle) {
        let i = place(of: peer)
        guard i < peers.count, peers[i] == peer else { return }
        table.remove(at: i)
        peers.remove(at: i)
    }

    mutating func received(_ i: Int, at now: Instant) {
        table[i].activeMark = Row.mark(now)
        table[i].hasSentSinceReceived = false
        table[i].isProven = true
    }

    mutating func sent(_ i: Int, at now: Instant) {
        guard !table[i].hasSentSinceReceived else { return }
        table[i].activeMark = Row.mark(now)
        table[i].hasSentSinceReceived = true
    }

    /// Asks for where a search begins.
    func prefetch(_ part: Prefetch.Part) {
        if part == .head {
            peers.prefetch(.head)
            return table.prefetch(.head)
        }
        guard !peers.isEmpty else { return }
        peers.withUnsafeBufferPointer { peers in
            for eighth in 1..<8 {
                Prefetch.ask(peers.baseAddress! + peers.count * eighth / 8, 1)
            }
        }
    }

    var heapByteCount: Int { table.heapByteCount + peers.heapByteCount }

    /// The first place whose peer is not smaller.
    private func place(of peer: PeerHandle) -> Int {
        var low = 0
        var high = peers.count
        while low < high {
            let middle = (low + high) / 2
            if peers[middle] < peer { low = middle + 1 } else { high = middle }
        }
        return low
    }

    /// Forgets idle sessions, and gives back what room they took.
    mutating func tidy(_ limits: SessionLimits, at now: Instant) {
        guard peers.count > 16 else { return }
        removeIdle(limits, at: now)
        if table.capacity > table.count + table.count / 4 + 16 {
            table = table.map { $0 }
            peers = peers.map { $0 }
        }
        sweepAt = min(limits.sessionsMax, max(16, peers.count * 2))
    }

    private mutating func removeIdle(_ limits: SessionLimits, at now: Instant) {
        var kept = 0
        for i in peers.indices where !self[i].isIdle(limits, at: now) {
            (table[kept], peers[kept]) = (table[i], peers[i])
            kept += 1
        }
        table.removeLast(table.count - kept)
        peers.removeLast(peers.count - kept)
    }

    private mutating func makeRoom(_ limits: SessionLimits, at now: Instant) -> Bool {
        removeIdle(limits, at: now)
        if peers.count >= limits.sessionsMax {
            guard let i = longestSilent, now - table[i].activeAt >= limits.evictableAfter
            else { return false }
            table.remove(at: i)
            peers.remove(at: i)
        }
        sweepAt = min(limits.sessionsMax, max(16, peers.count * 2))
        return true
    }

    private var longestSilent: Int? {
        table.indices.filter { !table[$0].isConnecting }.min {
            table[$0].activeMark < table[$1].activeMark
        }
    }
}
