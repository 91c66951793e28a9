/// What all nodes of a world of messages sent, in bytes of the real packets, by what it was for. A
/// handshake counts for the message that it carries.

import AROPrimitives
import AROWire

public struct WireBytes: Hashable, Sendable {
    public var kademlia: UInt64 = 0
    /// Views and probes.
    public var membership: UInt64 = 0
    public var announcement: UInt64 = 0
    public var topic: UInt64 = 0
    /// Dials, bare handshakes, goodbyes, streams.
    public var other: UInt64 = 0

    mutating func count(_ byteCount: Int, for first: UInt8?) {
        let bytes = UInt64(byteCount)
        switch first.flatMap({ MessageFamily(rawValue: $0 & 0xf0) }) {
        case .kademlia: kademlia += bytes
        case .membership: membership += bytes
        case .announcement: announcement += bytes
        case .topic: topic += bytes
        case nil: other += bytes
        }
    }

    static func - (a: Self, b: Self) -> Self {
        var difference = Self()
        difference.kademlia = a.kademlia - b.kademlia
        difference.membership = a.membership - b.membership
        difference.announcement = a.announcement - b.announcement
        difference.topic = a.topic - b.topic
        difference.other = a.other - b.other
        return difference
    }

    /// - Parameter share: what a byte counts, as one of a node and second.
    func metrics(_ share: Double) -> [Metric] {
        [
            Metric("settled_bytes_kademlia", .bytes, Double(kademlia) * share),
            Metric("settled_bytes_membership", .bytes, Double(membership) * share),
            Metric("settled_bytes_announcement", .bytes, Double(announcement) * share),
            Metric("settled_bytes_topic", .bytes, Double(topic) * share),
            Metric("settled_bytes_other", .bytes, Double(other) * share),
        ]
    }
}
