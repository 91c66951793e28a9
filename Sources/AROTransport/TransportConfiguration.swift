/// Every number of the transport's data plane, with its origin.

import AROPrimitives
import AROWire

public struct TransportConfiguration: Sendable {
    /// Bytes that a packet's header and authentication tag add to its frames: 1 of type, 8 of
    /// connection id, 4 of packet number, 16 of tag.
    public var packetOverhead = 29

    // MARK: Acknowledgements and loss (RFC 9002)

    /// The longest that we hold an ACK back; RFC 9000 §18.2: 25 ms.
    public var ackDelayMax: Duration = .milliseconds(25)
    /// Ack-eliciting packets after which an ACK goes at once; RFC 9000 §13.2.2: 2.
    public var ackEvery = 2
    /// Ranges that one ACK names; a guess: at 20 % loss the last 150 packets or so.
    public var ackRangesMax = 32
    /// Ranges of received packet numbers that are remembered; packets below are as good as lost.
    /// A guess: four times of what an ACK names.
    public var receivedRangesMax = 128
    /// RFC 9002 §6.2.2: 333 ms, until the handshake has measured one.
    public var initialRoundTrip: Duration = .milliseconds(333)
    /// Packets that may overtake another before it counts as lost; RFC 9002 §6.1.1: 3.
    public var packetThreshold = 3
    /// Up to this the threshold grows where reordering was seen (RFC 9002 §6.1.1 allows it). A guess.
    public var packetThresholdMax = 64
    /// The longest pause between probes of a silent path. RFC 9002 has no bound; 10 s is a guess that
    /// makes a session on a path that comes back usable soon.
    public var probeTimeoutMax: Duration = .seconds(10)

    // MARK: Congestion control (RFC 9438, RFC 9406) and pacing

    /// RFC 9002 §7.2: ten packets, at most 14,720 bytes.
    public var initialWindowPackets = 10
    /// The largest congestion window. A guess: 5 Gbit/s over 100 ms.
    public var congestionWindowMax = 64 << 20
    /// The longest burst of packets; RFC 9002 §7.7 advises at most the initial window, but one
    /// segmented send takes 64, and at rates where 64 take under ``pacingQuantum`` it does no harm.
    public var pacingBurstPacketsMax = 64
    /// What of a pacing rate goes in one burst. A guess: half a timer tick of common event loops.
    public var pacingQuantum: Duration = .microseconds(500)

    // MARK: Path MTU (RFC 8899)

    /// The largest datagram that is tried, bytes of UDP payload: Ethernet's 1,500 less IPv6 and UDP
    /// headers. Up to 8,952 on jumbo Ethernet, 65,000 on loopback.
    public var datagramMax = 1_452
    /// RFC 8899 §5.1.2, MAX_PROBES: 3.
    public var mtuProbesMax = 3
    /// The search stops when it is as close as this, bytes. A guess: half a per cent.
    public var mtuGranularity = 8
    /// RFC 8899 §5.1.1, PMTU_RAISE_TIMER: 600 s.
    public var mtuRaiseInterval: Duration = .seconds(600)
    /// Stream bytes sent before a search begins, so that a lookup pays no probes. A guess.
    public var mtuSearchAfter: UInt64 = 64 << 10
    /// Large packets lost in a row, none acknowledged, that make a black hole. A guess, as large as
    /// bursts that queues drop are rarely all.
    public var blackHolePackets = 16
    /// Probe timeouts in a row after which the MTU falls to the floor. A guess.
    public var blackHoleProbeTimeouts = 3

    // MARK: Streams

    /// Streams that the peer may have open at once. A guess: twice HTTP/2's customary 100.
    public var streamsMax = 200
    /// The first window of a stream and of the whole connection, bytes. A guess: a chunk of 1 MiB
    /// with its proof flows without waiting for credit.
    public var streamWindow: UInt64 = 2 << 20
    public var connectionWindow: UInt64 = 4 << 20
    /// Up to this the windows double while the reader keeps up: 5 Gbit/s over 25 ms or 450 Mbit/s over
    /// 300 ms.
    public var streamWindowMax: UInt64 = 16 << 20
    public var connectionWindowMax: UInt64 = 24 << 20
    /// Holes that a stream's receive buffer may have; a packet that would tear more is dropped as if
    /// lost. A guess: beyond what 20 % loss makes of the largest window.
    public var receiveHolesMax = 4_096
    /// Unsent bytes of a stream from which on a writer is told to wait. A guess: two chunks.
    public var sendHighWater = 2 << 20

    // MARK: Unreliable messages

    /// Messages waiting to be sent; the oldest is dropped beyond. A guess: a DHT lookup has 3 in
    /// flight, gossip a few a second.
    public var messagesMax = 128
    /// Packets of nothing but messages that may go unacknowledged in a row; the next one carries a
    /// PING and obeys the congestion window. A guess: the initial window and a half.
    public var loneMessagesMax = 16

    // MARK: Sessions, handshakes and keys

    public var endpoint = EndpointConfiguration()

    public init() {}
}
