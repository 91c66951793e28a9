/// Packets out: everything that may go now, peer after peer, into the driver's buffer.

import AROCrypto
import AROPrimitives
import AROWire

extension Transport {
    /// Builds packets that may go now; those of one peer follow each other. Not more than the driver
    /// can send before it should listen again: while there is more, ``nextDeadline`` is now.
    public mutating func flush(at now: Instant, into packets: inout PacketBuffer) {
        let before = packets.bytes.count
        flushedAt = now
        flushAnswers(into: &packets)
        // A session that has more goes to the end of the row.
        var next = 0
        let end = ready.count
        while next < end, packets.bytes.count - before < configuration.endpoint.flushBytesMax {
            let id = ready[next]
            next += 1
            guard let session = sessions.session(id) else { continue }
            session.pointee.isInReadyList = false
            flush(session, at: now, into: &packets)
        }
        ready.removeFirst(next)
        statistics.bytesOut += UInt64(packets.bytes.count - before)
    }

    private mutating func flushAnswers(into packets: inout PacketBuffer) {
        for answer in answers {
            packets.append(answerBytes.span.bytes.extracting(answer.range), to: answer.to)
        }
        statistics.datagramsOut += UInt64(answers.count)
        answers.removeAll(keepingCapacity: true)
        answerBytes.removeAll(keepingCapacity: true)
    }

    private mutating func flush(
        _ session: SessionPointer, at now: Instant, into packets: inout PacketBuffer
    ) {
        let id = session.pointee.id
        if session.pointee.stage == .answering {
            buildResponse(session, at: now)
            guard sessions.session(id) != nil else { return }
        }
        if session.pointee.attempt != nil { flushHandshake(session, into: &packets) }
        if session.pointee.protection != nil { flushData(session, at: now, into: &packets) }
        if session.pointee.isClosing {
            forget(session, nil)
        } else {
            deadlines.set(id.index, to: session.pointee.nextDeadline)
        }
    }

    private mutating func flushHandshake(
        _ session: SessionPointer, into packets: inout PacketBuffer
    ) {
        guard let address = session.pointee.attempt!.due.take() else { return }
        let packet = session.pointee.attempt!.packet
        packets.append(packet.span.bytes, to: address)
        session.pointee.budget -= packet.count
        count(packet.count, session)
    }

    private mutating func count(_ byteCount: Int, _ session: SessionPointer) {
        session.pointee.statistics.packetsOut += 1
        session.pointee.statistics.bytesOut += UInt64(byteCount)
        statistics.datagramsOut += 1
    }

    private mutating func flushData(
        _ session: SessionPointer, at now: Instant, into packets: inout PacketBuffer
    ) {
        let rekeys = session.pointee.rekeys
        session.pointee.protection!.renewWhereDue(configuration.endpoint, at: now)
        statistics.rekeys += session.pointee.rekeys - rekeys
        let limit = packets.bytes.count + configuration.endpoint.flushBytesPerSessionMax
        while true {
            guard packets.bytes.count < limit else {
                markReady(session)
                break
            }
            var space = session.pointee.payloadCapacity + Packet.dataOverhead
            if !session.pointee.isProven { space = min(space, session.pointee.budget) }
            guard space >= Self.leastPacket else { break }
            let size = packets.append(to: session.pointee.address, capacity: space) { bytes in
                Self.writePacket(session, into: bytes, at: now)
            }
            guard size > 0 else { break }
            session.pointee.budget -= session.pointee.isProven ? 0 : size
            count(size, session)
        }
    }

    /// Below this there is no room for a frame worth sending: a PATH_CHALLENGE takes 9 bytes.
    private static var leastPacket: Int { Packet.dataOverhead + 16 }

    /// Header, frames and tag of one data packet; returns its size, 0 where there is nothing to send.
    private static func writePacket(
        _ session: SessionPointer, into bytes: UnsafeMutableRawBufferPointer, at now: Instant
    ) -> Int {
        let number = session.pointee.nextNumber
        let body = UnsafeMutableRawBufferPointer(
            rebasing: bytes[Packet.dataHeader..<bytes.count - Packet.tag])
        let info = session.pointee.connection!.write(into: body, packetNumber: number, at: now)
        guard info.count > 0 else { return 0 }
        let type: PacketType =
            session.pointee.isOddPhase ? .dataOddPhase : .data
        bytes.storeBytes(of: type.rawValue, toByteOffset: 0, as: UInt8.self)
        bytes.storeBytes(
            of: session.pointee.remoteID.value.bigEndian, toByteOffset: 1, as: UInt64.self)
        bytes.storeBytes(
            of: UInt32(truncatingIfNeeded: number).bigEndian, toByteOffset: 9, as: UInt32.self)
        session.pointee.protection!.seal(
            body.baseAddress!, count: info.count, number: number,
            header: UnsafeRawBufferPointer(rebasing: bytes[..<Packet.dataHeader]))
        session.pointee.nextNumber = number + 1
        if info.isAckEliciting, !session.pointee.hasSentSinceReceived {
            session.pointee.hasSentSinceReceived = true
            session.pointee.lastActivity = now
        }
        return Packet.dataOverhead + info.count
    }
}
