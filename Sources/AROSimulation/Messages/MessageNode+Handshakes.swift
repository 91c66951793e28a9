/// Sessions come and go in a world of messages as `AROTransport` has them come and go: initiations
/// are sent to each address in turn and again after doubling pauses, two peers that call each other
/// at once agree by their ids, who lost a session is told so by a reset.
///
/// Not here: cookies, the rates at which strangers are answered, sessions taken from strangers.

import AROContent
import ARONode
import AROPrimitives
import AROTransport
import AROWire

/// A handshake that we began.
struct PlainAttempt {
    /// nil: whoever is at the address.
    var peer: PeerHandle?
    var session: UInt32
    var addresses: [SocketAddress]
    var first: [UInt8]
    var transmissions = 0
    let startedAt: Instant
    var sentAt: Instant
    var nextAt: Instant
    /// What waits for the session.
    var messages: [[UInt8]] = []
    var streams: [ContentStream] = []
}

/// A response to a dial.
struct PlainAnswer {
    var peer: PeerHandle
    var session: UInt32
    var at: Instant
    var transmissions = 1
}

// MARK: - The initiator

extension MessageNode {
    @inline(__always)
    var attemptDeadline: Instant? {
        var next: Instant?
        for attempt in attempts { next = earliest(next, attempt.nextAt) }
        return next
    }

    mutating func connect(
        to peer: PeerHandle, first message: RawSpan, stream: ContentStream? = nil,
        at now: Instant, into outbox: inout Outbox
    ) {
        let addresses = commons.book.addresses(peer).filter { !$0.isUnusable }
        let number = UInt32(truncatingIfNeeded: chance.next())
        let row = PlainSession(
            peer: peer, number: number, activeAt: now, isConnecting: true, isProven: true)
        guard peer != handle, !addresses.isEmpty, sessions.set(row, lifetimes, at: now) else {
            tell(.peerUnreachable(peer), at: now)
            if let stream { tell(.streamReset(stream), at: now) }
            return
        }
        let ridesAlong = message.byteCount <= WireLimits.firstMessageMax
        var attempt = PlainAttempt(
            peer: peer, session: number, addresses: addresses,
            first: ridesAlong ? message.array : [], startedAt: now, sentAt: now, nextAt: now)
        if !ridesAlong { attempt.messages.append(message.array) }
        if let stream { attempt.streams.append(stream) }
        attempts.append(attempt)
        transmit(attempts.count - 1, at: now, into: &outbox)
    }

    mutating func dial(_ address: SocketAddress, at now: Instant, into outbox: inout Outbox) {
        let number = UInt32(truncatingIfNeeded: chance.next())
        attempts.append(
            PlainAttempt(
                peer: nil, session: number, addresses: [address], first: [], startedAt: now,
                sentAt: now, nextAt: now))
        transmit(attempts.count - 1, at: now, into: &outbox)
    }

    mutating func enqueue(_ message: RawSpan, for peer: PeerHandle) {
        guard let i = attempts.firstIndex(where: { $0.peer == peer }),
            attempts[i].messages.count < limits.pendingMessagesMax
        else { return }
        attempts[i].messages.append(message.array)
    }

    /// Sends an initiation, and decides when it is sent again: once to each address in turn, then a
    /// pause that doubles with each round.
    private mutating func transmit(_ i: Int, at now: Instant, into outbox: inout Outbox) {
        let count = attempts[i].addresses.count
        let (round, place) = attempts[i].transmissions.quotientAndRemainder(dividingBy: count)
        attempts[i].transmissions += 1
        attempts[i].sentAt = now
        var pause = limits.addressStagger
        if place == count - 1 {
            let usual = min(
                max(handshakeTimes.bound, limits.handshakeRetransmitMin),
                limits.handshakeRetransmitMax)
            pause = usual * Int64(1 << min(round, 16))
            pause += .nanoseconds(Int64(chance.below(Int(pause.nanoseconds / 8) + 1)))
        }
        attempts[i].nextAt = min(now + pause, attempts[i].startedAt + limits.handshakeTimeout)
        sendInitiation(attempts[i], to: attempts[i].addresses[place], into: &outbox)
    }

