/// Which overlay a membership message belongs to, where it is not the base overlay of all nodes.

import AROPrimitives

/// A set of peers that keeps views of its own among the network: the subscribers of a topic.
public struct SwarmID: Hashable, Comparable, Sendable {
    public var bits: Bits256

    @inlinable public init(bits: Bits256) { self.bits = bits }

    @inlinable public static func < (a: SwarmID, b: SwarmID) -> Bool { a.bits < b.bits }
}

extension SwarmID: CustomStringConvertible {
    public var description: String { bits.description }
}
