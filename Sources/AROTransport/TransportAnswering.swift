/// The responder's half of handshakes: who is answered, who must show a cookie first, and who is not
/// worth a Diffie-Hellman.

import AROCrypto
import AROPrimitives
import AROWire

extension Transport {
    mutating func receiveInitiation(
        _ datagram: RawSpan, from address: SocketAddress, at now: Instant
    ) {
        guard datagram.byteCount >= Packet.initiationMin else { return drop(.undersizedInitiation) }
        var reader = ByteReader(datagram)
        guard let header = try? InitiationHeader(reading: &reader) else { return drop(.malformed) }
        guard header.version == Packet.version else {
            // Much smaller than what it answers, so of no use for reflection.
            drop(.unknownVersion)
            let versions = VersionsPacket(id: header.source, versions: [Packet.version])
            return answer(versions.bytes, to: address)
        }
        guard datagram.byteCount <= WireLimits.datagramFloor else { return drop(.malformed) }
        let message = reader.rest()
        let digest = Bits256(BLAKE2b.digest(of: datagram, byteCount: 32))!
        guard !repeatAnswer(to: header, digest, from: address) else { return }

        let hasCookie =
            header.cookie != .none && mint.verifies(header.cookie, from: address, at: now)
        if hasCookie {
            guard provenInitiations.take(at: now) else { return drop(.overloaded) }
        } else {
            guard header.cookie == .none, halfOpenCount < configuration.endpoint.halfOpenMax,
                initiations.take(at: now)
            else { return challenge(header, address, at: now) }
        }
        let noise = NoiseHandshake(
            header.type == .initiationIK ? .ik : .xx, isInitiator: false,
            staticKey: identity.agreement.copy(), ephemeral: AgreementKey(from: &entropy),
            remoteStatic: nil, prologue: Self.prologue(header.bytes).span.bytes)
        var initiation = Initiation(
            header: header, digest: digest, address: address, hasCookie: hasCookie,
            byteCount: datagram.byteCount, noise: noise)
        do throws(HandshakeFailure) {
            let payload = try initiation.noise.read(message)
            if header.type == .initiationIK {
                answerIK(consume initiation, payload, at: now)
            } else {
                answerXX(consume initiation, at: now)
            }
        } catch { drop(.forgedHandshake) }
    }

    /// A first message that was read.
    struct Initiation: ~Copyable {
        let header: InitiationHeader
        let digest: Bits256
        let address: SocketAddress
        /// The sender has shown that it receives at its address.
        let hasCookie: Bool
        let byteCount: Int
        var noise: NoiseHandshake
    }

    /// Demands a cookie. The answer is a twentieth of the initiation.
    private mutating func challenge(
        _ header: InitiationHeader, _ address: SocketAddress, at now: Instant
    ) {
        drop(.challenged)
        statistics.cookiesSent += 1
        let cookie = mint.cookie(for: address, at: now)
        answer(ShortNotice(cookie: cookie, to: header.source).bytes, to: address)
    }

    /// A retransmitted initiation gets the same response again. Returns whether it was one.
    private mutating func repeatAnswer(
        to header: InitiationHeader, _ digest: Bits256, from address: SocketAddress
    ) -> Bool {
        // From another address it is judged anew: who receives a response there has not shown that
        // it receives at the first one.
        guard let id = bySource[header.source], let session = sessions.session(id),
            session.pointee.attempt != nil, session.pointee.attempt!.digest == digest,
            session.pointee.address == address
        else { return false }
        let stage = session.pointee.attempt!.stage
        if stage == .answered || stage == .awaiting {
            session.pointee.attempt!.transmissions += 1
            // Within three times of this very initiation.
            answer(session.pointee.attempt!.packet, to: address)
        }
        return true
    }

    // MARK: IK

