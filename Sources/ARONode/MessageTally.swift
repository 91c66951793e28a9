/// Unreliable messages by the family that their first byte names, as a participant sends them: what
/// becomes of them in packets is the transport's matter. Simulated nodes count alike.

import AROPrimitives
import AROWire

public struct MessageTally: Hashable, Sendable {
    public var kademlia: UInt64 = 0
    public var membership: UInt64 = 0
    public var announcement: UInt64 = 0
    public var topic: UInt64 = 0

    public init() {}

    mutating func count(_ message: RawSpan) {
        guard message.byteCount > 0 else { return }
        switch MessageFamily(rawValue: message.unsafeLoad(as: UInt8.self) & 0xf0) {
        case .kademlia: kademlia &+= 1
        case .membership: membership &+= 1
        case .announcement: announcement &+= 1
        case .topic: topic &+= 1
        case nil: break
        }
    }

    public static func += (a: inout MessageTally, b: MessageTally) {
        a.kademlia += b.kademlia
        a.membership += b.membership
        a.announcement += b.announcement
        a.topic += b.topic
    }
}
