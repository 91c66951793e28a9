/// Frames out: one packet a call, in the order ACK, path, credit, messages, streams by priority.
///
/// What may go is decided first: a packet that wants an ACK needs room in the congestion window,
/// or a due probe, and the pacer's leave. ACKs always go; so do messages alone in their packet, up
/// to a bound (Docs/Decisions/0003-data-plane.md).

import AROPrimitives
import AROWire

extension Connection {
    /// Bytes that the next packet can take: the path MTU, or the size of a probe that is due, less
    /// the packet overhead.
    package var payloadCapacity: Int { datagramSize - configuration.packetOverhead }

    private var datagramSize: Int {
        guard let probe = dueMTUProbe else { return recovery.mtu.current }
        return probe
    }

    /// The MTU probe to be sent next, once enough was sent for a larger MTU to pay. It may
    /// overshoot the window by itself, one at a time: smaller packets would always take the room
    /// before it.
    private var dueMTUProbe: Int? {
        guard streamBytesOut >= configuration.mtuSearchAfter, recovery.probesDue == 0,
            let probe = recovery.mtu.dueProbe, probe <= recovery.congestion.window, closing == nil
        else { return nil }
        return probe
    }

    /// Writes the frames of one packet from the start of `space`, which may be smaller than
    /// ``payloadCapacity``, and is used up to it. Call until the count is 0, then wait for
    /// ``nextDeadline``.
    package mutating func write(
        into space: UnsafeMutableRawBufferPointer, packetNumber: UInt64, at now: Instant
    ) -> PayloadInfo {
        pacingDeadline = nil
        clock = now
        guard !isClosed else { return PayloadInfo() }
        guard closing == nil else { return writeClose(into: space) }
        if let probe = dueMTUProbe, space.count >= probe - configuration.packetOverhead {
            return writeMTUProbe(probe, into: space, packetNumber: packetNumber, at: now)
        }
        let count = min(space.count, recovery.mtu.current - configuration.packetOverhead)
        let packet = UnsafeMutableRawBufferPointer(rebasing: space[..<count])
        return writePacket(into: packet, packetNumber: packetNumber, at: now)
    }

    private mutating func writePacket(
        into space: UnsafeMutableRawBufferPointer, packetNumber: UInt64, at now: Instant
    ) -> PayloadInfo {
        writtenFrames.removeAll(keepingCapacity: true)
        var writer = FrameWriter(space)
        let hasWork = hasElicitingWork
        let mayElicit = hasWork && mayElicit(space.count + configuration.packetOverhead, at: now)
        let messagesMayGo = !messages.isEmpty && (mayElicit || messagesMayGoAlone)
        // The proof of a path waits for neither window nor pacer: nothing else can go before it.
        let isPathDue = isChallengeDue || responseDue != nil
        guard mayElicit || isPathDue || messagesMayGo || received.isDue else {
            if !hasWork { recovery.isApplicationLimited = true }
            return PayloadInfo()
        }
        if received.unreported > 0 { writeAck(&writer, at: now) }
        var isEliciting = false
        var wroteMessages = false
        if mayElicit || isPathDue { isEliciting = writeControl(&writer) }
        if messagesMayGo {
            if !isEliciting, !messagesMayGoAlone, messageFits(writer.remaining - 1) {
                isEliciting = writer.ping()
            }
            wroteMessages =
                (isEliciting || messagesMayGoAlone) && writeMessages(&writer)
        }
        if mayElicit, writeStreams(&writer) { isEliciting = true }
        if mayElicit, isPingDue {
            isEliciting = isEliciting || writer.ping()
            isPingDue = !isEliciting
        }
        if wroteMessages, !isEliciting { loneMessages += 1 }
        return sent(writer.count, packetNumber, isAckEliciting: isEliciting, at: now)
    }

    // MARK: What may go

    /// So many packets of messages go without an acknowledgement.
    private var messagesMayGoAlone: Bool { loneMessages < configuration.loneMessagesMax }

    /// Whether anything waits that wants an acknowledgement and is not held back by the peer's
    /// credit.
    private var hasElicitingWork: Bool {
        mutating get {
            isPingDue || isCreditDue || isStreamCreditDue || isChallengeDue || responseDue != nil
                || !streams.controlQueue.isEmpty || (!messages.isEmpty && !messagesMayGoAlone)
                || streams.nextSlot(connectionCredit: credit - newBytesSent) != nil
        }
    }

    /// Whether window and pacer let a packet go that is to be acknowledged.
    private mutating func mayElicit(_ size: Int, at now: Instant) -> Bool {
        if recovery.probesDue > 0 { return true }
        recovery.isApplicationLimited = false
        guard recovery.windowTakes(size) else { return false }
        guard recovery.pacerAllows(size, at: now) else {
            pacingDeadline = recovery.pacerDeadline(size)
            return false
        }
        return true
    }

    /// Whether the oldest message fits as a frame.
    private func messageFits(_ space: Int) -> Bool {
        guard let count = messages.firstByteCount else { return false }
        return 1 + varintByteCount(UInt64(count)) + count <= space
    }

    // MARK: Frames

    private mutating func writeAck(_ writer: inout FrameWriter, at now: Instant) {
        let micros = UInt64(received.ackDelay(at: now).nanoseconds / 1_000)
        let largest = writer.ack(
            received.numbers, floor: received.reportFloor, limit: configuration.ackRangesMax,
            delayMicroseconds: micros)
        guard let largest else { return }
        received.reported()
        writtenFrames.append(SentFrame(kind: .ack, offset: largest))
    }