    private mutating func answerIK(
        _ initiation: consuming Initiation, _ bytes: [UInt8], at now: Instant
    ) {
        guard let payload = try? InitiationPayload(bytes.span.bytes),
            let remote = initiation.noise.remoteStatic
        else { return drop(.invalidHandshake) }
        let introduction = payload.introduction
        guard introduction.peer != id else { return drop(.ownIdentity) }
        let time = wall(at: now)
        let verdict = ledger.verdict(
            on: introduction.timestamp, of: remote.bits, isChallenged: initiation.hasCookie,
            at: now, wall: time)
        switch verdict {
        case .fresh: break
        case .replayed: return drop(.replayedHandshake)
        case .mustBeChallenged: return challenge(initiation.header, initiation.address, at: now)
        }
        guard agreements.key(of: introduction.peer) == remote else {
            return drop(.invalidHandshake)
        }
        let mustRevoke = ledger.record(
            introduction.timestamp, of: remote.bits, isChallenged: initiation.hasCookie, at: now,
            wall: time)
        if mustRevoke { mint.revoke(from: &entropy) }
        guard let session = sessionAnswering(introduction.peer, initiation, at: now) else { return }
        accept(session, initiation, introduction, at: now)
        if !payload.message.isEmpty {
            tellMessage(session.pointee.id, payload.message.span.bytes)
        }
    }

    /// The session that an initiation of `peer` is for; nil where it is to be ignored.
    ///
    /// When two peers call each other at once, the initiation of the smaller id wins on both sides.
    private mutating func sessionAnswering(
        _ peer: PeerID, _ initiation: borrowing Initiation, at now: Instant
    ) -> SessionPointer? {
        if let known = byPeer[peer], let session = sessions.session(known),
            session.pointee.stage == .initiating
        {
            guard peer < id else {
                // Ours wins. It may not have found the peer where this one came from, which by now has
                // a way for it through whatever stands between.
                drop(.simultaneousOpen)
                addAddresses([initiation.address], to: session)
                if session.pointee.attempt!.addresses.contains(initiation.address) {
                    session.pointee.attempt!.due = initiation.address
                    markReady(session)
                }
                return nil
            }
            return convert(session, initiation, at: now)
        }
        guard
            let session = makeSession(
                isInitiator: false, address: initiation.address, isProven: initiation.hasCookie,
                at: now)
        else {
            drop(.tableFull)
            return nil
        }
        return session
    }

    /// Our own attempt becomes the answer to the peer's.
    private mutating func convert(
        _ session: SessionPointer, _ initiation: borrowing Initiation, at now: Instant
    ) -> SessionPointer {
        let first = session.pointee.attempt!.firstMessage
        endAttempt(session)
        session.pointee.isInitiator = false
        session.pointee.address = initiation.address
        session.pointee.isProven = initiation.hasCookie
        if !first.isEmpty {
            session.pointee.pending.insert(first, at: 0)
            session.pointee.pendingBytes += first.count
        }
        return session
    }

    private mutating func accept(
        _ session: SessionPointer, _ initiation: consuming Initiation,
        _ introduction: Introduction, at now: Instant
    ) {
        makeRoomForHalfOpen(sparing: session)
        session.pointee.remoteID = initiation.header.source
        session.pointee.budget = Packet.amplificationMax * initiation.byteCount
        bySource[initiation.header.source] = session.pointee.id
        let (header, digest) = (initiation.header, initiation.digest)
        let address = initiation.address
        var attempt = Attempt(
            .answering, initiation.noise, at: now,
            timeout: configuration.endpoint.handshakeTimeout)
        attempt.source = header.source
        attempt.digest = digest
        session.pointee.attempt = consume attempt
        halfOpenCount += 1
        establish(session, introduction, at: now)
        events.append(
            .connected(
                Connected(
                    session: session.pointee.id, peer: introduction.peer, address: address,
                    observedAddress: nil, isInitiator: false,
                    isAddressProven: session.pointee.isProven,
                    servesDHT: introduction.parameters.servesDHT)))
    }

    /// Builds the response to an IK initiation, with what there is to say by now.
    mutating func buildResponse(_ session: SessionPointer, at now: Instant) {
        var payload: [UInt8] = []
        ResponsePayload(
            introduction: introduction(for: session.pointee.localID, at: now),
            connection: session.pointee.localID, observed: session.pointee.address
        ).encode(into: &payload)
        guard writeLast(.responseIK, &payload, of: session, at: now) else { return }
        session.pointee.attempt!.stage = .answered
        session.pointee.attempt!.due = session.pointee.address
        session.pointee.attempt!.transmissions = 1
    }

    // MARK: XX

