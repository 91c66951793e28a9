/// A stream between two peers, as those who use it name it: the parts above the transport choose the
/// names, each from numbers of its own. Never reused.
public struct StreamToken: Hashable, Sendable {
    public var number: UInt64
    @inlinable public init(number: UInt64) { self.number = number }
}
