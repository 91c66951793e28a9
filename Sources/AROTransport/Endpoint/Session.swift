/// One session with one peer, from the first initiation to the close: who, where, and the parts that
/// exist only in some phases.
///
/// ```
///   initiating ──response──▶ open               IK, initiator
///   answering ──flush──▶ answered ──data──▶ open     IK, responder: carries data from the start
///   initiating ──response──▶ completing ──data──▶ open       XX, initiator
///   awaiting ──completion──▶ open               XX, responder
/// ```

import AROCrypto
import AROPrimitives
import AROWire

struct Session: ~Copyable {
    let id: SessionID
    /// What the peer writes into its packets to us.
    let localID: ConnectionID
    var isInitiator: Bool
    /// What we write into our packets to the peer.
    var remoteID = ConnectionID(0)
    var peer: PeerID?
    var peerEpoch: UInt64 = 0
    var resetToken: ResetToken?

    var address: SocketAddress
    /// Whether the peer has shown that it receives at ``address``.
    var isProven: Bool
    /// What may still be sent to an unproven address, bytes.
    var budget = 0
    /// A new address that is being checked.
    var path: PathCheck?

    /// The handshake, until the peer has confirmed it.
    var attempt: Attempt?
    var connection: Connection?
    var protection: PacketProtection?
    var window = ReplayWindow()
    var nextNumber: UInt64 = 0

    /// Messages that wait for the handshake.
    var pending: [[UInt8]] = []
    var pendingBytes = 0

    /// The last authentic packet, or what we sent first after it (RFC 9000 §10.1).
    var lastActivity: Instant
    var hasSentSinceReceived = false
    /// What both sides agreed on, and what holds while the address is not proven.
    var provenIdleTimeout, unprovenIdleTimeout: Duration
    var isInReadyList = false
    /// Closed: one last packet, then the session is forgotten.
    var isClosing = false
    var statistics = SessionStatistics()

    init(
        id: SessionID, localID: ConnectionID, isInitiator: Bool, address: SocketAddress,
        isProven: Bool, configuration: EndpointConfiguration, at now: Instant
    ) {
        self.id = id
        self.localID = localID
        self.isInitiator = isInitiator
        self.address = address
        self.isProven = isProven
        provenIdleTimeout = configuration.idleTimeout
        unprovenIdleTimeout = configuration.unprovenIdleTimeout
        lastActivity = now
    }

    var idleDeadline: Instant {
        lastActivity
            + (isProven ? provenIdleTimeout : min(provenIdleTimeout, unprovenIdleTimeout))
    }

    var isConnected: Bool {
        hasConnection && !isClosing
    }

    /// Our own initiation is not answered yet.
    var isConnecting: Bool { stage == .initiating }

    // What the parts know. A part that cannot be copied is lent only by `switch`.
    var stage: Attempt.Stage? {
        switch attempt {
        case .some(let attempt): attempt.stage
        case .none: nil
        }
    }
    var startedAt: Instant {
        switch attempt {
        case .some(let attempt): attempt.startedAt
        case .none: .distantFuture
        }
    }
    var attemptDeadline: Instant? {
        switch attempt {
        case .some(let attempt): earliest(attempt.expiresAt, attempt.nextTransmission)
        case .none: nil
        }
    }
    var hasConnection: Bool {
        switch connection {
        case .some: true
        case .none: false
        }
    }
    var connectionDeadline: Instant? {
        switch connection {
        case .some(let connection): connection.nextDeadline
        case .none: nil
        }
    }
    var connectionStatistics: ConnectionStatistics? {
        switch connection {
        case .some(let connection): connection.statistics
        case .none: nil
        }
    }
    var payloadCapacity: Int {
        switch connection {
        case .some(let connection): connection.payloadCapacity
        case .none: 0
        }
    }
    var isOddPhase: Bool {
        switch protection {
        case .some(let protection): protection.isOddPhase
        case .none: false
        }
    }
    var forgeries: UInt64 {
        switch protection {
        case .some(let protection): protection.forgeries
        case .none: 0
        }
    }
    var rekeys: UInt64 {
        switch protection {
        case .some(let protection): protection.rekeys
        case .none: 0
        }
    }

    /// Answered handshakes of which the peer has not shown that it got the answer.
    var isHalfOpen: Bool {
        stage != nil && !isInitiator
    }

    /// When this session must be looked at again.
    var nextDeadline: Instant? {
        var at: Instant? = idleDeadline
        if let stage {
            at = stage == .answered ? earliest(at, attemptDeadline) : attemptDeadline
        }
        if let path { at = earliest(at, path.deadline) }
        at = earliest(at, connectionDeadline)
        return at
    }

    /// Queues a message until the handshake is done; false where the queue is full.
    mutating func enqueue(_ message: RawSpan, _ configuration: EndpointConfiguration) -> Bool {
        guard pending.count < configuration.pendingMessagesMax,
            pendingBytes + message.byteCount <= configuration.pendingBytesMax
        else { return false }
        pending.append(message.array)
        pendingBytes += message.byteCount
        return true
    }
}

/// A peer's new address on trial (RFC 9000 §8.2 and §9.3).
struct PathCheck: Sendable {
    var token: UInt64
    /// The address to return to; nil where none was proven.
    var previous: SocketAddress?
    var deadline: Instant
}

/// A handshake under way.
struct Attempt: ~Copyable {
    enum Stage: Sendable {
        /// Our initiation waits for a response.
        case initiating
        /// The response to an IK initiation is built at the next flush, with what is to be said by
        /// then.
        case answering
        /// The response to an IK initiation is out.
        case answered
        /// The response to an XX initiation is out; only a completion makes this a session.
        case awaiting
        /// Our completion is out and not confirmed.
        case completing
    }

    var stage: Stage
    var noise: NoiseHandshake
    /// Our latest packet, for retransmission.
    var packet: [UInt8] = []
    let startedAt: Instant
    var expiresAt: Instant
    var nextTransmission: Instant?
    var transmissions = 0
    /// To be sent at the next flush, and where to.
    var due: SocketAddress?
    var sentAt: Instant

    // The initiator's.
    var addresses: [SocketAddress] = []
    var firstMessage: [UInt8] = []
    var cookiesTaken = 0
    var versionWasRefused = false

    // The responder's: what a retransmitted initiation is known by.
    var source = ConnectionID(0)
    var digest = Bits256.zero

    init(
        _ stage: Stage, _ noise: consuming NoiseHandshake, at now: Instant, timeout: Duration
    ) {
        self.stage = stage
        self.noise = noise
        startedAt = now
        sentAt = now
        expiresAt = now + timeout
    }

    /// The handshake's round-trip time, if nothing was sent twice (Karn's rule).
    func roundTrip(at now: Instant) -> Duration? { transmissions == 1 ? now - sentAt : nil }
}
