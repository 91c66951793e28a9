/// How much a store may keep.

public struct StoreOptions: Sendable {
    /// What may be held at most; see ``StoreUsage/bytes`` for what counts. Nil for the default:
    /// ``quotaDefault``, or a tenth of the disk where that is less.
    public var quota: UInt64?
    /// Left free on the disk whatever the quota: a full disk harms more than this node. A guess.
    public var freeBytesMin: UInt64 = 64 << 20

    /// As much as a Kubo node's `StorageMax` (10 GB) by default.
    public static let quotaDefault: UInt64 = 10 << 30

    public init(quota: UInt64? = nil) { self.quota = quota }

    func quota(on path: String) -> UInt64 {
        if let quota { return quota }
        guard let space = Files.space(at: path) else { return Self.quotaDefault }
        return min(Self.quotaDefault, space.total / 10)
    }
}
