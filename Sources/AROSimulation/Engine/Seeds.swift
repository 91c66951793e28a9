/// Every source of chance in a world, from one number: each concern (loss, workload, the keys of
/// node 7 in its second life) has its own seed, computed from its name and place rather than drawn
/// in turn, so that one more node or one more draw reshuffles nothing else.

import AROPrimitives

public struct Seeds: Sendable {
    private let root: UInt64

    public init(_ root: UInt64) { self.root = root }

    /// The number that belongs to `label` and up to two places.
    public func number(_ label: StaticString, _ a: UInt64 = 0, _ b: UInt64 = 0) -> UInt64 {
        var hash = TraceHash()
        label.withUTF8Buffer { hash.fold(UnsafeRawBufferPointer($0)) }
        hash.fold(root)
        hash.fold(a)
        hash.fold(b)
        return hash.value
    }

    public func generator(_ label: StaticString, _ a: UInt64 = 0, _ b: UInt64 = 0) -> Generator {
        Generator(seed: number(label, a, b))
    }

    /// 32 bytes to seed keys with. No secret: whoever knows the world's seed knows them.
    public func bits256(_ label: StaticString, _ a: UInt64 = 0, _ b: UInt64 = 0) -> Bits256 {
        var generator = generator(label, a, b)
        return generator.bits256()
    }
}
