/// The sessions of one node in a world of messages: with whom, since when silent. Sorted by peer in
/// one array, 24 bytes each; idle ones go when the array would grow.
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
    /// Received last, or sent first after that (RFC 9000 §10.1).
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
    private(set) var rows: [PlainSession] = []
    /// The peers of ``rows``, apart: a search touches these alone.
    private var peers: [PeerHandle] = []
    private var sweepAt = 16

    /// The session with a peer, where it is not idle.
    func find(_ peer: PeerHandle, _ limits: SessionLimits, at now: Instant) -> Int? {
        let i = place(of: peer)
        guard i < peers.count, peers[i] == peer, !rows[i].isIdle(limits, at: now) else {
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
        if i < rows.count, rows[i].peer == session.peer {
            rows[i] = session
            return true
        }
        if rows.count >= sweepAt {
            guard makeRoom(limits, at: now) else { return false }
            i = place(of: session.peer)
        }
        rows.insert(session, at: i)
        peers.insert(session.peer, at: i)
        return true
    }

    mutating func remove(_ peer: PeerHandle) {
        let i = place(of: peer)
        guard i < peers.count, peers[i] == peer else { return }
        rows.remove(at: i)
        peers.remove(at: i)
    }

    mutating func connected(_ i: Int, at now: Instant) {
        rows[i].isConnecting = false
        rows[i].activeAt = now
    }

    mutating func received(_ i: Int, at now: Instant) {
        rows[i].activeAt = now
        rows[i].hasSentSinceReceived = false
        rows[i].isProven = true
    }

    mutating func sent(_ i: Int, at now: Instant) {
        guard !rows[i].hasSentSinceReceived else { return }
        rows[i].activeAt = now
        rows[i].hasSentSinceReceived = true
    }

    var heapByteCount: Int { rows.heapByteCount + peers.heapByteCount }

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
        guard rows.count > 16 else { return }
        rows.removeAll { $0.isIdle(limits, at: now) }
        if rows.capacity > 2 * rows.count + 16 { rows = rows.map { $0 } }
        peers = rows.map(\.peer)
        sweepAt = min(limits.sessionsMax, max(16, rows.count * 2))
    }

    private mutating func makeRoom(_ limits: SessionLimits, at now: Instant) -> Bool {
        defer { peers = rows.map(\.peer) }
        rows.removeAll { $0.isIdle(limits, at: now) }
        if rows.count >= limits.sessionsMax {
            guard let i = longestSilent, !rows[i].isConnecting,
                now - rows[i].activeAt >= limits.evictableAfter
            else { return false }
            rows.remove(at: i)
        }
        sweepAt = min(limits.sessionsMax, max(16, rows.count * 2))
        return true
    }

    private var longestSilent: Int? {
        rows.indices.filter { !rows[$0].isConnecting }.min { rows[$0].activeAt < rows[$1].activeAt }
    }
}
