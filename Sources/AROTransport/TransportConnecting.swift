/// The initiator's half of handshakes: initiations, their retransmission over several addresses,
/// cookies, and what a response makes of them.

import AROCrypto
import AROPrimitives
import AROWire

extension Transport {
    typealias SessionPointer = UnsafeMutablePointer<Session>

    /// Begins a session, or finds the one that there is. The outcome is an event.
    ///
    /// - Parameters:
    ///   - peer: whom to reach; nil for whoever answers, which takes half a round trip more.
    ///   - addresses: where to try, best first.
    ///   - message: a first message, which reaches a known peer inside the first packet; empty for
    ///     none.
    public mutating func connect(
        to peer: PeerID?, addresses: [SocketAddress], first message: RawSpan, at now: Instant
    ) -> SessionID {
        if let peer, let known = byPeer[peer], let session = sessions.session(known) {
            if session.pointee.attempt != nil { addAddresses(addresses, to: session) }
            if !message.isEmpty { _ = send(message: message, on: known, at: now) }
            return known
        }
        let usable = Self.distinct(addresses, atMost: configuration.endpoint.addressesMax)
        if peer == id { return refuse(.ownIdentity) }
        guard let first = usable.first else { return refuse(.noAddress) }
        var remote: AgreementPublicKey?
        if let peer {
            remote = agreements.key(of: peer)
            if remote == nil { return refuse(.invalidPeer) }
        }
        guard
            let session = makeSession(isInitiator: true, address: first, isProven: true, at: now)
        else { return refuse(.tableFull) }
        session.pointee.peer = peer
        if let peer { byPeer[peer] = session.pointee.id }
        begin(session, remote: remote, addresses: usable, message: message, at: now)
        return session.pointee.id
    }

    private mutating func refuse(_ failure: ConnectFailure) -> SessionID {
        // A name that no session ever has.
        let id = SessionID(index: .max, generation: UInt32(truncatingIfNeeded: generator.next()))
        events.append(.connectFailed(id, failure))
        return id
    }

    private static func distinct(_ addresses: [SocketAddress], atMost count: Int) -> [SocketAddress]
    {
        var out: [SocketAddress] = []
        for address in addresses
        where !address.isUnusable && !out.contains(address) && out.count < count {
            out.append(address)
        }
        return out
    }

    /// More places to try, as far as there is room.
    func addAddresses(_ addresses: [SocketAddress], to session: SessionPointer) {
        guard session.pointee.attempt!.stage == .initiating else { return }
        session.pointee.attempt!.addresses = Self.distinct(
            session.pointee.attempt!.addresses + addresses,
            atMost: configuration.endpoint.addressesMax)
    }

    private mutating func begin(
        _ session: SessionPointer, remote: AgreementPublicKey?, addresses: [SocketAddress],
        message: RawSpan, at now: Instant
    ) {
        let ridesAlong = remote != nil && message.byteCount <= WireLimits.firstMessageMax
        if !ridesAlong, !message.isEmpty {
            _ = session.pointee.enqueue(message, configuration.endpoint)
        }
        let first = ridesAlong ? message.array : []
        var packet: [UInt8] = []
        let noise = initiation(
            session, remote: remote, cookie: .none, message: first, into: &packet, at: now)
        var attempt = Attempt(
            .initiating, noise, at: now, timeout: configuration.endpoint.handshakeTimeout)
        attempt.packet = packet
        attempt.addresses = addresses
        attempt.firstMessage = first
        session.pointee.attempt = consume attempt
        statistics.handshakesStarted += 1
        transmitInitiation(session, at: now)
    }

    /// Builds an initiation with a new ephemeral key.
    private mutating func initiation(
        _ session: SessionPointer, remote: AgreementPublicKey?, cookie: Cookie, message: [UInt8],
        into packet: inout [UInt8], at now: Instant
    ) -> NoiseHandshake {
        let pattern: NoiseHandshake.Pattern = remote == nil ? .xx : .ik
        let header = InitiationHeader(
            type: pattern == .ik ? .initiationIK : .initiationXX,
            source: session.pointee.localID, cookie: cookie)
        packet = header.bytes
        var noise = NoiseHandshake(
            pattern, isInitiator: true, staticKey: identity.agreement.copy(),
            ephemeral: AgreementKey(from: &entropy), remoteStatic: remote,
            prologue: Self.prologue(packet).span.bytes)
        var payload: [UInt8] = []
        if pattern == .ik {
            InitiationPayload(
                introduction: introduction(for: session.pointee.localID, at: now), message: message
            ).encode(into: &payload)
        }
        let least = Packet.initiationMin - packet.count - pattern.overhead(0)
        if payload.count < least {
            payload += repeatElement(0, count: least - payload.count)
        }
        do throws(HandshakeFailure) {
            try noise.write(payload.span.bytes, into: &packet)
        } catch {
            // Only a low-order key of the peer can fail; the cache refuses those.
            preconditionFailure("an initiation cannot fail: \(error)")
        }
        return noise
    }

