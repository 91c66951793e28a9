/// Frames in: every frame is checked against the state it touches; what a peer may not do throws.

import AROPrimitives
import AROWire

extension Connection {
    /// Takes the frames of an authentic packet. Drain ``nextEvent()`` afterwards: ranges of
    /// messages lie in this payload. After a throw the connection is closing, and the next `write`
    /// says why.
    package mutating func receive(
        payload: RawSpan, packetNumber: UInt64, at now: Instant
    ) throws(Violation) {
        guard closing == nil, !isClosed else { return }
        guard packetNumber < WireLimits.varintMax, !received.isKnown(packetNumber) else {
            duplicatePackets += 1
            return
        }
        bytesIn += UInt64(payload.byteCount + configuration.packetOverhead)
        packetsIn += 1
        isPacketRefused = false
        clock = now
        do throws(Violation) {
            let isAckEliciting = try handleFrames(payload, at: now)
            guard !isPacketRefused else { return }
            received.received(packetNumber, isAckEliciting: isAckEliciting, at: now)
        } catch {
            close(error.code, text: error.reason)
            throw error
        }
    }

    /// Returns whether the packet wants an acknowledgement.
    private mutating func handleFrames(
        _ payload: RawSpan, at now: Instant
    ) throws(Violation) -> Bool {
        guard !payload.isEmpty else { throw Violation(.protocolViolation, "packet without frames") }
        var reader = ByteReader(payload)
        var isAckEliciting = false
        while !reader.isAtEnd, !isClosed {
            let frame: Frame
            do { frame = try reader.frame() } catch { throw Violation(error) }
            switch frame {
            case .padding: break
            case .datagram(let message):
                events.append(.message(reader.offset - message.byteCount..<reader.offset))
            case .ack(let ack): try handle(ack, at: now)
            case .close(let code, let text):
                isClosed = true
                events.append(.closed(code: CloseCode(rawValue: code), text: text.array))
            default:
                isAckEliciting = true
                try handle(frame, at: now)
            }
        }
        return isAckEliciting
    }

    private mutating func handle(_ ack: AckFrame, at now: Instant) throws(Violation) {
        let before = recovery.bytesAcked
        try recovery.acknowledged(ack, at: now)
        if recovery.bytesAcked > before { loneMessages = 0 }
        settleFrames()
    }

    /// The ack-eliciting frames.
    private mutating func handle(_ frame: Frame, at now: Instant) throws(Violation) {
        switch frame {
        case .stream(let id, let offset, let bytes, let isLast):
            try received(bytes, of: id, at: offset, isLast: isLast, now)
        case .resetStream(let id, let code, let size):
            try receivedReset(of: id, code: code, finalSize: size, at: now)
        case .stopSending(let id, let code): try receivedStop(of: id, code: code, at: now)
        case .maxData(let limit): credit = max(credit, limit)
        case .maxStreamData(let id, let limit):
            guard let slot = try slot(of: id, at: now) else { return }
            streams[slot].send.raiseCredit(to: limit)
            streams.enqueue(slot)
        case .maxStreams(let count): streams.raiseOpenLimit(to: count)
        case .pathChallenge(let token): responseDue = token
        case .pathResponse(let token):
            guard token == challenge else { return }
            (challenge, isChallengeDue) = (nil, false)
            events.append(.pathResponded(token))
        default: break
        }
    }

    // MARK: Streams

    /// The slot of a stream that a frame names, opened if the peer opens it by this; nil if it is
    /// over. Throws if the id is not the peer's to use.
    private mutating func slot(of id: UInt64, at now: Instant) throws(Violation) -> Int? {
        if let slot = streams.slot(of: id) { return slot }
        if streams.wasOpened(id) { return nil }
        guard !streams.isOurs(id) else {
            throw Violation(.streamState, "frame for a stream that we did not open")
        }
        guard id >> 1 < streams.peerOpenLimit else {
            throw Violation(.streamLimit, "more streams than allowed")
        }
        // RFC 9000 §3.2: opening a stream opens all before it.
        while streams.openedByPeer <= id >> 1 {
            let opened = streams.nextPeerID()
            insertStream(opened, priority: .interactive, at: now)
            events.append(.streamOpened(opened))
        }
        return streams.slot(of: id)
    }

    @discardableResult
    mutating func insertStream(
        _ id: UInt64, priority: StreamPriority, at now: Instant
    ) -> Int {
        streams.insert(
            StreamState(
                id: id, priority: priority, send: SendBuffer(credit: streamCredit),
                window: FlowWindow(
                    size: localStreamCredit, max: configuration.streamWindowMax, at: now)))
    }

    private mutating func received(
        _ bytes: RawSpan, of id: UInt64, at offset: UInt64, isLast: Bool, _ now: Instant
    ) throws(Violation) {
        guard let slot = try slot(of: id, at: now) else { return }
        guard !wouldTear(slot, at: offset) else {
            isPacketRefused = true
            return
        }
        let end = offset + UInt64(bytes.byteCount)
        try charge(slot, upTo: end, isLast: isLast)
        if streams[slot].isStopped {
            streams[slot].receive.received(discarding: end, isLast: isLast)
            discard(slot, at: now)
            if isLast { streams[slot].isReceiveDone = true }
            removeIfDone(slot)
            return
        }
        guard !streams[slot].isReceiveDone else { return }
        streams[slot].receive.received(bytes, at: offset, isLast: isLast)
        announceReadable(slot)
    }

