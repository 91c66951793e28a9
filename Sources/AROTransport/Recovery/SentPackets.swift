/// What was sent and not yet settled: one record a packet in a ring indexed by packet number, and
/// one record for every frame that must reach the peer, in a second ring in the same order.

import AROPrimitives

/// What to do when a frame is acknowledged or lost; 24 bytes.
struct SentFrame {
    enum Kind: UInt8 {
        case stream, streamLast, reset, stop, maxData, maxStreamData, maxStreams, challenge, ack
    }
    var kind: Kind
    var length: UInt32 = 0
    var stream: UInt64 = 0
    /// The stream offset, or the largest packet of an ACK.
    var offset: UInt64 = 0

    var range: Range<UInt64> { offset..<offset + UInt64(length) }
}

struct SentPacket {
    enum State: UInt8 { case skipped, outstanding, acknowledged, lost }
    var sentAt: Instant
    /// Bytes of the whole datagram.
    var size: UInt32
    var frameCount: UInt16
    var state: State
    var isAckEliciting: Bool
    var isMTUProbe: Bool

    /// Whether its bytes count against the congestion window.
    var isInFlight: Bool { state == .outstanding && isAckEliciting }
}

struct SentPackets {
    private var packets: Ring<SentPacket>
    private var frames: Ring<SentFrame>
    /// The packet number of the ring's front.
    private(set) var base: UInt64 = 0
    /// How many frames were ever removed from the front; the index of the front frame.
    private var frameBase = 0
    private var frameStarts: Ring<Int>

    init() {
        packets = Ring(
            filler: SentPacket(
                sentAt: .origin, size: 0, frameCount: 0, state: .skipped, isAckEliciting: false,
                isMTUProbe: false))
        frames = Ring(filler: SentFrame(kind: .ack))
        frameStarts = Ring(filler: 0)
    }

    /// The packet number after the newest.
    var end: UInt64 { base + UInt64(packets.count) }
    var count: Int { packets.count }

    subscript(number: UInt64) -> SentPacket {
        get { packets[Int(number - base)] }
        _modify { yield &packets[Int(number - base)] }
    }

    /// Numbers must rise; those left out count as never sent.
    mutating func append(_ packet: SentPacket, number: UInt64, frames sent: [SentFrame]) {
        precondition(number >= end, "packet numbers must rise")
        if packets.isEmpty { base = number }
        while end < number { appendRecord(skipped(at: packet.sentAt)) }
        appendRecord(packet)
        for frame in sent { frames.append(frame) }
    }

    private mutating func appendRecord(_ packet: SentPacket) {
        packets.append(packet)
        frameStarts.append(frameBase + frames.count)
    }

    private func skipped(at now: Instant) -> SentPacket {
        SentPacket(
            sentAt: now, size: 0, frameCount: 0, state: .skipped, isAckEliciting: false,
            isMTUProbe: false)
    }

    /// Appends the frames of a packet to `list`.
    func copyFrames(of number: UInt64, to list: inout [SentFrame]) {
        let start = frameStarts[Int(number - base)] - frameBase
        for i in 0..<Int(self[number].frameCount) { list.append(frames[start + i]) }
    }

    /// Forgets the settled packets at the front; lost ones are kept until `horizon`, so that an ACK
    /// that comes late shows the loss to have been reordering.
    mutating func removeSettled(lostBefore horizon: Instant) {
        while let front = packets.first, !front.isInFlight {
            if front.state == .lost, front.sentAt > horizon { return }
            for _ in 0..<Int(front.frameCount) { frames.removeFirst() }
            frameBase += Int(front.frameCount)
            packets.removeFirst()
            frameStarts.removeFirst()
            base += 1
        }
    }
}
