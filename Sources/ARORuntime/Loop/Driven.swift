/// What the loop drives: a machine to which things happen, and which says what it wants done and
/// when it wants to be called again. ``ARONode/Node`` is the one that matters; tests drive others.

import ARONode
import AROPrimitives

package protocol Driven: ~Copyable, SendableMetatype {
    mutating func handle(_ input: borrowing Input, at now: Instant, into outbox: inout Outbox)
    /// Called once after each batch of inputs, before the outbox is drained: packets are written
    /// here, so that a batch gives long runs.
    mutating func flush(at now: Instant, into outbox: inout Outbox)
    var nextDeadline: Wake? { get }
}

extension Node: Driven {}
