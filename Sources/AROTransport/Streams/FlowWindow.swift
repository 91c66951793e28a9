/// Flow control on the receiving side, of a stream or of the whole connection (RFC 9000 §4).
///
/// New credit is due when half of the window is used up. The window doubles, up to a maximum, when
/// that happens within two round trips: then the window, and not the path or the reader, holds the
/// sender back. So memory is lent only to peers that have delivered bytes which were read.

import AROPrimitives

struct FlowWindow {
    private(set) var size: UInt64
    private let sizeMax: UInt64
    /// What the peer may send up to, as last announced.
    private(set) var limit: UInt64
    private var raisedAt: Instant

    init(size: UInt64, max sizeMax: UInt64, at now: Instant) {
        (self.size, self.sizeMax, limit) = (size, Swift.max(sizeMax, size), size)
        raisedAt = now
    }

    /// The reader has taken `consumed` bytes in all. Returns whether new credit is to be announced.
    mutating func consumed(_ consumed: UInt64, roundTrip: Duration, at now: Instant) -> Bool {
        guard limit - consumed <= size / 2 else { return false }
        if now - raisedAt < roundTrip * 2 { size = min(size * 2, sizeMax) }
        raisedAt = now
        limit = max(limit, consumed + size)
        return true
    }
}
