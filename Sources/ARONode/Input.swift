/// What can happen to a node. One input, then drain the outbox, then the next.

import AROPrimitives
import AROContent
import AROInference

public enum Input: ~Escapable {
    /// A datagram arrived. Its bytes are only borrowed.
    case datagram(RawSpan, from: SocketAddress)
    /// The clock reached ``Node/nextDeadline``; spurious ones are harmless.
    case deadline
    case request(Request, RequestID)
    case cancel(RequestID)
    /// The answer to one of the node's ``Effect/disk(_:)``.
    case disk(DiskReply)
    /// The answer to one of the node's ``Effect/backend(_:)``.
    case backend(BackendReply)
    /// The time of day, for signed dates. Sent at the start and at least once a minute.
    case wallClock(UnixTime)
    /// Say goodbye to every peer; nothing is sent afterwards.
    case shutdown
}
