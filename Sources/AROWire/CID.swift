/// Content identifiers: CIDv1 (multiformats' CID specification) in the forms that ARO uses.

import AROPrimitives
import AROCrypto

/// What a block's bytes are (multicodec table).
public enum Multicodec: UInt64, Sendable, CaseIterable {
    /// Bytes without structure: the leaves of files.
    case raw = 0x55
    /// MerkleDAG protobuf: the nodes of files and directories.
    case dagPB = 0x70
}

/// A hash function and its 256-bit digest (multihash specification).
public struct Multihash: Hashable, Sendable {
    public enum Function: UInt64, Sendable, CaseIterable {
        case sha256 = 0x12
        case blake2b256 = 0xb220
    }

    public var function: Function
    public var digest: Bits256

    public init(function: Function, digest: Bits256) {
        (self.function, self.digest) = (function, digest)
    }

    /// The hash of `bytes` by `function`.
    public init(_ function: Function = .sha256, of bytes: RawSpan) {
        self.function = function
        switch function {
        case .sha256: digest = SHA256Digest.of(bytes)
        case .blake2b256: digest = Bits256(BLAKE2b.digest(of: bytes, byteCount: 32))!
        }
    }

    /// Function code, length and digest: 34 bytes for sha2-256.
    public var bytes: [UInt8] {
        var out: [UInt8] = []
        out.appendLEB128(function.rawValue)
        out.append(32)
        out.appendBits256(digest)
        return out
    }
}

/// The name of a block: codec and hash. Text form: base32 with the multibase prefix `b`.
public struct CID: Hashable, Sendable {
    public var codec: Multicodec
    public var hash: Multihash

    /// No CID that ARO accepts is longer: version, codec, three bytes of function, length, digest.
    public static let byteCountMax = 38

    public init(codec: Multicodec, hash: Multihash) { (self.codec, self.hash) = (codec, hash) }

    /// The CID of a block by sha2-256, the hash of the unixfs-v1-2025 profile.
    public init(_ codec: Multicodec, hashing block: RawSpan) {
        self.init(codec: codec, hash: Multihash(.sha256, of: block))
    }

    /// Whether `block` is what this CID names.
    public func matches(_ block: RawSpan) -> Bool {
        Multihash(hash.function, of: block) == hash
    }

    /// Where the DHT keeps this content's provider records: SHA-256 of the multihash, so that one
    /// content has one place whatever its codec.
    public var dhtKey: DHTKey { DHTKey(hashing: hash.bytes) }

    /// The binary form.
    public var bytes: [UInt8] {
        var out: [UInt8] = [1]
        out.appendLEB128(codec.rawValue)
        return out + hash.bytes
    }
}

/// Why a CID was refused; the description is meant for the user who typed it.
public enum CIDFailure: Error, Hashable, Sendable {
    case malformed
    case version(UInt64)
    case codec(UInt64)
    case hash(UInt64)
    case digestLength(UInt64)
    case multibase(Character)
}

extension CIDFailure: CustomStringConvertible {
    public var description: String {
        switch self {
        case .malformed: "not a CID"
        case .version(let v): "CID version \(v) is not supported (only version 1)"
        case .codec(let c):
            "codec 0x\(String(c, radix: 16)) is not supported (only raw and dag-pb)"
        case .hash(let h):
            "hash function 0x\(String(h, radix: 16)) is not supported (only sha2-256 and blake2b-256)"
        case .digestLength(let n): "a digest of \(n) bytes is not supported (only 32)"
        case .multibase(let c): "multibase '\(c)' is not supported (only base32, 'b')"
        }
    }
}

extension CID: CustomStringConvertible {
    public var description: String { "b" + Base32.encode(bytes) }

    /// Reads the base32 text form; case does not matter (RFC 4648 base32 in multibase `b` or `B`).
    public init(_ text: some StringProtocol) throws(CIDFailure) {
        guard let base = text.first else { throw .malformed }
        if base == "Q", text.utf8.count == 46 { throw .version(0) }
        guard base == "b" || base == "B" else { throw .multibase(base) }
        guard text.utf8.count <= 128, let bytes = Base32.decode(text.dropFirst()) else {
            throw .malformed
        }
        try self.init(bytes: bytes)
    }

    /// Reads the binary form, all of it.
    public init(bytes: [UInt8]) throws(CIDFailure) {
        var reader = LEB128Reader(bytes: bytes)
        guard let version = reader.next() else { throw .malformed }
        guard version == 1 else { throw .version(version) }
        guard let codecCode = reader.next(), let function = reader.next(),
            let length = reader.next()
        else { throw .malformed }
        guard let codec = Multicodec(rawValue: codecCode) else { throw .codec(codecCode) }
        guard let hash = Multihash.Function(rawValue: function) else { throw .hash(function) }
        guard length == 32 else { throw .digestLength(length) }
        guard let digest = Bits256(bytes[reader.offset...]) else { throw .malformed }
        self.init(codec: codec, hash: Multihash(function: hash, digest: digest))
    }
}

extension ByteReader {
    /// A binary CID with its length (one byte) before it.
    @_lifetime(self: copy self)
    public mutating func cid() throws(DecodingFailure) -> CID {
        let count = Int(try u8())
        guard count <= CID.byteCountMax else { throw .outOfBounds }
        let bytes = try bytes(count)
        do throws(CIDFailure) { return try CID(bytes: bytes) } catch { throw .unknown }
    }
}

extension [UInt8] {
    /// A binary CID with its length (one byte) before it.
    public mutating func append(_ cid: CID) {
        let bytes = cid.bytes
        append(UInt8(bytes.count))
        append(contentsOf: bytes)
    }

    /// An unsigned LEB128 number, as multiformats and protobuf write them.
    public mutating func appendLEB128(_ value: UInt64) {
        var rest = value
        while rest >= 0x80 {
            append(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        append(UInt8(rest))
    }
}

/// Reads unsigned LEB128 numbers in their shortest form, of at most 63 bits (unsigned-varint
/// specification of multiformats: nine bytes).
public struct LEB128Reader {
    let bytes: [UInt8]
    public private(set) var offset: Int

    public init(bytes: [UInt8], offset: Int = 0) { (self.bytes, self.offset) = (bytes, offset) }

    /// The next number; nil where it is cut short, too long or not in its shortest form.
    public mutating func next() -> UInt64? {
        var value: UInt64 = 0
        for i in 0..<9 {
            guard offset < bytes.count else { return nil }
            let byte = bytes[offset]
            offset += 1
            value |= UInt64(byte & 0x7f) << UInt64(7 * i)
            if byte & 0x80 == 0 { return byte == 0 && i > 0 ? nil : value }
        }
        return nil
    }
}