    private mutating func writeControl(_ writer: inout FrameWriter) -> Bool {
        let before = writer.count
        if let token = responseDue, writer.path(FrameType.pathResponse, token) {
            responseDue = nil
        }
        if isChallengeDue, let token = challenge, writer.path(FrameType.pathChallenge, token) {
            isChallengeDue = false
            writtenFrames.append(SentFrame(kind: .challenge))
        }
        if isCreditDue, writer.numbers(FrameType.maxData, window.limit) {
            isCreditDue = false
            writtenFrames.append(SentFrame(kind: .maxData))
        }
        if isStreamCreditDue, writer.numbers(FrameType.maxStreams, streams.peerOpenLimit) {
            isStreamCreditDue = false
            writtenFrames.append(SentFrame(kind: .maxStreams))
        }
        while let slot = streams.controlQueue.first, writeControl(of: slot, &writer) {
            streams.controlQueue.removeFirst()
            streams[slot].isControlQueued = false
        }
        return writer.count > before
    }

    /// Returns whether all waiting control frames of the stream fitted.
    private mutating func writeControl(of slot: Int, _ writer: inout FrameWriter) -> Bool {
        let id = streams[slot].id
        if streams[slot].isResetDue {
            let (code, size) = (streams[slot].send.resetCode, streams[slot].send.sent)
            guard writer.numbers(FrameType.resetStream, id, code, size) else { return false }
            streams[slot].isResetDue = false
            writtenFrames.append(SentFrame(kind: .reset, stream: id))
        }
        if streams[slot].isStopDue {
            let code = streams[slot].stopCode
            guard writer.numbers(FrameType.stopSending, id, code) else { return false }
            streams[slot].isStopDue = false
            writtenFrames.append(SentFrame(kind: .stop, stream: id))
        }
        if streams[slot].isCreditDue {
            let limit = streams[slot].window.limit
            guard writer.numbers(FrameType.maxStreamData, id, limit) else { return false }
            streams[slot].isCreditDue = false
            writtenFrames.append(SentFrame(kind: .maxStreamData, stream: id))
        }
        return true
    }

    private mutating func writeMessages(_ writer: inout FrameWriter) -> Bool {
        let before = writer.count
        while !messages.isEmpty, messages.withFirst({ writer.datagram($0) }) {
            messages.removeFirst()
        }
        return writer.count > before
    }

    private mutating func writeStreams(_ writer: inout FrameWriter) -> Bool {
        var last: Int?
        while let slot = streams.nextSlot(connectionCredit: credit - newBytesSent),
            writeStream(slot, &writer)
        {
            last = slot
        }
        if let last { streams.rotate(last) }
        return last != nil
    }

    /// One STREAM frame; returns whether there was room for it.
    private mutating func writeStream(_ slot: Int, _ writer: inout FrameWriter) -> Bool {
        let id = streams[slot].id
        let capacity = writer.streamCapacity(id, offset: streams[slot].send.nextOffset)
        guard capacity >= 0 else { return false }
        let (range, isLast) = streams[slot].send.nextRange(
            capacity: capacity, connectionCredit: credit - newBytesSent)
        guard !range.isEmpty || isLast else { return false }
        let target = writer.stream(
            id, offset: range.lowerBound, length: range.count, isLast: isLast)
        streams[slot].send.copy(range, into: target)
        newBytesSent += streams[slot].send.frameSent(range, isLast: isLast)
        streamBytesOut += UInt64(range.count)
        writtenFrames.append(
            SentFrame(
                kind: isLast ? .streamLast : .stream, length: UInt32(range.count), stream: id,
                offset: range.lowerBound))
        announceWritable(slot)
        return true
    }

    private mutating func announceWritable(_ slot: Int) {
        guard streams[slot].owesWritable,
            streams[slot].send.unsent <= configuration.sendHighWater / 2
        else { return }
        streams[slot].owesWritable = false
        events.append(.writable(streams[slot].id))
    }

    // MARK: Whole packets

    private mutating func sent(
        _ count: Int, _ packetNumber: UInt64, isAckEliciting: Bool, at now: Instant
    ) -> PayloadInfo {
        guard count > 0 else { return PayloadInfo() }
        let size = count + configuration.packetOverhead
        recovery.packetSent(
            packetNumber, size: size, isAckEliciting: isAckEliciting, frames: writtenFrames,
            at: now)
        bytesOut += UInt64(size)
        packetsOut += 1
        return PayloadInfo(count: count, isAckEliciting: isAckEliciting)
    }

    private mutating func writeMTUProbe(
        _ size: Int, into space: UnsafeMutableRawBufferPointer, packetNumber: UInt64,
        at now: Instant
    ) -> PayloadInfo {
        let count = size - configuration.packetOverhead
        var writer = FrameWriter(UnsafeMutableRawBufferPointer(rebasing: space[..<count]))
        _ = writer.ping()
        writer.padToEnd()
        recovery.packetSent(
            packetNumber, size: size, isAckEliciting: true, isMTUProbe: true, frames: [], at: now)
        bytesOut += UInt64(size)
        packetsOut += 1
        return PayloadInfo(count: count, isAckEliciting: true, isProbe: true)
    }

    private mutating func writeClose(into space: UnsafeMutableRawBufferPointer) -> PayloadInfo {
        guard let closing else { return PayloadInfo() }
        var writer = FrameWriter(space)
        guard writer.close(code: closing.code.rawValue, text: closing.text) else {
            return PayloadInfo()
        }
        isClosed = true
        bytesOut += UInt64(writer.count + configuration.packetOverhead)
        packetsOut += 1
        return PayloadInfo(count: writer.count)
    }
}
