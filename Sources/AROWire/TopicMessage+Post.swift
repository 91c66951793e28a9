/// A post: what a publisher signs. The Ed25519 signature covers
///
/// ```
/// "ARO topic post 1" · topic 32 · publisher 32 · sequence u64 · issued u64 · payload
/// ```
///
/// and not the hops, which every forwarder counts up. Sequence numbers of a publisher rise by one
/// from post to post; the first one after a start is its time in seconds times 2^24
/// (``TopicPost/firstSequence(at:)``), so that a publisher needs no disk to never repeat one.

import AROPrimitives
import AROCrypto

/// What comes before the payload.
public struct TopicPostHead: Hashable, Sendable {
    public var publisher: PeerID
    public var sequence: UInt64
    public var issued: UnixTime
    public var signature: Signature

    public var name: TopicPostName { TopicPostName(publisher: publisher, sequence: sequence) }

    public init(publisher: PeerID, sequence: UInt64, issued: UnixTime, signature: Signature) {
        (self.publisher, self.sequence) = (publisher, sequence)
        (self.issued, self.signature) = (issued, signature)
    }

    static let domain = Array("ARO topic post 1".utf8)

    package func signedBytes(_ topic: TopicID, _ payload: RawSpan) -> [UInt8] {
        var out = Self.domain
        out.reserveCapacity(16 + 80 + payload.byteCount)
        out.appendBits256(topic.bits)
        out.appendBits256(publisher.key)
        out.appendU64(sequence)
        out.append(issued)
        out.append(payload)
        return out
    }

    public func verifies(_ topic: TopicID, _ payload: RawSpan) -> Bool {
        signature.verifies(signedBytes(topic, payload), by: publisher)
    }
}

public struct TopicPost: Hashable, Sendable {
    public var head: TopicPostHead
    public var payload: [UInt8]

    public init(head: TopicPostHead, payload: [UInt8]) {
        (self.head, self.payload) = (head, payload)
    }

    /// - Parameters:
    ///   - payload: at most ``WireLimits/topicPayloadMax`` bytes.
    ///   - sequence: larger than every earlier one of this identity in this topic.
    public init(
        topic: TopicID, payload: [UInt8], sequence: UInt64, issued: UnixTime,
        signedBy identity: borrowing Identity
    ) {
        precondition(payload.count <= WireLimits.topicPayloadMax)
        precondition(sequence < TopicMessage.sequenceBound)
        self.payload = payload
        head = TopicPostHead(
            publisher: identity.id, sequence: sequence, issued: issued,
            signature: Signature(r: .zero, s: .zero))
        head.signature = identity.sign(head.signedBytes(topic, payload.span.bytes))
    }

    /// Where a publisher that starts at `time` begins to count.
    public static func firstSequence(at time: UnixTime) -> UInt64 {
        UInt64(min(max(time.seconds, 0), 1 << 37)) << runBits
    }

    /// Posts of one run before its numbers look like those of a later one: 16 million a second.
    public static let runBits: UInt64 = 24
}

extension TopicPostHead {
    /// Kind, topic and hops come before it.
    static let offset = 34
    package static let pathOffset = 33
    /// What surrounds a payload.
    package static let byteCount = offset + 32 + 8 + 8 + 64

    /// Reads up to the payload. Nothing is verified yet.
    package init(from reader: inout ByteReader) throws(DecodingFailure) {
        publisher = try reader.peerID()
        sequence = try reader.u64()
        guard sequence < TopicMessage.sequenceBound else { throw .outOfBounds }
        issued = try reader.unixTime()
        signature = try reader.signature()
        guard reader.remaining <= WireLimits.topicPayloadMax else { throw .outOfBounds }
    }

    package func append(to out: inout [UInt8]) {
        out.appendBits256(publisher.key)
        out.appendU64(sequence)
        out.append(issued)
        out.append(signature)
    }
}
