/// A node is a value: time, chance and bytes go in, effects come out (Docs/Architecture.md).

import AROPrimitives
import AROCrypto

public struct Node: ~Copyable {
    public let id: PeerID
    private let identity: Identity

    /// - Parameters:
    ///   - identity: the node's key pair.
    ///   - entropy: the source of keys and nonces; seeded for a simulated world.
    ///   - seed: the seed of every decision by chance.
    public init(
        configuration: Configuration, identity: consuming Identity, entropy: consuming Entropy,
        seed: UInt64, at now: Instant, wallClock: UnixTime
    ) {
        id = identity.id
        self.identity = identity
    }

    /// Takes one input. `now` must never go back. Effects other than packets are appended to
    /// `outbox`; packets wait for ``flush(at:into:)``.
    public mutating func handle(
        _ input: borrowing Input, at now: Instant, into outbox: inout Outbox
    ) {
    }

    /// Writes the packets that may go now. Called once after each batch of inputs (one is a batch),
    /// before the outbox is drained: so the answers to many datagrams that arrived together leave
    /// as few long runs.
    public mutating func flush(at now: Instant, into outbox: inout Outbox) {
    }

    /// When the node wants an ``Input/deadline``, and why; nil for never.
    public var nextDeadline: Wake? { nil }
}
