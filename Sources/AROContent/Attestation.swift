/// A publisher's signed statement about the root of a tree. As every chunk's hash is in the tree,
/// one signature covers every chunk.
///
/// Canonical bytes, big-endian, lengths by RFC 9000 §16: version (1), root CID with its length,
/// publisher (32), issue time (8), byte count (8), name and media type with their lengths,
/// signature (64). What is signed is the domain, a zero byte and all but the signature, so that no
/// signature made for another purpose can be taken for an attestation. Every statement has one
/// encoding.

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

    /// The bounds of the texts: Linux' NAME_MAX, and RFC 6838 §4.2's of a subtype's name.
    public static let nameByteCountMax = 255
    public static let mediaTypeByteCountMax = 127
    /// No encoded attestation is longer.
    public static let byteCountMax =
        1 + 1 + CID.byteCountMax + 32 + 8 + 8 + 2 + nameByteCountMax + 2 + mediaTypeByteCountMax
        + Signature.byteCount

    /// A statement as it was kept elsewhere. Nothing is checked before ``verify()``.
    public init(
        root: CID, publisher: PeerID, issued: UnixTime, byteCount: UInt64, name: String,
        mediaType: String, signature: Signature
    ) {
        (self.root, self.publisher, self.issued) = (root, publisher, issued)
        (self.byteCount, self.name, self.mediaType) = (byteCount, name, mediaType)
        self.signature = signature
    }

    private static let version: UInt8 = 1
    private static let domain = Array("aro attestation".utf8) + [0]
}

/// Why an attestation cannot be made or is not to be believed.
public enum AttestationFailure: Error, Hashable, Sendable {
    /// The name is neither empty nor one that a file may have.
    case name
    /// The media type is too long or has other characters than printable ASCII.
    case mediaType
    /// The time lies before 1970 or the size above 2^63 - 1.
    case numbers
    /// Not signed by its publisher.
    case signature
}

extension Attestation {
    /// Signs a statement about `root`.
    public init(
        root: CID, byteCount: UInt64, name: String = "", mediaType: String = "",
        issued: UnixTime, by publisher: borrowing Identity
    ) throws(AttestationFailure) {
        self.init(
            root: root, publisher: publisher.id, issued: issued, byteCount: byteCount, name: name,
            mediaType: mediaType, signature: Signature(r: .zero, s: .zero))
        try checkBounds()
        signature = publisher.sign(signedBytes)
    }

    /// Throws unless the publisher signed just this statement.
    public func verify() throws(AttestationFailure) {
        try checkBounds()
        guard signature.verifies(signedBytes, by: publisher) else { throw .signature }
    }

    fileprivate func checkBounds() throws(AttestationFailure) {
        guard name.utf8.count <= Self.nameByteCountMax, name.isEmpty || EntryName.isAllowed(name)
        else { throw .name }
        guard mediaType.utf8.count <= Self.mediaTypeByteCountMax,
            mediaType.utf8.allSatisfy({ (0x20...0x7e).contains($0) })
        else { throw .mediaType }
        guard issued.seconds >= 0, byteCount <= DagLimits.fileByteCountMax else { throw .numbers }
    }

    private var signedBytes: [UInt8] { Self.domain + statement }

    private var statement: [UInt8] {
        var out: [UInt8] = [Self.version]
        out.append(root)
        out.appendBits256(publisher.key)
        out.appendU64(UInt64(issued.seconds))
        out.appendU64(byteCount)
        out.appendLengthPrefixed(Array(name.utf8))
        out.appendLengthPrefixed(Array(mediaType.utf8))
        return out
    }

    /// The canonical bytes, signature included.
    public var bytes: [UInt8] {
        var out = statement
        out.append(signature)
        return out
    }
}

extension ByteReader {
    /// Reads an attestation, whose signature is not checked yet: see ``Attestation/verify()``.
    @_lifetime(self: copy self)
    public mutating func attestation() throws(DecodingFailure) -> Attestation {
        guard try u8() == 1 else { throw .unknown }
        let root = try cid()
        let publisher = try peerID()
        let seconds = try u64()
        let byteCount = try u64()
        let name = try text(atMost: Attestation.nameByteCountMax)
        let mediaType = try text(atMost: Attestation.mediaTypeByteCountMax)
        let attestation = Attestation(
            root: root, publisher: publisher,
            issued: UnixTime(seconds: Int64(truncatingIfNeeded: seconds)), byteCount: byteCount,
            name: name, mediaType: mediaType, signature: try signature())
        do throws(AttestationFailure) {
            try attestation.checkBounds()
        } catch { throw .outOfBounds }
        return attestation
    }

    /// A text of UTF-8 with its length before it.
    @_lifetime(self: copy self)
    private mutating func text(atMost bound: Int) throws(DecodingFailure) -> String {
        let bytes = try lengthPrefixed(atMost: bound)
        guard let text = String(validating: bytes, as: UTF8.self) else { throw .outOfBounds }
        return text
    }
}

extension Attestation {
    /// Reads the canonical bytes, all of them.
    public init(bytes: [UInt8]) throws(DecodingFailure) {
        var reader = ByteReader(bytes.span.bytes)
        self = try reader.attestation()
        try reader.finish()
    }
}
