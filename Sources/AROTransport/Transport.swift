/// Datagrams ⇄ messages and streams of authenticated peers: the endpoint that owns every session of a
/// node (Docs/Protocol.md; Noise revision 34, WireGuard, RFC 9000 and 9001).
///
/// A value without clock, socket or chance of its own. The driver's turn is always the same: tell it
/// what happened (``receive(_:from:at:)``, ``deadlinePassed(at:)``, or a command), take every
/// ``nextEvent()``, then ``flush(at:into:)`` and look at ``nextDeadline``. Packets are built only in
/// `flush`: an answer that the user gives to an event rides in the same packet as our handshake's.

import AROCrypto
import AROPrimitives
import AROWire

public struct Transport: ~Copyable {
    public let configuration: TransportConfiguration
    public let id: PeerID
    let identity: Identity
    var entropy: Entropy
    var generator: Generator
    /// Drawn at the start: another epoch of a peer means that it has forgotten everything.
    let epoch: UInt64
    let parameters: TransportParameters
    let resetKey: SecretKey

    // The wall clock, for the timestamps of first messages.
    private var wallSeconds: UnixTime
    private var wallReadAt: Instant
    private var lastTimestamp: UInt64 = 0

    var sessions = SessionTable()
    /// Hides from peers in which order sessions were made.
    let indexMask: UInt32
    /// The newest session of each peer.
    var byPeer: [PeerID: SessionID] = [:]
    /// Handshakes that we answered, by the initiator's connection id.
    var bySource: [ConnectionID: SessionID] = [:]
    var halfOpenCount = 0
    var deadlines = DeadlineQueue()
    /// Sessions that may have something to send, in the order in which that came about.
    var ready: [SessionID] = []
    /// The last moment of a flush.
    var flushedAt: Instant

    var ledger: InitiationLedger
    var mint: CookieMint
    var agreements = AgreementCache()
    var initiations: Allowance
    var provenInitiations: Allowance
    var resets, resetsHeard: Allowance
    /// How long handshakes take, over all peers.
    var handshakeTimes: PopulationTime

    /// Packets outside of any session, until the next flush.
    var answers: [(to: SocketAddress, range: Range<Int>)] = []
    var answerBytes: [UInt8] = []
    /// A guess: a burst of strangers.
    static let answersMax = 256

    var events: [TransportEvent] = []
    var eventHead = 0
    /// The bytes of messages that events speak of.
    var received: [UInt8] = []
    /// Where packets are decrypted.
    let scratch: UnsafeMutableRawBufferPointer
    static let scratchByteCount = 65_536

    public internal(set) var statistics = TransportStatistics()

    /// - Parameters:
    ///   - identity: who we are; the caller keeps a copy if it needs one.
    ///   - entropy: the source of keys and connection ids.
    ///   - generator: chance for everything that is no secret.
    ///   - wallClock: the time of day; first messages from before it are challenged.
    public init(
        configuration: TransportConfiguration, identity: consuming Identity,
        entropy: consuming Entropy, generator: Generator, at now: Instant, wallClock: UnixTime
    ) {
        let limits = configuration.endpoint
        self.configuration = configuration
        id = identity.id
        resetKey = Self.resetKey(of: identity)
        epoch = entropy.u64()
        indexMask = UInt32(truncatingIfNeeded: entropy.u64())
        mint = CookieMint(period: limits.cookiePeriod, from: &entropy)
        self.entropy = entropy
        self.identity = identity
        self.generator = generator
        parameters = Self.parameters(configuration)
        wallSeconds = wallClock
        wallReadAt = now
        ledger = InitiationLedger(
            configuration: limits, startedAt: Self.nanoseconds(wallClock, .zero))
        initiations = Allowance(perSecond: limits.initiationsPerSecond, at: now)
        provenInitiations = Allowance(perSecond: limits.provenInitiationsPerSecond, at: now)
        resets = Allowance(perSecond: limits.resetsPerSecond, at: now)
        resetsHeard = resets
        handshakeTimes = PopulationTime(first: limits.handshakeRetransmitMax)
        flushedAt = now
        scratch = .allocate(byteCount: Self.scratchByteCount, alignment: 64)
    }

    deinit { scratch.deallocate() }

    private static func parameters(_ configuration: TransportConfiguration) -> TransportParameters {
        var parameters = TransportParameters(configuration)
        parameters.idleTimeout = configuration.endpoint.idleTimeout
        parameters.servesDHT = configuration.endpoint.servesDHT
        parameters.cipherSuites = 1 << UInt64(CipherSuite.chaCha20Poly1305.rawValue)
        if configuration.endpoint.allowsAES, CipherSuite.hasAES {
            parameters.cipherSuites |= 1 << UInt64(CipherSuite.aes256GCM.rawValue)
        }
        return parameters
    }

