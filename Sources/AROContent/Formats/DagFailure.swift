/// Why a block was refused as a part of a tree. Every case is a bug or a lie of whoever made the
/// block (its hash matched), so asking another provider for it is of no use.

import AROWire

public enum DagFailure: Error, Hashable, Sendable {
    /// Larger than ``WireLimits/blockMax``.
    case blockTooLarge
    /// Cut short, or no protobuf.
    case encoding
    case duplicateField
    /// A field where dag-pb or UnixFS has none, or in an order that dag-pb refuses.
    case misplacedField
    case linkWithoutHash
    case link(CIDFailure)
    /// A dag-pb block without UnixFS data.
    case notUnixFS
    /// A UnixFS type that ARO does not know (3 is the obsolete Metadata).
    case type(UInt64)
    /// Something else than what the parent's link leads to: a directory inside a file, for
    /// instance.
    case wrongKind
    /// Byte counts that do not add up, between a node's own fields or between parent and child.
    case sizes
    case tooManyLinks
    case tooDeep
    /// An entry's name that is empty, `.`, `..`, too long, not UTF-8, or holds `/` or NUL.
    case name
    case duplicateName
    /// A HAMT shard whose hash function, fanout, bitfield or slots are not in order.
    case shard
    /// A symbolic link whose target is empty, too long, not UTF-8, or holds NUL.
    case symlink
}

extension DagFailure: CustomStringConvertible {
    public var description: String {
        switch self {
        case .blockTooLarge: "a block of more than \(WireLimits.blockMax) bytes"
        case .encoding: "not a dag-pb block"
        case .duplicateField: "a field that occurs twice"
        case .misplacedField: "a field that does not belong there"
        case .linkWithoutHash: "a link without a hash"
        case .link(let failure): "a link that cannot be followed: \(failure)"
        case .notUnixFS: "a dag-pb block without UnixFS data"
        case .type(let type): "UnixFS type \(type) is not supported"
        case .wrongKind: "not the kind of node that its parent needs there"
        case .sizes: "sizes that do not add up"
        case .tooManyLinks: "too many links"
        case .tooDeep: "a tree that is too deep"
        case .name: "an entry with a name that is not allowed"
        case .duplicateName: "two entries of one name"
        case .shard: "a malformed shard of a directory"
        case .symlink: "a malformed symbolic link"
        }
    }
}

/// Bounds on trees that strangers made.
public enum DagLimits {
    /// Links of one file node. The profile unixfs-v1-2025 has 1,024; eight times that is a guess.
    public static let fileLinksMax = 8_192
    /// Levels of nodes in one file. The profile's balanced tree needs 5 for 2^60 bytes; trickle
    /// trees of other tools are deeper (a guess).
    public static let fileDepthMax = 64
    /// Directories inside directories (a guess; Linux' PATH_MAX allows 2,048).
    public static let directoryDepthMax = 128
    /// Bytes of one name: 255 UTF-16 units, what NTFS and APFS allow, are up to 765 bytes of UTF-8.
    /// Linux stores no more than 255 bytes (NAME_MAX).
    public static let nameByteCountMax = 765
    /// Bytes of a symbolic link's target: PATH_MAX of Linux.
    public static let symlinkByteCountMax = 4_096
    /// Slots of a HAMT shard: the profile has 256, boxo's documentation powers of two up to 1,024.
    public static let fanoutMax = 1_024
    /// The largest file: signed 64-bit offsets, as in POSIX and in go.
    public static let fileByteCountMax = UInt64(Int64.max)
}