    private mutating func answerXX(_ initiation: consuming Initiation, at now: Instant) {
        guard
            let session = makeSession(
                isInitiator: false, address: initiation.address, isProven: initiation.hasCookie,
                at: now)
        else { return drop(.tableFull) }
        makeRoomForHalfOpen(sparing: session)
        session.pointee.remoteID = initiation.header.source
        bySource[initiation.header.source] = session.pointee.id
        var payload: [UInt8] = []
        ResponsePayload(
            introduction: introduction(for: session.pointee.localID, at: now),
            connection: session.pointee.localID, observed: initiation.address
        ).encode(into: &payload)
        let (header, digest) = (initiation.header, initiation.digest)
        let address = initiation.address
        var attempt = Attempt(
            .awaiting, initiation.noise, at: now, timeout: configuration.endpoint.handshakeTimeout)
        attempt.source = header.source
        attempt.digest = digest
        attempt.packet = [PacketType.responseXX.rawValue]
        attempt.packet.appendU64(header.source.value)
        attempt.due = address
        attempt.transmissions = 1
        var written = true
        do throws(HandshakeFailure) {
            try attempt.noise.write(payload.span.bytes, into: &attempt.packet)
        } catch { written = false }
        session.pointee.attempt = consume attempt
        halfOpenCount += 1
        guard written else {
            // A low-order static key, told encrypted: its owner's doing.
            drop(.forgedHandshake)
            return forget(session, nil)
        }
        markReady(session)
    }

    mutating func receiveCompletion(
        _ datagram: RawSpan, from address: SocketAddress, at now: Instant
    ) {
        guard datagram.byteCount > Packet.responseHeader else { return drop(.malformed) }
        let id = ConnectionID(
            UInt64(bigEndian: datagram.unsafeLoadUnaligned(fromByteOffset: 1, as: UInt64.self)))
        guard let session = session(receivingAs: id) else { return drop(.unknownSession) }
        guard session.pointee.stage == .awaiting else {
            drop(.unexpectedHandshake)
            // It came before: the peer has missed our confirmation.
            if session.pointee.protection != nil, !session.pointee.isInitiator,
                address == session.pointee.address
            {
                session.pointee.connection!.ping()
                markReady(session)
            }
            return
        }
        let payload: [UInt8]
        do throws(HandshakeFailure) {
            payload = try session.pointee.attempt!.noise.read(
                datagram.extracting(droppingFirst: Packet.responseHeader))
        } catch { return drop(.forgedHandshake) }
        var reader = ByteReader(payload.span.bytes)
        guard let introduction = try? Introduction(reading: &reader),
            introduction.peer != self.id,
            agreements.key(of: introduction.peer) == session.pointee.attempt!.noise.remoteStatic
        else {
            drop(.invalidHandshake)
            return forget(session, nil)
        }
        // Only who received our response can have written this, at the address that it went to.
        let isSameAddress = session.pointee.address == address
        if isSameAddress { session.pointee.isProven = true }
        finishXX(session, introduction, at: now)
        if !isSameAddress {
            addressChanged(session, to: address, byteCount: datagram.byteCount, at: now)
        }
        guard !reader.isAtEnd else { return }
        session.pointee.window.insert(0)
        takeFrames(reader.rest(), number: 0, of: session, at: now)
    }

    private mutating func finishXX(
        _ session: SessionPointer, _ introduction: Introduction, at now: Instant
    ) {
        establish(session, introduction, at: now)
        session.pointee.protection = protection(of: session, at: now)
        handshakeAnswered(session, at: now)
        endAttempt(session)
        events.append(
            .connected(
                Connected(
                    session: session.pointee.id, peer: introduction.peer,
                    address: session.pointee.address, observedAddress: nil, isInitiator: false,
                    isAddressProven: session.pointee.isProven,
                    servesDHT: introduction.parameters.servesDHT)))
    }

    // MARK: Bounds

    /// With a cookie a handshake is answered even where too many are half open: the oldest goes.
    private mutating func makeRoomForHalfOpen(sparing session: SessionPointer) {
        guard halfOpenCount >= configuration.endpoint.halfOpenMax else { return }
        var oldest: SessionPointer?
        for index in sessions.indices {
            guard let other = sessions.session(at: index), other.pointee.isHalfOpen,
                other != session
            else { continue }
            if oldest == nil
                || other.pointee.startedAt < oldest!.pointee.startedAt
            {
                oldest = other
            }
        }
        guard let oldest else { return }
        if oldest.pointee.stage == .awaiting {
            forget(oldest, nil)
        } else {
            endAttempt(oldest)
        }
    }
}
