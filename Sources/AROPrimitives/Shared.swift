/// A value that several parts keep without a copy each: one word in every holder. For configurations,
/// which are large, and for values without copies, whose every field costs compile time in each holder.
public final class Shared<Value: Sendable>: Sendable {
    public let value: Value
    public init(_ value: Value) { self.value = value }
}
