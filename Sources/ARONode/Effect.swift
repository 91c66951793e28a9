/// What a node wants done: packets to send, disk work, answers to the user. Plain values; the driver
/// drains the outbox after every input and reuses it.

import AROPrimitives
import AROContent
import AROInference

/// Everything that one call of ``Node/handle(_:at:into:)`` wants done.
public struct Outbox: ~Copyable {
    /// Packets, with their bytes.
    public var packets = PacketBuffer()
    public var effects: [Effect] = []

    public init() {}

    public var isEmpty: Bool { packets.isEmpty && effects.isEmpty }

    /// Forgets the contents, keeps the capacity.
    public mutating func removeAll() {
        packets.removeAll()
        effects.clear()
    }
}

public enum Effect: Sendable {
    case reply(RequestID, Reply)
    case disk(DiskRequest)
    /// Something for a model server; replies come back as ``Input/backend(_:)``.
    case backend(BackendRequest)
    /// Keep this of a call; not answered.
    case record(LedgerEntry)
}

/// Why the node wants to be called again, for logs and profiles.
public struct Wake: Hashable, Sendable {
    public enum Reason: UInt8, Sendable { case transport, overlay, content, gossip, inference }
    public var at: Instant
    public var reason: Reason
    public init(at: Instant, reason: Reason) { (self.at, self.reason) = (at, reason) }
}
