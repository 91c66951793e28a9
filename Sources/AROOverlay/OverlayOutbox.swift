/// What a part of the overlay wants sent, and what it found: plain values that the caller drains
/// after each call.

import AROPrimitives
import AROWire

/// An unreliable message for a peer. Where there is no session, the caller opens one with the message
/// as its first payload; if that fails it says so by the part's `peerUnreachable`.
public struct OverlaySend: Hashable, Sendable {
    public var peer: PeerHandle
    /// Where the message lies in ``OverlayOutbox/bytes``.
    public var range: Range<Int>
}

public struct OverlayOutbox<Event: Sendable>: ~Copyable {
    public private(set) var bytes: [UInt8] = []
    public private(set) var sends: [OverlaySend] = []
    public internal(set) var events: [Event] = []

    public init() {}

    public var isEmpty: Bool { sends.isEmpty && events.isEmpty }

    /// Forgets the contents, keeps the capacity.
    public mutating func removeAll() {
        bytes.removeAll(keepingCapacity: true)
        sends.removeAll(keepingCapacity: true)
        events.removeAll(keepingCapacity: true)
    }

    /// Sends the message that `append` writes.
    @inline(__always)
    mutating func send(to peer: PeerHandle, _ append: (inout [UInt8]) -> Void) {
        let start = bytes.count
        append(&bytes)
        assert(bytes.count - start <= WireLimits.messageMax)
        sends.append(OverlaySend(peer: peer, range: start..<bytes.count))
    }

    /// Sends the last message to one more peer.
    mutating func resend(to peer: PeerHandle) {
        guard let last = sends.last else { return }
        sends.append(OverlaySend(peer: peer, range: last.range))
    }

    /// Takes over another part's messages, and leaves its events.
    mutating func takeSends<Other>(of other: inout OverlayOutbox<Other>) {
        guard !other.sends.isEmpty else { return }
        let base = bytes.count
        bytes += other.bytes
        for send in other.sends {
            let range = base + send.range.lowerBound..<base + send.range.upperBound
            sends.append(OverlaySend(peer: send.peer, range: range))
        }
        other.bytes.removeAll(keepingCapacity: true)
        other.sends.removeAll(keepingCapacity: true)
    }

    /// Takes the events out.
    mutating func takeEvents() -> [Event] {
        defer { events.removeAll(keepingCapacity: true) }
        return events
    }
}