    @inline(__always)
    private func sendInitiation(
        _ attempt: PlainAttempt, to address: SocketAddress, into outbox: inout Outbox
    ) {
        post(
            attempt.peer == nil ? .dial : .initiation, attempt.session, attempt.first.span.bytes,
            to: address, into: &outbox)
    }

    mutating func attemptsDue(at now: Instant, into outbox: inout Outbox) {
        // Giving up tells the participant, but what that wants is carried out after the loop.
        var i = 0
        while i < attempts.count {
            guard attempts[i].nextAt <= now else {
                i += 1
                continue
            }
            if attempts[i].startedAt + limits.handshakeTimeout <= now {
                giveUp(takeAttempt(i), at: now)
            } else {
                transmit(i, at: now, into: &outbox)
                i += 1
            }
        }
    }

    /// Only a burst of handshakes needs the room of many.
    private mutating func takeAttempt(_ i: Int) -> PlainAttempt {
        let attempt = attempts.remove(at: i)
        if attempts.isEmpty { attempts = [] }
        return attempt
    }

    private mutating func giveUp(_ attempt: PlainAttempt, at now: Instant) {
        if let peer = attempt.peer {
            sessions.remove(peer)
            tell(.peerUnreachable(peer), at: now)
        } else {
            tell(.dialFailed(attempt.addresses[0]), at: now)
        }
        for stream in attempt.streams { tell(.streamReset(stream), at: now) }
    }

    /// The peer answered.
    private mutating func responded(
        _ packet: PlainPacket, _ frames: RawSpan, from address: SocketAddress, at now: Instant,
        into outbox: inout Outbox
    ) {
        guard let a = attempts.firstIndex(where: { $0.session == packet.session }),
            attempts[a].peer == nil || attempts[a].peer == packet.sender,
            packet.sender != handle
        else { return }
        let attempt = takeAttempt(a)
        commons.responses.arrived(
            Responses.Name(
                responder: packet.sender.index, initiator: handle.index, session: packet.session))
        guard establish(packet, isProven: true, at: now) else { return }
        // Karn: nothing is learnt from an answer to one of several.
        let roundTrip = attempt.transmissions == 1 ? now - attempt.sentAt : nil
        if let roundTrip {
            handshakeTimes.measured(roundTrip)
        } else {
            handshakeTimes.wasAmbiguous()
        }
        commons.heard(packet.sender, at: address)
        tell(
            .peerConnected(
                packet.sender,
                PeerFacts(
                    address: address, servesDHT: packet.servesDHT, roundTrip: roundTrip,
                    isInitiator: true, observedAddress: commons.address(of: handle))), at: now)
        if attempt.peer == nil { complete(attempt, packet, to: address, at: now, into: &outbox) }
        tellMessages(frames, from: packet.sender, at: now)
        sendWaiting(attempt, to: packet.sender, at: now, into: &outbox)
    }

    /// The third packet of a dial, with what there is to say at once. It is not sent again:
    /// whatever we send next completes the dial as well.
    private mutating func complete(
        _ attempt: PlainAttempt, _ packet: PlainPacket, to address: SocketAddress,
        at now: Instant, into outbox: inout Outbox
    ) {
        (answering, rider) = (packet.sender, [])
        tell(.dialed(attempt.addresses[0], packet.sender), at: now)
        carry(at: now, into: &outbox)
        let frames = rider
        post(
            .completion, packet.session, frames.span.bytes, isFrames: true, to: address,
            into: &outbox)
        answered(packet.sender, at: now, into: &outbox)
    }

    private mutating func sendWaiting(
        _ attempt: PlainAttempt, to peer: PeerHandle, at now: Instant, into outbox: inout Outbox
    ) {
        for message in attempt.messages {
            guard let i = sessions.find(peer, lifetimes, at: now) else { break }
            sendData(message.span.bytes, i, at: now, into: &outbox)
        }
        for stream in attempt.streams { openStream(stream, to: peer, at: now, &outbox) }
    }
}

