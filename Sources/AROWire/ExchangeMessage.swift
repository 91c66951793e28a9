/// What two nodes say to each other on a content stream: the opener asks, the
/// acceptor answers. The first byte of the stream is `StreamProtocol.content`; then each side sends
/// frames:
///
///     type     1 byte
///     length   variable-length integer, RFC 9000 §16, shortest form, bounded by type
///     body     `length` bytes
///
/// Opener to acceptor, all bounded so that a request never costs more memory than an answer:
///
///     01 WANT          1 … 64 CIDs, each after its length byte    the blocks, in this order
///     02 HAVE          1 … 1,024 CIDs, likewise                   which of these do you hold?
///     03 ATTESTATIONS  one CID                                    who signed this root?
///     04 CANCEL        request number, variable-length integer    not wanted any more
///
/// Every CID of a WANT is a request of its own; a HAVE and an ATTESTATIONS are one each; a CANCEL is
/// none. The requests of a stream are numbered from 0 in the order they are sent, and each is
/// answered by exactly one frame *in that order*, so answers need no names and an unasked one cannot
/// be uttered:
///
///     81 BLOCK         1 … 2,097,152 bytes: the block itself
///     82 MISSING       empty: not held, or found corrupt
///     83 HAVEMAP       one bit a CID of the HAVE, most significant first, the last byte padded with 0
///     84 ATTESTATIONS  0 … 8 attestations, each after a variable-length integer of at most 1,024
///     85 CANCELLED     empty: a CANCEL came before the answer had begun
///     86 REFUSED       1 byte of reason: the stream ends here
///
/// A deviation from Bitswap, where any block may come at any time: order is what lets a receiver
/// bound its memory by what it asked for. An empty block is not sent: its bytes are known from its name.

import AROPrimitives

/// Bounds that both sides keep; beyond them a stream is reset.
public enum ExchangeLimits {
    /// Blocks of one WANT (a guess: 2.4 kB, two packets).
    public static let wantMax = 64
    /// CIDs of one HAVE: the links of one node of the unixfs-v1-2025 profile.
    public static let haveMax = 1_024
    /// Requests of one stream that are not answered yet (a guess: 256 MiB of 1 MiB leaves).
    public static let requestsMax = 256
    /// HAVEs of one stream that are not answered yet: a requester needs no more than one.
    public static let haveRequestsMax = 2
    /// Attestations in one answer (a guess).
    public static let attestationsMax = 8
    /// Bytes of one attestation; the largest has about 550.
    public static let attestationByteCountMax = 1_024
    /// Bytes of a frame's type and length.
    public static let headerByteCountMax = 9
}

/// Why an acceptor does not serve.
public enum ExchangeRefusal: UInt8, Sendable, CaseIterable {
    /// It serves as many as it will; try later.
    case busy = 1
    case shuttingDown = 2
}

public enum ExchangeRequest: Hashable, Sendable {
    case want([CID])
    case have([CID])
    case attestations(CID)
    case cancel(UInt64)
}

public enum ExchangeAnswer: Hashable, Sendable {
    case block([UInt8])
    case missing
    /// One byte for eight CIDs; read it with ``haveMap(_:_:)``.
    case haveMap([UInt8])
    /// Encoded attestations, not looked at.
    case attestations([[UInt8]])
    case cancelled
    case refused(ExchangeRefusal)

    /// Whether CID `i` is held, by the body of a HAVEMAP.
    public static func haveMap(_ map: [UInt8], _ i: Int) -> Bool {
        i >> 3 < map.count && map[i >> 3] & (0x80 >> UInt8(i & 7)) != 0
    }

    /// The body of a HAVEMAP.
    public static func haveMap(of held: [Bool]) -> [UInt8] {
        var map = [UInt8](repeating: 0, count: (held.count + 7) / 8)
        for i in held.indices where held[i] { map[i >> 3] |= 0x80 >> UInt8(i & 7) }
        return map
    }
}

enum ExchangeType: UInt8 {
    case want = 0x01
    case have = 0x02
    case attestationsOf = 0x03
    case cancel = 0x04
    case block = 0x81
    case missing = 0x82
    case haveMap = 0x83
    case attestations = 0x84
    case cancelled = 0x85
    case refused = 0x86

    var isRequest: Bool { rawValue < 0x80 }

