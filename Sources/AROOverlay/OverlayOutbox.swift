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
    // Generic, and asked for by other targets with every message: hence inlinable.
    @usableFromInline var heldBytes: [UInt8] = []
    @usableFromInline var heldSends: [OverlaySend] = []
    @usableFromInline var heldEvents: [Event] = []

    @inlinable public var bytes: [UInt8] { heldBytes }
    @inlinable public var sends: [OverlaySend] { heldSends }
    public internal(set) var events: [Event] {
        @inlinable get { heldEvents }
        _modify { yield &heldEvents }
    }

    @inlinable public init() {}

    @inlinable public var isEmpty: Bool { sends.isEmpty && events.isEmpty }

    /// Forgets the contents, keeps the capacity.
    @inlinable public mutating func removeAll() {
        heldBytes.clear()
        heldSends.clear()
        heldEvents.clear()
    }

    /// Forgets the contents, keeps the capacity, and returns the events.
    @inlinable public mutating func takeAll() -> [Event] {
        heldBytes.clear()
        heldSends.clear()
        return takeEvents()
    }

    /// Sends the message that `append` writes.
    @inline(__always)
    mutating func send(to peer: PeerHandle, _ append: (inout [UInt8]) -> Void) {
        let start = bytes.count
        append(&heldBytes)
        assert(bytes.count - start <= WireLimits.messageMax)
        heldSends.append(OverlaySend(peer: peer, range: start..<bytes.count))
    }

    /// Sends the last message to one more peer.
    mutating func resend(to peer: PeerHandle) {
        guard let last = sends.last else { return }
        heldSends.append(OverlaySend(peer: peer, range: last.range))
    }

    /// Takes over another part's messages, and leaves its events.
    mutating func takeSends<Other>(of other: inout OverlayOutbox<Other>) {
        guard !other.sends.isEmpty else { return }
        let base = bytes.count
        heldBytes += other.bytes
        for send in other.sends {
            let range = base + send.range.lowerBound..<base + send.range.upperBound
            heldSends.append(OverlaySend(peer: send.peer, range: range))
        }
        other.heldBytes.clear()
        other.heldSends.clear()
    }

    /// Takes the events out.
    @inlinable mutating func takeEvents() -> [Event] {
        guard !events.isEmpty else { return [] }
        // The caller has the only reference: a kept capacity would be a new allocation.
        defer { heldEvents = [] }
        return events
    }

    /// Forgets the first events, whoever asked for them one by one; keeps the capacity.
    @inline(__always)
    mutating func forgetEvents(_ count: Int) {
        if count == heldEvents.count { heldEvents.clear() } else { heldEvents.removeFirst(count) }
    }
}