// MARK: - The responder

extension MessageNode {
    private mutating func initiated(
        _ packet: PlainPacket, _ frames: RawSpan, from address: SocketAddress, at now: Instant,
        into outbox: inout Outbox
    ) {
        let peer = packet.sender
        guard peer != handle else { return }
        guard packet.kind == .initiation else {
            return dialed(packet, from: address, at: now, into: &outbox)
        }
        if let rider = commons.responses.rider(of: response(to: packet), life: life) {
            return post(
                .response, packet.session, rider.span.bytes, isFrames: true, to: address,
                into: &outbox)
        }
        var waiting: PlainAttempt?
        if let a = attempts.firstIndex(where: { $0.peer == peer }) {
            // When two peers call each other at once, the initiation of the smaller id wins.
            // Ours may not have found the peer where its one came from.
            guard commons.book.id(peer) < id else {
                return sendInitiation(attempts[a], to: address, into: &outbox)
            }
            waiting = takeAttempt(a)
        }
        guard establish(packet, isProven: false, at: now) else { return }
        commons.heard(peer, at: address)
        (answering, rider) = (peer, [])
        tell(
            .peerConnected(
                peer,
                PeerFacts(
                    address: address, servesDHT: packet.servesDHT, roundTrip: nil,
                    isInitiator: false, observedAddress: nil)), at: now)
        tellMessages(frames, from: peer, at: now)
        if let first = waiting?.first, !first.isEmpty { ride(first.span.bytes) }
        carry(at: now, into: &outbox)
        post(
            .response, packet.session, rider.span.bytes, isFrames: true, to: address,
            into: &outbox)
        commons.responses.keep(
            rider, for: response(to: packet), life: life, at: now,
            lifetime: limits.handshakeTimeout)
        answered(peer, at: now, into: &outbox)
        if let waiting { sendWaiting(waiting, to: peer, at: now, into: &outbox) }
    }

    /// Our response to a packet's session.
    private func response(to packet: PlainPacket) -> Responses.Name {
        Responses.Name(
            responder: handle.index, initiator: packet.sender.index, session: packet.session)
    }

    private mutating func dialed(
        _ packet: PlainPacket, from address: SocketAddress, at now: Instant,
        into outbox: inout Outbox
    ) {
        if let i = dialAnswers.firstIndex(where: {
            $0.session == packet.session && $0.peer == packet.sender
        }) {
            dialAnswers[i].transmissions += 1
        } else {
            forgetAnswers(at: now)
            dialAnswers.append(
                PlainAnswer(peer: packet.sender, session: packet.session, at: now))
        }
        post(.dialResponse, packet.session, to: address, into: &outbox)
    }

    /// The packet that ends our part of a handshake is written: what did not fit follows.
    private mutating func answered(
        _ peer: PeerHandle, at now: Instant, into outbox: inout Outbox
    ) {
        let left = behind
        (answering, rider, behind) = (nil, [], [])
        for message in left {
            guard let i = sessions.find(peer, lifetimes, at: now) else { return }
            sendData(message.span.bytes, i, at: now, into: &outbox)
        }
    }

    private mutating func forgetAnswers(at now: Instant) {
        let oldest = now - limits.handshakeTimeout
        let stale = dialAnswers.prefix { $0.at <= oldest }.count
        if stale > 0 { dialAnswers.removeFirst(stale) }
    }

    /// Gives memory back that only a burst of handshakes needed.
    mutating func tidy(at now: Instant) {
        forgetAnswers(at: now)
        if dialAnswers.isEmpty { dialAnswers = [] }
        sessions.tidy(lifetimes, at: now)
    }