    /// What a body may have, in bytes.
    var bodyByteCount: ClosedRange<Int> {
        let cidMax = 1 + CID.byteCountMax
        switch self {
        case .want: return 1...ExchangeLimits.wantMax * cidMax
        case .have: return 1...ExchangeLimits.haveMax * cidMax
        case .attestationsOf: return 1...cidMax
        case .cancel: return 1...8
        case .block: return 1...WireLimits.blockMax
        case .missing, .cancelled: return 0...0
        case .haveMap: return 1...ExchangeLimits.haveMax / 8
        case .attestations:
            return 0...ExchangeLimits.attestationsMax
                * (ExchangeLimits.attestationByteCountMax + 2)
        case .refused: return 1...1
        }
    }
}

// MARK: - Writing

extension [UInt8] {
    /// A whole request. The counts must be within ``ExchangeLimits``.
    public mutating func append(_ request: ExchangeRequest) {
        switch request {
        case .want(let cids):
            precondition((1...ExchangeLimits.wantMax).contains(cids.count))
            appendFrame(.want, body: Self(cids))
        case .have(let cids):
            precondition((1...ExchangeLimits.haveMax).contains(cids.count))
            appendFrame(.have, body: Self(cids))
        case .attestations(let root): appendFrame(.attestationsOf, body: Self([root]))
        case .cancel(let number):
            append(ExchangeType.cancel.rawValue)
            appendVarint(varintByteCount(number))
            appendVarint(number)
        }
    }

    /// The frame of a block without its bytes, which follow as an array of their own, uncopied.
    public mutating func appendBlockHeader(byteCount: Int) {
        precondition((1...WireLimits.blockMax).contains(byteCount))
        append(ExchangeType.block.rawValue)
        appendVarint(byteCount)
    }

    /// A whole answer.
    public mutating func append(_ answer: ExchangeAnswer) {
        switch answer {
        case .block(let block): appendFrame(.block, body: block)
        case .missing: appendFrame(.missing, body: [])
        case .haveMap(let map): appendFrame(.haveMap, body: map)
        case .attestations(let all):
            var body: [UInt8] = []
            for one in all { body.appendLengthPrefixed(one) }
            appendFrame(.attestations, body: body)
        case .cancelled: appendFrame(.cancelled, body: [])
        case .refused(let reason): appendFrame(.refused, body: [reason.rawValue])
        }
    }

    private init(_ cids: [CID]) {
        self = []
        reserveCapacity(cids.count * (1 + CID.byteCountMax))
        for cid in cids { append(cid) }
    }

    private mutating func appendFrame(_ type: ExchangeType, body: [UInt8]) {
        append(type.rawValue)
        appendLengthPrefixed(body)
    }
}

// MARK: - Reading bodies

extension ExchangeRequest {
    init(_ type: ExchangeType, body: [UInt8]) throws(DecodingFailure) {
        var reader = ByteReader(body.span.bytes)
        switch type {
        case .want: self = .want(try reader.cids(atMost: ExchangeLimits.wantMax))
        case .have: self = .have(try reader.cids(atMost: ExchangeLimits.haveMax))
        case .attestationsOf: self = .attestations(try reader.cid())
        case .cancel: self = .cancel(try reader.varint())
        default: throw .unknown
        }
        try reader.finish()
    }
}

extension ExchangeAnswer {
    init(_ type: ExchangeType, body: [UInt8]) throws(DecodingFailure) {
        switch type {
        case .block: self = .block(body)
        case .missing: self = .missing
        case .haveMap: self = .haveMap(body)
        case .attestations: self = .attestations(try Self.attestations(body))
        case .cancelled: self = .cancelled
        case .refused:
            guard let reason = ExchangeRefusal(rawValue: body[0]) else { throw .unknown }
            self = .refused(reason)
        default: throw .unknown
        }
    }

    private static func attestations(_ body: [UInt8]) throws(DecodingFailure) -> [[UInt8]] {
        var reader = ByteReader(body.span.bytes)
        var all: [[UInt8]] = []
        while !reader.isAtEnd {
            guard all.count < ExchangeLimits.attestationsMax else { throw .outOfBounds }
            all.append(try reader.lengthPrefixed(atMost: ExchangeLimits.attestationByteCountMax))
        }
        return all
    }
}

extension ByteReader {
    /// CIDs up to the end of the bytes.
    @_lifetime(self: copy self)
    fileprivate mutating func cids(atMost bound: Int) throws(DecodingFailure) -> [CID] {
        var cids: [CID] = []
        while !isAtEnd {
            guard cids.count < bound else { throw .outOfBounds }
            cids.append(try cid())
        }
        return cids
    }
}
