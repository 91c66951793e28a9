/// Datagrams in: what kind they are, the data packets of open sessions, resets, and peers that turn
/// up at another address.

import AROCrypto
import AROPrimitives
import AROWire

extension Transport {
    /// A datagram arrived. Its bytes are only borrowed. Take the events afterwards.
    public mutating func receive(
        _ datagram: RawSpan, from address: SocketAddress, at now: Instant
    ) {
        if events.isEmpty { received.removeAll(keepingCapacity: true) }
        statistics.datagramsIn += 1
        statistics.bytesIn += UInt64(datagram.byteCount)
        guard !datagram.isEmpty, datagram.byteCount <= Self.scratchByteCount, !address.isUnusable,
            let type = PacketType(
                rawValue: datagram.unsafeLoad(fromByteOffset: 0, as: UInt8.self))
        else { return drop(.malformed) }
        switch type {
        case .data, .dataOddPhase:
            receiveData(datagram, isOddPhase: type == .dataOddPhase, from: address, at: now)
        case .initiationIK, .initiationXX: receiveInitiation(datagram, from: address, at: now)
        case .responseIK, .responseXX:
            receiveResponse(datagram, type: type, from: address, at: now)
        case .completion: receiveCompletion(datagram, from: address, at: now)
        case .cookie: receiveCookie(datagram, from: address, at: now)
        case .versions: receiveVersions(datagram, from: address, at: now)
        case .reset: receiveReset(datagram, at: now)
        }
    }

    mutating func drop(_ reason: DropReason) { statistics[reason] += 1 }

    // MARK: Data

    private mutating func receiveData(
        _ datagram: RawSpan, isOddPhase: Bool, from address: SocketAddress, at now: Instant
    ) {
        let count = datagram.byteCount
        guard count > Packet.dataOverhead else { return drop(.malformed) }
        let id = ConnectionID(
            UInt64(bigEndian: datagram.unsafeLoadUnaligned(fromByteOffset: 1, as: UInt64.self)))
        guard let session = session(receivingAs: id) else {
            drop(.unknownSession)
            return reset(id, address, at: now)
        }
        guard session.pointee.protection != nil else { return drop(.earlyData) }
        let number = PacketNumber.expand(
            UInt32(bigEndian: datagram.unsafeLoadUnaligned(fromByteOffset: 9, as: UInt32.self)),
            expected: session.pointee.window.expected)
        guard session.pointee.window.isNew(number) else { return drop(.replayedData) }

        datagram.withUnsafeBytes { scratch.copyMemory(from: $0) }
        let text = UnsafeMutableRawBufferPointer(rebasing: scratch[Packet.dataHeader..<count])
        let isAuthentic = session.pointee.protection!.open(
            text.baseAddress!, count: text.count, number: number, isOddPhase: isOddPhase,
            header: UnsafeRawBufferPointer(rebasing: scratch[..<Packet.dataHeader]),
            configuration: configuration.endpoint, at: now)
        guard isAuthentic else { return receivedForgery(session) }
        let isNewest = number >= session.pointee.window.expected
        session.pointee.window.insert(number)
        session.pointee.lastActivity = now
        session.pointee.hasSentSinceReceived = false
        session.pointee.statistics.packetsIn += 1
        session.pointee.statistics.bytesIn += UInt64(count)
        // What the peer says under the session's keys ends every handshake.
        endAttempt(session)
        notePath(session, address, isNewest: isNewest, byteCount: count, at: now)
        let payload = UnsafeRawBufferPointer(
            rebasing: scratch[Packet.dataHeader..<count - Packet.tag])
        takeFrames(payload.bytes, number: number, of: session, at: now)
    }

    private mutating func receivedForgery(_ session: SessionPointer) {
        drop(.forgedData)
        guard session.pointee.forgeries > configuration.endpoint.forgeriesMax else {
            return
        }
        forget(session, .closed(session.pointee.id, .violation(.protocolViolation)))
    }

    /// Gives the frames of an authentic packet to the session's connection, and passes on what comes
    /// of them.
    mutating func takeFrames(
        _ payload: RawSpan, number: UInt64, of session: SessionPointer, at now: Instant
    ) {
        do throws(Violation) {
            try session.pointee.connection!.receive(
                payload: payload, packetNumber: number, at: now)
        } catch {
            drop(.invalidFrames)
            markReady(session)
            return end(session, .violation(error.code))
        }
        while let event = session.pointee.connection!.nextEvent() {
            if case .message(let range) = event {
                tellMessage(session.pointee.id, payload.extracting(range))
            } else {
                take(event, of: session, at: now)
            }
        }
        markReady(session)
    }

    /// Passes on what a connection has to tell when no packet is at hand.
    mutating func takeEvents(of session: SessionPointer, at now: Instant) {
        while let event = session.pointee.connection!.nextEvent() {
            take(event, of: session, at: now)
        }
    }