    /// The initiator of a dial used the session for the first time.
    private mutating func completed(
        _ packet: PlainPacket, from address: SocketAddress, at now: Instant,
        into outbox: inout Outbox
    ) {
        guard !dialAnswers.isEmpty,
            let a = dialAnswers.firstIndex(where: {
                $0.session == packet.session && $0.peer == packet.sender
            })
        else { return }
        post(.confirmation, packet.session, to: address, into: &outbox)
        commons.heard(packet.sender, at: address)
        let answer = dialAnswers.remove(at: a)
        guard establish(packet, isProven: true, at: now) else { return }
        tell(
            .peerConnected(
                packet.sender,
                PeerFacts(
                    address: address, servesDHT: packet.servesDHT,
                    roundTrip: answer.transmissions == 1 ? now - answer.at : nil,
                    isInitiator: false, observedAddress: nil)), at: now)
    }
}

// MARK: - Both

extension MessageNode {
    mutating func received(
        _ bytes: RawSpan, from address: SocketAddress, at now: Instant, into outbox: inout Outbox
    ) {
        guard let packet = PlainPacket(bytes) else { return }
        let frames = bytes.extracting(PlainPacket.frames(in: bytes))
        switch packet.kind {
        case .initiation, .dial: initiated(packet, frames, from: address, at: now, into: &outbox)
        case .response, .dialResponse:
            responded(packet, frames, from: address, at: now, into: &outbox)
        case .completion, .data, .confirmation, .close:
            completed(packet, from: address, at: now, into: &outbox)
            guard let i = session(of: packet, at: now) else {
                // Before the response has come, what overtook it cannot be read, and nobody knows.
                let isAwaited = attempts.contains { $0.session == packet.session }
                if packet.kind == .data, !isAwaited {
                    post(.reset, packet.session, to: address, into: &outbox)
                }
                return
            }
            heard(packet, i, from: address, at: now)
            if packet.kind == .close { return closed(packet, at: now) }
            tellMessages(frames, from: packet.sender, at: now)
        case .reset:
            guard session(of: packet, at: now) != nil else { return }
            sessions.remove(packet.sender)
            dropStreams(with: packet.sender, session: packet.session, at: now)
        }
    }

    func session(of packet: PlainPacket, at now: Instant) -> Int? {
        guard let i = sessions.find(packet.sender, lifetimes, at: now),
            sessions[i].number == packet.session, !sessions[i].isConnecting
        else { return nil }
        return i
    }

    private mutating func heard(
        _ packet: PlainPacket, _ i: Int, from address: SocketAddress, at now: Instant
    ) {
        let wasProven = sessions[i].isProven
        sessions.received(i, at: now)
        if !wasProven { commons.responses.forget(response(to: packet)) }
        commons.heard(packet.sender, at: address)
    }

    private mutating func closed(_ packet: PlainPacket, at now: Instant) {
        sessions.remove(packet.sender)
        dropStreams(with: packet.sender, session: packet.session, at: now)
        tell(.peerGone(packet.sender), at: now)
    }

    /// A session begins, in the place of an older one with the same peer.
    private mutating func establish(
        _ packet: PlainPacket, isProven: Bool, at now: Instant
    ) -> Bool {
        if let i = sessions.find(packet.sender, lifetimes, at: now) {
            let old = sessions[i]
            if !old.isConnecting, old.number != packet.session {
                dropStreams(with: old.peer, session: old.number, at: now)
            }
        }
        return sessions.set(
            PlainSession(
                peer: packet.sender, number: packet.session, activeAt: now, isConnecting: false,
                isProven: isProven), lifetimes, at: now)
    }

    /// Says goodbye to everyone.
    mutating func closeAll(at now: Instant, into outbox: inout Outbox) {
        for row in sessions.rows where !row.isConnecting && !row.isIdle(lifetimes, at: now) {
            guard let address = commons.book.address(row.peer) else { continue }
            post(.close, row.number, to: address, into: &outbox)
        }
        sessions = PlainSessions()
        attempts = []
    }
}

extension Commons {
    /// Where a node is found, as others see it.
    func address(of peer: PeerHandle) -> SocketAddress? { book.address(peer) }

    /// A peer sent something from `address`.
    func heard(_ peer: PeerHandle, at address: SocketAddress) { book.heard(peer, at: address) }
}