    // MARK: Time

    /// The driver read the time of day.
    public mutating func wallClockChanged(to time: UnixTime, at now: Instant) {
        wallSeconds = time
        wallReadAt = now
    }

    /// Nanoseconds since 1970.
    func wall(at now: Instant) -> UInt64 { Self.nanoseconds(wallSeconds, now - wallReadAt) }

    private static func nanoseconds(_ time: UnixTime, _ since: Duration) -> UInt64 {
        // Clamped to the years 1970 to 2262, so that no clock can trap us.
        let seconds = min(max(time.seconds, 0), 9_000_000_000)
        return UInt64(max(seconds * 1_000_000_000 + max(since.nanoseconds, 0), 0))
    }

    /// Greater than every one before.
    mutating func nextTimestamp(at now: Instant) -> UInt64 {
        lastTimestamp = max(lastTimestamp + 1, wall(at: now))
        return lastTimestamp
    }

    /// When ``deadlinePassed(at:)`` and ``flush(at:into:)`` are to be called: at once, in the past,
    /// while there is more to flush.
    public var nextDeadline: Instant? { ready.isEmpty ? deadlines.first : flushedAt }

    /// The clock reached ``nextDeadline``. Harmless when nothing is due.
    public mutating func deadlinePassed(at now: Instant) {
        while let index = deadlines.popFirst(until: now) {
            guard let session = sessions.session(at: index) else { continue }
            wake(session, at: now)
        }
    }

    private mutating func wake(_ session: UnsafeMutablePointer<Session>, at now: Instant) {
        if session.pointee.attempt != nil {
            guard handshakeMayContinue(session, at: now) else { return }
        }
        if session.pointee.stage == nil || session.pointee.stage == .answered,
            session.pointee.idleDeadline <= now
        {
            return forget(session, .closed(session.pointee.id, .idle))
        }
        if let path = session.pointee.path, path.deadline <= now {
            guard pathCheckFailed(session, path, at: now) else { return }
        }
        if let at = session.pointee.connectionDeadline, at <= now {
            session.pointee.connection!.deadlinePassed(at: now)
            takeEvents(of: session, at: now)
        }
        markReady(session)
    }

    // MARK: Events

    /// The next thing that happened; nil when all was told.
    public mutating func nextEvent() -> TransportEvent? {
        guard eventHead < events.count else {
            events.removeAll(keepingCapacity: true)
            eventHead = 0
            return nil
        }
        defer { eventHead += 1 }
        return events[eventHead]
    }

    /// Lends the bytes of a ``TransportEvent/message(_:_:)``: good until the next datagram is
    /// received.
    public func withReceived<R>(_ range: Range<Int>, _ body: (RawSpan) throws -> R) rethrows -> R {
        try body(received.span.bytes.extracting(range))
    }

    mutating func tellMessage(_ session: SessionID, _ message: RawSpan) {
        let start = received.count
        received.append(message)
        events.append(.message(session, start..<received.count))
    }

    // MARK: Sessions

    mutating func markReady(_ session: UnsafeMutablePointer<Session>) {
        guard !session.pointee.isInReadyList else { return }
        session.pointee.isInReadyList = true
        ready.append(session.pointee.id)
    }

    /// Makes a session, after forgetting another one where the table is full; nil where none can go.
    mutating func makeSession(
        isInitiator: Bool, address: SocketAddress, isProven: Bool, at now: Instant
    ) -> UnsafeMutablePointer<Session>? {
        guard isInitiator || mayAccept(from: address, at: now) else { return nil }
        if sessions.count >= configuration.endpoint.sessionsMax {
            guard evictOne(at: now) else { return nil }
        }
        let id = sessions.nextID()
        let tag = UInt64(UInt32(truncatingIfNeeded: entropy.u64()))
        return sessions.insert(
            Session(
                id: id, localID: ConnectionID(UInt64(id.index ^ indexMask) << 32 | tag),
                isInitiator: isInitiator, address: address, isProven: isProven,
                configuration: configuration.endpoint, at: now))
    }

    func session(receivingAs id: ConnectionID) -> UnsafeMutablePointer<Session>? {
        let index = UInt32(truncatingIfNeeded: id.value >> 32) ^ indexMask
        guard let session = sessions.session(at: index), session.pointee.localID == id,
            !session.pointee.isClosing
        else { return nil }
        return session
    }