    /// Whether the receive buffer is in too many pieces already to take what is not next in order.
    private func wouldTear(_ slot: Int, at offset: UInt64) -> Bool {
        guard streams[slot].receive.holes >= configuration.receiveHolesMax else { return false }
        return offset > streams[slot].receive.consumed + UInt64(streams[slot].receive.readable)
    }

    /// Flow control: counts what is new up to `end` on the stream and on the connection.
    private mutating func charge(_ slot: Int, upTo end: UInt64, isLast: Bool) throws(Violation) {
        let growth = try streams[slot].receive.growth(to: end, isLast: isLast)
        guard end <= streams[slot].window.limit, receivedBytes + growth <= window.limit else {
            throw Violation(.flowControl, "more stream data than allowed")
        }
        receivedBytes += growth
    }

    private mutating func announceReadable(_ slot: Int) {
        guard !streams[slot].isReadableAnnounced, streams[slot].receive.hasNews else { return }
        streams[slot].isReadableAnnounced = true
        events.append(.readable(streams[slot].id))
    }

    private mutating func receivedReset(
        of id: UInt64, code: UInt64, finalSize: UInt64, at now: Instant
    ) throws(Violation) {
        guard let slot = try slot(of: id, at: now) else { return }
        try charge(slot, upTo: finalSize, isLast: true)
        guard !streams[slot].isReceiveDone else { return }
        streams[slot].receive.received(finalSize: finalSize)
        discard(slot, at: now)
        streams[slot].isReceiveDone = true
        if !streams[slot].isStopped { events.append(.reset(id, code: code)) }
        removeIfDone(slot)
    }

    private mutating func receivedStop(
        of id: UInt64, code: UInt64, at now: Instant
    ) throws(Violation) {
        guard let slot = try slot(of: id, at: now) else { return }
        // RFC 9000 §3.5: answered by a reset with the same code.
        guard streams[slot].send.reset(code: code) else { return }
        streams[slot].isResetDue = true
        streams.enqueueControl(slot)
        events.append(.stopped(id, code: code))
    }

    /// Drops what a stream has received; the connection's credit for it goes back to the peer.
    mutating func discard(_ slot: Int, at now: Instant) {
        consumed(streams[slot].receive.discard(), at: now)
    }

    /// Bytes were read or dropped: they make room in the connection's window.
    mutating func consumed(_ count: UInt64, at now: Instant) {
        guard count > 0 else { return }
        consumedBytes += count
        let roundTrip = recovery.roundTrip.smoothed
        if window.consumed(consumedBytes, roundTrip: roundTrip, at: now) { isCreditDue = true }
    }

    mutating func removeIfDone(_ slot: Int) {
        if streams.removeIfDone(slot) { isStreamCreditDue = true }
    }

    // MARK: What became of sent frames

    /// Tells streams and single frames what recovery found out.
    mutating func settleFrames() {
        if !recovery.ackedFrames.isEmpty {
            swap(&drained, &recovery.ackedFrames)
            for frame in drained { acknowledged(frame) }
            drained.removeAll(keepingCapacity: true)
            swap(&drained, &recovery.ackedFrames)
        }
        guard !recovery.lostFrames.isEmpty else { return }
        swap(&drained, &recovery.lostFrames)
        for frame in drained { lost(frame) }
        drained.removeAll(keepingCapacity: true)
        swap(&drained, &recovery.lostFrames)
    }

    private mutating func acknowledged(_ frame: SentFrame) {
        switch frame.kind {
        case .ack: received.reportArrived(frame.offset)
        case .stream, .streamLast:
            guard let slot = streams.slot(of: frame.stream) else { return }
            let wasDone = streams[slot].send.isDone
            streams[slot].send.acknowledged(frame.range, isLast: frame.kind == .streamLast)
            guard streams[slot].send.isDone, !wasDone else { return }
            events.append(.delivered(frame.stream))
            removeIfDone(slot)
        case .reset:
            guard let slot = streams.slot(of: frame.stream) else { return }
            streams[slot].send.resetAcknowledged()
            removeIfDone(slot)
        default: break
        }
    }

    private mutating func lost(_ frame: SentFrame) {
        switch frame.kind {
        case .ack: break
        case .maxData: isCreditDue = true
        case .maxStreams: isStreamCreditDue = true
        case .challenge: isChallengeDue = challenge != nil
        case .stream, .streamLast, .reset, .stop, .maxStreamData:
            guard let slot = streams.slot(of: frame.stream) else { return }
            lost(frame, of: slot)
        }
    }

    private mutating func lost(_ frame: SentFrame, of slot: Int) {
        switch frame.kind {
        case .stream, .streamLast:
            streams[slot].send.lost(frame.range, isLast: frame.kind == .streamLast)
            streams.enqueue(slot)
            return
        case .reset: streams[slot].isResetDue = streams[slot].send.state == .resetting
        case .stop: streams[slot].isStopDue = !streams[slot].isReceiveDone
        default: streams[slot].isCreditDue = streams[slot].receive.finalSize == nil
        }
        streams.enqueueControl(slot)
    }
}
