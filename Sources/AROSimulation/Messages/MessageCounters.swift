/// Unreliable messages of one node, by the family that their first byte names.

import AROPrimitives
import AROWire

public struct MessageCounters: Hashable, Sendable {
    public var sent = Direction()
    public var received = Direction()

    public struct Direction: Hashable, Sendable {
        public var kademlia = Family()
        public var membership = Family()
        public var announcement = Family()
        public var topic = Family()
        /// Of no known family.
        public var other = Family()

        public var all: Family { kademlia + membership + announcement + topic + other }

        public subscript(family: MessageFamily) -> Family {
            switch family {
            case .kademlia: kademlia
            case .membership: membership
            case .announcement: announcement
            case .topic: topic
            }
        }

        mutating func count(_ message: RawSpan) {
            switch MessageFamily(rawValue: message.unsafeLoad(as: UInt8.self) & 0xf0) {
            case .kademlia: kademlia.count(message.byteCount)
            case .membership: membership.count(message.byteCount)
            case .announcement: announcement.count(message.byteCount)
            case .topic: topic.count(message.byteCount)
            case nil: other.count(message.byteCount)
            }
        }
    }

    public struct Family: Hashable, Sendable {
        public var messages: UInt64 = 0
        public var bytes: UInt64 = 0

        mutating func count(_ byteCount: Int) {
            messages += 1
            bytes += UInt64(byteCount)
        }

        public static func + (a: Family, b: Family) -> Family {
            Family(messages: a.messages + b.messages, bytes: a.bytes + b.bytes)
        }
    }

    public static func + (a: MessageCounters, b: MessageCounters) -> MessageCounters {
        MessageCounters(sent: a.sent + b.sent, received: a.received + b.received)
    }
}

extension MessageCounters.Direction {
    public static func + (a: Self, b: Self) -> Self {
        Self(
            kademlia: a.kademlia + b.kademlia, membership: a.membership + b.membership,
            announcement: a.announcement + b.announcement, topic: a.topic + b.topic,
            other: a.other + b.other)
    }
}
