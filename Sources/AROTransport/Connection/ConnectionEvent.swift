/// What a connection tells its owner, taken one by one with `nextEvent()`.

import AROPrimitives

package enum ConnectionEvent: Equatable, Sendable {
    /// An unreliable message came; the range lies in the payload that was last received.
    case message(Range<Int>)
    /// The peer opened a stream.
    case streamOpened(UInt64)
    /// A stream has bytes to read, or has ended. Not repeated until `read` was called.
    case readable(UInt64)
    /// A stream whose writer found no room has room again.
    case writable(UInt64)
    /// All bytes of a finished stream have reached the peer.
    case delivered(UInt64)
    /// The peer took back what it had not delivered.
    case reset(UInt64, code: UInt64)
    /// The peer does not want more; our side was reset with the same code.
    case stopped(UInt64, code: UInt64)
    /// The answer to a path challenge with this token.
    case pathResponded(UInt64)
    /// The peer ended the connection.
    case closed(code: CloseCode, text: [UInt8])
}

/// What `write` put into a packet.
package struct PayloadInfo: Equatable, Sendable {
    /// Bytes used; 0: nothing may go now.
    package var count = 0
    package var isAckEliciting = false
    /// A path MTU probe: larger than its neighbours.
    package var isProbe = false
}

/// A connection's counters.
package struct ConnectionStatistics: Equatable, Sendable {
    package var smoothedRoundTrip: Duration
    package var minimumRoundTrip: Duration
    /// Whether the round trips were measured.
    package var hasRoundTrip: Bool
    package var congestionWindow: Int
    package var bytesInFlight: Int
    package var datagramSize: Int
    package var bytesIn: UInt64
    package var bytesOut: UInt64
    package var packetsIn: UInt64
    package var packetsOut: UInt64
    package var lostPackets: UInt64
    package var spuriousLosses: UInt64
    package var probeTimeouts: UInt64
    /// Packets that came again, or too late to tell.
    package var duplicatePackets: UInt64
    /// Messages pushed out of the send queue by newer ones.
    package var droppedMessages: UInt64
    /// Stream bytes sent, retransmissions included.
    package var streamBytesOut: UInt64
    package var streamsOpen: Int
    package var receiveBufferBytes: Int
}