    static func prologue(_ header: [UInt8]) -> [UInt8] { Array("ARO handshake".utf8) + header }

    mutating func introduction(for connection: ConnectionID, at now: Instant) -> Introduction {
        Introduction(
            peer: id, epoch: epoch, resetToken: resetToken(for: connection),
            timestamp: nextTimestamp(at: now), parameters: parameters)
    }

    // MARK: Retransmission

    /// Has the initiation sent at the next flush, and decides when it is sent again: once to each
    /// address in turn, then a pause that doubles with each round.
    private mutating func transmitInitiation(_ session: SessionPointer, at now: Instant) {
        let limits = configuration.endpoint
        let count = session.pointee.attempt!.addresses.count
        let (round, place) = session.pointee.attempt!.transmissions
            .quotientAndRemainder(dividingBy: count)
        session.pointee.attempt!.due = session.pointee.attempt!.addresses[place]
        session.pointee.attempt!.sentAt = now
        session.pointee.attempt!.transmissions += 1
        var pause = limits.addressStagger
        if place == count - 1 {
            pause = retransmitPause * Int64(1 << min(round, 16))
            // Spread, so that peers that lost the same packets do not meet again.
            pause += .nanoseconds(Int64(generator.below(Int(pause.nanoseconds / 8) + 1)))
        }
        session.pointee.attempt!.nextTransmission = now + pause
        markReady(session)
    }

    /// Until an initiation that was not answered goes again: by then most peers have answered.
    private var retransmitPause: Duration {
        let limits = configuration.endpoint
        return min(
            max(handshakeTimes.bound, limits.handshakeRetransmitMin),
            limits.handshakeRetransmitMax)
    }

    /// A handshake was answered: the connection and the endpoint learn how long it took.
    mutating func handshakeAnswered(_ session: SessionPointer, at now: Instant) {
        guard let sample = session.pointee.attempt!.roundTrip(at: now) else {
            return handshakeTimes.wasAmbiguous()
        }
        handshakeTimes.measured(sample)
        session.pointee.connection!.sampled(roundTrip: sample, at: now)
    }

    /// Looks after a handshake whose time has come; false where it ended the session.
    mutating func handshakeMayContinue(_ session: SessionPointer, at now: Instant) -> Bool {
        let stage = session.pointee.attempt!.stage
        if session.pointee.attempt!.expiresAt <= now {
            switch stage {
            case .initiating:
                let refused = session.pointee.attempt!.versionWasRefused
                forget(
                    session, .connectFailed(session.pointee.id, refused ? .version : .timeout))
                return false
            case .completing:
                forget(session, .closed(session.pointee.id, .unconfirmed))
                return false
            case .awaiting:
                forget(session, nil)
                return false
            case .answering, .answered: endAttempt(session)
            }
            return true
        }
        guard let at = session.pointee.attempt!.nextTransmission, at <= now else { return true }
        if stage == .initiating {
            // Cookies made up by somebody on the way must not use up our patience for good.
            session.pointee.attempt!.cookiesTaken = max(
                session.pointee.attempt!.cookiesTaken - 1, 0)
            transmitInitiation(session, at: now)
        } else if stage == .completing {
            transmitCompletion(session, at: now)
        }
        return true
    }

    // MARK: What comes back

    mutating func receiveCookie(_ datagram: RawSpan, from address: SocketAddress, at now: Instant) {
        guard let notice = try? ShortNotice(datagram) else { return drop(.malformed) }
        guard let session = session(receivingAs: notice.id), session.pointee.stage == .initiating,
            session.pointee.attempt!.cookiesTaken < configuration.endpoint.cookiesPerAttemptMax,
            session.pointee.attempt!.addresses.contains(address)
        else { return drop(.unexpectedHandshake) }
        var packet: [UInt8] = []
        let remote = session.pointee.attempt!.noise.remoteStatic
        let noise = initiation(
            session, remote: remote, cookie: Cookie(high: notice.high, low: notice.low),
            message: session.pointee.attempt!.firstMessage, into: &packet, at: now)
        session.pointee.attempt!.noise = noise
        session.pointee.attempt!.packet = packet
        session.pointee.attempt!.cookiesTaken += 1
        // Somebody lives there: the other addresses need not be tried.
        session.pointee.attempt!.addresses = [address]
        session.pointee.attempt!.transmissions = 0
        transmitInitiation(session, at: now)
    }

