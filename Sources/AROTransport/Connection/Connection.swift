/// The data plane of one session: frames in, frames out, behind packet protection.
///
/// A value that the session owns. Facts come in by ``receive(payload:packetNumber:at:)``,
/// ``deadlinePassed(at:)`` and the doors of messages and streams; decisions come out by
/// ``write(into:packetNumber:at:)``, called until it has nothing more, ``nextEvent()``, drained
/// after every `receive`, and ``nextDeadline``. It follows RFC 9000 (frames, streams, flow
/// control), RFC 9002, RFC 9438, RFC 9406 and RFC 8899; the deviations stand in
/// Docs/Decisions/0003-data-plane.md and at the top of the files named after each part.
///
/// The owner, not this type, protects packets, drops replays, times idle sessions out, and keeps
/// the amplification limit of unproven addresses.

import AROPrimitives
import AROWire

package struct Connection: ~Copyable {
    let role: Role
    let configuration: TransportConfiguration

    var recovery: Recovery
    var received: ReceivedPackets
    var streams: Streams
    var messages: MessageQueue
    var events = Ring<ConnectionEvent>(filler: .writable(0))
    /// Set when a packet tears more holes than a receive buffer may have: it is not acknowledged.
    var isPacketRefused = false

    // Flow control of the whole connection, receiving: sums over all streams.
    var window: FlowWindow
    var receivedBytes: UInt64 = 0
    var consumedBytes: UInt64 = 0
    var isCreditDue = false
    var isStreamCreditDue = false

    // Flow control of the whole connection, sending.
    var credit: UInt64
    var newBytesSent: UInt64 = 0
    let streamCredit: UInt64
    let localStreamCredit: UInt64

    /// The last moment that was handed in.
    var clock: Instant

    // Single frames that wait.
    var isPingDue = false
    var challenge: UInt64?
    var isChallengeDue = false
    var responseDue: UInt64?
    var closing: Closing?
    var isClosed = false

    /// Packets of nothing but messages since the last acknowledgement.
    var loneMessages = 0
    /// When the pacer lets the next packet go, if that is what `write` waited for.
    var pacingDeadline: Instant?
    /// Frames of the packet being written; reused.
    var writtenFrames: [SentFrame] = []
    var drained: [SentFrame] = []

    var bytesIn: UInt64 = 0
    var bytesOut: UInt64 = 0
    var packetsIn: UInt64 = 0
    var packetsOut: UInt64 = 0
    var duplicatePackets: UInt64 = 0
    var streamBytesOut: UInt64 = 0
    var probeTimeouts: UInt64 = 0

    /// A CLOSE that we send.
    struct Closing {
        var code: CloseCode
        var text: [UInt8]
        var isDue = true
    }

    package init(
        role: Role, local: TransportParameters, peer: TransportParameters,
        configuration: TransportConfiguration, at now: Instant
    ) {
        (self.role, self.configuration) = (role, configuration)
        recovery = Recovery(configuration, peer: peer, at: now)
        received = ReceivedPackets(configuration)
        streams = Streams(
            role: role, openLimit: peer.streamCount, peerOpenLimit: local.streamCount)
        messages = MessageQueue(countMax: configuration.messagesMax)
        window = FlowWindow(
            size: local.connectionCredit, max: configuration.connectionWindowMax, at: now)
        clock = now
        credit = peer.connectionCredit
        streamCredit = peer.streamCredit
        localStreamCredit = local.streamCredit
    }

    // MARK: Doors of the session

    /// A round trip that the handshake measured.
    package mutating func sampled(roundTrip: Duration, at now: Instant) {
        recovery.sampled(roundTrip: roundTrip, at: now)
    }

    /// Queues a PING, which asks for an acknowledgement.
    package mutating func ping() { isPingDue = true }

    /// Ends the connection; the next `write` gives a packet with the CLOSE, and then nothing more.
    package mutating func close(_ code: CloseCode, text: String = "") {
        guard closing == nil, !isClosed else { return }
        closing = Closing(
            code: code, text: Self.prefix(of: text, bytes: WireLimits.closeTextMax))
    }

    /// The UTF-8 of as many whole characters as fit.
    private static func prefix(of text: String, bytes: Int) -> [UInt8] {
        var text = Substring(text)
        while text.utf8.count > bytes { text.removeLast() }
        return [UInt8](text.utf8)
    }

    /// The peer's address changed: round trip, congestion and MTU start anew (RFC 9000 §9.4).
    package mutating func pathChanged(at now: Instant) {
        recovery.pathChanged(configuration, at: now)
        pacingDeadline = nil
    }

    /// Sends PATH_CHALLENGE with `token`, again when lost, until it is answered, which is told by
    /// ``ConnectionEvent/pathResponded(_:)``.
    package mutating func challengePath(_ token: UInt64) {
        challenge = token
        isChallengeDue = true
    }

    /// What happened, oldest first; nil when all was told.
    package mutating func nextEvent() -> ConnectionEvent? {
        events.isEmpty ? nil : events.removeFirst()
    }

    /// When the connection wants ``deadlinePassed(at:)`` and then `write`; nil for never.
    package var nextDeadline: Instant? {
        guard closing == nil, !isClosed else { return nil }
        return earliest(
            earliest(recovery.deadline, received.deadline), pacingDeadline)
    }

    /// The clock reached ``nextDeadline``; spurious calls are harmless. Call `write` afterwards.
    package mutating func deadlinePassed(at now: Instant) {
        guard closing == nil, !isClosed else { return }
        clock = now
        pacingDeadline = nil
        received.deadlinePassed(at: now)
        let before = recovery.probeTimeouts
        recovery.deadlinePassed(at: now)
        if recovery.probeTimeouts > before {
            probeTimeouts += 1
            isPingDue = true
            isChallengeDue = challenge != nil
        }
        settleFrames()
    }

    package var statistics: ConnectionStatistics {
        ConnectionStatistics(
            smoothedRoundTrip: recovery.roundTrip.smoothed,
            minimumRoundTrip: recovery.roundTrip.minimum,
            hasRoundTrip: recovery.roundTrip.isMeasured,
            congestionWindow: recovery.congestion.window,
            bytesInFlight: recovery.bytesInFlight, datagramSize: recovery.mtu.current,
            bytesIn: bytesIn, bytesOut: bytesOut, packetsIn: packetsIn, packetsOut: packetsOut,
            lostPackets: recovery.lostPackets, spuriousLosses: recovery.spuriousLosses,
            probeTimeouts: probeTimeouts, duplicatePackets: duplicatePackets,
            droppedMessages: messages.dropped, streamBytesOut: streamBytesOut,
            streamsOpen: streams.count, receiveBufferBytes: streams.receiveBufferBytes)
    }
}