    private mutating func take(
        _ event: ConnectionEvent, of session: SessionPointer, at now: Instant
    ) {
        let id = session.pointee.id
        func stream(_ number: UInt64) -> StreamID { StreamID(session: id, number: number) }
        switch event {
        case .message: preconditionFailure("a message without its packet")
        case .streamOpened(let number): events.append(.streamOpened(stream(number)))
        case .readable(let number): events.append(.readable(stream(number)))
        case .writable(let number): events.append(.writable(stream(number)))
        case .delivered(let number): events.append(.delivered(stream(number)))
        case .reset(let number, let code): events.append(.reset(stream(number), code: code))
        case .stopped(let number, let code): events.append(.stopped(stream(number), code: code))
        case .pathResponded(let token): pathResponded(session, token)
        case .closed(let code, let text): end(session, .byPeer(code, text: text))
        }
    }

    // MARK: Ends

    /// Tells the end of a session, which the next flush forgets after its last packet.
    mutating func end(_ session: SessionPointer, _ reason: CloseReason) {
        guard !session.pointee.isClosing else { return }
        events.append(.closed(session.pointee.id, reason))
        detach(session)
        session.pointee.isClosing = true
        markReady(session)
    }

    /// Tells the sender of a packet for nobody that there is nobody: smaller than what it answers, so
    /// that two nodes cannot keep each other busy, and only so often.
    private mutating func reset(
        _ id: ConnectionID, _ address: SocketAddress, at now: Instant
    ) {
        guard resets.take(at: now) else { return }
        statistics.resetsSent += 1
        answer(ShortNotice(reset: resetToken(for: id), of: id).bytes, to: address)
    }

    private mutating func receiveReset(_ datagram: RawSpan, at now: Instant) {
        guard let notice = try? ShortNotice(datagram) else { return drop(.malformed) }
        // Each costs a walk through the table.
        guard resetsHeard.take(at: now) else { return drop(.overloaded) }
        let token = ResetToken(high: notice.high, low: notice.low)
        for index in sessions.indices {
            guard let session = sessions.session(at: index),
                session.pointee.remoteID == notice.id, session.pointee.connection != nil,
                let expected = session.pointee.resetToken,
                (expected.high ^ token.high) | (expected.low ^ token.low) == 0
            else { continue }
            return forget(session, .closed(session.pointee.id, .reset))
        }
        drop(.unknownSession)
    }

    // MARK: Paths (RFC 9000 §8.2 and §9)

    /// Notes where an authentic packet came from.
    private mutating func notePath(
        _ session: SessionPointer, _ address: SocketAddress, isNewest: Bool, byteCount: Int,
        at now: Instant
    ) {
        if address == session.pointee.address {
            if session.pointee.isProven { return }
            if session.pointee.path == nil {
                // The peer used the keys that our response, sent to this address, has given it.
                session.pointee.isProven = true
                events.append(.proven(session.pointee.id))
            } else {
                credit(session, byteCount)
            }
        } else if isNewest {
            addressChanged(session, to: address, byteCount: byteCount, at: now)
        }
    }

    private func credit(_ session: SessionPointer, _ byteCount: Int) {
        session.pointee.budget = min(
            session.pointee.budget + Packet.amplificationMax * byteCount, 1 << 20)
    }

    /// Follows a peer to another address, with care until it has shown that it receives there.
    mutating func addressChanged(
        _ session: SessionPointer, to address: SocketAddress, byteCount: Int, at now: Instant
    ) {
        let before = session.pointee.path?.previous
        let proven = session.pointee.isProven ? session.pointee.address : before
        session.pointee.address = address
        session.pointee.connection!.pathChanged(at: now)
        statistics.migrations += 1
        markReady(session)
        guard address != proven else {
            // Back where it was proven to be.
            session.pointee.isProven = true
            session.pointee.path = nil
            return
        }
        session.pointee.isProven = false
        session.pointee.budget = Packet.amplificationMax * byteCount
        let token = entropy.u64()
        let roundTrip = session.pointee.connectionStatistics!.smoothedRoundTrip
        session.pointee.path = PathCheck(
            token: token, previous: proven,
            deadline: now + max(configuration.endpoint.pathValidationMin, roundTrip * 6))
        session.pointee.connection!.challengePath(token)
    }

    private mutating func pathResponded(_ session: SessionPointer, _ token: UInt64) {
        guard let path = session.pointee.path, path.token == token else { return }
        session.pointee.path = nil
        session.pointee.isProven = true
        events.append(.migrated(session.pointee.id, session.pointee.address))
    }

    /// A new address did not answer. Returns whether there is an old one to return to.
    mutating func pathCheckFailed(
        _ session: SessionPointer, _ path: PathCheck, at now: Instant
    ) -> Bool {
        session.pointee.path = nil
        guard let previous = path.previous else {
            forget(session, .closed(session.pointee.id, .pathLost))
            return false
        }
        session.pointee.address = previous
        session.pointee.isProven = true
        session.pointee.connection!.pathChanged(at: now)
        return true
    }
}