    /// Whether strangers have begun few enough sessions, after forgetting one where that helps. An
    /// attacker's identities cost nothing, its networks do.
    private mutating func mayAccept(from address: SocketAddress, at now: Instant) -> Bool {
        let limits = configuration.endpoint
        // Everybody on one machine or in one private network is no crowd from outside.
        let networkMax = address.isPrivate ? Int.max : limits.acceptedPerNetworkMax
        // The walk through the table is spared while it is fairly empty.
        guard sessions.count >= min(limits.acceptedMax, networkMax) else { return true }
        var accepted = 0
        var ofNetwork = 0
        for index in sessions.indices {
            guard let session = sessions.session(at: index), !session.pointee.isInitiator
            else { continue }
            accepted += 1
            if session.pointee.address.network == address.network { ofNetwork += 1 }
        }
        guard ofNetwork < networkMax else { return false }
        return accepted < limits.acceptedMax || evictOne(ofAccepted: true, at: now)
    }

    /// Forgets the session that was silent for longest, one with an unproven address first.
    ///
    /// - Parameter onlyAccepted: whether sessions that we began ourselves are spared.
    private mutating func evictOne(
        ofAccepted onlyAccepted: Bool = false, at now: Instant
    ) -> Bool {
        var victim: UnsafeMutablePointer<Session>?
        for index in sessions.indices {
            guard let session = sessions.session(at: index), !session.pointee.isConnecting,
                !(onlyAccepted && session.pointee.isInitiator),
                now - session.pointee.lastActivity >= configuration.endpoint.evictableAfter
            else { continue }
            guard let other = victim else {
                victim = session
                continue
            }
            let isBetter =
                session.pointee.isProven == other.pointee.isProven
                ? session.pointee.lastActivity < other.pointee.lastActivity
                : !session.pointee.isProven
            if isBetter { victim = session }
        }
        guard let victim else { return false }
        statistics.sessionsEvicted += 1
        forget(victim, .closed(victim.pointee.id, .evicted))
        return true
    }

    /// Removes a session and tells why, if the user ever heard of it.
    mutating func forget(_ session: UnsafeMutablePointer<Session>, _ event: TransportEvent?) {
        let id = session.pointee.id
        if let event, !session.pointee.isClosing, isKnownToUser(session) { events.append(event) }
        detach(session)
        deadlines.set(id.index, to: nil)
        sessions.remove(id)
    }

    /// The user knows what it began and what it was told of.
    private func isKnownToUser(_ session: UnsafeMutablePointer<Session>) -> Bool {
        session.pointee.isInitiator || session.pointee.connection != nil
    }

    /// Takes a session out of the look-up tables.
    mutating func detach(_ session: UnsafeMutablePointer<Session>) {
        let id = session.pointee.id
        if let peer = session.pointee.peer, byPeer[peer] == id { byPeer[peer] = nil }
        endAttempt(session)
    }

    /// The handshake is over, one way or the other.
    mutating func endAttempt(_ session: UnsafeMutablePointer<Session>) {
        guard session.pointee.attempt != nil else { return }
        let source = session.pointee.attempt!.source
        if !session.pointee.isInitiator {
            halfOpenCount -= 1
            if bySource[source] == session.pointee.id { bySource[source] = nil }
        }
        session.pointee.attempt = nil
    }

    // MARK: Answers outside of sessions

    mutating func answer(_ packet: [UInt8], to address: SocketAddress) {
        guard answers.count < Self.answersMax else {
            statistics[.answersFull] += 1
            return
        }
        let start = answerBytes.count
        answerBytes += packet
        answers.append((address, start..<answerBytes.count))
    }

    func resetToken(for id: ConnectionID) -> ResetToken {
        var message: [UInt8] = []
        message.appendU64(id.value)
        let digest = resetKey.withBytes {
            BLAKE2b.digest(of: message.span.bytes, byteCount: 16, key: $0.bytes)
        }
        return ResetToken(high: digest.loadU64(at: 0), low: digest.loadU64(at: 8))
    }

    /// The same after every start, so that a node can reset sessions that it has forgotten.
    private static func resetKey(of identity: borrowing Identity) -> SecretKey {
        let label = Array("ARO reset tokens".utf8)
        var digest = identity.withSeed {
            BLAKE2b.digest(of: label.span.bytes, byteCount: 32, key: $0.bytes)
        }
        defer { wipe(&digest) }
        return SecretKey(copying: digest)
    }
}
