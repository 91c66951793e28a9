/// A publisher's signed statement about the root of a tree. As every chunk's hash is in the tree, one
/// signature covers every chunk.

import AROPrimitives
import AROCrypto
import AROWire

public struct Attestation: Hashable, Sendable {
    public var root: CID
    public var publisher: PeerID
    public var issued: UnixTime
    /// The content's size as a user counts it: a file's bytes, a directory's sum of files.
    public var byteCount: UInt64
    /// A file name, or empty. At most 255 bytes of UTF-8.
    public var name: String
    /// A media type (RFC 6838), or empty. At most 127 bytes.
    public var mediaType: String
    public var signature: Signature
}