    mutating func receiveVersions(
        _ datagram: RawSpan, from address: SocketAddress, at now: Instant
    ) {
        guard let packet = try? VersionsPacket(datagram) else { return drop(.malformed) }
        guard let session = session(receivingAs: packet.id), session.pointee.stage == .initiating,
            session.pointee.attempt!.addresses.contains(address),
            !packet.versions.contains(Packet.version), !session.pointee.attempt!.versionWasRefused
        else { return drop(.unexpectedHandshake) }
        // Nobody signed this. A true answer may still come, if not for long.
        session.pointee.attempt!.versionWasRefused = true
        session.pointee.attempt!.expiresAt = min(
            session.pointee.attempt!.expiresAt, now + .seconds(1))
        markReady(session)
    }

    mutating func receiveResponse(
        _ datagram: RawSpan, type: PacketType, from address: SocketAddress, at now: Instant
    ) {
        guard datagram.byteCount > Packet.responseHeader else { return drop(.malformed) }
        let id = ConnectionID(
            UInt64(bigEndian: datagram.unsafeLoadUnaligned(fromByteOffset: 1, as: UInt64.self)))
        let pattern: NoiseHandshake.Pattern = type == .responseIK ? .ik : .xx
        guard let session = session(receivingAs: id), session.pointee.stage == .initiating,
            session.pointee.attempt!.noise.pattern == pattern,
            session.pointee.attempt!.addresses.contains(address)
        else { return drop(.unexpectedHandshake) }
        let payload: [UInt8]
        do throws(HandshakeFailure) {
            payload = try session.pointee.attempt!.noise.read(
                datagram.extracting(droppingFirst: Packet.responseHeader))
        } catch { return drop(.forgedHandshake) }

        // From here on the peer is authentic, and an error is its own.
        var reader = ByteReader(payload.span.bytes)
        guard let response = try? ResponsePayload(reading: &reader),
            agreements.key(of: response.introduction.peer)
                == session.pointee.attempt!.noise.remoteStatic,
            session.pointee.peer == nil || session.pointee.peer == response.introduction.peer
        else {
            drop(.invalidHandshake)
            return forget(session, .connectFailed(session.pointee.id, .invalidPeer))
        }
        guard response.introduction.peer != self.id else {
            drop(.ownIdentity)
            return forget(session, .connectFailed(session.pointee.id, .ownIdentity))
        }
        session.pointee.address = address
        session.pointee.remoteID = response.connection
        establish(session, response.introduction, at: now)
        handshakeAnswered(session, at: now)
        events.append(
            .connected(
                Connected(
                    session: session.pointee.id, peer: response.introduction.peer,
                    address: address, observedAddress: response.observed, isInitiator: true,
                    isAddressProven: true,
                    servesDHT: response.introduction.parameters.servesDHT)))
        if pattern == .ik {
            session.pointee.protection = protection(of: session, at: now)
            endAttempt(session)
        } else {
            complete(session, at: now)
        }
        guard !reader.isAtEnd, pattern == .ik else { return }
        session.pointee.window.insert(0)
        takeFrames(reader.rest(), number: 0, of: session, at: now)
    }

    /// The third message of XX: who we are, and the first frames.
    private mutating func complete(_ session: SessionPointer, at now: Instant) {
        var payload: [UInt8] = []
        introduction(for: session.pointee.localID, at: now).encode(into: &payload)
        // The answer to the PING confirms that the completion arrived.
        session.pointee.connection!.ping()
        guard writeLast(.completion, &payload, of: session, at: now) else { return }
        session.pointee.attempt!.stage = .completing
        session.pointee.attempt!.expiresAt = now + configuration.endpoint.handshakeTimeout
        session.pointee.attempt!.transmissions = 0
        transmitCompletion(session, at: now)
    }

