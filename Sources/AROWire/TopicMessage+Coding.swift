/// The encodings that TopicMessage.swift lays out. Every message has one encoding: unknown kinds and
/// flags, other orders and trailing bytes are refused.

import AROPrimitives
import AROCrypto

extension TopicMessage {
    public init(decoding bytes: RawSpan) throws(DecodingFailure) {
        var reader = ByteReader(bytes)
        let (kind, topic) = try Self.header(from: &reader)
        switch kind {
        case .post:
            let path = try reader.path()
            let head = try TopicPostHead(from: &reader)
            self = .post(topic, TopicPost(head: head, payload: reader.rest().array), path)
        case .have:
            let settled = try reader.flags(below: 2) == 1
            let posts = try reader.posts(withHops: true)
            guard !posts.isEmpty else { throw .truncated }
            self = .have(topic, posts, settled: settled)
        case .graft:
            let pushes = try reader.flags(below: 2) == 1
            let posts = try reader.posts(withHops: false)
            self = .graft(topic, posts.map { $0.post }, pushes: pushes)
        case .prune: self = .prune(topic)
        case .digest: self = .digest(topic, try TopicDigest(from: &reader))
        }
        try reader.finish()
    }

    /// Kind and topic, which every message starts with.
    package static func header(
        from reader: inout ByteReader
    ) throws(DecodingFailure) -> (Kind, TopicID) {
        guard reader.remaining <= WireLimits.messageMax else { throw .outOfBounds }
        guard let kind = Kind(rawValue: try reader.u8()) else { throw .unknown }
        return (kind, TopicID(bits: try reader.bits256()))
    }

    public func append(to out: inout [UInt8]) {
        switch self {
        case .post(let topic, let post, let path):
            out.appendHeader(.post, topic)
            out.append(path.byte)
            post.head.append(to: &out)
            out.append(contentsOf: post.payload)
        case .have(let topic, let posts, let settled):
            out.appendHeader(.have, topic)
            out.append(settled ? 1 : 0)
            out.appendPosts(posts.count, withHops: true) { posts[$0] }
        case .graft(let topic, let posts, let pushes):
            out.appendHeader(.graft, topic)
            out.append(pushes ? 1 : 0)
            out.appendPosts(posts.count, withHops: false) { TopicHave(posts[$0], hops: 0) }
        case .prune(let topic): out.appendHeader(.prune, topic)
        case .digest(let topic, let digest):
            out.appendHeader(.digest, topic)
            digest.append(to: &out)
        }
    }

    /// A message alone, for tests and tools; the node appends to a buffer.
    public var bytes: [UInt8] {
        var out: [UInt8] = []
        append(to: &out)
        return out
    }
}

extension [UInt8] {
    fileprivate mutating func appendHeader(_ kind: TopicMessage.Kind, _ topic: TopicID) {
        append(kind.rawValue)
        appendBits256(topic.bits)
    }

    /// Writes posts, which must be in ascending order and differ.
    @inline(__always)
    fileprivate mutating func appendPosts(
        _ count: Int, withHops: Bool, _ at: (Int) -> TopicHave
    ) {
        precondition(count <= TopicMessage.postsMax)
        var countAt = 0
        for i in 0..<count {
            let have = at(i)
            let last = i > 0 ? at(i - 1).post : nil
            if let last, last.publisher == have.post.publisher {
                precondition(last < have.post, "posts are named in order")
                self[countAt] += 1
                appendVarint(have.post.sequence - last.sequence)
            } else {
                precondition(last.map { $0 < have.post } ?? true, "posts are named in order")
                appendBits256(have.post.publisher.key)
                countAt = self.count
                append(1)
                appendU64(have.post.sequence)
            }
            if withHops { append(UInt8(have.hops)) }
        }
    }
}

extension ByteReader {
    @_lifetime(self: copy self)
    fileprivate mutating func flags(below bound: UInt8) throws(DecodingFailure) -> UInt8 {
        let flags = try u8()
        guard flags < bound else { throw .unknown }
        return flags
    }

    @_lifetime(self: copy self)
    package mutating func path() throws(DecodingFailure) -> TopicPostPath {
        guard let path = TopicPostPath(byte: try u8()) else { throw .outOfBounds }
        return path
    }

    @_lifetime(self: copy self)
    fileprivate mutating func hops() throws(DecodingFailure) -> Int {
        let hops = Int(try u8())
        guard hops <= TopicMessage.hopsMax else { throw .outOfBounds }
        return hops
    }

    @_lifetime(self: copy self)
    fileprivate mutating func posts(withHops: Bool) throws(DecodingFailure) -> [TopicHave] {
        var posts: [TopicHave] = []
        while !isAtEnd {
            let publisher = try peerID()
            if let last = posts.last {
                guard last.post.publisher < publisher else { throw .notCanonical }
            }
            let count = Int(try u8())
            guard count > 0, posts.count + count <= TopicMessage.postsMax else {
                throw .outOfBounds
            }
            var sequence = try u64()
            for i in 0..<count {
                if i > 0 {
                    let step = try varint()
                    guard step > 0, sequence < TopicMessage.sequenceBound else {
                        throw .outOfBounds
                    }
                    sequence += step
                }
                guard sequence < TopicMessage.sequenceBound else { throw .outOfBounds }
                let post = TopicPostName(publisher: publisher, sequence: sequence)
                posts.append(TopicHave(post, hops: withHops ? try hops() : 0))
            }
        }
        return posts
    }
}

extension TopicDigest {
    /// A longer horizon is written as this one: 49 days.
    private static let horizonMax = Int64(UInt32.max)

    fileprivate init(from reader: inout ByteReader) throws(DecodingFailure) {
        let flags = try reader.flags(below: 4)
        (isAnswer, leavesOut) = (flags & 1 != 0, flags & 2 != 0)
        horizon = .milliseconds(Int64(try reader.u32()))
        states = []
        while !reader.isAtEnd {
            let publisher = try reader.peerID()
            if let last = states.last {
                guard last.publisher < publisher else { throw .notCanonical }
            }
            let base = try reader.u64()
            guard base <= TopicMessage.sequenceBound else { throw .outOfBounds }
            let span = try reader.varint(atMost: Self.spanMax)
            states.append(State(publisher: publisher, base: base, span: span))
        }
    }

    fileprivate func append(to out: inout [UInt8]) {
        precondition(states.count <= Self.statesMax)
        out.append((isAnswer ? 1 : 0) | (leavesOut ? 2 : 0))
        let milliseconds = max(horizon.nanoseconds, 0) / 1_000_000
        out.appendU32(UInt32(min(milliseconds, Self.horizonMax)))
        for state in states {
            out.appendBits256(state.publisher.key)
            out.appendU64(state.base)
            out.appendVarint(state.span)
        }
    }
}
