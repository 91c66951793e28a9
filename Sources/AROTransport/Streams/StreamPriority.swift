/// Who goes first when the path is full.
public enum StreamPriority: UInt8, Sendable, CaseIterable {
    case inference, interactive, background
}