    private mutating func transmitCompletion(_ session: SessionPointer, at now: Instant) {
        let count = session.pointee.attempt!.transmissions
        // By now the round-trip time is known, and all that we send waits for this packet.
        let known = session.pointee.connectionStatistics!
        let longest = configuration.endpoint.handshakeRetransmitMax
        let pause = known.hasRoundTrip ? min(longest, known.smoothedRoundTrip * 3 / 2) : longest / 4
        session.pointee.attempt!.due = session.pointee.address
        session.pointee.attempt!.transmissions += 1
        session.pointee.attempt!.nextTransmission = now + pause * Int64(1 << min(count, 16))
        markReady(session)
    }

    // MARK: Both sides

    /// The peer is known: it gets its connection, and takes the place of an older session.
    mutating func establish(
        _ session: SessionPointer, _ introduction: Introduction, at now: Instant
    ) {
        let peer = introduction.peer
        replaceOlder(of: peer, epoch: introduction.epoch, by: session)
        session.pointee.peer = peer
        session.pointee.peerEpoch = introduction.epoch
        session.pointee.resetToken = introduction.resetToken
        byPeer[peer] = session.pointee.id
        session.pointee.provenIdleTimeout = min(
            configuration.endpoint.idleTimeout, introduction.parameters.idleTimeout)
        session.pointee.unprovenIdleTimeout = configuration.endpoint.unprovenIdleTimeout
        session.pointee.lastActivity = now
        session.pointee.hasSentSinceReceived = false
        session.pointee.connection = Connection(
            role: session.pointee.isInitiator ? .initiator : .responder, local: parameters,
            peer: introduction.parameters, configuration: configuration, at: now)
        let usesAES = parameters.cipherSuites & introduction.parameters.cipherSuites & 1 << 2 != 0
        session.pointee.statistics.isAES = usesAES
        for message in session.pointee.pending {
            _ = session.pointee.connection!.send(message: message.span.bytes)
        }
        session.pointee.pending = []
        session.pointee.pendingBytes = 0
        statistics.handshakesCompleted += 1
        markReady(session)
    }

    /// A peer with another epoch has started anew: what we had with it is void.
    private mutating func replaceOlder(of peer: PeerID, epoch: UInt64, by session: SessionPointer) {
        guard let id = byPeer[peer], id != session.pointee.id, let older = sessions.session(id),
            older.pointee.connection != nil
        else { return }
        if older.pointee.peerEpoch != epoch {
            forget(older, .closed(id, .peerRestarted))
        } else if !session.pointee.isInitiator {
            // The peer asks anew only where it has lost the session.
            forget(older, .closed(id, .superseded))
        }
    }

    /// Writes the last message of a handshake: the payload, and behind it the first frames. From then
    /// on the session has keys. Returns false where the peer's key was useless, which ended it.
    mutating func writeLast(
        _ type: PacketType, _ payload: inout [UInt8], of session: SessionPointer, at now: Instant
    ) -> Bool {
        let pattern = session.pointee.attempt!.noise.pattern
        let overhead = Packet.responseHeader + pattern.overhead(pattern == .ik ? 1 : 2)
        writeFrames(
            of: session, behind: &payload,
            atMost: WireLimits.datagramFloor - overhead - payload.count, at: now)
        var packet: [UInt8] = [type.rawValue]
        packet.appendU64(session.pointee.remoteID.value)
        do throws(HandshakeFailure) {
            try session.pointee.attempt!.noise.write(payload.span.bytes, into: &packet)
        } catch {
            drop(.forgedHandshake)
            forget(session, .closed(session.pointee.id, .violation(.protocolViolation)))
            return false
        }
        session.pointee.protection = protection(of: session, at: now)
        session.pointee.attempt!.packet = packet
        return true
    }

    func protection(of session: SessionPointer, at now: Instant) -> PacketProtection {
        PacketProtection(
            session.pointee.statistics.isAES ? .aes256GCM : .chaCha20Poly1305,
            secrets: session.pointee.attempt!.noise.split(),
            isInitiator: session.pointee.isInitiator, at: now)
    }

    /// Appends the frames of packet 0 to a handshake's payload.
    func writeFrames(
        of session: SessionPointer, behind payload: inout [UInt8], atMost count: Int,
        at now: Instant
    ) {
        guard count >= 64 else { return }
        let start = payload.count
        payload += repeatElement(0, count: count)
        let used = payload.withUnsafeMutableBytes {
            session.pointee.connection!.write(
                into: UnsafeMutableRawBufferPointer(rebasing: $0[start...]), packetNumber: 0,
                at: now
            ).count
        }
        payload.removeLast(count - used)
        if used > 0 { session.pointee.nextNumber = 1 }
    }
}
